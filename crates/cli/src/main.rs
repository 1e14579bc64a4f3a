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
mod log;
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

use crate::check::Check;
use crate::cli::{Cli, Command};
use crate::error::BadInput;
use crate::log::Log;

/// What was checked is not as it should be.
const CHECK_FAILED: u8 = 1;
/// Bad input, as clap has it for its own.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    #[cfg(feature = "cluster")]
    if let Some(words) = cli::cluster::to_complete() {
        return ended(cluster::complete::run(&words).map(|()| Check::Passed));
    }
    let cli = Cli::read();
    let log = match Log::begin(&cli) {
        Ok(log) => log,
        Err(error) => return ended(Err(error)),
    };
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
        #[cfg(feature = "cluster")]
        Command::Cluster(command) => cluster::run(&command),
        #[cfg(feature = "server")]
        Command::Serve(arguments) => serve::run(&arguments).map(|()| Check::Passed),
        #[cfg(feature = "live")]
        Command::Run(arguments) => run::run(&arguments).map(|()| Check::Passed),
        #[cfg(feature = "cpa")]
        Command::Cpa(cli::cpa::CpaCommand::Run(arguments)) => cpa::run(&arguments).map(|()| Check::Passed),
        Command::Schema(arguments) => schema::run(&arguments).map(|()| Check::Passed),
        Command::Completions { shell } => cli::completions(shell).map(|()| Check::Passed),
    };
    log.end();
    ended(done)
}

/// The exit code of what was done; why it wasn't is told.
fn ended(done: Result<Check, BadInput>) -> ExitCode {
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
