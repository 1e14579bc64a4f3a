//! From a plugin's project to a component, whatever its language.
//!
//! A project is a folder; which language it is in, its files say: [`Language::of`]. The tools are the language's own, as
//! whoever has the project would call them, and the last step from a core module to a component is made here where they
//! end before it. What a build puts into the folder on its way, the project's `.gitignore` names.
//!
//! ```no_run
//! use std::path::Path;
//! let built = setpoint_guest_build::build(Path::new("per-replica"), &|line| eprintln!("{line}"))?;
//! std::fs::write(format!("{}.wasm", built.name), &built.component)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod c;
mod component;
mod error;
mod go;
mod js;
mod language;
mod python;
mod rust;
mod workshop;

use std::path::Path;

pub use error::BuildError;
pub use language::Language;
pub use rust::{TARGET, cargo_for};

use workshop::Workshop;

/// A component, and what it was built from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Built {
    /// What the project calls itself: in its manifest, or else by its folder's name.
    pub name: String,
    /// The language it is in.
    pub language: Language,
    /// The version of the contract that the component exports: `setpoint:scaling@0.2.0`.
    pub contract: String,
    /// The component's bytes.
    pub component: Vec<u8>,
}

/// Builds the project in `folder`. `say` is told each command before it is run; whatever that prints goes to standard
/// error.
///
/// # Errors
///
/// [`BuildError`]: when the folder holds no project or two, when a tool is absent, with how to get it, when one fails,
/// and when what comes out is no plugin.
pub fn build(folder: &Path, say: &dyn Fn(&str)) -> Result<Built, BuildError> {
    let language = Language::of(folder)?;
    let workshop = Workshop { folder, say };
    let (name, component) = match language {
        Language::Rust => rust::build(&workshop)?,
        Language::Python => python::build(&workshop)?,
        Language::JavaScript => js::build(&workshop)?,
        Language::Go => go::build(&workshop)?,
        Language::C => c::build(&workshop)?,
    };
    let contract = component::contract_of(&component)?;
    Ok(Built { name, language, contract, component })
}
