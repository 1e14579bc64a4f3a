#![doc = include_str!("../docs/overview.md")]

mod http;
mod series;
mod traces;

pub use prometheus_client;

pub use self::http::{Probe, Probes, serve};
pub use self::series::Telemetry;
pub use self::traces::{Traces, TracesError};
