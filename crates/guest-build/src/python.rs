//! Python: componentize-py, which brings an interpreter along.

use std::process::{Command, Stdio};

use crate::component::needs_contract;
use crate::error::BuildError;
use crate::workshop::{Tool, Workshop};

const REMEDY: &str = "install Python 3.10 or newer, on Debian with `apt-get install python3 python3-venv`";
const INSTALLED: &str = ".venv/installed-requirements.txt";
/// Where the component is until it is whole: among what no repository takes up.
const UNFINISHED: &str = ".venv/component.wasm";

pub(crate) fn build(workshop: &Workshop<'_>) -> Result<(String, Vec<u8>), BuildError> {
    workshop.need(&Tool { program: "python3", version: "--version", remedy: REMEDY })?;
    needs_contract(workshop)?;
    let requirements = workshop.read("requirements.txt")?;
    let tools = workshop.path(".venv/bin");
    if !workshop.read(INSTALLED).is_ok_and(|before| before == requirements) {
        needs_venv()?;
        workshop.run(Command::new("python3").args(["-m", "venv", ".venv"]))?;
        let install = ["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
        workshop.run(Command::new(absolute(&tools.join("pip"))?).args(install))?;
        workshop.write(INSTALLED, &requirements)?;
    }
    workshop.run(
        Command::new(absolute(&tools.join("componentize-py"))?)
            .args(["--quiet", "--wit-path", "wit", "--world", "plugin"])
            .args(["componentize", "--stub-wasi", "algorithm", "--output", UNFINISHED]),
    )?;
    Ok((workshop.folder_name()?, workshop.take(UNFINISHED)?))
}

/// A program is looked for from the folder in which this process runs, not from the one in which it will run.
fn absolute(program: &std::path::Path) -> Result<std::path::PathBuf, BuildError> {
    std::path::absolute(program).map_err(|source| BuildError::File {
        path: program.to_owned(),
        action: "found",
        source,
    })
}

/// Debian has what makes environments in a package of its own.
fn needs_venv() -> Result<(), BuildError> {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if python.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(BuildError::MissingTool { what: "Python's venv".to_owned(), remedy: REMEDY.to_owned() })
}
