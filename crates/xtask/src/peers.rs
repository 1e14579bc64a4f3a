//! Measures what the same decision costs elsewhere: `benches/peers`, a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use setpoint_guest_build::cargo_for;
use setpoint_testkit::guests::root;

use crate::guests::target_folder;
use crate::run as run_command;

/// Extism runs core modules, and gives them nothing of WASI.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the Extism plug-in and runs the bench, with `arguments` for criterion.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let root = root();
    let (folder, target) = (root.join("benches/peers"), target_folder(&root).join("peers"));
    let guest = extism_guest(&folder, &target)?;
    run_command(
        Command::new("cargo")
            .current_dir(&folder)
            .args(["bench", "--locked", "--bench", "peers", "--"])
            .args(arguments)
            .env("CARGO_TARGET_DIR", target)
            .env("SETPOINT_EXTISM_GUEST", guest),
    )
}

fn extism_guest(folder: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    run_command(
        cargo_for(TARGET)?
            .current_dir(folder.join("extism-guest"))
            .args(["build", "--release", "--locked", "--target", TARGET])
            .env("CARGO_TARGET_DIR", target),
    )?;
    Ok(target.join(TARGET).join("release/setpoint_peers_extism_guest.wasm"))
}
