//! The `setpoint` command.

mod algorithms;
mod catalog;
mod check;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod convert;
#[cfg(feature = "cpa")]
mod cpa;
mod decide;
mod document;
mod error;
mod lines;
mod lint;
#[cfg(any(feature = "cluster", feature = "cpa", feature = "live", feature = "server"))]
mod live;
mod measured;
mod output;
mod plugin;
mod progress;
#[cfg(feature = "live")]
mod run;
mod schema;
#[cfg(feature = "server")]
mod serve;
mod simulate;
mod view;
#[cfg(any(feature = "cpa", feature = "server"))]
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::check::Check;
use crate::cli::{Cli, Command};
use crate::error::BadInput;

/// What was checked is not as it should be.
const CHECK_FAILED: u8 = 1;
/// Bad input, as clap has it for its own.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = cli.log_level();
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false).init();
    let done = match cli.command {
        Command::Simulate(arguments) => simulate::run(&arguments).map(|()| Check::Passed),
        Command::Decide(arguments) => decide::run(&arguments).map(|()| Check::Passed),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Algorithms(arguments) => algorithms::run(&arguments).map(|()| Check::Passed),
        Command::Plugin(command) => plugin::run(&command),
        #[cfg(feature = "cluster")]
        Command::Crd(arguments) => cluster::crd(&arguments).map(|()| Check::Passed),
        #[cfg(feature = "cluster")]
        Command::Controller(arguments) => cluster::controller(&arguments),
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(&arguments).map(|()| Check::Passed),
        #[cfg(feature = "live")]
        Command::Run(arguments) => run::run(&arguments).map(|()| Check::Passed),
        #[cfg(feature = "cpa")]
        Command::Cpa(cli::cpa::CpaCommand::Run(arguments)) => cpa::run(&arguments).map(|()| Check::Passed),
        Command::Schema(arguments) => schema::run(&arguments).map(|()| Check::Passed),
        Command::Completions { shell } => cli::completions(shell).map(|()| Check::Passed),
    };
    match done {
        Ok(Check::Passed) => ExitCode::SUCCESS,
        Ok(Check::Failed) => ExitCode::from(CHECK_FAILED),
        // Whoever read our output has seen enough.
        Err(BadInput::OutputClosed) => ExitCode::SUCCESS,
        Err(error) => {
            let (red, reset) = (output::RED.render(), output::RED.render_reset());
            anstream::eprintln!("{red}error:{reset} {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
