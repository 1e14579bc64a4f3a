#![doc = include_str!("../docs/overview.md")]

pub mod aibrix;
mod algorithm;
mod bounds;
#[doc = include_str!("../docs/choosing.md")]
pub mod choosing {}
mod capability;
pub mod combinator;
mod comparison;
mod config;
mod decision;
pub mod failure;
pub mod formula;
pub mod group;
mod handler;
pub mod hpa;
mod instance;
pub mod knative;
mod manager;
mod metric;
pub mod nomad;
mod observation;
mod policy;
mod proposal;
mod quantity;
mod registry;
mod rounding;
mod source;
mod stage;
mod state;
mod time;
pub mod timing;
mod trace;
mod units;
pub mod watermark;
pub mod window;

pub use algorithm::average_ratio::{AverageRatio, AverageRatioConfig};
pub use algorithm::capped_smooth_ratio::{CappedSmoothRatio, CappedSmoothRatioConfig};
pub use algorithm::max_ratio::{MaxRatio, MaxRatioConfig};
pub use algorithm::ratio::WhenMissing;
pub use algorithm::weighted_ratio::{WeightedRatio, WeightedRatioConfig};
pub use algorithm::{ScalingAlgorithm, algorithm_fn};
pub use bounds::{Bounds, BoundsError, MAX_REPLICAS};
pub use capability::{Capability, MetricNeed, Needs};
pub use combinator::{Combined, Member};
pub use config::{ConfigError, near_miss, parse_config, read_config};
pub use decision::{Decision, Outcome};
pub use failure::{
    Backoff, EvaluateError, FailureKind, FailureSpec, FailureTotals, FallbackSpec, Health, LastGoodSpec, QuarantineSpec,
};
pub use formula::{Formula, FormulaConfig};
pub use group::{Group, ScalingGroup};
pub use handler::memory::InMemoryHandler;
pub use handler::{BoxFuture, HandlerError, HandlerTaken, Handlers, Instance, ReplicaCount, ResourceHandler, Update};
pub use hpa::{Behavior, Hpa, HpaConfig};
pub use instance::{InstanceState, Phase, Readiness, Sample, Samples};
pub use manager::{AlgorithmManager, ReadingsMismatch, Reconfigured, WorkloadError, WorkloadId};
pub use metric::{Metric, MetricKind, Reading, Target};
pub use observation::{Action, Observation};
pub use policy::{
    AlgorithmSpec, HoldOutsideBounds, MemberSpec, Metadata, Pause, Policy, PolicySpec, StageSpec, TargetRef,
};
pub use proposal::{Need, Proposal};
pub use quantity::{Quantity, QuantityError};
pub use registry::{
    AlgorithmFactory, CombinatorFactory, Description, RegisterError, Registry, Setup, StageFactory, algorithm_factory,
    stage_factory,
};
pub use source::{
    CommandQuery, CustomQuery, DescribedObject, ExternalQuery, HttpQuery, LabelOperator, LabelRequirement,
    LabelSelector, MetricIdentifier, MetricSource, PodMetricPreset, PodScrape, PrometheusQuery, ResourceName,
    ResourceQuery,
};
pub use stage::activation::{Activation, ActivationConfig};
pub use stage::capped::{Capped, CappedConfig};
pub use stage::cooled::{Cooled, CooledConfig};
pub use stage::delayed::{Delayed, DelayedConfig};
pub use stage::remembered::{Remembered, RememberedConfig};
pub use stage::restrained::{LegacyBehaviorConfig, Restrained};
pub use stage::smoothed::{Smoothed, SmoothedConfig};
pub use stage::stabilized::{Stabilized, StabilizedConfig};
pub use stage::substituted::{Substituted, SubstitutedConfig, SubstitutedCount};
pub use state::{StateError, StateReader, write_time};
pub use time::{Span, Timestamp};
pub use trace::{
    DetailedReason, Direction, Effect, Hold, Judged, Lasting, Mark, Reason, ReasonRecord, Short, TextId, Trace,
};
pub use units::{Fraction, Positive, RangeError, SmoothingFactor, StepDown, StepUp, Tolerance, Tolerances, Weight};
pub use watermark::{Watermark, WatermarkConfig};
