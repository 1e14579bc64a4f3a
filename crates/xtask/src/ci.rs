//! What CI checks beyond `cargo test --workspace`, so that it can be had locally too.

use std::num::NonZeroU32;
use std::process::Command;

use setpoint_testkit::guests::{BUILT, BUILT_LANGUAGES, LANGUAGES, TOOLCHAINS, root};

use crate::{fuzz, guests, wit};

/// Seconds: that the targets build, run, and find nothing at once.
const FUZZED: NonZeroU32 = NonZeroU32::new(10).expect("not 0");

/// The command with all its parts, as it is released.
const FULL: &str = "setpoint-cli/full";

/// Every check, in the order of their cost.
pub(crate) fn run() -> anyhow::Result<()> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments);
        command
    };
    crate::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    crate::run(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", "guest-plugins/Cargo.toml"]))?;
    crate::run(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", "fuzz/Cargo.toml"]))?;
    crate::run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        FULL,
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    crate::run(
        cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--features", FULL, "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    wit::check()?;
    fuzz::run(FUZZED)?;
    // The tests that run guests once more, against components built from this tree. Of the whole workspace: for a
    // single package cargo would settle on other features, and build wasmtime anew.
    let built = guests::build()?;
    for language in LANGUAGES {
        guests::language::build(language)?;
    }
    crate::run(&mut cargo(&["test", "--locked", "--manifest-path", "guest-plugins/Cargo.toml"]))?;
    crate::run(
        cargo(&["test", "--locked", "--workspace", "--features", FULL, "--test", "it"])
            .env(BUILT_LANGUAGES, &built)
            .env(BUILT, built)
            .env(TOOLCHAINS, std::path::absolute(guests::workshops(&root()))?),
    )
}
