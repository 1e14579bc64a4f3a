//! What a command that goes on tells of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use setpoint_runtime::Engine;
use setpoint_telemetry::prometheus_client::collector::Collector;
use setpoint_telemetry::prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use setpoint_telemetry::prometheus_client::metrics::MetricType;
use setpoint_telemetry::prometheus_client::metrics::counter::ConstCounter;
use setpoint_telemetry::{Probes, Telemetry, serve};
use setpoint_wasm::{Counters, LivePlugin};
use tokio::net::TcpListener;

use crate::error::BadInput;

/// Plugins by name, whose counters are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginCounters(Arc<Mutex<BTreeMap<String, LivePlugin>>>);

impl PluginCounters {
    pub(crate) fn add(&self, plugin: &LivePlugin) {
        let mut plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.insert(plugin.name().to_owned(), plugin.clone());
    }
}

/// A series, what it says, and the counter that it is.
type Told = (&'static str, &'static str, fn(&Counters) -> u64);

const TOLD: [Told; 5] = [
    ("plugin_calls", "Calls into a plugin", |counters| counters.calls),
    ("plugin_failures", "Calls that failed, whichever way", Counters::failures),
    ("plugin_deadlines", "Calls that were ended at their deadline", |counters| counters.deadlines),
    ("plugin_instances", "Instances that were made, one anew after each failure", |counters| counters.instances),
    ("plugin_log_lines_dropped", "Lines that a plugin logged beyond its limit", |counters| counters.log_lines_dropped),
];

impl Collector for PluginCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, help, counter) in TOLD {
            let mut described = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (name, plugin) in &*plugins {
                let labels = [("plugin", name.as_str())];
                let count = ConstCounter::new(counter(&plugin.counters()));
                count.encode(described.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Serves the series and probes of `engine` at `address`, until the process ends.
pub(crate) async fn tell(
    address: SocketAddr,
    telemetry: Arc<Telemetry>,
    engine: Engine,
    ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
) -> Result<(), BadInput> {
    let failed = |error| BadInput::at("--metrics-address", format!("{address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "metrics and probes are served");
    let served = serve(listener, telemetry, Probes::of(engine, ready), std::future::pending());
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "metrics and probes are not served any more");
        }
    });
    Ok(())
}
