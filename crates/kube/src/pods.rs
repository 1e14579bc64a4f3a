//! What was last listed of workloads' pods, for sources that need more of a pod than an instance tells.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Container as PodContainer, Pod, ResourceRequirements};
use kube::ResourceExt as _;
use setpoint::hpa::requests::{Amounts, Container, Requests};
use setpoint::{Quantity, TargetRef};

/// What one list of a workload's pods said.
#[derive(Debug)]
pub(crate) struct Listed {
    /// What they were selected by.
    pub(crate) selector: String,
    pub(crate) pods: BTreeMap<String, PodFacts>,
}

/// What is known of a pod, besides its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodFacts {
    pub(crate) ip: Option<String>,
    pub(crate) requests: Requests,
}

/// The last list of each workload. A look lists pods, then asks sources: what is older than any look isn't kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodBook {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    lists: HashMap<TargetRef, (Instant, Arc<Listed>)>,
    swept: Option<Instant>,
}

/// Far longer than a look takes.
const KEPT: Duration = Duration::from_secs(300);

impl PodBook {
    pub(crate) fn note(&self, target: &TargetRef, selector: String, pods: &[Pod]) {
        let pods = pods.iter().map(|pod| (pod.name_any(), PodFacts::of(pod))).collect();
        let now = Instant::now();
        let mut inner = self.locked();
        inner.lists.insert(target.clone(), (now, Arc::new(Listed { selector, pods })));
        if inner.swept.is_none_or(|swept| now.duration_since(swept) > KEPT) {
            inner.swept = Some(now);
            inner.lists.retain(|_, (at, _)| now.duration_since(*at) <= KEPT);
        }
    }

    pub(crate) fn of(&self, target: &TargetRef) -> Option<Arc<Listed>> {
        self.locked().lists.get(target).map(|(_, listed)| Arc::clone(listed))
    }

    pub(crate) fn forget(&self, target: &TargetRef) {
        self.locked().lists.remove(target);
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere can't leave a map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PodFacts {
    fn of(pod: &Pod) -> Self {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).filter(|ip| !ip.is_empty());
        let Some(spec) = &pod.spec else { return Self { ip, ..Self::default() } };
        let sidecars = spec.init_containers.iter().flatten();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let requests = Requests {
            containers: spec.containers.iter().map(container).collect(),
            sidecars: sidecars.map(container).collect(),
            pod: spec.resources.as_ref().and_then(requested).filter(|amounts| !amounts.is_empty()),
        };
        Self { ip, requests }
    }
}

fn container(container: &PodContainer) -> Container {
    let requests = container.resources.as_ref().and_then(requested).unwrap_or_default();
    Container { name: container.name.clone(), requests }
}

/// An amount that can't be read is none: then the metric says that it isn't requested.
fn requested(resources: &ResourceRequirements) -> Option<Amounts> {
    let amount = |(name, amount): (&String, &k8s_openapi::apimachinery::pkg::api::resource::Quantity)| {
        Some((name.clone(), amount.0.parse::<Quantity>().ok()?.milli()))
    };
    Some(resources.requests.as_ref()?.iter().filter_map(amount).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_tells_its_address_and_what_it_requests() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "a" },
            "spec": {
                "containers": [
                    { "name": "app", "resources": { "requests": { "cpu": "1500m", "memory": "2Ki" } } },
                    { "name": "idle" },
                ],
                "initContainers": [
                    { "name": "setup", "resources": { "requests": { "cpu": "8" } } },
                    { "name": "proxy", "restartPolicy": "Always", "resources": { "requests": { "cpu": "0.1" } } },
                ],
            },
            "status": { "podIP": "10.1.0.7" },
        }))
        .expect("a pod");
        let facts = PodFacts::of(&pod);
        assert_eq!(facts.ip.as_deref(), Some("10.1.0.7"));
        assert_eq!(facts.requests.of("cpu", Some("app")), Ok(1500));
        assert_eq!(facts.requests.of("cpu", Some("proxy")), Ok(100));
        assert_eq!(facts.requests.of("memory", Some("app")), Ok(2_048_000));
        assert!(facts.requests.of("cpu", Some("setup")).is_err(), "it asks for nothing that lasts");
        assert!(facts.requests.of("cpu", None).is_err(), "`idle` requests none");
        let whole: Pod = serde_json::from_value(json!({
            "spec": { "containers": [{ "name": "app" }], "resources": { "requests": { "cpu": "2" } } },
            "status": { "podIP": "" },
        }))
        .expect("a pod");
        let facts = PodFacts::of(&whole);
        assert_eq!((facts.ip, facts.requests.of("cpu", None)), (None, Ok(2000)));
    }

    #[test]
    fn a_list_is_there_until_its_workload_is_gone() {
        let book = PodBook::default();
        let target = |name: &str| TargetRef {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            name: name.into(),
            namespace: None,
        };
        book.note(&target("a"), "app=a".into(), &[Pod::default()]);
        assert_eq!(book.of(&target("a")).expect("noted").selector, "app=a");
        assert!(book.of(&target("b")).is_none());
        book.forget(&target("a"));
        assert!(book.of(&target("a")).is_none());
    }
}
