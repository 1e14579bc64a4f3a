#![doc = include_str!("../docs/overview.md")]

mod builder;
mod cache;
mod cell;
mod cells;
mod compile;
mod contract;
mod counters;
mod error;
mod fleet;
mod host;
mod instance;
mod limits;
mod plugin;
mod reload;
mod sandbox;
mod seat;
mod watchdog;

pub use builder::PluginHostBuilder;
pub use cache::{BadEntry, CacheCounters, CacheUse};
pub use contract::CONTRACTS;
pub use counters::Counters;
pub use error::LoadError;
pub use fleet::{Fleet, LooksMismatch};
pub use host::{Mode, PluginHost};
pub use plugin::Plugin;
pub use reload::{Edition, LivePlugin, PluginFolder, RefusedFile, ReloadEvent, ReplaceError, Replacement, Watch};
