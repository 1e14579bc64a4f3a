//! The API: paths, and what they do.

mod problem;
mod wire;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Json, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::{Map, Value};
use setpoint::{HandlerError, Handlers, TargetRef};
use setpoint_runtime::{Clock, Engine, in_one_line};
use tokio::time::Instant;

use self::problem::Problem;
use self::wire::{Autoscaler, Created, Deleted, History, List, Totals};
use crate::auth::Token;
use crate::database::{Database, Lease, New, Row, Sent};
use crate::ownership::{Deadlines, act};
use crate::progress::Progress;
use crate::request::{self, Wanted, word};
use crate::{page, readings};

/// The largest body, in bytes. A request is a few hundred.
const BODY: usize = 64 * 1024;

/// What requests need.
pub(crate) struct Api {
    pub(crate) database: Database,
    pub(crate) engine: Engine,
    pub(crate) handlers: Handlers,
    pub(crate) deadlines: Arc<Deadlines>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) holder: Arc<str>,
    pub(crate) token: Option<Token>,
    pub(crate) interval: Duration,
}

type Shared = State<Arc<Api>>;

/// All that is served, at most so many requests of the API a second.
pub(crate) fn router(api: Api, requests_per_second: NonZeroU32) -> Router {
    let api = Arc::new(api);
    let limiter: Arc<DefaultDirectRateLimiter> = Arc::new(RateLimiter::direct(Quota::per_second(requests_per_second)));
    let guarded = Router::new()
        .route("/autoscaling", get(list).post(create))
        .route("/autoscaling/metrics", get(totals))
        .route("/autoscaling/{id}", get(status).delete(delete))
        .route("/autoscaling/{id}/history", get(history))
        .route("/readings/{namespace}/{kind}/{name}", put(send))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(&api), authorize))
        .layer(from_fn_with_state(limiter, limit));
    Router::new()
        .nest("/api/v1", guarded)
        .route("/", get(page::page))
        .route("/openapi.json", get(page::openapi))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .with_state(api)
}

async fn limit(State(limiter): State<Arc<DefaultDirectRateLimiter>>, request: Request, next: Next) -> Response {
    match limiter.check() {
        Ok(()) => next.run(request).await,
        Err(_) => Problem::too_many().into_response(),
    }
}

async fn authorize(State(api): Shared, request: Request, next: Next) -> Response {
    match &api.token {
        Some(token) if !token.is_shown_in(request.headers()) => Problem::unauthorized().into_response(),
        _ => next.run(request).await,
    }
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "Not found", "there is nothing at this path; see /openapi.json")
}

async fn not_so() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "see /openapi.json")
}

async fn ready(State(api): Shared) -> Result<&'static str, Problem> {
    api.database.ping().await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready", format!("the database does not answer: {error}"))
    })?;
    Ok("ready\n")
}

/// Failures of what every request needs.
fn database(error: &sqlx::Error) -> Problem {
    tracing::error!(%error, "the database can't be used");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error", "the database can't be used")
}

async fn create(
    State(api): Shared,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let Json(body) = body?;
    let Wanted { name, target, .. } = request::read(&body, api.interval)?;
    let replicas = replicas(&api.handlers, &target).await?;
    let random = getrandom::u32().map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, problem::NOT_CREATED, format!("no random numbers: {error}"))
    })?;
    let id = format!("autoscaler-{random:08x}");
    let (created_at, progress) = (api.clock.now().as_millis(), Progress::created(replicas));
    let kept = serde_json::to_string(&progress).map_err(|error| database(&sqlx::Error::Encode(error.into())))?;
    let (workload, request, asked) = (word(&target), body.to_string(), Instant::now());
    let new = New { id: &id, workload: &workload, request: &request, created_at, progress: &kept, holder: &api.holder };
    if !api.database.create(new).await.map_err(|error| database(&error))? {
        let details = format!("there is an autoscaler of {workload} already; delete it first");
        return Err(Problem::new(StatusCode::CONFLICT, problem::NOT_CREATED, details));
    }
    api.deadlines.extend(&id, asked);
    let lease = Lease { holder: api.holder.to_string(), renewals: 1 };
    act(&api.engine, &Row { id: id.clone(), request, created_at, progress: kept, lease }, api.interval);
    Ok((StatusCode::CREATED, Json(Created::new(id, name, created_at, &progress))))
}

/// How many replicas the workload has.
async fn replicas(handlers: &Handlers, target: &TargetRef) -> Result<u32, Problem> {
    let count = match handlers.find(target) {
        Ok(handler) => handler.current_replicas(target).await,
        Err(error) => Err(error),
    };
    count.map(|count| count.asked).map_err(|error| {
        let why = match &error {
            // Here, too: to a client a kind without workloads has none of this name.
            HandlerError::NotFound { .. } | HandlerError::Unsupported { .. } => {
                format!("{} {:?} not found", target.kind.to_lowercase(), target.name)
            }
            other => in_one_line(other),
        };
        let details = format!("failed to get workload: {why}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, problem::NOT_CREATED, details)
    })
}

async fn find(api: &Api, id: &str) -> Result<Row, Problem> {
    api.database.get(id).await.map_err(|error| database(&error))?.ok_or_else(|| Problem::no_autoscaler(id))
}

async fn status(State(api): Shared, id: Result<Path<String>, PathRejection>) -> Result<Json<Autoscaler>, Problem> {
    let Path(id) = id?;
    Ok(Json(Autoscaler::of(&find(&api, &id).await?)?))
}

async fn history(State(api): Shared, id: Result<Path<String>, PathRejection>) -> Result<Json<History>, Problem> {
    let Path(id) = id?;
    Ok(Json(History::of(&find(&api, &id).await?)?))
}

async fn list(State(api): Shared) -> Result<Json<List>, Problem> {
    let rows = api.database.list().await.map_err(|error| database(&error))?;
    let autoscalers = rows.iter().map(Autoscaler::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(List { count: autoscalers.len(), autoscalers }))
}

async fn totals(State(api): Shared) -> Result<Json<Totals>, Problem> {
    let rows = api.database.list().await.map_err(|error| database(&error))?;
    Ok(Json(Totals::of(&rows)?))
}

async fn delete(State(api): Shared, id: Result<Path<String>, PathRejection>) -> Result<Json<Deleted>, Problem> {
    let Path(id) = id?;
    if !api.database.delete(&id).await.map_err(|error| database(&error))? {
        return Err(Problem::no_autoscaler(&id));
    }
    // Another instance that acts on it can't keep its next state, and so writes nothing more.
    api.deadlines.end(&id);
    let _elsewhere = api.engine.release(&id).await;
    Ok(Json(Deleted { message: "Autoscaler deleted successfully", autoscaler_id: id }))
}

async fn send(
    State(api): Shared,
    path: Result<Path<[String; 3]>, PathRejection>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path([namespace, kind, name]) = path?;
    let Json(body) = body?;
    let invalid = |details: String| Problem::new(StatusCode::BAD_REQUEST, problem::INVALID, details);
    if !["Deployment", "StatefulSet", "ReplicaSet"].contains(&kind.as_str()) {
        return Err(invalid(format!("a workload is a Deployment, StatefulSet or ReplicaSet, not {kind:?}")));
    }
    if let Some(wrong) = [&namespace, &name].into_iter().find(|text| !request::is_name(text)) {
        return Err(invalid(format!("{wrong:?} is no name")));
    }
    let target = TargetRef { api_version: "apps/v1".to_owned(), kind, name, namespace: Some(namespace) };
    let measured_at = api.clock.now().as_millis();
    let empty = Map::new();
    let fields = body.as_object().unwrap_or(&empty);
    if fields.is_empty() {
        return Err(invalid("an object of readings is needed: {\"cpu\": 75}".to_owned()));
    }
    let mut sent = Vec::new();
    for (metric, value) in fields {
        if !readings::METRICS.contains(&metric.as_str()) {
            return Err(invalid(format!("{metric:?} is none of {}", readings::METRICS.join(", "))));
        }
        let value = value.as_f64().filter(|value| value.is_finite() && *value >= 0.0);
        let value = value.ok_or_else(|| invalid(format!("{metric} must be a number of at least 0")))?;
        sent.push(Sent { workload: word(&target), metric: metric.clone(), value, measured_at });
    }
    for sent in &sent {
        api.database.send(sent).await.map_err(|error| database(&error))?;
    }
    Ok(StatusCode::NO_CONTENT)
}
