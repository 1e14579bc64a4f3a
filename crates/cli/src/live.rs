//! What the commands have in common that go on until somebody ends them.

#[cfg(any(feature = "cluster", feature = "live"))]
mod plugins;
#[cfg(any(feature = "cluster", feature = "live"))]
mod telemetry;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) use self::plugins::follow;
#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) use self::telemetry::{PluginCounters, tell};
use crate::error::BadInput;

/// What they run on.
pub(crate) fn runtime() -> Result<Runtime, BadInput> {
    Runtime::new().map_err(|error| BadInput::at("threads", error))
}

/// An engine of what policies can name, which reads what Prometheus and HTTP endpoints say: `prometheus` where a metric
/// names no other.
#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) fn engine(
    registry: &setpoint::Registry,
    prometheus: Option<String>,
) -> Result<setpoint_runtime::EngineBuilder, BadInput> {
    use std::sync::Arc;

    use setpoint_runtime::source::{Fetch, HttpJson, Prometheus};

    let fetch = Fetch::new().map_err(|error| BadInput::at("HTTP", crate::error::chain(&error)))?;
    Ok(setpoint_runtime::Engine::builder()
        .registry(registry.clone())
        .source(Arc::new(Prometheus::new(fetch.clone(), prometheus)))
        .source(Arc::new(HttpJson::new(fetch))))
}

/// Ends with Ctrl-C or SIGTERM. They are waited for from now on.
pub(crate) fn terminated() -> Result<impl Future<Output = ()> + Send + use<>, BadInput> {
    let wait = |kind| signal(kind).map_err(|error| BadInput::at("signals", error));
    let (mut interrupt, mut terminate) = (wait(SignalKind::interrupt())?, wait(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
