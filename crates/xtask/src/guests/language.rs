//! Builds the guests that are not in Rust: the same plugin in each language, by the commands in its README.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use setpoint_testkit::guests::{hash_of, root};

use super::{target_folder, workshops};

/// The plugin that exists in each language.
const NAME: &str = "capped-smooth-ratio";

/// Builds the guest in `language` into `target/guests/LANGUAGE/`, unless it is there and of the same sources.
pub(crate) fn build(language: &str) -> anyhow::Result<()> {
    let recipe: &[&str] = match language {
        "c" => &["crates/guest-build/src/c.rs", COMPONENT, LOCK],
        "go" => &["crates/guest-build/src/go.rs", COMPONENT, LOCK],
        "js" => &["crates/guest-build/src/js.rs"],
        "python" => &["crates/guest-build/src/python.rs"],
        _ => bail!("no guest in {language:?}; there is one in each of python, js, c, go"),
    };
    let (root, target) = (root(), target_folder(&root()));
    let project = format!("guest-plugins/{language}/{NAME}");
    let sources = sources(&root.join(&project))?;
    let guests = target.join("guests").join(language);
    let component = guests.join(format!("{NAME}.wasm"));
    let hashed = sources.iter().map(|file| format!("{project}/{}", file.display()));
    let hashed: Vec<String> =
        hashed.chain([CONTRACT.to_owned()]).chain(recipe.iter().map(ToString::to_string)).collect();
    let hashed: Vec<&str> = hashed.iter().map(String::as_str).collect();
    let (stamp, made_of) = (guests.join("made-of"), hash_of(&root, &hashed)?);
    if component.exists() && fs::read_to_string(&stamp).is_ok_and(|before| before == made_of) {
        eprintln!("{} is up to date", component.display());
        return Ok(());
    }
    let folder = workshops(&root).join(language);
    clear(&folder)?;
    for file in sources {
        copy(&root.join(&project).join(&file), &folder.join(&file))?;
    }
    copy(&root.join(CONTRACT), &folder.join("wit/deps/scaling/scaling.wit"))?;
    fs::create_dir_all(&guests)?;
    let built = setpoint_guest_build::build(&folder, &|line| eprintln!("{line}"))?;
    fs::write(&component, built.component)?;
    // Last: what failed half-way is built again.
    fs::write(&stamp, made_of)?;
    eprintln!("built {}", component.display());
    Ok(())
}

const CONTRACT: &str = "wit/0.2/scaling.wit";
/// What a component is made by, beside a language's own tools, where this program does the last steps.
const COMPONENT: &str = "crates/guest-build/src/component.rs";
const LOCK: &str = "Cargo.lock";

/// Tools that a build has put into a project's folder: long to get, and of no sources but their lists.
const TOOLS: [&str; 2] = [".venv", "node_modules"];
/// Folders that a build by hand leaves in a project, as its `.gitignore` says; the contract is laid anew in `deps`.
const PRODUCTS: [&str; 3] = ["__pycache__", "bindings", "deps"];

/// A project's own files, relative to its folder: neither tools nor products.
fn sources(project: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let listed = project.join(&folder);
        for entry in fs::read_dir(&listed).with_context(|| listed.display().to_string())? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let named = |names: &[&str]| names.iter().any(|name| entry.file_name() == *name);
            if entry.file_type()?.is_dir() {
                if !named(&TOOLS) && !named(&PRODUCTS) {
                    folders.push(path);
                }
            } else if path.extension().is_none_or(|extension| extension != "wasm") {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// Empties a workshop but for its tools: a source that is gone must not go on being compiled.
fn clear(workshop: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(workshop)?;
    for entry in fs::read_dir(workshop).with_context(|| workshop.display().to_string())? {
        let entry = entry?;
        if TOOLS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }
            .with_context(|| entry.path().display().to_string())?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
