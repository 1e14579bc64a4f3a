//! Where the series and the probes are served.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use setpoint_runtime::Engine;
use tokio::net::TcpListener;

use crate::series::Telemetry;

/// Says that all is well, or what isn't.
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the two probes ask.
#[derive(Clone)]
pub struct Probes {
    healthy: Probe,
    ready: Probe,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

impl Probes {
    /// How long a look may be overdue until the loop is taken to stand.
    pub const STALLED: Duration = Duration::from_secs(60);

    /// Healthy while no look of `engine` is overdue for [`STALLED`](Self::STALLED); ready as `ready` says.
    #[must_use]
    pub fn of(engine: Engine, ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        let healthy = move || {
            let overdue = engine.overdue();
            if overdue < Self::STALLED { Ok(()) } else { Err(format!("a look is overdue for {overdue:.0?}")) }
        };
        Self { healthy: Arc::new(healthy), ready: Arc::new(ready) }
    }
}

#[derive(Clone)]
struct Served {
    telemetry: Arc<Telemetry>,
    probes: Probes,
}

/// Answers at `/metrics`, `/healthz` and `/readyz`, until `shutdown`.
///
/// # Errors
///
/// As `axum::serve`: none once it listens.
pub async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    probes: Probes,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|State(served): State<Served>| async move { answer(&served.probes.healthy) }))
        .route("/readyz", get(|State(served): State<Served>| async move { answer(&served.probes.ready) }))
        .with_state(Served { telemetry, probes });
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn metrics(State(served): State<Served>) -> Response {
    match served.telemetry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn answer(probe: &Probe) -> Response {
    match probe() {
        Ok(()) => "ok\n".into_response(),
        Err(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
    }
}
