//! `setpoint plugin new`: a plugin's project, which builds as it is.

mod template;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use setpoint_guest_build::Language;

use self::template::Template;
use super::build::in_policy;
use super::shell::quoted;
use crate::cli::plugin::NewArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD};

/// What was made, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Made {
    folder: String,
    name: String,
    language: &'static str,
    /// Where the project has Setpoint's crate from, if it takes one: a folder, or else a registry.
    sdk: Option<String>,
    /// Relative to the folder.
    files: Vec<&'static str>,
    /// What one would type now.
    next: Vec<String>,
    /// How a policy beside the plugin names it.
    algorithm: String,
}

pub(crate) fn run(arguments: &NewArguments) -> Result<(), BadInput> {
    let NewArguments { name, lang, parent, .. } = arguments;
    let language = Language::from(*lang);
    let sdk = Sdk::of(language, arguments.sdk.as_deref())?;
    check_name(name, language)?;
    let folder = if parent == Path::new(".") { PathBuf::from(name) } else { parent.join(name) };
    let template = Template::of(language);
    let dependency = sdk.as_ref().map(Sdk::dependency).unwrap_or_default();
    write(parent, &folder, name, &template.files(name, &dependency))?;
    let component = format!("{name}.wasm");
    let made = Made {
        next: vec![
            format!("cd {}", quoted(&folder.display().to_string())),
            template.test.to_owned(),
            "setpoint plugin build".to_owned(),
            format!("setpoint plugin check {component}"),
        ],
        algorithm: in_policy(Path::new(&component), ", config: { headroom: 0.2 }"),
        folder: folder.display().to_string(),
        name: name.clone(),
        language: language.id(),
        sdk: sdk.as_ref().and_then(|sdk| sdk.path.clone()),
        files: template.paths(),
    };
    if arguments.json { output::print_json(&made) } else { output::print(&made.render(language, sdk.as_ref())) }
}

/// The most that a name may have: what hosts and registries take everywhere.
const LONGEST: usize = 63;

fn check_name(name: &str, language: Language) -> Result<(), BadInput> {
    let is_good = name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    if !is_good {
        let problem = format!("must be 1 to {LONGEST} of a-z, 0-9 and -, and begin with a letter, got {name:?}");
        return Err(BadInput::at("NAME", problem));
    }
    if template::is_reserved(name, language) {
        return Err(BadInput::at("NAME", format_args!("{name} means something else to {language}: choose another")));
    }
    Ok(())
}

/// The crate that a plugin in Rust is written with.
#[derive(Debug)]
struct Sdk {
    /// Its folder; or else it comes from a registry.
    path: Option<String>,
    /// Whether somebody asked for that folder.
    asked: bool,
}

impl Sdk {
    fn of(language: Language, asked: Option<&Path>) -> Result<Option<Self>, BadInput> {
        let wrong = |problem: &str| BadInput::at("--sdk", problem);
        match (language, asked) {
            (Language::Rust, Some(folder)) => {
                let path = Self::path(folder).ok_or_else(|| {
                    wrong(&format!("{} is not the folder of the crate setpoint-guest", folder.display()))
                })?;
                Ok(Some(Self { path: Some(path), asked: true }))
            }
            (Language::Rust, None) => {
                // Where this program was built, which may be another machine, or a checkout that is gone.
                let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest"));
                Ok(Some(Self { path: Self::path(checkout), asked: false }))
            }
            (_, Some(_)) => Err(wrong("is for plugins in Rust: the others bring all they take along")),
            (_, None) => Ok(None),
        }
    }

    /// Where the crate is, if it is in `folder`.
    fn path(folder: &Path) -> Option<String> {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let is_sdk = manifest.lines().any(|line| line.trim() == "name = \"setpoint-guest\"");
        let folder = folder.canonicalize().ok()?;
        is_sdk.then(|| folder.to_str().map(ToOwned::to_owned)).flatten()
    }

    /// As a manifest has it.
    fn dependency(&self) -> String {
        match &self.path {
            // A basic string of TOML is written as one of JSON.
            Some(path) => format!("{{ path = {} }}", serde_json::Value::from(path.as_str())),
            None => concat!("\"", env!("CARGO_PKG_VERSION"), "\"").to_owned(),
        }
    }
}

/// Makes `folder`, in `parent`, with `files` in it: all of them, or nothing.
fn write(parent: &Path, folder: &Path, name: &str, files: &[(&str, String)]) -> Result<(), BadInput> {
    if folder.symlink_metadata().is_ok() {
        return Err(BadInput::at(folder.display(), "exists already, and is left as it is"));
    }
    let staging = tempfile::Builder::new()
        .prefix(".setpoint-")
        .tempdir_in(parent)
        .map_err(|error| BadInput::file(parent, "written to", &error))?;
    // A folder within: the temporary one is its owner's alone, and this one is to be as any other.
    let whole = staging.path().join(name);
    let fill = || {
        for (path, text) in files {
            let file = whole.join(path);
            fs::create_dir_all(file.parent().expect("a file is in the project's folder"))?;
            fs::write(file, text)?;
        }
        fs::rename(&whole, folder)
    };
    fill().map_err(|error| BadInput::file(folder, "made", &error))
}

impl Made {
    fn render(&self, language: Language, sdk: Option<&Sdk>) -> String {
        let (bold, reset) = (BOLD.render(), BOLD.render_reset());
        let Self { folder, files, next, algorithm, .. } = self;
        let mut text = format!("{bold}{folder}{reset}: a plugin in {language}, {} files\n", files.len());
        match sdk {
            Some(Sdk { path: Some(path), asked: false }) => {
                text += &format!(
                    "    it takes setpoint-guest from {path}, where this setpoint was built; `--sdk` names another\n"
                );
            }
            Some(Sdk { path: Some(path), asked: true }) => {
                text += &format!("    it takes setpoint-guest from {path}\n")
            }
            Some(Sdk { path: None, .. }) => {
                text += concat!(
                    "    it takes setpoint-guest ",
                    env!("CARGO_PKG_VERSION"),
                    " from cargo's registry; `--sdk` names a folder\n"
                );
            }
            None => {}
        }
        text += &format!("\nnext\n  {}\n\nin a policy beside it\n  {algorithm}\n", next.join("\n  "));
        text
    }
}
