#![doc = include_str!("../docs/overview.md")]
#![cfg(unix)]

mod answer;
mod api;
mod autoscaler;
mod config;
mod environment;
mod error;
mod evaluate;
mod hooks;
mod judge;
mod kubernetes;
mod method;
mod metrics;
mod serve;
mod wire;

pub use autoscaler::{CustomPodAutoscaler, Cycle, Listener, Setup};
pub use config::{
    ApiConfig, Config, Hook, HttpCall, KubernetesMetricSpec, KubernetesMetrics, Method, MethodCall, ParameterMode,
    RunMode, ShellCall,
};
pub use environment::{Overridden, with_environment};
pub use error::{CycleError, SetupError};
pub use method::{MethodError, ProgramLimits};
pub use metrics::ResourceMetric;
pub use serve::{ServeError, Served};
pub use wire::RunType;
