//! What a trace tells of a look: a span for the whole, and one for each of its steps.
//!
//! They are of level TRACE, which is in no log: where no traces are collected, a span costs a comparison of levels, and
//! nothing of what it would tell is looked for.

use setpoint::{Decision, Outcome, TargetRef};
use tracing::field::Empty;
use tracing::{Span, trace_span};

use super::workload::Plan;
use crate::look::{Look, LookFailure};
use crate::source::Measured;

/// A look at the workload called `key`, which begins a trace.
pub(super) fn look(key: &str, plan: &Plan) -> Span {
    let TargetRef { api_version, kind, name, namespace } = &*plan.target;
    let algorithm = &plan.policy.algorithm;
    // Kinds that OpenTelemetry has an attribute for.
    let named = |known| (api_version == "apps/v1" && kind == known).then_some(name.as_str());
    trace_span!(
        parent: None,
        "look",
        setpoint.workload = key,
        setpoint.algorithm = algorithm.name.as_ref().or(algorithm.plugin.as_ref()),
        setpoint.target.api_version = api_version,
        setpoint.target.kind = kind,
        setpoint.target.name = name,
        k8s.namespace.name = namespace.as_deref(),
        k8s.deployment.name = named("Deployment"),
        k8s.statefulset.name = named("StatefulSet"),
        k8s.replicaset.name = named("ReplicaSet"),
        setpoint.lateness = Empty,
        setpoint.current = Empty,
        setpoint.ready = Empty,
        setpoint.desired = Empty,
        setpoint.outcome = Empty,
        setpoint.effect = Empty,
        setpoint.reasons = Empty,
        "error.type" = Empty,
        otel.status_description = Empty,
    )
}

/// What came of the look.
pub(super) fn looked(span: &Span, look: &Look) {
    if span.is_disabled() {
        return;
    }
    span.record("setpoint.lateness", look.late.as_secs_f64());
    span.record("setpoint.current", look.count.map(|count| count.asked));
    span.record("setpoint.ready", look.ready);
    span.record("setpoint.desired", look.decision.map(|decision| decision.desired));
    span.record("setpoint.outcome", look.decision.map(|decision| decision.outcome.name()));
    span.record("setpoint.effect", look.written.name());
    span.record("setpoint.reasons", look.reasons.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join("; "));
    if let Some(failure) = &look.failure {
        self::failure(span, failure);
    }
}

/// A step that waits for somebody else: `keeping the state`.
pub(super) fn step(what: &str) -> Span {
    trace_span!("step", otel.name = what, "error.type" = Empty, otel.status_description = Empty)
}

/// Reading so many metrics of a source.
pub(super) fn read(source: &str, readings: usize) -> Span {
    trace_span!(
        "read",
        otel.name = format!("reading {source}"),
        setpoint.source = source,
        setpoint.readings = readings,
        setpoint.readings.unusable = Empty,
        "error.type" = Empty,
        otel.status_description = Empty,
    )
}

/// What came of it. It failed where a reading can't be used, and the first of them says why.
pub(super) fn answered<'a>(span: &Span, answers: impl Iterator<Item = &'a Measured>) {
    if span.is_disabled() {
        return;
    }
    let unusable: Vec<&Measured> = answers.filter(|measured| measured.usable().is_none()).collect();
    span.record("setpoint.readings.unusable", unusable.len());
    if let Some(first) = unusable.first() {
        let (state, why) = first.state();
        failed(span, state, why);
    }
}

/// The decision.
pub(super) fn decide() -> Span {
    trace_span!(
        "deciding",
        setpoint.current = Empty,
        setpoint.desired = Empty,
        setpoint.outcome = Empty,
        "error.type" = Empty,
        otel.status_description = Empty,
    )
}

/// What was decided, before a group makes its own of it. It failed where the algorithm did, for which the fallback answered.
pub(super) fn decided(span: &Span, decision: Decision) {
    span.record("setpoint.current", decision.current);
    span.record("setpoint.desired", decision.desired);
    span.record("setpoint.outcome", decision.outcome.name());
    if decision.outcome == Outcome::Fallback {
        failed(span, decision.outcome.name(), "the algorithm failed, and its fallback answered");
    }
}

/// What was to be done was not.
pub(super) fn failure(span: &Span, failure: &LookFailure) {
    failed(span, failure.stage.name(), &failure.message);
}

/// Why it is an error: in one word, and in words for people.
fn failed(span: &Span, kind: &str, why: &str) {
    span.record("error.type", kind);
    span.record("otel.status_description", why);
}
