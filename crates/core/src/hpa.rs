//! Kubernetes' HorizontalPodAutoscaler, v2 as of 1.36, in parts that can be used apart.
//!
//! - [`Hpa`](crate::Hpa) is the algorithm: each metric's proposal, and the highest of them.
//! - [`Behavior`] is `behavior` as in a manifest; as a stage ([`Restrained`](crate::Restrained)) it goes around any
//!   algorithm, also a plugin.
//! - [`ControlLoop`] is what the controller does around both: conditions, status, histories.
//! - [`Manifest`] reads a manifest as it is.
//! - [`requests`] adds up what a pod requests.

mod algorithm;
mod behavior;
mod control_loop;
mod history;
pub(crate) mod instances;
mod manifest;
mod metrics;
pub mod requests;
pub(crate) mod restraint;
mod spec;
mod status;

pub use algorithm::{Hpa, HpaConfig};
pub use behavior::{Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
pub use control_loop::{ControlLoop, Finished, Plan, SelectorProblem};
pub use manifest::Manifest;
pub use metrics::{Failure, MetricStatus};
pub use spec::{MetricSpec, MetricTarget, Settings, Spec};
pub use status::{About, Condition, ConditionKind, ConditionReason, Status};

/// The algorithm's name in policies, and the stage name of its reasons.
const NAME: &str = "hpa";
