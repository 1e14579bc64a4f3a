//! JavaScript: componentize-js, which brings an engine along.

use std::fs;
use std::process::Command;

use super::language::{Tool, Workshop};
use crate::run;

pub(super) fn build(workshop: &Workshop) -> anyhow::Result<()> {
    let remedy = "install Node.js 20 or newer, with npm";
    Tool { program: "node", version: "--version", remedy }.check()?;
    Tool { program: "npm", version: "--version", remedy }.check()?;
    let folder = &workshop.folder;
    let lock = fs::read(folder.join("package-lock.json"))?;
    // Several hundred megabytes: only where the lock has changed.
    let installed = folder.join("node_modules/installed-lock.json");
    if !fs::read(&installed).is_ok_and(|before| before == lock) {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))?;
        fs::write(&installed, lock)?;
    }
    run(Command::new("npm").args(["run", "build"]).current_dir(folder))?;
    fs::copy(folder.join("capped-smooth-ratio-js.wasm"), &workshop.component)?;
    Ok(())
}
