//! What the commands have in common that go on until somebody ends them.

#[cfg(any(feature = "cluster", feature = "live"))]
mod plugins;
#[cfg(any(feature = "cluster", feature = "live"))]
mod telemetry;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) use self::plugins::Followed;
#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) use self::telemetry::{PluginCounters, tell};
use crate::error::BadInput;

/// What they run on.
pub(crate) fn runtime() -> Result<Runtime, BadInput> {
    Runtime::new().map_err(|error| BadInput::at("threads", error))
}

/// An engine of what policies can name, which reads what Prometheus and HTTP endpoints say.
#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) fn engine(
    registry: &setpoint::Registry,
    arguments: &crate::cli::PrometheusArguments,
) -> Result<setpoint_runtime::EngineBuilder, BadInput> {
    use std::sync::Arc;

    use setpoint_runtime::source::{Fetch, HttpJson, Prometheus};

    let fetch = fetch()?;
    let server = prometheus(arguments, Fetch::TIMEOUT, Fetch::BYTES)?;
    Ok(setpoint_runtime::Engine::builder()
        .registry(registry.clone())
        .source(Arc::new(Prometheus::new(fetch.clone(), server)))
        .source(Arc::new(HttpJson::new(fetch))))
}

/// The Prometheus that is asked where a metric names none: for so long, and for so many bytes at most.
#[cfg(any(feature = "cluster", feature = "live"))]
pub(crate) fn prometheus(
    arguments: &crate::cli::PrometheusArguments,
    patience: std::time::Duration,
    bytes: usize,
) -> Result<Option<setpoint_runtime::source::PrometheusServer>, BadInput> {
    use setpoint_runtime::source::{Fetch, PrometheusServer};

    let Some(address) = &arguments.prometheus else { return Ok(None) };
    let mut server = PrometheusServer::new(address);
    if let Some(file) = &arguments.prometheus_token_file {
        server = server.with_token_file(file);
    }
    if let Some(file) = &arguments.prometheus_ca_file {
        let pem = std::fs::read(file).map_err(|error| BadInput::file(file, "read", &error))?;
        let fetch = Fetch::trusting(&pem, patience, bytes);
        server = server.with_fetch(fetch.map_err(|error| BadInput::at(file.display(), crate::error::chain(&error)))?);
    }
    Ok(Some(server))
}

/// What asks servers.
#[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
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
