//! What does HPA cost: its metrics, the full behaviour stack, the samples of 100 pods, and the controller's whole sync?
//!
//! `evaluate` asks a prepared algorithm on a prepared observation. The count follows what is decided, so that windows
//! and rates have something to remember.

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

/// The load of look number `look`, around 1.
fn wobble(look: usize, metric: usize) -> f64 {
    0.5 + ((look * 37 + metric * 11) % 64) as f64 / 64.0
}

/// A loop of looks, 15 s apart, in which the count becomes what was decided.
struct Loop {
    number: usize,
    now: Timestamp,
    current: u32,
    last_action: Option<Action>,
}

impl Loop {
    fn new(current: u32) -> Self {
        Self { number: 0, now: Timestamp::default(), current, last_action: None }
    }

    fn step<'a>(&mut self, readings: &'a [Reading<'a>]) -> Observation<'a> {
        self.number += 1;
        self.now = self.now + Duration::from_secs(15);
        Observation::new(self.now, self.current, readings).with_last_action(self.last_action)
    }

    fn follow(&mut self, proposal: &Proposal) {
        let Proposal::Need(need) = proposal else { return };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let to = (need.exact() as u32).clamp(2, 200);
        if to != self.current {
            self.last_action = Some(Action { at: self.now, from: self.current, to, applied: true });
            self.current = to;
        }
    }
}

fn evaluate(criterion: &mut Criterion, name: &str, mut algorithm: impl ScalingAlgorithm, mut trace: Trace) {
    let readings: Vec<[Reading<'_>; 3]> = (0..64)
        .map(|look| [(70.0, 0), (100.0, 1), (40.0, 2)].map(|(on, metric)| Reading::Value(on * wobble(look, metric))))
        .collect();
    let mut looks = Loop::new(10);
    criterion.bench_function(&format!("evaluate/{name}/3 metrics"), |bencher| {
        bencher.iter(|| {
            trace.clear();
            let look = looks.step(&readings[looks.number % 64]);
            let proposal = algorithm.evaluate(black_box(&look), &mut trace).expect("an answer");
            looks.follow(black_box(&proposal));
        });
    });
}

fn stack(criterion: &mut Criterion) {
    let hpa = || Hpa::new(&metrics(), &Default::default()).expect("good metrics");
    let full = || Restrained::new(hpa(), &behavior()).expect("a good behavior");
    let nothing = setpoint::algorithm_fn(|_, _| Ok(Proposal::NoOpinion));
    evaluate(criterion, "nothing, for comparison", nothing, Trace::off());
    evaluate(criterion, "hpa", hpa(), Trace::off());
    evaluate(criterion, "hpa, behavior", full(), Trace::off());
    evaluate(
        criterion,
        "hpa, legacy-behavior",
        Restrained::legacy(hpa(), &LegacyBehaviorConfig::default()),
        Trace::off(),
    );
    evaluate(criterion, "hpa, behavior, with reasons", full(), Trace::new());
}

/// CPU samples of 100 pods, a few of them starting or not measured.
fn pods() -> (Vec<InstanceState>, Vec<Vec<Option<Sample>>>) {
    let at = Timestamp::from_millis;
    let pod = |index: usize| {
        let readiness = if index % 25 == 7 { Readiness::NotReady } else { Readiness::Ready };
        InstanceState::new(Phase::Running, readiness, at(-3_000_000)).with_started(Some(at(-3_600_000)))
    };
    let sample = |look: usize, pod: usize| {
        let value = (700.0 * wobble(look, pod)) as i64;
        let at = at(15_000 * look as i64);
        (pod % 20 != 3).then_some(Sample { value, at, window: Duration::from_secs(30) })
    };
    let samples = (0..64).map(|look| (0..PODS).map(|pod| sample(look, pod)).collect()).collect();
    ((0..PODS).map(pod).collect(), samples)
}

fn samples(criterion: &mut Criterion) {
    let (instances, values) = pods();
    let requests = vec![1000; PODS];
    let samples: Vec<Samples<'_>> = values.iter().map(|values| Samples::new(values).with_requests(&requests)).collect();
    let readings: Vec<[Reading<'_>; 1]> = samples.iter().map(|samples| [Reading::Samples(samples)]).collect();

    let hpa = Hpa::new(&metrics()[..1], &Default::default()).expect("good metrics");
    let mut algorithm = Restrained::new(hpa, &behavior()).expect("a good behavior");
    let (mut looks, mut trace) = (Loop::new(100), Trace::off());
    criterion.bench_function("evaluate/hpa, behavior/100 pods", |bencher| {
        bencher.iter(|| {
            let look = looks.step(&readings[looks.number % 64]).with_instances(&instances);
            let proposal = algorithm.evaluate(black_box(&look), &mut trace).expect("an answer");
            looks.follow(black_box(&proposal));
        });
    });

    let cpu = MetricSpec {
        kind: MetricKind::Resource,
        name: "cpu".to_owned(),
        container: None,
        target: MetricTarget::Utilization(70),
    };
    let spec = Spec { min: 2, max: 200, metrics: vec![cpu], behavior: Some(behavior()) };
    let mut hpa = ControlLoop::new(&spec, Settings::default());
    let mut looks = Loop::new(100);
    criterion.bench_function("sync/controller, conditions and status/100 pods", |bencher| {
        bencher.iter(|| {
            let look = looks.step(&readings[looks.number % 64]).with_instances(&instances);
            let plan = hpa.plan(black_box(&look), &mut trace);
            looks.current = plan.write.unwrap_or(looks.current);
            black_box(hpa.finish(plan, true));
        });
    });
}

criterion_group!(benches, stack, samples);
criterion_main!(benches);
