//! What does HPA cost: its metrics, the full behaviour stack, the samples of 100 pods, and the controller's whole sync?
//!
//! `evaluate` asks a prepared algorithm on prepared observations, in which the count follows what was decided, so that
//! windows and rates have something to remember. `nothing` is the cost of that alone.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use setpoint::hpa::{ControlLoop, MetricSpec, MetricTarget, Settings, Spec};
use setpoint::{
    Action, Behavior, Hpa, InstanceState, LegacyBehaviorConfig, Metric, MetricKind, Observation, Phase, Proposal,
    Readiness, Reading, Restrained, Sample, Samples, ScalingAlgorithm, Target, Timestamp, Trace,
};

const PODS: usize = 100;

fn behavior() -> Behavior {
    serde_json::from_value(serde_json::json!({
        "scaleUp": {
            "policies": [
                { "type": "Percent", "value": 50, "periodSeconds": 60 },
                { "type": "Pods", "value": 4, "periodSeconds": 60 },
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "policies": [{ "type": "Percent", "value": 25, "periodSeconds": 60 }],
        },
    }))
    .expect("a good behavior")
}

/// A resource, something else of each pod, and something from outside.
fn metrics() -> Vec<Metric> {
    let target = "a target in range";
    vec![
        Metric::new("cpu", Target::utilization(70.0).expect(target)).with_kind(MetricKind::Resource),
        Metric::new("rate", Target::average_value(100.0).expect(target)).with_kind(MetricKind::Pods),
        Metric::new("queue", Target::average_value(4.0).expect(target)),
    ]
}

/// The load of look number `look` as a part of the target.
type Load = fn(look: usize, metric: usize) -> f64;

/// Up and down within 16 minutes, a little uneven.
fn wave(look: usize, metric: usize) -> f64 {
    let up = (look % 64).min(64 - look % 64) as f64 / 32.0;
    0.7 + 0.6 * up + 0.1 * noise(look, metric)
}

/// Another load at every look, half to three halves of the target: nothing can be foreseen, by a processor either.
fn noise(look: usize, metric: usize) -> f64 {
    0.5 + ((look * 37 + metric * 11) % 64) as f64 / 64.0
}

/// Looks, 15 s apart, over and over. They are prepared: what the count was, and the change before, come from a first
/// round in which what was decided was done.
struct Looks<'a> {
    round: Vec<Observation<'a>>,
    next: usize,
}

const EVERY: Duration = Duration::from_secs(15);

impl<'a> Looks<'a> {
    /// Goes through what was `observed` once with `algorithm`, from `current` replicas.
    fn prepare(
        observed: impl Iterator<Item = Observation<'a>>,
        mut current: u32,
        algorithm: &mut impl ScalingAlgorithm,
    ) -> Self {
        let (mut round, mut now, mut last_action) = (Vec::new(), Timestamp::default(), None);
        for look in observed {
            let mut look = look.with_ready(current).with_existing(current).with_last_action(last_action);
            (look.now, look.current) = (now, current);
            round.push(look);
            if let Ok(Proposal::Need(need)) = algorithm.evaluate(&look, &mut Trace::off()) {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                let to = (need.exact() as u32).clamp(2, 200);
                if to != current {
                    last_action = Some(Action { at: now, from: current, to, applied: true });
                    current = to;
                }
            }
            now = now + EVERY;
        }
        Self { round, next: 0 }
    }

    /// The next look. The one before it is moved to where it comes again.
    fn look(&mut self) -> &Observation<'a> {
        let length = EVERY * u32::try_from(self.round.len()).unwrap_or(u32::MAX);
        let last = &mut self.round[self.next];
        last.now = last.now + length;
        if let Some(action) = &mut last.last_action {
            action.at = action.at + length;
        }
        self.next = (self.next + 1) % self.round.len();
        &self.round[self.next]
    }
}

/// So many looks make a round.
const ROUND: usize = 256;

fn evaluate<A: ScalingAlgorithm>(
    criterion: &mut Criterion,
    name: &str,
    load: Load,
    make: impl Fn() -> A,
    mut trace: Trace,
) {
    let readings: Vec<[Reading<'_>; 3]> = (0..ROUND)
        .map(|look| [(70.0, 0), (100.0, 1), (40.0, 2)].map(|(on, metric)| Reading::Value(on * load(look, metric))))
        .collect();
    let observed = readings.iter().map(|readings| Observation::new(Timestamp::default(), 0, readings));
    let mut looks = Looks::prepare(observed, 10, &mut make());
    let mut algorithm = make();
    criterion.bench_function(&format!("evaluate/{name}/3 metrics"), |bencher| {
        bencher.iter(|| {
            trace.clear();
            black_box(algorithm.evaluate(black_box(looks.look()), &mut trace)).is_ok()
        });
    });
}

fn stack(criterion: &mut Criterion) {
    let hpa = || Hpa::new(&metrics(), &Default::default()).expect("good metrics");
    let full = || Restrained::new(hpa(), &behavior()).expect("a good behavior");
    let legacy = || Restrained::legacy(hpa(), &LegacyBehaviorConfig::default());
    let nothing = || setpoint::algorithm_fn(|_, _| Ok(Proposal::NoOpinion));
    evaluate(criterion, "nothing, for comparison", wave, nothing, Trace::off());
    evaluate(criterion, "hpa", wave, hpa, Trace::off());
    evaluate(criterion, "hpa, behavior", wave, full, Trace::off());
    evaluate(criterion, "hpa, legacy-behavior", wave, legacy, Trace::off());
    evaluate(criterion, "hpa, behavior, with reasons", wave, full, Trace::new());
    evaluate(criterion, "hpa, behavior, under noise", noise, full, Trace::off());
}

/// CPU samples of 100 pods, a few of them starting or not measured.
fn pods() -> (Vec<InstanceState>, Vec<Vec<Option<Sample>>>) {
    let at = Timestamp::from_millis;
    let pod = |index: usize| {
        let readiness = if index % 25 == 7 { Readiness::NotReady } else { Readiness::Ready };
        InstanceState::new(Phase::Running, readiness, at(-3_000_000)).with_started(Some(at(-3_600_000)))
    };
    let sample = |look: usize, pod: usize| {
        let value = (700.0 * wave(look, pod)) as i64;
        let at = at(15_000 * look as i64);
        (pod % 20 != 3).then_some(Sample { value, at, window: Duration::from_secs(30) })
    };
    let samples = (0..ROUND).map(|look| (0..PODS).map(|pod| sample(look, pod)).collect()).collect();
    ((0..PODS).map(pod).collect(), samples)
}

fn samples(criterion: &mut Criterion) {
    let (instances, values) = pods();
    let requests = vec![1000; PODS];
    let samples: Vec<Samples<'_>> = values.iter().map(|values| Samples::new(values).with_requests(&requests)).collect();
    let readings: Vec<[Reading<'_>; 1]> = samples.iter().map(|samples| [Reading::Samples(samples)]).collect();
    let observed = || {
        let look = |readings| Observation::new(Timestamp::default(), 0, readings).with_instances(&instances);
        readings.iter().map(move |readings| look(&readings[..]))
    };
    let hpa = || Hpa::new(&metrics()[..1], &Default::default()).expect("good metrics");
    let full = || Restrained::new(hpa(), &behavior()).expect("a good behavior");
    let prepare = || Looks::prepare(observed(), 100, &mut full());

    let (mut algorithm, mut looks, mut trace) = (full(), prepare(), Trace::off());
    criterion.bench_function("evaluate/hpa, behavior/100 pods", |bencher| {
        bencher.iter(|| black_box(algorithm.evaluate(black_box(looks.look()), &mut trace)).is_ok());
    });

    let cpu = MetricSpec {
        kind: MetricKind::Resource,
        name: "cpu".to_owned(),
        container: None,
        target: MetricTarget::Utilization(70),
    };
    let spec = Spec { min: 2, max: 200, metrics: vec![cpu], behavior: Some(behavior()) };
    let (mut hpa, mut looks) = (ControlLoop::new(&spec, Settings::default()), prepare());
    criterion.bench_function("sync/controller, conditions and status/100 pods", |bencher| {
        bencher.iter(|| {
            let plan = hpa.plan(black_box(looks.look()), &mut trace);
            black_box(hpa.finish(plan, true))
        });
    });
}

criterion_group!(benches, stack, samples);
criterion_main!(benches);
