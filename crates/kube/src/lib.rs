#![doc = include_str!("../docs/overview.md")]

mod claims;
mod condition;
mod connect;
mod controller;
mod crd;
mod handler;
mod kind;
mod lease;
mod policy;
mod status;
mod store;
mod structural;
mod watched;

pub use connect::{ConnectError, connect};
pub use controller::{Controller, ControllerError};
pub use crd::{GROUP, KIND, VERSION, crd};
pub use handler::ScaleHandler;
pub use kind::Kind;
pub use lease::{Lease, LeaseConfig, LeaseConfigError};
pub use store::ConfigMapStore;
