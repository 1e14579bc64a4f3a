//! Who scales what: one policy a target, and none where an HPA is.

use std::collections::{BTreeMap, BTreeSet};

use setpoint::TargetRef;

use crate::kind::Kind;

/// Who wants to scale each target, whatever the kinds of the policies are.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    policies: BTreeMap<String, Claim>,
    /// HPAs by namespace and name.
    hpas: BTreeMap<String, Resource>,
}

/// What a target is, whichever version of its API group it is named by: `apps/v1` or `apps/v1beta2`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(crate) struct Resource {
    group: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl Resource {
    pub(crate) fn of(target: &TargetRef) -> Self {
        let group = target.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self {
            group: group.to_owned(),
            kind: target.kind.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
        }
    }
}

#[derive(Debug)]
struct Claim {
    /// One, or one for each member of a group.
    resources: Vec<Resource>,
    /// When the policy was made: the oldest of several has the target.
    since: String,
}

/// Who else scales a policy's target, so that the policy doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// An older policy.
    Policy(String),
    /// A HorizontalPodAutoscaler.
    Hpa(String),
}

impl std::fmt::Display for Rival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Policy(key) => {
                let (kind, name) = Kind::called(key);
                write!(f, "the older {kind} {name} scales the same target")
            }
            Self::Hpa(key) => write!(f, "the HorizontalPodAutoscaler {key} scales the same target"),
        }
    }
}

impl Claims {
    /// The policy called `key`, made at `since`, wants `targets`: all of them, or it scales none. Gives the policies whose
    /// rivals may be others now.
    pub(crate) fn claim(&mut self, key: &str, targets: &[TargetRef], since: &str) -> BTreeSet<String> {
        let mut touched = self.release(key);
        let resources: Vec<Resource> = targets.iter().map(Resource::of).collect();
        touched.extend(resources.iter().flat_map(|resource| self.claimants(resource)));
        self.policies.insert(key.to_owned(), Claim { resources, since: since.to_owned() });
        touched.remove(key);
        touched
    }

    /// The policy called `key` is gone. Gives the policies whose rivals may be others now.
    pub(crate) fn release(&mut self, key: &str) -> BTreeSet<String> {
        let claim = self.policies.remove(key);
        claim.iter().flat_map(|claim| &claim.resources).flat_map(|resource| self.claimants(resource)).collect()
    }

    /// The HPA called `key` scales `target` from now on, or nothing. Gives the policies whose rivals may be others now.
    pub(crate) fn hpa(&mut self, key: &str, target: Option<&TargetRef>) -> BTreeSet<String> {
        let before = match target {
            Some(target) => self.hpas.insert(key.to_owned(), Resource::of(target)),
            None => self.hpas.remove(key),
        };
        let now = target.map(Resource::of);
        before.iter().chain(&now).flat_map(|resource| self.claimants(resource)).collect()
    }

    /// The HPAs that are known.
    pub(crate) fn hpas(&self) -> impl Iterator<Item = &String> {
        self.hpas.keys()
    }

    /// Who else wants to scale what the policy called `key` does, HPAs first.
    pub(crate) fn others(&self, key: &str) -> Vec<Rival> {
        let Some(own) = self.policies.get(key) else { return Vec::new() };
        let hpas = self.hpas.iter().filter(|(_, resource)| own.resources.contains(resource));
        let others: BTreeSet<String> = own.resources.iter().flat_map(|resource| self.claimants(resource)).collect();
        let others = others.into_iter().filter(|other| other != key);
        hpas.map(|(hpa, _)| Rival::Hpa(hpa.clone())).chain(others.map(Rival::Policy)).collect()
    }

    /// Who keeps the policy called `key` from scaling: whoever has one of its targets.
    pub(crate) fn rival(&self, key: &str) -> Option<Rival> {
        self.policies.get(key)?.resources.iter().find_map(|resource| self.rival_for(key, resource))
    }

    fn rival_for(&self, key: &str, resource: &Resource) -> Option<Rival> {
        if let Some((hpa, _)) = self.hpas.iter().find(|(_, of)| *of == resource) {
            return Some(Rival::Hpa(hpa.clone()));
        }
        let others = self.policies.iter().filter(|(_, claim)| claim.resources.contains(resource));
        let first = others.min_by_key(|(key, claim)| (&claim.since, Kind::called(key))).map(|(key, _)| key)?;
        (first != key).then(|| Rival::Policy(first.clone()))
    }

    fn claimants(&self, resource: &Resource) -> BTreeSet<String> {
        let wants = |claim: &Claim| claim.resources.contains(resource);
        self.policies.iter().filter(|(_, claim)| wants(claim)).map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(api_version: &str, name: &str) -> TargetRef {
        let namespace = Some("shop".to_owned());
        TargetRef { api_version: api_version.into(), kind: "Deployment".into(), name: name.into(), namespace }
    }

    #[test]
    fn the_oldest_policy_has_a_target_and_an_hpa_before_it() {
        let mut claims = Claims::default();
        let touched = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(claims.claim("shop/b", &[target("apps/v1", "web")], "2026-01-02"), touched(&[]));
        assert_eq!(claims.claim("shop/a", &[target("apps/v1beta2", "web")], "2026-01-03"), touched(&["shop/b"]));
        assert_eq!(claims.rival("shop/b"), None);
        assert_eq!(claims.rival("shop/a"), Some(Rival::Policy("shop/b".into())));
        assert_eq!(claims.hpa("shop/h", Some(&target("apps/v1", "web"))), touched(&["shop/a", "shop/b"]));
        assert_eq!(claims.rival("shop/b"), Some(Rival::Hpa("shop/h".into())));
        assert_eq!(claims.others("shop/b"), [Rival::Hpa("shop/h".into()), Rival::Policy("shop/a".into())]);
        assert_eq!(claims.hpa("shop/h", None), touched(&["shop/a", "shop/b"]));
        assert_eq!(claims.rival("shop/b"), None);
        // The older one goes elsewhere.
        assert_eq!(claims.claim("shop/b", &[target("apps/v1", "api")], "2026-01-02"), touched(&["shop/a"]));
        assert_eq!((claims.rival("shop/a"), claims.rival("shop/b")), (None, None));
    }

    #[test]
    fn kinds_share_targets_and_of_one_age_the_own_kind_is_first() {
        let mut claims = Claims::default();
        let [own, ai] = ["shop/z", "aiinferenceautoscalerpolicies.kubeai.io/shop/a"];
        claims.claim(ai, &[target("apps/v1", "web")], "2026-01-02");
        claims.claim(own, &[target("apps/v1", "web")], "2026-01-02");
        assert_eq!(claims.rival(own), None);
        let rival = claims.rival(ai).expect("the own kind is first");
        assert_eq!(rival.to_string(), "the older ScalingPolicy shop/z scales the same target");
        claims.claim(own, &[target("apps/v1", "web")], "2026-01-03");
        let rival = claims.rival(own).expect("the other is older now");
        assert_eq!(rival.to_string(), "the older AIInferenceAutoscalerPolicy shop/a scales the same target");
    }

    #[test]
    fn a_group_has_all_its_targets_or_none() {
        let mut claims = Claims::default();
        let [group, own] = ["scalinggroups.setpoint.dev/shop/chat", "shop/z"];
        claims.claim(own, &[target("apps/v1", "decode")], "2026-01-02");
        let both = [target("apps/v1", "prefill"), target("apps/v1", "decode")];
        assert_eq!(claims.claim(group, &both, "2026-01-03"), BTreeSet::from([own.to_owned()]));
        assert_eq!(claims.rival(group), Some(Rival::Policy(own.into())));
        assert_eq!(claims.others(own), [Rival::Policy(group.into())]);
        // What it can't have it keeps from nobody who is older; what is younger waits for it all the same.
        claims.claim("shop/late", &[target("apps/v1", "prefill")], "2026-01-04");
        let rival = claims.rival("shop/late").expect("the group is older");
        assert_eq!(rival.to_string(), "the older ScalingGroup shop/chat scales the same target");
        assert_eq!(claims.release(own), BTreeSet::from([group.to_owned()]));
        assert_eq!(claims.rival(group), None);
    }
}
