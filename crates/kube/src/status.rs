//! What is written into a policy's status, and which events are told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::{Value, json};
use setpoint::{BoxFuture, Outcome, Pause};
use setpoint_runtime::{Listener, Look, LookFailure, Stage, Written};
use tokio::time::Instant;

use crate::condition::{Condition, ConditionType, Finding, Truth, after};
use crate::kind::{Kind, Names, group};
use crate::overlaps::Overlaps;
use crate::policy::{Known, Understood};

/// How long a status that only has other readings can wait.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// Writes statuses: when something changed that a person would act on, and once a minute for the rest.
pub(crate) struct Statuses {
    client: Client,
    recorder: Recorder,
    overlaps: Arc<Overlaps>,
    policies: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    known: Known,
    /// What it scales: itself, or the members of a group in their order.
    scaled: Vec<String>,
    /// Those of them whose policies pause changes.
    paused: BTreeSet<String>,
    /// The last look at each member of a group.
    looks: BTreeMap<String, Arc<Look>>,
    /// The members that weren't looked at since the status was last written by looks at all.
    awaited: BTreeSet<String>,
    /// Whether all of another autoscaler's document is carried over, where it is one that is understood.
    carried_over: Option<Finding>,
    conditions: Vec<Condition>,
    since: Since,
    /// What was written, without what changes at each look, and when.
    written: Option<(Value, Instant)>,
}

/// What is left of earlier looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Since {
    /// When the count was last changed.
    pub(crate) last_scale: Option<Timestamp>,
}

impl Entry {
    /// The last look at each member of a group, in their order.
    fn last_looks(&self) -> Vec<Arc<Look>> {
        self.scaled.iter().filter_map(|member| self.looks.get(member)).cloned().collect()
    }
}

impl Statuses {
    pub(crate) fn new(client: Client, overlaps: Arc<Overlaps>) -> Self {
        let reporter = Reporter { controller: "setpoint".to_owned(), instance: std::env::var("POD_NAME").ok() };
        Self { recorder: Recorder::new(client.clone(), reporter), client, overlaps, policies: Mutex::default() }
    }

    fn policies(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A policy came, or is another one than before.
    pub(crate) fn know(&self, key: &str, known: Known, understood: Option<&Understood>) {
        let scaled = understood.map(|understood| understood.scaled(key)).unwrap_or_default();
        let paused = scaled.iter().filter(|scaled| scaled.policy.pause != Pause::None);
        let paused: BTreeSet<String> = paused.map(|scaled| scaled.key.clone()).collect();
        let scaled: Vec<String> = scaled.into_iter().map(|scaled| scaled.key).collect();
        let foreign = understood.filter(|_| known.kind.is_foreign());
        let carried_over = foreign.map(|understood| carried_over(understood.lost()));
        let mut policies = self.policies();
        match policies.get_mut(key) {
            Some(entry) => {
                entry.known = known;
                entry.looks.retain(|key, _| scaled.contains(key));
                entry.awaited = scaled.iter().cloned().collect();
                entry.scaled = scaled;
                entry.paused = paused;
                entry.carried_over = carried_over;
                entry.written = None;
            }
            None => {
                let (conditions, since) = (known.conditions.clone(), Since { last_scale: known.last_scale });
                let awaited = scaled.iter().cloned().collect();
                let looks = BTreeMap::new();
                let entry =
                    Entry { conditions, known, scaled, paused, looks, awaited, carried_over, since, written: None };
                policies.insert(key.to_owned(), entry);
            }
        }
    }

    pub(crate) fn forget(&self, key: &str) {
        self.policies().remove(key);
    }

    /// Says why a policy isn't looked at.
    pub(crate) async fn refuse(&self, key: &str, kind: ConditionType, reason: &'static str, message: String) {
        let mut findings = vec![
            Finding::new(ConditionType::Ready, Truth::False, reason, message.clone()),
            Finding::new(ConditionType::Scaling, Truth::False, reason, message.clone()),
        ];
        if kind == ConditionType::AlgorithmValid {
            findings.push(Finding::new(kind, Truth::False, reason, message.clone()));
        }
        self.write(key, findings, None, vec![(EventType::Warning, reason, message)]).await;
    }

    /// Writes what was found, by a look if there was one, where it is news. Tells the events where a condition has changed.
    async fn write(
        &self,
        key: &str,
        mut findings: Vec<Finding>,
        look: Option<&Look>,
        events: Vec<(EventType, &'static str, String)>,
    ) {
        let now = Timestamp::now();
        let (known, patch, changed, lost) = {
            let mut policies = self.policies();
            let Some(entry) = policies.get_mut(key) else { return };
            let kind = entry.known.kind;
            findings.extend(entry.carried_over.clone());
            let findings = kind.findings(findings, look, &entry.since);
            let mut status = match (look, kind) {
                (None, _) => json!({}),
                (Some(_), Kind::ScalingGroup) => group::status(&entry.last_looks(), &entry.since),
                (Some(look), _) => kind.status(look, &entry.known.algorithm, &entry.since),
            };
            let conditions = after(&entry.conditions, findings, entry.known.generation, now);
            let essence = |conditions: &[Condition]| -> Vec<(ConditionType, Truth)> {
                conditions.iter().map(|condition| (condition.kind, condition.status)).collect()
            };
            let changed = essence(&conditions) != essence(&entry.conditions);
            let lost = newly_lost(&entry.conditions, &conditions).map(ToOwned::to_owned);
            entry.conditions.clone_from(&conditions);
            status["conditions"] = json!(conditions);
            status["observedGeneration"] = json!(entry.known.generation);
            let mut lasting = status.clone();
            // A group's has its members' in it.
            let mut statuses = vec![&mut lasting];
            while let Some(status) = statuses.pop() {
                let status = status.as_object_mut().expect("a status is an object");
                for fleeting in ["readings", "lastDecision", "currentMetrics", "lastScaleReason"] {
                    status.remove(fleeting);
                }
                statuses.extend(status.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten());
            }
            let is_old = |(before, at): &(Value, Instant)| *before != lasting || at.elapsed() >= AT_LEAST_EVERY;
            if !entry.written.as_ref().is_none_or(is_old) {
                return;
            }
            entry.written = Some((lasting, Instant::now()));
            (entry.known.clone(), json!({ "status": status }), changed, lost)
        };
        let resource = known.kind.resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &known.namespace, &resource);
        if let Err(error) = api.patch_status(&known.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            tracing::warn!(policy = key, %error, "the status was not written");
            if let Some(entry) = self.policies().get_mut(key) {
                // It is tried again at the next look.
                entry.written = None;
            }
        }
        if let Some(note) = lost {
            self.tell(key, &known, EventType::Warning, "NotCarriedOver", note).await;
        }
        for (kind, reason, note) in events {
            if changed || kind == EventType::Normal {
                self.tell(key, &known, kind, reason, note).await;
            }
        }
    }

    async fn tell(&self, key: &str, known: &Known, type_: EventType, reason: &str, note: String) {
        let event =
            Event { type_, reason: reason.to_owned(), note: Some(note), action: "Scale".to_owned(), secondary: None };
        let Names { group, version, kind, .. } = known.kind.names();
        let about = ObjectReference {
            api_version: Some(format!("{group}/{version}")),
            kind: Some(kind.to_owned()),
            name: Some(known.name.clone()),
            namespace: Some(known.namespace.clone()),
            uid: known.uid.clone(),
            ..ObjectReference::default()
        };
        if let Err(error) = self.recorder.publish(&event, &about).await {
            tracing::warn!(policy = key, reason, %error, "an event was not written");
        }
    }

    async fn looked_at(&self, look: &Arc<Look>) {
        // A member of a group is called after it.
        let group = look.key.rsplit_once('/').filter(|_| Kind::called(&look.key).0 == Kind::ScalingGroup);
        let key = group.map_or(&*look.key, |(group, _)| group);
        let paused = {
            let mut policies = self.policies();
            let Some(entry) = policies.get_mut(key) else { return };
            if matches!(look.written, Written::Done { .. }) {
                entry.since.last_scale = Timestamp::from_millisecond(look.at.as_millis()).ok();
            }
            entry.paused.clone()
        };
        if group.is_none() {
            let (findings, event) = self.found(look, &paused);
            return self.write(key, findings, Some(look), event.into_iter().collect()).await;
        }
        let Some(looks) = self.all_looks(key, look) else { return };
        let (mut of_members, mut events) = (Vec::new(), Vec::new());
        for look in &looks {
            let name = group::member_name(look);
            let (findings, event) = self.found(look, &paused);
            of_members.push((name.to_owned(), findings));
            events.extend(event.map(|(kind, reason, note)| (kind, reason, format!("{name}: {note}"))));
        }
        self.write(key, group::of_all(&of_members), Some(look), events).await;
    }

    /// Once each member of the group called `key` was looked at, the looks of all in their order.
    fn all_looks(&self, key: &str, look: &Arc<Look>) -> Option<Vec<Arc<Look>>> {
        let mut policies = self.policies();
        let entry = policies.get_mut(key)?;
        let member = &*look.key;
        entry.looks.insert(member.to_owned(), Arc::clone(look));
        group::is_round_over(&mut entry.awaited, &entry.scaled, member).then(|| entry.last_looks())
    }

    /// What is so after a look, and what of it is told.
    fn found(
        &self,
        look: &Look,
        paused: &BTreeSet<String>,
    ) -> (Vec<Finding>, Option<(EventType, &'static str, String)>) {
        let failure = look.failure.as_ref().map(|failure| self.failure(&look.key, failure));
        let event = match (look.written, look.strange, &failure) {
            (Written::Done { from, to }, ..) => Some((EventType::Normal, "Scaled", scaled(look, from, to))),
            (_, Some(strange), _) => Some((EventType::Normal, "ChangedByOther", strange.to_string())),
            (.., Some((reason, message))) => Some((EventType::Warning, *reason, message.clone())),
            _ => unusable(look).map(|text| (EventType::Warning, "MetricsUnavailable", text)),
        };
        (findings(look, failure, paused.contains(&*look.key)), event)
    }

    /// What ended a look, in one word and in words.
    fn failure(&self, key: &str, failure: &LookFailure) -> (&'static str, String) {
        match self.overlaps.rivals(key) {
            Some(ambiguous) if failure.stage == Stage::Observe => ("AmbiguousSelector", ambiguous.to_string()),
            _ => (failure_reason(failure.stage), failure.message.clone()),
        }
    }
}

impl Listener for Statuses {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        Box::pin(self.looked_at(look))
    }
}

fn scaled(look: &Look, from: u32, to: u32) -> String {
    let why: Vec<&str> = look.reasons.iter().map(|reason| reason.text.as_str()).collect();
    format!("from {from} to {to}: {}", why.join("; "))
}

const fn failure_reason(stage: Stage) -> &'static str {
    match stage {
        Stage::Observe => "TargetNotRead",
        Stage::State => "StateNotKept",
        _ => "NotScaled",
    }
}

/// Which metrics have no usable reading, and why.
pub(crate) fn unusable(look: &Look) -> Option<String> {
    let problems: Vec<String> = look
        .readings
        .iter()
        .filter(|(_, measured)| measured.usable().is_none())
        .map(|(name, measured)| {
            let (state, why) = measured.state();
            format!("{name} is {state}: {why}")
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// What isn't carried over, where all was before.
fn newly_lost<'a>(before: &[Condition], after: &'a [Condition]) -> Option<&'a str> {
    let is_lost =
        |condition: &&Condition| condition.kind == ConditionType::CarriedOver && condition.status == Truth::False;
    let lost = after.iter().find(is_lost)?;
    (!before.iter().any(|condition| is_lost(&condition))).then_some(lost.message.as_str())
}

fn carried_over(lost: Option<String>) -> Finding {
    match lost {
        None => Finding::new(ConditionType::CarriedOver, Truth::True, "Whole", "each field means something here"),
        Some(text) => Finding::new(ConditionType::CarriedOver, Truth::False, "InPart", text),
    }
}

fn findings(look: &Look, failure: Option<(&'static str, String)>, is_paused: bool) -> Vec<Finding> {
    use ConditionType::{AlgorithmValid, MetricsAvailable, Ready, Scaling};
    let mut findings = Vec::new();
    findings.push(match &failure {
        None => Finding::new(Ready, Truth::True, "Looked", "it is looked at, and decided for"),
        Some((reason, message)) => Finding::new(Ready, Truth::False, reason, message.as_str()),
    });
    findings.push(match (look.written, failure) {
        (_, Some((reason, message))) => Finding::new(Scaling, Truth::False, reason, message),
        (Written::DryRun, _) => {
            Finding::new(Scaling, Truth::False, "DryRun", "decisions are told, and not carried out")
        }
        (Written::AfterOthers, _) => {
            let why = "another member of the group is to grow first, and can't";
            Finding::new(Scaling, Truth::False, "AfterOthers", why)
        }
        (Written::NotPermitted, _) => Finding::new(Scaling, Truth::False, "NotLeading", "another controller leads"),
        _ if is_paused => Finding::new(Scaling, Truth::False, "Paused", "the policy pauses changes"),
        _ => Finding::new(Scaling, Truth::True, "Scaling", "decisions are carried out"),
    });
    if let Some(decision) = look.decision {
        findings.push(match decision.outcome {
            Outcome::Fallback => {
                let why = look.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
                Finding::new(AlgorithmValid, Truth::False, "AlgorithmFailed", why)
            }
            _ => Finding::new(AlgorithmValid, Truth::True, "AlgorithmAnswers", "the algorithm answers"),
        });
        findings.push(match unusable(look) {
            None => Finding::new(MetricsAvailable, Truth::True, "AllRead", "each metric has a reading"),
            Some(text) => Finding::new(MetricsAvailable, Truth::False, "Unusable", text),
        });
    }
    findings
}

/// The status of this project's own kind, but for its conditions.
pub(crate) fn native_status(look: &Look, since: &Since) -> Value {
    let mut status = json!({});
    if let Some(count) = look.count {
        status["currentReplicas"] = json!(count.asked);
        status["readyReplicas"] = json!(look.ready);
    }
    if let Some(at) = since.last_scale {
        status["lastScaleTime"] = json!(at);
    }
    if let Some(decision) = look.decision {
        status["desiredReplicas"] = json!(decision.desired);
        status["readings"] = look
            .readings
            .iter()
            .map(|(name, measured)| {
                let (state, why) = measured.state();
                match measured.usable() {
                    Some(value) => json!({ "name": name, "state": state, "value": value }),
                    None => json!({ "name": name, "state": state, "message": why }),
                }
            })
            .collect();
        status["lastDecision"] = json!({
            "at": Timestamp::from_millisecond(look.at.as_millis()).ok(),
            "from": decision.current,
            "to": decision.desired,
            "outcome": decision.outcome,
            "because": look.cause.and_then(|cause| look.reasons.get(cause)).map(|reason| reason.text.as_str()),
            "reasons": look.reasons,
        });
    }
    status
}
