//! Builds the guests that are not in Rust: the same plugin in each language, by the commands in its README.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use setpoint_testkit::guests::{hash_of, root};

use super::{c, go, js, output, python, target_folder};

/// The plugin that exists in each language.
pub(super) const NAME: &str = "capped-smooth-ratio";

/// Where one language's guest is built.
pub(super) struct Workshop {
    /// A copy of the guest's folder, with the contract in it, as a plugin's author has it.
    pub(super) folder: PathBuf,
    /// The component to be.
    pub(super) component: PathBuf,
}

/// A tool, and how to get it.
pub(super) struct Tool {
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    pub(super) remedy: &'static str,
}

/// Builds the guest in `language` into `target/guests/LANGUAGE/`, unless it is there and of the same sources.
pub(crate) fn build(language: &str) -> anyhow::Result<()> {
    let (how, recipe): (fn(&Workshop) -> anyhow::Result<()>, &str) = match language {
        "c" => (c::build, include_str!("c.rs")),
        "go" => (go::build, include_str!("go.rs")),
        "js" => (js::build, include_str!("js.rs")),
        "python" => (python::build, include_str!("python.rs")),
        _ => bail!("no guest in {language:?}; there is one in each of python, js, c, go"),
    };
    let (root, target) = (root(), target_folder(&root()));
    let sources = format!("guest-plugins/{language}/{NAME}");
    let guests = target.join("guests").join(language);
    let component = guests.join(format!("{NAME}.wasm"));
    let (stamp, made_of) = (guests.join("made-of"), format!("{}\n{recipe}", hash_of(&root, &[&sources, CONTRACT])?));
    if component.exists() && fs::read_to_string(&stamp).is_ok_and(|before| before == made_of) {
        eprintln!("{} is up to date", component.display());
        return Ok(());
    }
    let folder = target.join("guest-build").join(language);
    lay(&root.join(&sources), &folder)?;
    let contract = folder.join("wit/deps/scaling");
    fs::create_dir_all(&contract)?;
    fs::copy(root.join(CONTRACT), contract.join("scaling.wit"))?;
    fs::create_dir_all(&guests)?;
    how(&Workshop { folder, component: component.clone() })?;
    // Last: what failed half-way is built again.
    fs::write(&stamp, made_of)?;
    eprintln!("built {}", component.display());
    Ok(())
}

const CONTRACT: &str = "wit/0.2/scaling.wit";

/// Copies a folder's files over what is there: what tools have put beside them is kept, for it takes long to get.
fn lay(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            lay(&path, &copy)?;
        } else {
            fs::copy(&path, &copy)?;
        }
    }
    Ok(())
}

impl Tool {
    /// Says what to do where the tool is absent.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let version = output(Command::new(self.program).arg(self.version))
            .with_context(|| format!("{} is needed: {}", self.program, self.remedy))?;
        eprintln!("{}: {}", self.program, version.lines().next().unwrap_or_default());
        Ok(())
    }
}
