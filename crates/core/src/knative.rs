#![doc = include_str!("../docs/knative.md")]

mod algorithm;
mod cluster;
mod collector;
mod explain;
mod fact;
mod lifecycle;
mod resolve;
mod scale;
mod text;

pub use algorithm::{KnativeKpa, KnativeKpaConfig};
pub use cluster::ConfigMap;
pub use collector::{Collector, Windows};
pub use explain::About;
pub use fact::{Fact, PanicEvent};
pub use lifecycle::{Activity, Due, Lifecycle, Rules, Seen};
pub use resolve::{Reachability, Resolved, Revision, ScalingMetric, resolve};
pub use scale::{Autoscaler, Averages, Panic, Scaled, Spec};

/// The algorithm's name in policies, and the stage name of its reasons.
const NAME: &str = "knative-kpa";
