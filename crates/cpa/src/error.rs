//! Why there is no autoscaler, and why a cycle of one ended early.

use setpoint::{ConfigError, HandlerError, TargetRef};

use crate::answer::AnswerError;
use crate::config::Hook;
use crate::method::MethodError;

/// Why an autoscaler can't be made of a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A method that can't be called: a bad address, a file that can't be read.
    #[error("{field}: {problem}")]
    Method {
        /// The field, from the configuration's root.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The policy that was made of the configuration can't be run.
    #[error(transparent)]
    Policy(#[from] ConfigError),
}

/// Why a cycle ended early, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CycleError {
    /// The resource, its count or its pods can't be had.
    #[error("the resource can't be read")]
    Resource(#[source] HandlerError),
    /// Whoever has the resource takes too long.
    #[error("{action} {target} took more than {limit:?}")]
    Late {
        /// What was tried.
        action: &'static str,
        /// Of what.
        target: Box<TargetRef>,
        /// How long it may take.
        limit: std::time::Duration,
    },
    /// A metric of Kubernetes that is required can't be had.
    #[error("no Kubernetes metric {metric}: {problem}")]
    KubernetesMetric {
        /// Its name.
        metric: String,
        /// Why.
        problem: String,
    },
    /// There is no metric of the resource, or of one of its pods: then there is none at all, for a program that counts
    /// metrics would count wrong.
    #[error("no metric of {of}")]
    Metric {
        /// The resource's name, or the pod's.
        of: String,
        /// Why.
        source: MethodError,
    },
    /// The metrics are not evaluated.
    #[error("no evaluation")]
    Evaluate(#[source] MethodError),
    /// What the evaluate program said is no evaluation.
    #[error("the evaluate program's answer can't be used: {source}; it said {said:?}")]
    Answer {
        /// The beginning of what it said.
        said: String,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// A hook failed. What it stands before was not done; what it stands after was.
    #[error("the {hook} hook failed{}", after(*written))]
    Hook {
        /// Which one.
        hook: Hook,
        /// The change that was already made: the counts before and after.
        written: Option<(u32, u32)>,
        /// Why.
        source: MethodError,
    },
    /// The count was not written.
    #[error("{desired} replicas can't be asked for")]
    Scale {
        /// How many.
        desired: u32,
        /// Why.
        source: HandlerError,
    },
}

fn after(written: Option<(u32, u32)>) -> String {
    written.map(|(from, to)| format!(", after the count went from {from} to {to}")).unwrap_or_default()
}
