//! The contract of whatever has replicas.

pub(crate) mod memory;

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

use crate::policy::TargetRef;
use crate::time::Timestamp;

/// A future that a trait object can return; no runtime is implied.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads and writes the replicas of a kind of workload.
pub trait ResourceHandler: Send + Sync {
    /// Whether this handler is for `target`. Compares API version and kind, and asks nobody.
    fn supports(&self, target: &TargetRef) -> bool;

    /// How many replicas are asked for now.
    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<u32, HandlerError>>;

    /// Asks for `desired` replicas, and tells how that ended.
    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>>;

    /// The instances there are, in any state.
    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>>;

    /// The resource itself as JSON, for those who pass it on.
    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>>;
}

const _: Option<&dyn ResourceHandler> = None;

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// The count was already as desired, and nothing was written.
    Unchanged,
    /// The count was written.
    Written {
        /// The count before.
        from: u32,
        /// The count now asked for.
        to: u32,
    },
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it serves.
    pub ready: bool,
    /// When it started, where that is known.
    pub started: Option<Timestamp>,
}

impl Instance {
    /// An instance called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, ready: bool) -> Self {
        Self { name: name.into(), ready, started: None }
    }
}

/// Why a resource could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// This handler is not for such targets.
    #[error("no handler for {target}")]
    Unsupported {
        /// The target.
        target: Box<TargetRef>,
    },
    /// There is no such resource.
    #[error("{target} does not exist")]
    NotFound {
        /// The target.
        target: Box<TargetRef>,
    },
    /// The resource's owner refused or did not answer.
    #[error("{action} {target} failed")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The target.
        target: Box<TargetRef>,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
