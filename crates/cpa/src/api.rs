//! The REST API: `/api/v1/metrics` and `/api/v1/evaluation`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use reqwest::Url;
use serde::Serialize;
use setpoint::ReasonRecord;
use setpoint_runtime::in_one_line;
use tokio::sync::Semaphore;

use crate::autoscaler::{CustomPodAutoscaler, Cycle};
use crate::error::CycleError;
use crate::metrics::ResourceMetric;
use crate::wire::RunType;

/// How many requests wait for each other; more are refused.
const WAITING: usize = 16;

struct Api {
    autoscaler: CustomPodAutoscaler,
    waiting: Semaphore,
}

type Shared = State<Arc<Api>>;

/// An answer that is an error.
#[derive(Debug, Serialize)]
struct Problem {
    message: String,
    code: u16,
}

/// What an evaluation came to: the count in either spelling, and how it came about.
#[derive(Debug, Serialize)]
struct Evaluation {
    #[serde(rename = "targetReplicas")]
    target_replicas: u32,
    #[serde(rename = "target_replicas")]
    as_before: u32,
    #[serde(rename = "currentReplicas")]
    current: u32,
    /// What the evaluate program said.
    answer: i32,
    reasons: Vec<ReasonRecord>,
}

pub(crate) fn router(autoscaler: CustomPodAutoscaler) -> Router {
    Router::new()
        .route("/api/v1/metrics", get(metrics))
        .route("/api/v1/evaluation", post(evaluation))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .with_state(Arc::new(Api { autoscaler, waiting: Semaphore::new(WAITING) }))
}

async fn nothing_here(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("Resource '{}' not found", request.uri().path()))
}

async fn not_so(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("Method '{method}' not allowed on resource '{path}'"))
}

async fn metrics(State(api): Shared, RawQuery(query): RawQuery) -> Result<Json<Vec<ResourceMetric>>, Problem> {
    let run_type = run_type(query.as_deref())?;
    let autoscaler = api.autoscaler.clone();
    api.to_its_end(async move { autoscaler.metrics(run_type).await }).await.map(Json)
}

async fn evaluation(State(api): Shared, RawQuery(query): RawQuery) -> Result<Json<Evaluation>, Problem> {
    let run_type = run_type(query.as_deref())?;
    let autoscaler = api.autoscaler.clone();
    let cycle = api.to_its_end(async move { autoscaler.scale(run_type).await }).await?;
    let Cycle { answer, decision, reasons, .. } = cycle;
    let (desired, current) = (decision.desired, decision.current);
    Ok(Json(Evaluation { target_replicas: desired, as_before: desired, current, answer, reasons }))
}

impl Api {
    /// What `cycle` comes to. It goes on when whoever asked no longer listens: a change isn't left without its last hook.
    async fn to_its_end<T: Send + 'static>(
        &self,
        cycle: impl Future<Output = Result<T, CycleError>> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(_place) = self.waiting.try_acquire() else {
            let message = format!("{WAITING} requests wait for each other already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message));
        };
        let failed = |message| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message);
        match tokio::spawn(cycle).await {
            Ok(ended) => ended.map_err(|error| failed(in_one_line(&error))),
            Err(error) => Err(failed(format!("the cycle ended early: {error}"))),
        }
    }
}

/// Who asks, by `dry_run` in the query: a boolean as Go reads them. Empty is no.
fn run_type(query: Option<&str>) -> Result<RunType, Problem> {
    let bad = |message| Problem::new(StatusCode::BAD_REQUEST, message);
    let url = Url::parse(&format!("http://localhost/?{}", query.unwrap_or_default()));
    let url = url.map_err(|error| bad(format!("Invalid query: {error}")))?;
    let dry_run = url.query_pairs().find(|(name, _)| name == "dry_run").map(|(_, value)| value.into_owned());
    match dry_run.as_deref().unwrap_or_default() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(RunType::ApiDryRun),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(RunType::Api),
        other => {
            Err(bad(format!("Invalid format for 'dry_run' query parameter; '{other}' is not a valid boolean value")))
        }
    }
}

impl Problem {
    fn new(status: StatusCode, message: String) -> Self {
        Self { message, code: status.as_u16() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).expect("it was made of one");
        (status, Json(self)).into_response()
    }
}
