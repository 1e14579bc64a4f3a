#![doc = include_str!("../docs/overview.md")]

mod claims;
mod condition;
mod connect;
mod controller;
mod crd;
mod handler;
mod lease;
mod pods;
mod policy;
mod source;
mod status;
mod store;
mod structural;

pub use connect::{ConnectError, connect};
pub use controller::{Controller, ControllerError};
pub use crd::{GROUP, KIND, VERSION, crd};
pub use handler::ScaleHandler;
pub use lease::{Lease, LeaseConfig};
pub use source::{PodAddress, PodAddresses};
pub use store::ConfigMapStore;
