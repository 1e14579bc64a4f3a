#![doc = include_str!("../docs/overview.md")]

mod http;
mod series;

pub use prometheus_client;

pub use self::http::{Probe, Probes, serve};
pub use self::series::Telemetry;
