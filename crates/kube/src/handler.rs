//! The scale subresource as a handler.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use setpoint::{
    BoxFuture, HandlerError, Instance, InstanceState, Phase, Readiness, ReplicaCount, ResourceHandler, TargetRef,
    Timestamp, Update,
};

use crate::pods::PodBook;

/// Scales whatever has a scale subresource (Deployment, StatefulSet, ReplicaSet, custom resources), and what has none but
/// `spec.replicas`.
///
/// It patches and never updates, so that fields it doesn't know are left alone; it writes nothing where the count is as it
/// should be; and a patch holds only for the resource as it was read, so that a change in between is seen: then it reads and
/// tries again, [`ATTEMPTS`](Self::ATTEMPTS) times in all.
///
/// A target without a namespace is in `default`, unless its kind has none.
#[derive(Clone)]
pub struct ScaleHandler {
    client: Client,
    kinds: Arc<Mutex<HashMap<(String, String), Kind>>>,
    selectors: Arc<Mutex<HashMap<TargetRef, Option<String>>>>,
    pods: PodBook,
}

impl fmt::Debug for ScaleHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScaleHandler").finish_non_exhaustive()
    }
}

/// What the API server says of a kind.
#[derive(Clone, Debug)]
struct Kind {
    resource: ApiResource,
    is_namespaced: bool,
    has_scale: bool,
}

/// A resource's counts, and what its instances are selected by.
struct Scale {
    count: ReplicaCount,
    selector: Option<String>,
    version: Option<String>,
}

impl ScaleHandler {
    /// How often a write is tried that others come before.
    pub const ATTEMPTS: u32 = 5;

    /// Through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default(), selectors: Arc::default(), pods: PodBook::default() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What was last listed of the pods of targets.
    pub(crate) fn pods(&self) -> &PodBook {
        &self.pods
    }

    /// The resource of an object's kind, as `ingresses.networking.k8s.io`, and whether it has namespaces.
    pub(crate) async fn resource(&self, target: &TargetRef) -> Result<(String, bool), kube::Error> {
        let Kind { resource, is_namespaced, .. } = self.kind(target).await?;
        let ApiResource { plural, group, .. } = resource;
        Ok((if group.is_empty() { plural } else { format!("{plural}.{group}") }, is_namespaced))
    }

    async fn kind(&self, target: &TargetRef) -> Result<Kind, kube::Error> {
        let key = (target.api_version.clone(), target.kind.clone());
        if let Some(known) = locked(&self.kinds).get(&key) {
            return Ok(known.clone());
        }
        let (group, version) = target.api_version.rsplit_once('/').unwrap_or(("", &target.api_version));
        let wanted = GroupVersionKind::gvk(group, version, &target.kind);
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &wanted).await?;
        let has_scale = capabilities.subresources.iter().any(|(sub, _)| sub.plural.rsplit('/').next() == Some("scale"));
        let kind = Kind { resource, is_namespaced: capabilities.scope == Scope::Namespaced, has_scale };
        locked(&self.kinds).insert(key, kind.clone());
        Ok(kind)
    }

    fn api(&self, kind: &Kind, target: &TargetRef) -> Api<DynamicObject> {
        if kind.is_namespaced {
            Api::namespaced_with(self.client.clone(), namespace(target), &kind.resource)
        } else {
            Api::all_with(self.client.clone(), &kind.resource)
        }
    }

    async fn read(&self, target: &TargetRef) -> Result<(Kind, Scale), ScaleError> {
        let read = self.read_as_known(target).await;
        if matches!(&read, Err(ScaleError::Api(kube::Error::Api(status))) if status.code == 404) {
            // It is gone, or its kind is served in another way now: nothing that is known of either holds.
            locked(&self.selectors).remove(target);
            self.pods.forget(target);
            locked(&self.kinds).remove(&(target.api_version.clone(), target.kind.clone()));
        }
        read
    }

    async fn read_as_known(&self, target: &TargetRef) -> Result<(Kind, Scale), ScaleError> {
        let kind = self.kind(target).await?;
        let api = self.api(&kind, target);
        let scale = if kind.has_scale {
            let scale = api.get_scale(&target.name).await?;
            let asked = scale.spec.and_then(|spec| spec.replicas).unwrap_or_default();
            let status = scale.status;
            let existing = status.as_ref().map(|status| status.replicas);
            Scale {
                count: count(asked.into(), existing.map(i64::from)),
                selector: status.and_then(|status| status.selector).filter(|selector| !selector.is_empty()),
                version: scale.metadata.resource_version,
            }
        } else {
            let object = api.get(&target.name).await?;
            let number = |pointer| object.data.pointer(pointer).and_then(Value::as_i64);
            let asked = number("/spec/replicas").ok_or(ScaleError::NoReplicas)?;
            let selector = object.data.pointer("/status/selector").and_then(Value::as_str).map(ToOwned::to_owned);
            Scale {
                count: count(asked, number("/status/replicas")),
                selector: selector.or_else(|| match_labels(&object.data)),
                version: object.resource_version(),
            }
        };
        locked(&self.selectors).insert(target.clone(), scale.selector.clone());
        Ok((kind, scale))
    }

    async fn write(&self, target: &TargetRef, desired: u32) -> Result<Update, ScaleError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (kind, scale) = self.read(target).await?;
            let from = scale.count.asked;
            if from == desired {
                return Ok(Update::Unchanged);
            }
            let patch = json!({
                "metadata": { "resourceVersion": scale.version },
                "spec": { "replicas": desired },
            });
            let (api, parameters, patch) = (self.api(&kind, target), PatchParams::default(), Patch::Merge(&patch));
            let written = if kind.has_scale {
                api.patch_scale(&target.name, &parameters, &patch).await.map(drop)
            } else {
                api.patch(&target.name, &parameters, &patch).await.map(drop)
            };
            match written {
                Ok(()) => return Ok(Update::Written { from, to: desired }),
                Err(kube::Error::Api(status)) if status.code == 409 && attempts < Self::ATTEMPTS => {
                    tracing::debug!(%target, attempts, "somebody else wrote in between");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn list(&self, target: &TargetRef) -> Result<Vec<Pod>, ScaleError> {
        let known = locked(&self.selectors).get(target).cloned();
        let selector = match known {
            Some(selector) => selector,
            None => self.read(target).await?.1.selector,
        };
        // What can't be selected isn't known.
        let Some(selector) = selector else {
            self.pods.forget(target);
            return Ok(Vec::new());
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace(target));
        // From the API server's own memory: a look needn't be newer than the one after it will be.
        let parameters = ListParams::default().labels(&selector).match_any();
        let pods = pods.list(&parameters).await?;
        self.pods.note(target, selector, &pods.items);
        Ok(pods.items)
    }
}

/// Why a resource can't be scaled.
#[derive(Debug, thiserror::Error)]
enum ScaleError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("it has neither a scale subresource nor a number in spec.replicas")]
    NoReplicas,
}

impl ScaleError {
    fn at(self, action: &'static str, target: &TargetRef) -> HandlerError {
        let target = Box::new(target.clone());
        match self {
            Self::Api(kube::Error::Api(status)) if status.code == 404 => HandlerError::NotFound { target },
            other => HandlerError::Failed { action, target, source: Box::<dyn Error + Send + Sync>::from(other) },
        }
    }
}

impl ResourceHandler for ScaleHandler {
    fn supports(&self, target: &TargetRef) -> bool {
        // Which kinds there are is the API server's to say.
        !target.kind.is_empty() && !target.api_version.is_empty()
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        Box::pin(async move {
            let read = self.read(target).await.map_err(|error| error.at("reading the scale of", target))?;
            Ok(read.1.count)
        })
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        Box::pin(async move { self.write(target, desired).await.map_err(|error| error.at("scaling", target)) })
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        Box::pin(async move {
            let pods = self.list(target).await.map_err(|error| error.at(LISTING, target))?;
            Ok(pods.iter().map(instance).collect())
        })
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        Box::pin(async move {
            let described = async {
                let kind = self.kind(target).await?;
                let object = self.api(&kind, target).get(&target.name).await?;
                Ok(serde_json::to_value(object).map_err(kube::Error::SerdeError)?)
            };
            described.await.map_err(|error: ScaleError| error.at("reading", target))
        })
    }

    fn describe_instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Value>, HandlerError>> {
        Box::pin(async move {
            let described = async {
                let pods = self.list(target).await?.into_iter();
                Ok(pods.map(serde_json::to_value).collect::<Result<_, _>>().map_err(kube::Error::SerdeError)?)
            };
            described.await.map_err(|error: ScaleError| error.at(LISTING, target))
        })
    }
}

/// What was tried where pods can't be had.
const LISTING: &str = "listing the pods of";

pub(crate) fn namespace(target: &TargetRef) -> &str {
    target.namespace.as_deref().unwrap_or("default")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere can't leave a map half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts as the API has them, which are never negative.
fn count(asked: i64, existing: Option<i64>) -> ReplicaCount {
    let whole = |count: i64| u32::try_from(count.max(0)).unwrap_or(u32::MAX);
    ReplicaCount::asked(whole(asked)).with_existing(existing.map(whole))
}

/// `spec.selector.matchLabels` as a selector, where that is all there is to it.
fn match_labels(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let labels = selector.get("matchLabels")?.as_object()?;
    if selector.get("matchExpressions").is_some_and(|more| !more.as_array().is_some_and(Vec::is_empty)) {
        return None;
    }
    let terms: Option<Vec<String>> =
        labels.iter().map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    terms.filter(|terms| !terms.is_empty()).map(|terms| terms.join(","))
}

fn instance(pod: &Pod) -> Instance {
    let unknown = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&unknown);
    let phase = match status.phase.as_deref() {
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        Some("Pending") => Phase::Pending,
        _ => Phase::Unknown,
    };
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    let readiness = match ready.map(|condition| condition.status.as_str()) {
        None => Readiness::Unreported,
        Some("True") => Readiness::Ready,
        Some("False") => Readiness::NotReady,
        Some(_) => Readiness::Unknown,
    };
    let since = ready.and_then(|condition| condition.last_transition_time.as_ref()).map(timestamp).unwrap_or_default();
    let state = InstanceState::new(phase, readiness, since)
        .with_started(status.start_time.as_ref().map(timestamp))
        .with_terminating(pod.metadata.deletion_timestamp.is_some());
    Instance::in_state(pod.name_any(), state)
}

fn timestamp(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_in_the_state_that_it_says() {
        let pod = |status: Value, deleted: bool| -> Pod {
            let deleted = deleted.then_some("2026-01-01T00:00:30Z");
            serde_json::from_value(
                json!({ "metadata": { "name": "a", "deletionTimestamp": deleted }, "status": status }),
            )
            .expect("a pod")
        };
        let ready =
            |status: &str| json!([{ "type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:10Z" }]);
        let at = |seconds: i64| Timestamp::from_millis(1_767_225_600_000 + seconds * 1000);
        let state = |phase, readiness, since| InstanceState::new(phase, readiness, since);
        let cases = [
            (
                "nothing is known",
                pod(json!({}), false),
                state(Phase::Unknown, Readiness::Unreported, Timestamp::default()),
            ),
            (
                "it serves",
                pod(
                    json!({ "phase": "Running", "startTime": "2026-01-01T00:00:05Z", "conditions": ready("True") }),
                    false,
                ),
                state(Phase::Running, Readiness::Ready, at(10)).with_started(Some(at(5))),
            ),
            (
                "it doesn't yet",
                pod(json!({ "phase": "Pending", "conditions": ready("False") }), false),
                state(Phase::Pending, Readiness::NotReady, at(10)),
            ),
            (
                "its node is gone",
                pod(json!({ "phase": "Running", "conditions": ready("Unknown") }), false),
                state(Phase::Running, Readiness::Unknown, at(10)),
            ),
            (
                "it is being taken away",
                pod(json!({ "phase": "Running", "conditions": ready("True") }), true),
                state(Phase::Running, Readiness::Ready, at(10)).with_terminating(true),
            ),
        ];
        for (name, pod, want) in cases {
            assert_eq!(instance(&pod).state, want, "{name}");
        }
    }

    #[test]
    fn labels_are_a_selector_unless_there_is_more_to_it() {
        let cases = [
            (json!({ "spec": { "selector": { "matchLabels": { "a": "1", "b": "2" } } } }), Some("a=1,b=2")),
            (json!({ "spec": { "selector": { "matchLabels": {} } } }), None),
            (json!({ "spec": { "selector": { "matchLabels": { "a": "1" }, "matchExpressions": [{}] } } }), None),
            (json!({ "spec": {} }), None),
        ];
        for (object, want) in cases {
            assert_eq!(match_labels(&object).as_deref(), want, "{object}");
        }
    }
}
