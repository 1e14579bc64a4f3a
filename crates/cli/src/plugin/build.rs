//! `setpoint plugin build`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::shell::quoted;
use crate::cli::plugin::BuildArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD, DIM};

/// What was built, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Made {
    file: String,
    bytes: usize,
    /// What the project calls itself.
    name: String,
    language: &'static str,
    /// The version of the contract that it exports.
    contract: String,
    /// What one would type now.
    next: Vec<String>,
    /// How a policy beside it names it.
    algorithm: String,
}

pub(crate) fn run(arguments: &BuildArguments) -> Result<(), BadInput> {
    let folder = &arguments.folder;
    let say = |line: &str| anstream::eprintln!("{}{line}{}", DIM.render(), DIM.render_reset());
    let built = setpoint_guest_build::build(folder, &say)?;
    let file = arguments.output.clone().unwrap_or_else(|| beside(folder, &format!("{}.wasm", built.name)));
    output::replace(&file, &built.component)?;
    let shown = file.display().to_string();
    let made = Made {
        bytes: built.component.len(),
        name: built.name,
        language: built.language.id(),
        contract: built.contract,
        next: vec![format!("setpoint plugin check {}", quoted(&shown))],
        algorithm: in_policy(&file, ""),
        file: shown,
    };
    if arguments.json { output::print_json(&made) } else { output::print(&made.render()) }
}

/// `name` in `folder`, without the point of the folder one is in.
fn beside(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") { name.into() } else { folder.join(name) }
}

/// How a policy in the same folder names the plugin in `file`.
pub(super) fn in_policy(file: &Path, config: &str) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // As JSON, which is YAML: most names need no quotes, and some do.
    let path = format!("./{name}");
    let plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it));
    let path = if plain { path } else { serde_json::Value::from(path).to_string() };
    format!("algorithm: {{ plugin: {path}{config} }}")
}

impl Made {
    fn render(&self) -> String {
        let (bold, reset) = (BOLD.render(), BOLD.render_reset());
        let Self { file, bytes, contract, next, algorithm, .. } = self;
        let next = next.join("\n  ");
        format!(
            "{bold}{file}{reset}: {bytes} bytes, for {contract}\n\nnext\n  {next}\n\nin a policy beside it\n  {algorithm}\n"
        )
    }
}
