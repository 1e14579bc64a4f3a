//! This workspace's own tools: `cargo xtask guests [--bless | --lang L]`, `cargo xtask wit`, `cargo xtask ci`,
//! `cargo xtask fuzz [SECONDS]`, `cargo xtask peers [ARGUMENTS]`, `cargo xtask kube-env`.

mod ci;
mod fuzz;
mod guests;
mod kube_env;
mod peers;
mod wit;

use std::process::{Command, ExitCode};

use anyhow::{Context as _, anyhow, bail};

const HELP: &str = "usage: cargo xtask COMMAND

  guests            build the guest plugins from source into target/guests
  guests --bless    and make them the prebuilt ones
  guests --lang L   build the guest in python, js, c or go into target/guests/L
  wit               whether a released contract with plugins has changed incompatibly
  ci                what CI checks after the tests: fmt, clippy, docs, wit, fuzz, guests and the tests that need them
  fuzz [SECONDS]    hold the behavior stage to its model on random runs, for 30 s or as long as said
  kube-env          build a Kubernetes control plane for the tests that need one, once, and print its folder
  peers [ARGUMENTS] what the same decision costs through a child process, gRPC and Extism; criterion gets ARGUMENTS";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["guests"] => guests::build().map(|_| ()),
        ["guests", "--bless"] => guests::bless(),
        ["guests", "--lang", language] => guests::language::build(language),
        ["wit"] => wit::check(),
        ["ci"] => ci::run(),
        ["kube-env"] => kube_env::run(),
        ["peers", ref arguments @ ..] => peers::run(arguments),
        ["fuzz"] => fuzz::run(fuzz::SECONDS),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(error) => Err(anyhow!("SECONDS must be a whole number above 0, got {seconds}: {error}")),
        },
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command to its end, and fails as it does.
fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("+ {}", format!("{command:?}").replace('"', ""));
    let status = command.status().with_context(|| format!("can't start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
