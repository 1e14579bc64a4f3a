//! The contract of whatever has replicas.

mod handlers;
pub(crate) mod memory;

use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};

use crate::instance::{InstanceState, Phase, Readiness};
use crate::policy::TargetRef;
use crate::time::Timestamp;

pub use self::handlers::{HandlerTaken, Handlers};

/// A future that a trait object can return; no runtime is implied.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads and writes the replicas of a kind of workload.
pub trait ResourceHandler: Send + Sync {
    /// Whether this handler is for `target`. Compares API version and kind, and asks nobody.
    fn supports(&self, target: &TargetRef) -> bool;

    /// How many replicas are asked for now, and how many there are.
    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>>;

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

    /// The instances themselves as JSON, for those who pass them on.
    ///
    /// The default is for handlers that know no more of one than [`instances`](Self::instances) tells.
    fn describe_instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Value>, HandlerError>> {
        Box::pin(async move {
            let instances = self.instances(target).await?;
            Ok(instances.iter().map(|instance| instance.describe(target.namespace.as_deref())).collect())
        })
    }
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

/// A resource's two counts, in Kubernetes' words `spec.replicas` and `status.replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaCount {
    /// How many are asked for.
    pub asked: u32,
    /// How many there are, in whatever state. None where the resource doesn't say: then its instances are counted.
    pub existing: Option<u32>,
}

impl ReplicaCount {
    /// `asked`, of a resource that doesn't say how many there are.
    #[must_use]
    pub const fn asked(asked: u32) -> Self {
        Self { asked, existing: None }
    }

    /// The same with `existing` replicas there.
    #[must_use]
    pub const fn with_existing(mut self, existing: Option<u32>) -> Self {
        self.existing = existing;
        self
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Where it is in its life, whether it serves, and since when.
    pub state: InstanceState,
}

impl Instance {
    /// An instance called `name` that runs, and has long been ready or not.
    #[must_use]
    pub fn new(name: impl Into<String>, ready: bool) -> Self {
        let readiness = if ready { Readiness::Ready } else { Readiness::NotReady };
        Self::in_state(name, InstanceState::new(Phase::Running, readiness, Timestamp::from_millis(0)))
    }

    /// An instance called `name` in `state`.
    #[must_use]
    pub fn in_state(name: impl Into<String>, state: InstanceState) -> Self {
        Self { name: name.into(), state }
    }

    /// Whether it serves.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.state.serves()
    }

    /// What is known of it, in the words of a pod.
    fn describe(&self, namespace: Option<&str>) -> Value {
        let ready = match self.state.readiness {
            Readiness::Ready => Some("True"),
            Readiness::NotReady => Some("False"),
            Readiness::Unknown => Some("Unknown"),
            Readiness::Unreported => None,
        };
        let mut metadata = json!({ "name": self.name });
        if let Some(namespace) = namespace {
            metadata["namespace"] = namespace.into();
        }
        let conditions: Vec<Value> =
            ready.map(|status| json!({ "type": "Ready", "status": status })).into_iter().collect();
        json!({
            "metadata": metadata,
            "status": { "phase": self.state.phase.name(), "conditions": conditions },
        })
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
