//! `setpoint plugin`.
#![doc = include_str!("../docs/plugin.md")]

mod build;
mod check;
mod inspect;
mod new;
mod shell;

use setpoint_guest_build::Language;
use setpoint_wasm::PluginHost;

use crate::check::Check;
use crate::cli::plugin::PluginCommand;
use crate::error::BadInput;

pub(crate) fn run(command: &PluginCommand) -> Result<Check, BadInput> {
    match command {
        PluginCommand::New(arguments) => new::run(arguments).map(|()| Check::Passed),
        PluginCommand::Build(arguments) => build::run(arguments).map(|()| Check::Passed),
        PluginCommand::Inspect(arguments) => inspect::run(arguments).map(|()| Check::Passed),
        PluginCommand::Check(arguments) => check::run(arguments),
    }
}

/// A host as policies get it.
fn host() -> Result<PluginHost, BadInput> {
    PluginHost::new().map_err(|error| BadInput::at("plugins", format_args!("none can run here: {error}")))
}

/// A language as `--lang` has it.
const fn language_name(language: Language) -> &'static str {
    match language {
        Language::Rust => "rust",
        Language::Python => "python",
        Language::JavaScript => "js",
        Language::Go => "go",
        Language::C => "c",
    }
}
