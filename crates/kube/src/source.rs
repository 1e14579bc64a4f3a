//! What reads metrics from a cluster: its metrics APIs, and its pods themselves.

mod api;
mod custom;
mod exposition;
mod external;
mod pods;
mod rates;
mod resource;

use std::sync::Arc;
use std::time::Duration;

use setpoint::{Instance, TargetRef};
use setpoint_runtime::source::{Fetch, FetchError, NO_TURN};
use setpoint_runtime::{InstanceSample, Measured, Source};

use self::api::MetricsApi;
use self::custom::{CustomObjects, CustomPods};
use self::external::External;
use self::pods::Pods;
pub use self::pods::{PodAddress, PodAddresses};
use self::resource::Resource;
use crate::handler::ScaleHandler;

/// How old a sample may be that an API tells the time of.
const MAX_AGE: Duration = Duration::from_secs(300);

/// All of them, of the workloads that `handler` handles. Pods are asked where `addresses` says.
pub(crate) fn all(handler: &ScaleHandler, addresses: PodAddresses) -> Result<Vec<Arc<dyn Source>>, FetchError> {
    let api = MetricsApi::new(handler.client().clone());
    let fetch = Fetch::directly(pods::TIMEOUT, pods::BYTES)?;
    Ok(vec![
        Arc::new(Resource::new(api.clone(), handler.pods().clone())),
        Arc::new(CustomPods::new(api.clone(), handler.pods().clone())),
        Arc::new(CustomObjects::new(api.clone(), handler.clone())),
        Arc::new(External::new(api)),
        Arc::new(Pods::new(fetch, handler.pods().clone(), addresses)),
    ])
}

impl ScaleHandler {
    /// What reads the cluster's metrics APIs, and the pages that pods serve, of the workloads that this handles. Of the pods
    /// they know what this last listed: its [`instances`](setpoint::ResourceHandler::instances) are asked for before.
    ///
    /// # Errors
    ///
    /// [`FetchError`] when there can be no client to ask pods with.
    pub fn sources(&self) -> Result<Vec<Arc<dyn Source>>, FetchError> {
        all(self, PodAddresses::default())
    }
}

/// What is said of a question that nobody here answers.
fn no_turn() -> Measured {
    Measured::Missing(NO_TURN.to_owned())
}

/// What is said of pods that nobody listed: their workload has no selector.
fn unknown_pods(target: &TargetRef) -> Measured {
    Measured::Missing(format!("{target} doesn't say which pods are its own"))
}

/// What was found of each of `instances`: a sample, or why there is none. With none at all, the reading says why.
fn of_each(what: &str, instances: &[Instance], found: Vec<(String, Result<InstanceSample, String>)>) -> Measured {
    let mut samples = Vec::with_capacity(found.len());
    let mut problems = Vec::new();
    for (name, found) in found {
        match found {
            Ok(sample) => samples.push(sample),
            Err(problem) => {
                problems.push(format!("{name}: {problem}"));
                samples.push(InstanceSample::new(name, None));
            }
        }
    }
    let measured = samples.iter().filter(|sample| sample.sample.is_some()).count();
    let several = |more: usize| if more == 0 { String::new() } else { format!(", and {more} more") };
    match (measured, problems.first()) {
        (0, Some(first)) => Measured::Missing(format!("{first}{}", several(problems.len() - 1))),
        (0, None) if instances.is_empty() => Measured::Missing("there are no pods".to_owned()),
        (0, None) => Measured::Missing("no pod is ready".to_owned()),
        (_, None) => Measured::Samples(samples),
        (_, Some(first)) => {
            tracing::warn!(metric = what, measured, "some pods have no sample: {first}{}", several(problems.len() - 1));
            Measured::Samples(samples)
        }
    }
}
