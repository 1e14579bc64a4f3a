#![doc = include_str!("../docs/watermark.md")]

mod algorithm;
mod config;
mod decide;
mod fact;
mod limits;
mod pods;
mod reconciler;
mod replicas;
mod spec;
mod status;
mod windows;

pub use algorithm::Watermark;
pub use config::{RecommenderMetrics, WatermarkConfig, Watermarks};
pub use fact::Fact;
pub use limits::Limit;
pub use pods::Failure;
pub use reconciler::{Plan, Reconciler};
pub use replicas::{Convergence, Position};
pub use spec::{Algorithm, Mark, MetricSpec, RecommenderReadings, Rules, Source, Spec};
pub use status::{Condition, ConditionKind, ConditionReason, Status};

/// The algorithm's name in policies, and the stage name of its reasons.
const NAME: &str = "watermark";
