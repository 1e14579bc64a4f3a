//! Knative.

mod cluster;
mod collector;
mod resolve;
mod scale;
mod text;

pub use cluster::ConfigMap;
pub use collector::{Collector, Windows};
pub use resolve::{Reachability, Resolved, Revision, ScalingMetric, resolve};
pub use scale::{Autoscaler, Averages, Panic, Scaled, Spec};
