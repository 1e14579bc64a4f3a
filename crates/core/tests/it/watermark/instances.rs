//! Which instances count.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint::watermark::{Failure, Reconciler, Spec};
use setpoint::{
    Bounds, InstanceState, Metric, MetricKind, Observation, Phase, Readiness, Reading, Sample, Samples, Target, Trace,
    Watermark, WatermarkConfig,
};

use super::{ask, config, load, secs};

const NOW: i64 = 3600;

fn pod(phase: Phase, readiness: Readiness, since: i64) -> InstanceState {
    InstanceState::new(phase, readiness, secs(since)).with_started(Some(secs(since)))
}

fn serving() -> InstanceState {
    pod(Phase::Running, Readiness::Ready, 0)
}

/// Ten replicas, nine of them serving, and the tenth as given: at 90, with a high mark of 80, 10 ready ask for 12 and 9
/// of them for 11.
#[test]
fn ready_are_those_that_serve() {
    let rows: [(&str, InstanceState, (u32, u32)); 11] = [
        ("serving", serving(), (12, 12)),
        ("not ready", pod(Phase::Running, Readiness::NotReady, 0), (11, 11)),
        ("not known to be ready", pod(Phase::Running, Readiness::Unknown, 0), (11, 11)),
        ("nobody has said", pod(Phase::Running, Readiness::Unreported, 0), (11, 11)),
        ("going away", serving().with_terminating(true), (11, 11)),
        ("without a start", serving().with_started(None), (12, 11)),
        ("pending for a moment", pod(Phase::Pending, Readiness::NotReady, NOW - 29), (11, 12)),
        ("pending for long", pod(Phase::Pending, Readiness::NotReady, NOW - 30), (11, 11)),
        ("pending, unreported", pod(Phase::Pending, Readiness::Unreported, NOW), (11, 11)),
        ("failed", pod(Phase::Failed, Readiness::Ready, 0), (11, 11)),
        ("ended", pod(Phase::Succeeded, Readiness::Ready, 0), (11, 11)),
    ];
    for (name, tenth, want) in rows {
        for (exact, want) in [(false, want.0), (true, want.1)] {
            let config = config(json!({ "readinessDelaySeconds": 30 }), exact);
            let mut watermark = Watermark::new(&[load()], &config).expect("a good configuration");
            let mut pods = vec![serving(); 9];
            pods.push(tenth);
            let readings = [Reading::Value(90.0)];
            let look = Observation::new(secs(NOW), 10, &readings).with_instances(&pods);
            assert_eq!(ask(&mut watermark, &look), want, "{name}, exact: {exact}");
        }
    }
}

#[test]
fn too_few_are_ready_of_those_that_have_not_ended() {
    let pods = |ready, unready, failed| {
        let mut pods = vec![serving(); ready];
        pods.extend(vec![pod(Phase::Running, Readiness::NotReady, 0); unready]);
        pods.extend(vec![pod(Phase::Failed, Readiness::NotReady, 0); failed]);
        pods
    };
    let few = |percent| Err(Failure::TooFewReady { percent, least: 80 });
    // The last number: how many exist, for others may wear the same labels.
    let rows = [
        ("all", pods(4, 0, 0), 4, Ok(())),
        ("four of five", pods(4, 1, 0), 5, Ok(())),
        ("failed ones don't count", pods(4, 1, 5), 5, Ok(())),
        ("79.16 % is 79 %", pods(19, 5, 0), 24, few(79)),
        ("as many as exist at most", pods(5, 0, 0), 3, few(60)),
        ("none of them", pods(0, 5, 0), 5, Err(Failure::NoneReady)),
        ("no pods", pods(0, 0, 0), 5, Err(Failure::NoInstances)),
    ];
    for (name, pods, existing, want) in rows {
        for exact in [false, true] {
            let given = json!({ "minAvailableReplicaPercentage": 80 });
            let rules = config(given, exact).rules(&[load()]).expect("good rules");
            let spec = Spec { bounds: Bounds::new(1, 50).expect("bounds"), dry_run: false, rules };
            let readings = [Reading::Value(60.0)];
            let look = Observation::new(secs(NOW), 5, &readings).with_existing(existing).with_instances(&pods);
            let plan = Reconciler::new(spec).plan(&look, &mut Trace::off());
            assert_eq!(plan.failure.map_or(Ok(()), Err), want, "{name}, exact: {exact}");
        }
    }
}

fn sample(value: i64) -> Option<Sample> {
    Some(Sample { value, at: secs(NOW), window: Duration::from_secs(30) })
}

fn cpu(target: Target) -> Metric {
    Metric::new("cpu", target).with_kind(MetricKind::Resource)
}

fn per_pod(exact: bool, more: Value) -> WatermarkConfig {
    let mut config = json!({ "watermarks": { "cpu": { "low": "500m", "high": "800m" } }, "exact": exact });
    for (name, value) in more.as_object().expect("an object") {
        config[name] = value.clone();
    }
    serde_json::from_value(config).expect("a good configuration")
}

#[test]
fn what_each_instance_uses_is_averaged() {
    let value = Target::value(1.0).expect("in range");
    let young = |ready_after: i64| {
        InstanceState::new(Phase::Running, Readiness::Ready, secs(ready_after)).with_started(Some(secs(0)))
    };
    let just = pod(Phase::Running, Readiness::Ready, NOW - 10);
    let unready = pod(Phase::Running, Readiness::NotReady, 0);
    let average = json!({ "algorithm": "average", "readinessDelaySeconds": 60 });
    let absolute = json!({ "readinessDelaySeconds": 60 });
    struct Row {
        name: &'static str,
        config: Value,
        /// The third of three instances, and what it uses; the others have served for long and use 700 each.
        third: (InstanceState, Option<Sample>),
        others: &'static [i64],
        want: (u32, u32),
    }
    let row = |name, third, want| Row { name, config: average.clone(), third, others: &[], want };
    let rows = [
        row("a mean of 1.2", (young(60), sample(2_200)), (4, 4)),
        row("within the marks", (young(60), sample(700)), (3, 3)),
        row("ready within the delay of its start: never counts there", (young(59), sample(2_200)), (4, 3)),
        row("started just now", (just, sample(2_200)), (3, 3)),
        row("not ready", (unready, sample(2_200)), (3, 3)),
        row("without a sample", (young(60), None), (3, 3)),
        Row { others: &[1_500], ..row("somebody else's sample", (young(60), sample(700)), (3, 4)) },
        Row { config: absolute, ..row("absolute compares the sum there", (young(60), sample(700)), (3, 4)) },
    ];
    for Row { name, config, third, others, want } in rows {
        for (exact, want) in [(false, want.0), (true, want.1)] {
            let mut watermark =
                Watermark::new(&[cpu(value)], &per_pod(exact, config.clone())).expect("a good configuration");
            let old = young(600);
            let pods = [old, old, third.0];
            let of_pods = [sample(700), sample(700), third.1];
            let samples = Samples::new(&of_pods).with_others(others);
            let readings = [Reading::Samples(&samples)];
            let look = Observation::new(secs(NOW), 3, &readings).with_instances(&pods);
            assert_eq!(ask(&mut watermark, &look), want, "{name}, exact: {exact}");
        }
    }
}

#[test]
fn a_utilization_is_of_what_is_requested() {
    let config: WatermarkConfig =
        serde_json::from_value(json!({ "watermarks": { "cpu": { "low": 50, "high": 80 } } })).expect("good");
    let pods = [serving(); 4];
    let of_pods = [sample(450); 4];
    for (requests, want) in [(vec![500; 4], 5), (vec![750; 4], 4), (vec![0; 4], 4), (Vec::new(), 4)] {
        let metric = cpu(Target::utilization(65.0).expect("in range"));
        let mut watermark = Watermark::new(&[metric], &config).expect("a good configuration");
        let samples = Samples::new(&of_pods).with_requests(&requests);
        let readings = [Reading::Samples(&samples)];
        let look = Observation::new(secs(NOW), 4, &readings).with_instances(&pods);
        assert_eq!(ask(&mut watermark, &look), want, "{requests:?}");
    }
}

#[test]
fn when_every_instance_is_left_out_nothing_is_done() {
    let pods = [pod(Phase::Pending, Readiness::NotReady, NOW); 3];
    let of_pods = [sample(900); 3];
    let samples = Samples::new(&of_pods);
    let readings = [Reading::Samples(&samples)];
    for (exact, want) in [(false, Failure::NoneReady), (true, Failure::DividedByZero)] {
        let rules = per_pod(exact, json!({})).rules(&[cpu(Target::value(1.0).expect("in range"))]).expect("good rules");
        let mut wpa = Reconciler::new(Spec { bounds: Bounds::new(1, 9).expect("bounds"), dry_run: false, rules });
        let look = Observation::new(secs(NOW), 3, &readings).with_instances(&pods);
        let plan = wpa.plan(&look, &mut Trace::off());
        assert_eq!((plan.write, plan.failure), (None, Some(want)));
        let empty = wpa.status().clone();
        wpa.finish(plan, true);
        assert_eq!(*wpa.status() == empty, exact, "the controller leaves no trace");
    }
}

#[test]
fn one_pod_of_others_is_in_the_percentage_of_a_resource_metric() {
    let rules = |exact| {
        let given = json!({ "minAvailableReplicaPercentage": 80 });
        per_pod(exact, given).rules(&[cpu(Target::value(1.0).expect("in range"))]).expect("good rules")
    };
    let pods = [serving(); 3];
    let of_pods = [sample(700); 3];
    let samples = Samples::new(&of_pods);
    let readings = [Reading::Samples(&samples)];
    let look = Observation::new(secs(NOW), 3, &readings).with_instances(&pods);
    for (exact, want) in [(false, None), (true, Some(Failure::TooFewReady { percent: 75, least: 80 }))] {
        let spec = Spec { bounds: Bounds::new(1, 9).expect("bounds"), dry_run: false, rules: rules(exact) };
        let plan = Reconciler::new(spec).plan_among(&look, 1, &mut Trace::off());
        assert_eq!(plan.failure, want, "exact: {exact}");
    }
}

/// A scale-down is given up for too few ready replicas, and not for none at all: where only others were measured.
#[test]
fn with_no_ready_replica_the_controller_scales_down_all_the_same() {
    let pods = [serving(); 10];
    let of_pods = [None; 10];
    let samples = Samples::new(&of_pods).with_others(&[100]);
    let readings = [Reading::Samples(&samples)];
    let bounds = Bounds::new(1, 50).expect("bounds");
    let look = Observation::new(secs(NOW), 10, &readings).with_instances(&pods).with_bounds(bounds);
    for (exact, want) in [(false, 10), (true, 8)] {
        let metric = cpu(Target::value(1.0).expect("in range"));
        let mut watermark = Watermark::new(&[metric], &per_pod(exact, json!({}))).expect("a good configuration");
        assert_eq!(ask(&mut watermark, &look), want, "exact: {exact}");
    }
}
