//! What the commands have in common that go on until somebody ends them.

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

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

    use setpoint_runtime::source::{HttpJson, Prometheus};

    let fetch = fetch()?;
    Ok(setpoint_runtime::Engine::builder()
        .registry(registry.clone())
        .source(Arc::new(Prometheus::new(fetch.clone(), prometheus)))
        .source(Arc::new(HttpJson::new(fetch))))
}

/// What asks servers.
pub(crate) fn fetch() -> Result<setpoint_runtime::source::Fetch, BadInput> {
    setpoint_runtime::source::Fetch::new().map_err(|error| BadInput::at("HTTP", crate::error::chain(&error)))
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
