//! The `setpoint` command.

mod algorithms;
mod catalog;
mod cli;
mod decide;
mod document;
mod error;
mod output;
mod progress;
mod schema;
mod simulate;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::error::BadInput;

/// Bad input, as clap has it for its own.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = if cli.verbose { tracing::Level::DEBUG } else { tracing::Level::ERROR };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false).init();
    let done = match cli.command {
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Decide(arguments) => decide::run(&arguments),
        Command::Algorithms(arguments) => algorithms::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions { shell } => cli::completions(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(BadInput::OutputClosed) => ExitCode::SUCCESS,
        Err(error) => {
            let (red, reset) = (output::RED.render(), output::RED.render_reset());
            anstream::eprintln!("{red}error:{reset} {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
