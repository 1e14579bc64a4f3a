//! Looks as traces, sent to an OpenTelemetry collector.

use std::env;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reqwest::Url;
use setpoint_runtime::in_one_line;
use setpoint_runtime::source::Fetch;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

const SERVICE: &str = "setpoint";
/// How long a collector may take for what it is sent at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for what isn't sent yet.
const FAREWELL: Duration = Duration::from_secs(2);

/// Traces on their way to a collector. A background thread sends them, so that no look waits for it.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The endpoint is no address.
    #[error("must be an address like http://collector:4318, got {given:?}")]
    Endpoint {
        /// What was given.
        given: String,
    },
    /// There is no client for it.
    #[error("no HTTP client can be made here")]
    Client(#[from] reqwest::Error),
    /// What the environment says of the exporter makes none.
    #[error("no exporter can be made of it")]
    Exporter(#[from] ExporterBuildError),
}

impl Traces {
    /// To the collector at `endpoint`, by OTLP: protobuf over HTTP, at its `/v1/traces`. The rest is as OpenTelemetry's
    /// environment variables say: sampler, resource, headers, batches. To be made outside of any asynchronous runtime.
    ///
    /// # Errors
    ///
    /// [`TracesError`].
    pub fn to(endpoint: &str) -> Result<Self, TracesError> {
        let wrong = || TracesError::Endpoint { given: endpoint.to_owned() };
        let mut address = Url::parse(endpoint).map_err(|_| wrong())?;
        if !matches!(address.scheme(), "http" | "https") {
            return Err(wrong());
        }
        address.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(["v1", "traces"]);
        let client = reqwest::blocking::ClientBuilder::from(Fetch::client()).timeout(PATIENCE).build()?;
        let exporter = Otlp::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address)
            .build()?;
        let exporter = Told { exporter, fails: AtomicBool::new(false) };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Self { provider })
    }

    /// What makes traces of spans: of this project's, and of what is logged within them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|about| {
                about.target().starts_with("setpoint") && (about.is_span() || *about.level() <= Level::INFO)
            }))
    }

    /// Sends what isn't sent yet, for two seconds at most.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(error = %in_one_line(&error), "the last traces were not sent");
        }
    }
}

/// Who sends: as the environment says, else by this project's name.
fn resource() -> Resource {
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = env::var_os("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || attributes.split(',').any(|attribute| attribute.trim_start().starts_with("service.name="));
    let builder = Resource::builder();
    if is_named { builder.build() } else { builder.with_service_name(SERVICE).build() }
}

/// An exporter that tells when it begins to fail, and when that has ended: once each.
struct Told<E> {
    exporter: E,
    fails: AtomicBool,
}

impl<E: fmt::Debug> fmt::Debug for Told<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exporter.fmt(f)
    }
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let exported = self.exporter.export(batch);
        async move {
            let exported = exported.await;
            let failed_before = self.fails.swap(exported.is_err(), Ordering::Relaxed);
            match &exported {
                Err(error) if !failed_before => {
                    tracing::warn!(error = %in_one_line(error), "traces can't be sent, and are lost until they can");
                }
                Ok(()) if failed_before => tracing::info!("traces are sent again"),
                _ => {}
            }
            exported
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
