#![doc = include_str!("../docs/overview.md")]

mod error;
mod host;
mod instance;
mod limits;
mod plugin;
mod sandbox;
mod watchdog;

/// Generated from `wit/scaling.wit`.
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

pub use error::LoadError;
pub use host::{Host, HostConfig, Instances};
pub use limits::Limits;
pub use plugin::Plugin;

/// The package and version of the contract this host speaks.
pub const CONTRACT: &str = "setpoint:scaling@0.1.0";
