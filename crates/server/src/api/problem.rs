//! What went wrong, as the guide has it.

use axum::extract::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use setpoint::ConfigError;

pub(super) const INVALID: &str = "Validation failed";
pub(super) const NOT_CREATED: &str = "Failed to create autoscaler";

/// An answer that is an error: `{"error", "details"}`.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: &'static str,
    details: String,
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    details: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: &'static str, details: impl Into<String>) -> Self {
        Self { status, error, details: details.into() }
    }

    pub(super) fn no_autoscaler(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Autoscaler not found", format!("autoscaler {id} not found"))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "a header `Authorization: Bearer <token>` is required")
    }

    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", "try again in a second")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error, details } = self;
        let mut response = (status, Json(Body { error, details })).into_response();
        let more = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        response.headers_mut().extend(more.map(|(name, value)| (name, header::HeaderValue::from_static(value))));
        response
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        let ConfigError { path, message, .. } = error;
        // The guide's own messages name the field.
        let field = path.rsplit('.').next().unwrap_or_default();
        let details = if message.contains(field) { message } else { format!("{path}: {message}") };
        Self::new(StatusCode::BAD_REQUEST, INVALID, details)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        // One that is JSON and not what is wanted doesn't occur: any JSON is taken, and checked later.
        Self::new(rejection.status(), INVALID, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), INVALID, rejection.body_text())
    }
}
