//! Observations that own what they hold, and strategies for sequences of them.

use std::time::Duration;

use proptest::prelude::*;
use setpoint::{
    Action, InstanceState, Metric, MetricKind, Observation, Phase, Readiness, Reading, Sample, Samples, Target,
    Timestamp,
};

/// An observation that owns its readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Milliseconds.
    pub now: i64,
    /// Replicas asked for.
    pub current: u32,
    /// Replicas that serve.
    pub ready: u32,
    /// One a metric.
    pub readings: Vec<Reading<'static>>,
    /// Each instance's state, in looks that tell.
    pub instances: Option<Vec<InstanceState>>,
    /// The last change, in looks that tell.
    pub last_action: Option<Action>,
}

impl Look {
    /// `current` replicas at `now`, all of them ready, and these readings.
    #[must_use]
    pub fn new(now: i64, current: u32, readings: Vec<Reading<'static>>) -> Self {
        Self { now, current, ready: current, readings, instances: None, last_action: None }
    }

    /// The same, borrowed.
    #[must_use]
    pub fn observation(&self) -> Observation<'_> {
        let look = Observation::new(Timestamp::from_millis(self.now), self.current, &self.readings)
            .with_ready(self.ready)
            .with_last_action(self.last_action);
        match &self.instances {
            Some(instances) => look.with_instances(instances),
            None => look,
        }
    }
}

/// Three metrics, one of each kind of target.
///
/// # Panics
///
/// Never: the targets are in range.
#[must_use]
pub fn metrics() -> Vec<Metric> {
    let target = "a target in range";
    vec![
        Metric::new("p99", Target::value(500.0).expect(target)),
        Metric::new("queue", Target::average_value(4.0).expect(target)),
        Metric::new("cpu", Target::utilization(70.0).expect(target)),
    ]
}

/// A reading in any state; values around `target`, at zero, tiny, huge, and what sources should never send.
pub fn reading(target: f64) -> impl Strategy<Value = Reading<'static>> {
    prop_oneof![
        12 => (0.0..3.0_f64).prop_map(move |ratio| Reading::Value(ratio * target)),
        // At the edges of a tolerance of 10 %.
        2 => prop::sample::select(vec![0.9, 1.0, 1.1]).prop_map(move |ratio| Reading::Value(ratio * target)),
        1 => prop::sample::select(vec![0.0, -0.0, 1e-300, 1e300, f64::MAX, -5.0, f64::NAN, f64::INFINITY])
            .prop_map(Reading::Value),
        2 => Just(Reading::Missing("scrape failed")),
        1 => Just(Reading::Stale("90 s old")),
        1 => Just(Reading::Invalid("not a number")),
    ]
}

/// The same, and as many more as it takes to have all of these names among them.
///
/// # Panics
///
/// Never: the targets are in range.
#[must_use]
pub fn metrics_with(names: &[String]) -> Vec<Metric> {
    let kinds = metrics();
    let missing = names.iter().filter(|name| !kinds.iter().any(|metric| metric.name == **name));
    let more = missing.zip(kinds.iter().cycle()).map(|(name, kind)| Metric::new(name.clone(), kind.target));
    let mut all = kinds.clone();
    all.extend(more);
    all
}

/// Up to `most` looks at one workload, time going forward or standing still, of the metrics in [`metrics`].
pub fn sequence(most: usize) -> impl Strategy<Value = Vec<Look>> {
    sequence_of(3, most)
}

/// The same of so many metrics, as [`metrics_with`] makes them.
pub fn sequence_of(metrics: usize, most: usize) -> impl Strategy<Value = Vec<Look>> {
    let readings: Vec<_> = [500.0, 40.0, 70.0].into_iter().cycle().take(metrics).map(reading).collect();
    looks(most, readings.prop_map(|readings| (readings, None)))
}

/// The same of the metrics in [`pod_metrics`]: up to a dozen pods in any state, and samples of most of them.
pub fn pod_sequence(most: usize) -> impl Strategy<Value = Vec<Look>> {
    let pods = prop::collection::vec((pod(), sample(70), sample(100)), 0..12);
    let readings = (pods, prop::bool::weighted(0.9), reading(40.0)).prop_map(|(pods, requested, queue)| {
        let (mut instances, mut cpu, mut rate) = (Vec::new(), Vec::new(), Vec::new());
        for (instance, its_cpu, its_rate) in pods {
            instances.push(instance);
            cpu.push(its_cpu);
            rate.push(its_rate);
        }
        let requests = if requested { vec![100_000; instances.len()] } else { Vec::new() };
        (vec![samples(cpu, requests), samples(rate, Vec::new()), queue], Some(instances))
    });
    looks(most, readings)
}

/// The metrics of looks with pods: a resource, something else of each pod, and something from outside.
///
/// # Panics
///
/// Never: the targets are in range.
#[must_use]
pub fn pod_metrics() -> Vec<Metric> {
    let target = "a target in range";
    vec![
        Metric::new("cpu", Target::utilization(70.0).expect(target)).with_kind(MetricKind::Resource),
        Metric::new("rate", Target::average_value(100.0).expect(target)).with_kind(MetricKind::Pods),
        Metric::new("queue", Target::average_value(4.0).expect(target)),
    ]
}

/// A look at `current` replicas in which everything is exactly at its target.
#[must_use]
pub fn at_target(now: i64, current: u32, with_pods: bool) -> Look {
    let queue = Reading::Value(4.0 * f64::from(current));
    if !with_pods {
        return Look::new(now, current, vec![Reading::Value(500.0), queue, Reading::Value(70.0)]);
    }
    let long_ago = Timestamp::from_millis(-3_600_000);
    let pod = InstanceState::new(Phase::Running, Readiness::Ready, long_ago).with_started(Some(long_ago));
    let count = current as usize;
    let sample = |value| Some(Sample { value, at: Timestamp::from_millis(now), window: Duration::from_secs(30) });
    let readings = vec![
        samples(vec![sample(70_000); count], vec![100_000; count]),
        samples(vec![sample(100_000); count], Vec::new()),
        queue,
    ];
    Look { instances: Some(vec![pod; count]), ..Look::new(now, current, readings) }
}

/// Leaked: a reading borrows its samples, and a look that tests pass around owns what it holds.
fn samples(of_instances: Vec<Option<Sample>>, requests: Vec<i64>) -> Reading<'static> {
    let samples = Samples::new(of_instances.leak()).with_requests(requests.leak());
    Reading::Samples(Box::leak(Box::new(samples)))
}

fn pod() -> impl Strategy<Value = InstanceState> {
    let phase = prop_oneof![
        12 => Just(Phase::Running),
        1 => Just(Phase::Pending),
        1 => Just(Phase::Succeeded),
        1 => Just(Phase::Failed),
    ];
    let readiness = prop_oneof![
        10 => Just(Readiness::Ready),
        2 => Just(Readiness::NotReady),
        1 => Just(Readiness::Unknown),
        1 => Just(Readiness::Unreported),
    ];
    (
        phase,
        readiness,
        -600_000_i64..600_000,
        prop::option::weighted(0.9, -600_000_i64..600_000),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(phase, readiness, since, started, terminating)| {
            InstanceState::new(phase, readiness, Timestamp::from_millis(since))
                .with_started(started.map(Timestamp::from_millis))
                .with_terminating(terminating)
        })
}

/// A sample around `target` in units, now and then none, and now and then as large as they get.
fn sample(target: i64) -> impl Strategy<Value = Option<Sample>> {
    let value = prop_oneof![
        20 => (0..3_000_i64).prop_map(move |milli| milli * target),
        1 => prop::sample::select(vec![0, -1, i64::MAX / 200, i64::MAX]),
    ];
    let sample = (value, -600_000_i64..600_000).prop_map(|(value, at)| Sample {
        value,
        at: Timestamp::from_millis(at),
        window: Duration::from_secs(30),
    });
    prop::option::weighted(0.9, sample)
}

type Seen = (Vec<Reading<'static>>, Option<Vec<InstanceState>>);

fn looks(most: usize, readings: impl Strategy<Value = Seen>) -> impl Strategy<Value = Vec<Look>> {
    // Whether a look tells of the change before it, and whether that was made.
    let action = prop::option::weighted(0.5, prop::bool::weighted(0.8));
    let step = (0_i64..90_000, 0_u32..60, 0_u32..60, action, readings);
    prop::collection::vec(step, 1..most).prop_map(|steps| {
        let (mut now, mut before) = (0, None);
        steps
            .into_iter()
            .map(|(step, current, ready, action, (readings, instances))| {
                let last_action = before.zip(action).map(|((at, from), applied)| Action {
                    at: Timestamp::from_millis(at),
                    from,
                    to: current,
                    applied,
                });
                now += step;
                before = Some((now, current));
                Look { now, current, ready: ready.min(current), readings, instances, last_action }
            })
            .collect()
    })
}
