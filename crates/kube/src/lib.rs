#![doc = include_str!("../docs/overview.md")]

mod claims;
mod condition;
mod connect;
mod controller;
mod crd;
mod handler;
mod inquiry;
mod kind;
mod lease;
mod overlaps;
mod pods;
mod policy;
mod source;
mod status;
mod store;
mod structural;
mod watched;

pub use connect::{ConnectError, connect, connect_in};
pub use controller::{Algorithms, Controller, ControllerError};
pub use crd::{GROUP, KIND, VERSION, crd};
pub use handler::ScaleHandler;
pub use inquiry::{Claimant, InquiryError, PolicyFound, inquire, policy_names};
pub use kind::Kind;
/// What everything here is done through.
pub use kube::Client;
pub use lease::{Lease, LeaseConfig, LeaseConfigError};
pub use source::{PodAddress, PodAddresses};
pub use store::ConfigMapStore;
