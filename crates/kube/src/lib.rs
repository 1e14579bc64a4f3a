#![doc = include_str!("../docs/overview.md")]

mod claims;
mod condition;
mod connect;
mod controller;
mod crd;
mod handler;
mod lease;
mod policy;
mod status;
mod store;
mod structural;

pub use connect::{ConnectError, connect};
pub use controller::{Controller, ControllerError};
pub use crd::{GROUP, KIND, VERSION, crd};
pub use handler::ScaleHandler;
/// What everything here is done through.
pub use kube::Client;
pub use lease::{Lease, LeaseConfig, LeaseConfigError};
pub use store::ConfigMapStore;
