//! `setpoint serve`.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use setpoint::{Handlers, InMemoryHandler, ResourceHandler};
use setpoint_runtime::Source;
use setpoint_runtime::source::{Prometheus, PrometheusServer};
use setpoint_server::{Queries, Server, Settings, Token, Webhook};

use crate::cli::ServeArguments;
use crate::error::{BadInput, chain};
use crate::live::{self, terminated};
use crate::workload::Workload;

/// Where a token can be, so that it is in no list of processes.
const VARIABLE: &str = "SETPOINT_TOKEN";
/// Where the secret of webhooks can be, for the same reason.
const WEBHOOK_VARIABLE: &str = "SETPOINT_WEBHOOK_SECRET";

pub(crate) fn run(arguments: &ServeArguments) -> Result<(), BadInput> {
    let mut settings = Settings::default();
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    settings.database.clone_from(&arguments.database);
    settings.token = token(arguments)?;
    settings.interval = arguments.interval.into();
    settings.lease = arguments.lease.into();
    settings.requests_per_second =
        NonZeroU32::new(arguments.rate).ok_or_else(|| BadInput::at("--rate", "must be at least 1"))?;
    settings.webhooks = webhooks(arguments)?;
    let sources = sources(arguments)?;
    live::runtime()?.block_on(async {
        let ended = terminated()?;
        let handlers = Handlers::new().with_fallback(workloads(arguments).await?);
        serve(settings, handlers, sources, ended).await.map_err(|error| BadInput::at("serve", chain(&error)))
    })
}

async fn serve(
    settings: Settings,
    handlers: Handlers,
    sources: Vec<Arc<dyn Source>>,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), setpoint_server::ServeError> {
    let server = Server::start(settings, handlers, sources).await?;
    anstream::eprintln!("listening on http://{}", server.address()?);
    server.run(ended).await
}

/// Where workloads are: a cluster, or this process' memory.
async fn workloads(arguments: &ServeArguments) -> Result<Arc<dyn ResourceHandler>, BadInput> {
    #[cfg(feature = "cluster")]
    if arguments.cluster {
        let client = crate::cluster::client(arguments.kubeconfig.as_deref(), None).await?;
        return Ok(Arc::new(setpoint_kube::ScaleHandler::new(client)));
    }
    let workloads = arguments.workload.iter().map(|Workload { target, replicas }| (target.clone(), *replicas));
    Ok(Arc::new(InMemoryHandler::new(workloads)))
}

fn sources(arguments: &ServeArguments) -> Result<Vec<Arc<dyn Source>>, BadInput> {
    let Some(server) = &arguments.prometheus else { return Ok(Vec::new()) };
    let mut queries = Queries::default();
    for MetricQuery { metric, query } in &arguments.query {
        queries = queries.with(metric, query).map_err(|error| BadInput::at("--query", error))?;
    }
    Ok(vec![Arc::new(queries.asked_of(Prometheus::new(live::fetch()?, Some(PrometheusServer::new(server)))))])
}

fn webhooks(arguments: &ServeArguments) -> Result<Vec<Webhook>, BadInput> {
    let secret = secret(arguments.webhook_secret_file.as_deref(), WEBHOOK_VARIABLE)?;
    let webhook = |url: &String| {
        let webhook = Webhook::new(url).map_err(|error| BadInput::at("--webhook", error))?;
        match &secret {
            Some(Secret { place, text }) => webhook.signed(text.trim()).map_err(|error| BadInput::at(place, error)),
            None => Ok(webhook),
        }
    };
    arguments.webhook.iter().map(webhook).collect()
}

fn token(arguments: &ServeArguments) -> Result<Option<Token>, BadInput> {
    let secret = secret(arguments.token_file.as_deref(), VARIABLE)?;
    let token = |Secret { place, text }| Token::new(&text).map_err(|error| BadInput::at(place, error));
    secret.map(token).transpose()
}

/// What nobody else is to know, and where it was found.
struct Secret {
    place: String,
    text: String,
}

/// That in `file`, else that in `variable`.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<Secret>, BadInput> {
    let (place, text) = match (file, std::env::var(variable)) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).map_err(|error| BadInput::file(path, "read", &error))?;
            (path.display().to_string(), text)
        }
        (None, Ok(text)) => (variable.to_owned(), text),
        (None, Err(std::env::VarError::NotPresent)) => return Ok(None),
        (None, Err(error)) => return Err(BadInput::at(variable, error)),
    };
    Ok(Some(Secret { place, text }))
}

/// A metric, and what Prometheus is asked for it.
#[derive(Clone, Debug)]
pub(crate) struct MetricQuery {
    metric: String,
    query: String,
}

impl std::str::FromStr for MetricQuery {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (metric, query) = text.split_once('=').ok_or("a query is written METRIC=QUERY: gpu=avg(gpu_busy)")?;
        Ok(Self { metric: metric.to_owned(), query: query.to_owned() })
    }
}
