//! HPA's rules that implementations of it get wrong. Beside each number stands the one that the mistake gives.

mod behavior;
mod control_loop;
mod instances;
mod manifest;
mod metrics;

use std::time::Duration;

use serde_json::json;
use setpoint::hpa::{
    Behavior, ControlLoop, MetricSpec, MetricTarget, Plan, PolicyKind, ScalingPolicy, ScalingRules, Settings, Spec,
};
use setpoint::{
    AlgorithmSpec, InstanceState, Metric, MetricKind, Observation, Phase, PolicySpec, Readiness, Reading, Sample,
    Samples, Target, Timestamp, Trace,
};

/// An hour after the start, so that there is a past.
const NOW: Timestamp = Timestamp::from_millis(3_600_000);

fn secs_ago(secs: u64) -> Timestamp {
    NOW - Duration::from_secs(secs)
}

/// A pod with what is measured of it.
#[derive(Clone, Copy)]
struct Pod {
    state: InstanceState,
    request: i64,
    sample: Option<Sample>,
}

/// Has served for an hour, requests 1000 and uses `usage`: 500 is 50 %.
fn pod(usage: i64) -> Pod {
    let since = secs_ago(3600);
    Pod {
        state: InstanceState::new(Phase::Running, Readiness::Ready, since).with_started(Some(since)),
        request: 1000,
        sample: Some(Sample { value: usage, at: NOW, window: Duration::from_secs(30) }),
    }
}

impl Pod {
    fn requesting(self, request: i64) -> Self {
        Self { request, ..self }
    }

    fn unmeasured(self) -> Self {
        Self { sample: None, ..self }
    }

    fn pending(mut self) -> Self {
        self.state.phase = Phase::Pending;
        self
    }

    fn started(mut self, secs: u64) -> Self {
        self.state.started = Some(secs_ago(secs));
        self
    }

    fn since(mut self, readiness: Readiness, secs: u64) -> Self {
        (self.state.readiness, self.state.since) = (readiness, secs_ago(secs));
        self
    }
}

fn metric(kind: MetricKind, name: &str, target: MetricTarget) -> MetricSpec {
    MetricSpec { kind, name: name.to_owned(), container: None, target }
}

fn cpu(percent: i32) -> MetricSpec {
    metric(MetricKind::Resource, "cpu", MetricTarget::Utilization(percent))
}

fn external(target: MetricTarget) -> MetricSpec {
    metric(MetricKind::External, "queue", target)
}

/// 1 to 100 replicas by `metrics`, without `behavior`.
fn spec(metrics: &[MetricSpec]) -> Spec {
    Spec { min: 1, max: 100, metrics: metrics.to_vec(), behavior: None }
}

/// The first sync of a new HPA.
fn plan(metric: &MetricSpec, look: &Observation<'_>) -> Plan {
    ControlLoop::new(&spec(std::slice::from_ref(metric)), Settings::default()).plan(look, &mut Trace::off())
}

/// What `metric` proposes from `current` replicas, before windows, rates and bounds.
fn proposal(metric: &MetricSpec, current: u32, pods: &[Pod]) -> Option<i32> {
    let states: Vec<InstanceState> = pods.iter().map(|pod| pod.state).collect();
    let of_instances: Vec<Option<Sample>> = pods.iter().map(|pod| pod.sample).collect();
    let requests: Vec<i64> = pods.iter().map(|pod| pod.request).collect();
    let samples = Samples::new(&of_instances).with_requests(&requests);
    let readings = [Reading::Samples(&samples)];
    plan(metric, &Observation::new(NOW, current, &readings).with_instances(&states)).proposal
}

/// 1 to 100 replicas, as many as its one reading says, held back by the rules `up` and `down`.
fn restrained(up: ScalingRules, down: ScalingRules) -> Spec {
    Spec { behavior: Some(Behavior { scale_up: Some(up), scale_down: Some(down) }), ..unrestrained() }
}

/// The same without `behavior`: the older rules hold.
fn unrestrained() -> Spec {
    spec(&[external(MetricTarget::AverageValue(1000))])
}

/// What was wanted throughout `secs`, at any rate.
fn window(secs: u32) -> ScalingRules {
    ScalingRules { stabilization_window_seconds: Some(secs), ..by([percent_a_minute(10_000)]) }
}

/// At once, as fast as `policies` allow.
fn by<const N: usize>(policies: [ScalingPolicy; N]) -> ScalingRules {
    ScalingRules { stabilization_window_seconds: Some(0), policies: Some(policies.to_vec()), ..ScalingRules::default() }
}

fn pods_a_minute(value: i32) -> ScalingPolicy {
    ScalingPolicy { kind: PolicyKind::Pods, value, period_seconds: 60 }
}

fn percent_a_minute(value: i32) -> ScalingPolicy {
    ScalingPolicy { kind: PolicyKind::Percent, value, period_seconds: 60 }
}

/// The controller's settings, without tolerance: a proposal is what the reading says.
fn exact() -> Settings {
    let mut settings = Settings::default();
    settings.tolerance = 0.0;
    settings
}

/// The counts after each of `(seconds, wanted)`, from `current` on. All writes go well.
fn sync(hpa: &mut ControlLoop, mut current: u32, wants: &[(i64, u32)]) -> Vec<u32> {
    let mut counts = Vec::new();
    for &(secs, wanted) in wants {
        let readings = [Reading::Value(f64::from(wanted))];
        let look = Observation::new(Timestamp::from_millis(secs * 1000), current, &readings);
        let plan = hpa.plan(&look, &mut Trace::off());
        current = plan.write.unwrap_or(current);
        hpa.finish(plan, true);
        counts.push(current);
    }
    counts
}

/// The same by a new HPA with `spec`, once as a control loop and once as a policy: both decide alike.
#[track_caller]
fn follow(spec: &Spec, start: u32, wants: &[(i64, u32)]) -> Vec<u32> {
    let counts = sync(&mut ControlLoop::new(spec, exact()), start, wants);
    let metrics = vec![Metric::new("queue", Target::average_value(1.0).expect("in range"))];
    let algorithm = AlgorithmSpec::named("hpa", json!({ "tolerance": 0 }));
    let mut policy = PolicySpec::new(spec.min, spec.max, metrics, algorithm).expect("a good policy");
    policy.behavior.clone_from(&spec.behavior);
    if policy.behavior.is_none() {
        policy = policy.with_stage("legacy-behavior", json!({}));
    }
    let readings: Vec<[Reading<'_>; 1]> =
        wants.iter().map(|&(_, wanted)| [Reading::Value(f64::from(wanted))]).collect();
    // Each look finds what the one before it made.
    let found = std::iter::once(start).chain(counts.iter().copied());
    let looks: Vec<(i64, u32, &[Reading<'_>])> = std::iter::zip(wants, found)
        .zip(&readings)
        .map(|((&(secs, _), current), readings)| (secs, current, &readings[..]))
        .collect();
    assert_eq!(crate::decide(&policy, &looks), counts, "the policy decides otherwise than the control loop");
    counts
}
