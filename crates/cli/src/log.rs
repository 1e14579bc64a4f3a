//! What is said while a command works: a log on standard error, and traces for a collector where one is named.

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::{Cli, LogFormat};
use crate::error::BadInput;

/// What is to be ended before the process is.
pub(crate) struct Log {
    #[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
    traces: Option<setpoint_telemetry::Traces>,
}

impl Log {
    /// From now on it is written, in one way for the whole process.
    pub(crate) fn begin(cli: &Cli) -> Result<Self, BadInput> {
        let lines = lines(cli.log_level(), cli.log_format);
        #[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
        if let Some(endpoint) = cli.otlp_endpoint() {
            let traces = setpoint_telemetry::Traces::to(endpoint);
            let traces = traces.map_err(|error| BadInput::at("--otlp-endpoint", crate::error::chain(&error)))?;
            Registry::default().with(lines).with(traces.layer()).init();
            return Ok(Self { traces: Some(traces) });
        }
        Registry::default().with(lines).init();
        Ok(Self {
            #[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
            traces: None,
        })
    }

    /// Sends what isn't sent yet.
    pub(crate) fn end(self) {
        #[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}

/// Spans are in no line: they are for traces.
fn lines(level: Level, format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let level = LevelFilter::from_level(level);
    match format {
        LogFormat::Text => lines.with_filter(level).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(level).boxed()
        }
    }
}
