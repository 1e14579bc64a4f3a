//! `setpoint plugin`.
#![doc = include_str!("../docs/plugin.md")]

mod check;
mod inspect;

use setpoint_wasm::PluginHost;

use crate::check::Check;
use crate::cli::plugin::PluginCommand;
use crate::error::BadInput;

pub(crate) fn run(command: &PluginCommand) -> Result<Check, BadInput> {
    match command {
        PluginCommand::Inspect(arguments) => inspect::run(arguments).map(|()| Check::Passed),
        PluginCommand::Check(arguments) => check::run(arguments),
    }
}

/// A host as policies get it.
fn host() -> Result<PluginHost, BadInput> {
    PluginHost::new().map_err(|error| BadInput::at("plugins", format_args!("none can run here: {error}")))
}
