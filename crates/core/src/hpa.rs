#![doc = include_str!("../docs/hpa.md")]

mod algorithm;
mod behavior;
mod control_loop;
mod history;
pub(crate) mod instances;
mod manifest;
pub(crate) mod metrics;
pub mod requests;
pub(crate) mod restraint;
pub(crate) mod spec;
mod status;

pub use algorithm::{Hpa, HpaConfig};
pub use behavior::{Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
pub use control_loop::{ControlLoop, Finished, Plan, SelectorProblem};
pub use instances::{InstanceGroup, StartRules, instance_group};
pub use manifest::Manifest;
pub use metrics::{Failure, MetricStatus};
pub use spec::{MetricSpec, MetricTarget, Settings, Spec};
pub use status::{About, Condition, ConditionKind, ConditionReason, Event, RescaleReason, Status};

/// The algorithm's name in policies, and the stage name of its reasons.
const NAME: &str = "hpa";
