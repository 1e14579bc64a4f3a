//! Python: componentize-py, which brings an interpreter along.

use std::fs;
use std::process::Command;

use super::language::{Tool, Workshop};
use crate::run;

pub(super) fn build(workshop: &Workshop) -> anyhow::Result<()> {
    let remedy = "install Python 3.10 or newer, on Debian with `apt-get install python3 python3-venv`";
    Tool { program: "python3", version: "--version", remedy }.check()?;
    let folder = &workshop.folder;
    let requirements = fs::read(folder.join("requirements.txt"))?;
    let tools = folder.join(".venv");
    let installed = tools.join("installed-requirements.txt");
    if !fs::read(&installed).is_ok_and(|before| before == requirements) {
        run(Command::new("python3").args(["-m", "venv", ".venv"]).current_dir(folder))?;
        run(Command::new(tools.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"])
            .current_dir(folder))?;
        fs::write(&installed, requirements)?;
    }
    run(Command::new(tools.join("bin/componentize-py"))
        .args(["--quiet", "--wit-path", "wit", "--world", "plugin"])
        .args(["componentize", "--stub-wasi", "algorithm", "--output", "capped-smooth-ratio-python.wasm"])
        .current_dir(folder))?;
    fs::copy(folder.join("capped-smooth-ratio-python.wasm"), &workshop.component)?;
    Ok(())
}
