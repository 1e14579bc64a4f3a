//! Pods that two policies count as their own: HPA's `AmbiguousSelector`.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use setpoint::{BoxFuture, HandlerError, Instance, ReplicaCount, ResourceHandler, TargetRef, Update};

use crate::handler::{ScaleHandler, namespace};
use crate::kind::Kind;
use crate::policy::Scaled;

/// Which pods the selector of each policy's target found when they were last listed.
///
/// As HPA has it, pods decide and not the selectors as they are written: those that overlap on paper alone harm nobody.
#[derive(Debug, Default)]
pub(crate) struct Overlaps(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The policy of each target.
    policies: HashMap<TargetRef, String>,
    selected: HashMap<String, Selected>,
    /// The policies that have a pod, by its namespace and name.
    owners: HashMap<(String, String), BTreeSet<String>>,
}

#[derive(Debug)]
struct Selected {
    target: TargetRef,
    pods: BTreeSet<String>,
}

/// The policies whose targets select some of a target's pods, too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct AmbiguousSelector(BTreeSet<String>);

impl fmt::Display for AmbiguousSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<String> =
            self.0.iter().map(|key| Kind::called(key)).map(|(kind, of)| format!("{kind} {of}")).collect();
        let have = if others.len() == 1 { "has" } else { "have" };
        let others = others.join(", ");
        write!(f, "the target's selector finds pods that {others} {have}, too: tell them apart by a label")
    }
}

impl Known {
    /// Forgets what the policy called `key` scales, or its members do, but for those that `stays`.
    fn retain(&mut self, key: &str, stays: impl Fn(&str) -> bool) {
        let is_its = |known: &str| known.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let gone: Vec<String> = self.selected.keys().filter(|known| is_its(known) && !stays(known)).cloned().collect();
        gone.iter().for_each(|key| self.forget(key));
    }

    fn forget(&mut self, key: &str) {
        let Some(Selected { target, pods }) = self.selected.remove(key) else { return };
        for pod in pods {
            self.disown(&target, pod, key);
        }
        if self.policies.get(&target).is_some_and(|policy| policy == key) {
            self.policies.remove(&target);
        }
    }

    fn disown(&mut self, target: &TargetRef, pod: String, key: &str) {
        let pod = (namespace(target).to_owned(), pod);
        if let Some(owners) = self.owners.get_mut(&pod) {
            owners.remove(key);
            if owners.is_empty() {
                self.owners.remove(&pod);
            }
        }
    }

    fn rivals(&self, key: &str) -> Option<AmbiguousSelector> {
        let Selected { target, pods } = self.selected.get(key)?;
        let place = |pod: &String| (namespace(target).to_owned(), pod.clone());
        let owners = pods.iter().filter_map(|pod| self.owners.get(&place(pod)));
        let others: BTreeSet<String> = owners.flatten().filter(|owner| *owner != key).cloned().collect();
        (!others.is_empty()).then_some(AmbiguousSelector(others))
    }
}

impl Overlaps {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that is done with it panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy called `key` scales `scaled` from now on, and nothing else.
    pub(crate) fn watch_all(&self, key: &str, scaled: &[Scaled<'_>]) {
        self.known().retain(key, |known| scaled.iter().any(|scaled| scaled.key == known));
        for scaled in scaled {
            self.watch(&scaled.key, scaled.target);
        }
    }

    /// What is called `key`, a policy or a member of a group, scales `target` from now on.
    fn watch(&self, key: &str, target: &TargetRef) {
        let mut known = self.known();
        if known.policies.get(target).is_some_and(|policy| policy == key) {
            return;
        }
        known.forget(key);
        known.policies.insert(target.clone(), key.to_owned());
        known.selected.insert(key.to_owned(), Selected { target: target.clone(), pods: BTreeSet::new() });
    }

    /// The policy called `key` scales nothing any more.
    pub(crate) fn forget(&self, key: &str) {
        self.known().retain(key, |_| false);
    }

    /// The selector of `target` found `pods`, and no others.
    fn saw<'a>(&self, target: &TargetRef, pods: impl Iterator<Item = &'a str>) -> Result<(), AmbiguousSelector> {
        let mut known = self.known();
        // One that nobody watches any more has had its last look.
        let Some(key) = known.policies.get(target).cloned() else { return Ok(()) };
        let pods: BTreeSet<String> = pods.map(ToOwned::to_owned).collect();
        let selected = known.selected.get_mut(&key).expect("a policy is watched with what it selects");
        let before = std::mem::replace(&mut selected.pods, pods.clone());
        for gone in before.difference(&pods) {
            known.disown(target, gone.clone(), &key);
        }
        for new in pods.difference(&before) {
            let pod = (namespace(target).to_owned(), new.clone());
            known.owners.entry(pod).or_default().insert(key.clone());
        }
        known.rivals(&key).map_or(Ok(()), Err)
    }

    /// Who else has pods of the policy called `key`, as far as was seen.
    pub(crate) fn rivals(&self, key: &str) -> Option<AmbiguousSelector> {
        self.known().rivals(key)
    }
}

/// A [`ScaleHandler`] that finds no instances where another policy counts them as its own.
pub(crate) struct Unambiguous {
    scale: ScaleHandler,
    overlaps: Arc<Overlaps>,
}

impl Unambiguous {
    pub(crate) const fn new(scale: ScaleHandler, overlaps: Arc<Overlaps>) -> Self {
        Self { scale, overlaps }
    }
}

impl ResourceHandler for Unambiguous {
    fn supports(&self, target: &TargetRef) -> bool {
        self.scale.supports(target)
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        self.scale.current_replicas(target)
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        self.scale.update_replicas(target, desired)
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        Box::pin(async move {
            let instances = self.scale.instances(target).await?;
            let seen = self.overlaps.saw(target, instances.iter().map(|instance| &*instance.name));
            seen.map_err(|ambiguous| HandlerError::Failed {
                action: "telling apart the pods of",
                target: Box::new(target.clone()),
                source: Box::new(ambiguous),
            })?;
            Ok(instances)
        })
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        self.scale.describe(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(namespace: &str, name: &str) -> TargetRef {
        let namespace = Some(namespace.to_owned());
        TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: name.into(), namespace }
    }

    #[test]
    fn pods_of_two_policies_are_nobody_s_until_they_are_told_apart() {
        let overlaps = Overlaps::default();
        let others = |keys: &[&str]| AmbiguousSelector(keys.iter().map(ToString::to_string).collect());
        let (web, api, far) = (target("shop", "web"), target("shop", "api"), target("far", "web"));
        let other = target("shop", "other");
        for (key, target) in [("shop/web", &web), ("shop/api", &api), ("far/web", &far)] {
            overlaps.watch(key, target);
        }
        let saw = |target, pods: &[&str]| overlaps.saw(target, pods.iter().copied());
        assert_eq!(saw(&web, &["a", "b"]), Ok(()));
        assert_eq!(saw(&far, &["a", "b"]), Ok(()), "another namespace has pods of its own");
        assert_eq!(saw(&api, &["b", "c"]), Err(others(&["shop/web"])));
        assert_eq!(saw(&web, &["a", "b"]), Err(others(&["shop/api"])), "neither has it");
        assert_eq!(overlaps.rivals("far/web"), None);
        // The pod goes, or its label.
        assert_eq!(saw(&web, &["a"]), Ok(()));
        assert_eq!((saw(&api, &["b", "c"]), overlaps.rivals("shop/api")), (Ok(()), None));
        // Or the other policy does: to another target, or for good.
        assert_eq!(saw(&web, &["b"]), Err(others(&["shop/api"])));
        overlaps.watch("shop/api", &other);
        assert_eq!(saw(&web, &["b"]), Ok(()));
        assert_eq!(saw(&api, &["b"]), Ok(()), "nobody scales it");
        assert_eq!(saw(&other, &["b"]), Err(others(&["shop/web"])));
        overlaps.forget("shop/web");
        assert_eq!(overlaps.rivals("shop/api"), None);
        overlaps.watch("shop/api", &other);
        assert_eq!(saw(&other, &["b"]), Ok(()));
        overlaps.forget("shop/api");
        overlaps.forget("far/web");
        assert!(overlaps.known().owners.is_empty(), "nothing is left of them");
    }
}
