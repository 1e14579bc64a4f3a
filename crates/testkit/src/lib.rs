//! What this workspace's tests share. Unpublished.

pub mod allocations;
pub mod behavior_cases;
pub mod behavior_model;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod guests;
pub mod hostile;
#[cfg(feature = "http")]
pub mod http;
pub mod laws;
pub mod looks;
#[cfg(feature = "cluster")]
pub mod metrics_apis;
#[cfg(feature = "cluster")]
mod program;
#[cfg(feature = "cluster")]
pub mod prometheus;
pub mod required;
