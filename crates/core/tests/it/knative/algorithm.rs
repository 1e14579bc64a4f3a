//! Knative's autoscaler as an algorithm.

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint::knative::{KnativeKpa, KnativeKpaConfig};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Hold, Metric, Need, Observation, PolicySpec, Proposal, Reading, Reconfigured,
    Registry, ScalingAlgorithm, StateError, Target, Timestamp, Trace, parse_config,
};
use setpoint_testkit::laws::{self, Subject};

use super::at;

/// Metrics of ten a replica.
fn metrics(count: usize) -> Vec<Metric> {
    let target = Target::average_value(10.0).expect("a target");
    ["requests", "queue", "sessions"][..count].iter().map(|name| Metric::new(*name, target)).collect()
}

fn kpa(count: usize, config: Value) -> KnativeKpa {
    let config: KnativeKpaConfig = parse_config(&config).expect("a good configuration");
    KnativeKpa::new(&metrics(count), &config).expect("a good configuration")
}

fn look<'a>(secs: i64, current: u32, readings: &'a [Reading<'a>]) -> Observation<'a> {
    Observation::new(at(secs), current, readings)
}

fn ask(kpa: &mut KnativeKpa, secs: i64, current: u32, readings: &[Reading<'_>]) -> Proposal {
    kpa.evaluate(&look(secs, current, readings), &mut Trace::off()).expect("an answer")
}

fn need(replicas: u32) -> Proposal {
    Need::from(replicas).into()
}

fn exact() -> Value {
    json!({ "exact": true })
}

#[test]
fn it_keeps_the_laws_also_exactly_as_knative() {
    let registry = Registry::builtin();
    let weighted = json!({ "aggregation": "weightedExponential", "scaleDownDelay": "30s" });
    laws::check(&Subject::new(&registry, KnativeKpa::NAME).with_config(weighted).monotone(), 48);
    // What is left in the window is as good as a reading there, and looks far apart average to next to nothing: a target
    // that is met stays one only while a start is a panic.
    let exact = Subject::new(&registry, KnativeKpa::NAME).with_config(exact()).monotone();
    laws::check(&exact.except("what is at its target stays"), 48);
}

#[test]
fn looks_far_apart_are_no_lesser_load() {
    let decide = |config: Value| {
        let mut kpa = kpa(1, config);
        (0..9).map(|index| ask(&mut kpa, index * 15, 4, &[Reading::Value(40.0)])).last()
    };
    assert_eq!(decide(json!({})), Some(need(4)));
    // 40 in each 15 s are 2.67 a second, and the limit down is half of the four.
    assert_eq!(decide(exact()), Some(need(2)));
}

#[test]
fn no_reading_is_no_reading() {
    let gone = [Reading::Missing("scrape failed")];
    let mut sound = kpa(1, json!({}));
    assert_eq!(ask(&mut sound, 0, 4, &gone), Proposal::Hold(Hold::NoReadings));
    assert_eq!(ask(&mut sound, 1, 4, &[Reading::Value(f64::NAN)]), Proposal::Hold(Hold::NoReadings));
    for second in 2..100 {
        ask(&mut sound, second, 4, &[Reading::Value(40.0)]);
    }
    assert_eq!(ask(&mut sound, 100, 4, &gone), Proposal::Hold(Hold::NoReadings));
    // Half a minute without: when it is back, it is what it was.
    assert_eq!(ask(&mut sound, 130, 4, &[Reading::Value(40.0)]), need(4));
    // Knative goes on by the window, and takes the gap for no load.
    let mut theirs = kpa(1, exact());
    assert_eq!(ask(&mut theirs, 0, 4, &gone), Proposal::Hold(Hold::NoReadings));
    for second in 1..100 {
        ask(&mut theirs, second, 4, &[Reading::Value(40.0)]);
    }
    assert_eq!(ask(&mut theirs, 100, 4, &gone), need(4));
    assert_eq!(ask(&mut theirs, 130, 4, &[Reading::Value(40.0)]), need(2));
    assert_eq!(ask(&mut theirs, 191, 4, &gone), Proposal::Hold(Hold::NoReadings));
}

#[test]
fn of_several_metrics_the_highest_counts_and_an_unknown_one_blocks_the_way_down() {
    let mut kpa = kpa(3, json!({}));
    let readings = [Reading::Value(10.0), Reading::Value(15.0), Reading::Value(12.0)];
    for second in 0..100 {
        ask(&mut kpa, second, 1, &readings);
    }
    assert_eq!(ask(&mut kpa, 100, 1, &readings), need(2));
    let blocked = |replicas| Proposal::from(Need::from(replicas).never_shrinking());
    let partly = [Reading::Value(10.0), Reading::Missing("scrape failed"), Reading::Value(12.0)];
    assert_eq!(ask(&mut kpa, 101, 5, &partly), blocked(2));
}

#[test]
fn an_ulp_above_a_whole_number_is_no_replica() {
    // 0.7 times 3 is 2.1 and a little less; 0.1 + 0.2 is 0.3 and a little more.
    let target = |target: f64| [Metric::new("load", Target::average_value(target).expect("a target"))];
    let config = |exact: bool| KnativeKpaConfig {
        aggregation: setpoint::window::Averaging::WeightedExponential,
        exact,
        ..KnativeKpaConfig::default()
    };
    for current in 1..200_u32 {
        let metrics = target(0.3);
        let mut kpa = KnativeKpa::new(&metrics, &config(false)).expect("a good configuration");
        let load = f64::from(current) * (0.1 + 0.2);
        for second in 0..200 {
            assert_eq!(ask(&mut kpa, second, current, &[Reading::Value(load)]), need(current), "{current}");
        }
    }
}

#[test]
fn it_starts_from_zero_and_begins_with_what_is_asked_for() {
    assert_eq!(ask(&mut kpa(1, json!({})), 0, 0, &[Reading::Value(25.0)]), need(3));
    assert_eq!(ask(&mut kpa(1, json!({})), 0, 0, &[Reading::Value(0.0)]), need(0));
    let readings = [Reading::Value(10.0)];
    let starting = look(0, 10, &readings).with_ready(2);
    let first = |config| kpa(1, config).evaluate(&starting, &mut Trace::off()).expect("an answer");
    assert_eq!(first(json!({})), need(10));
    assert_eq!(first(exact()), need(2));
}

#[test]
fn other_targets_count_as_a_mean_times_the_replicas() {
    let metrics = [
        Metric::new("p99", Target::value(500.0).expect("a target")),
        Metric::new("cpu", Target::utilization(70.0).expect("a target")).with_kind(setpoint::MetricKind::Resource),
    ];
    let mut kpa = KnativeKpa::new(&metrics, &KnativeKpaConfig::default()).expect("a good configuration");
    assert_eq!(ask(&mut kpa, 0, 4, &[Reading::Value(500.0), Reading::Value(35.0)]), need(4));
    assert_eq!(ask(&mut kpa, 90, 4, &[Reading::Value(620.0), Reading::Value(35.0)]), need(5));
}

#[test]
fn a_configuration_out_of_range_names_its_field() {
    let cases = [
        ("stableWindow", json!({ "stableWindow": "5s" })),
        ("stableWindow", json!({ "stableWindow": "6500ms" })),
        ("stableWindow", json!({ "stableWindow": "61m" })),
        ("panicWindowPercentage", json!({ "panicWindowPercentage": 0.5 })),
        ("panicThresholdPercentage", json!({ "panicThresholdPercentage": 2 })),
        ("targetUtilizationPercentage", json!({ "targetUtilizationPercentage": 0.7 })),
        ("maxScaleUpRate", json!({ "maxScaleUpRate": 1 })),
        ("maxScaleDownRate", json!({ "maxScaleDownRate": 1 })),
        ("scaleDownDelay", json!({ "scaleDownDelay": "1500ms" })),
        ("targetBurstCapacity", json!({ "targetBurstCapacity": -3 })),
    ];
    let registry = Registry::builtin();
    for (field, config) in cases {
        let spec = AlgorithmSpec::named(KnativeKpa::NAME, config.clone());
        let Err(error) = registry.build(&spec, &metrics(1)) else { panic!("{config} is accepted") };
        assert_eq!(error.path, format!("config.{field}"), "{config}");
    }
}

fn policy(config: Value) -> PolicySpec {
    PolicySpec::new(0, 40, metrics(1), AlgorithmSpec::named(KnativeKpa::NAME, config)).expect("a good policy")
}

#[test]
fn behavior_around_it_slows_what_knative_can_t() {
    let bare = policy(json!({ "maxScaleDownRate": 1000 }));
    // Six lines of YAML: see the module's documentation, and the example policy.
    let mut slowed = bare.clone();
    slowed.behavior = Some(
        serde_json::from_value(json!({
            "scaleUp": { "policies": [{ "type": "Percent", "value": 1000, "periodSeconds": 15 }] },
            "scaleDown": {
                "stabilizationWindowSeconds": 120,
                "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 60 }],
            },
        }))
        .expect("a behavior"),
    );
    let run = |policy: &PolicySpec| {
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(policy).expect("a good policy");
        let mut current = 1;
        let mut seen = Vec::new();
        for second in (0..420).step_by(20) {
            let load = if second < 60 { 100.0 } else { 10.0 };
            let readings = [Reading::Value(load)];
            current = manager
                .decide(workload, &look(second, current, &readings), &mut Trace::new())
                .expect("a decision")
                .desired;
            seen.push(current);
        }
        seen
    };
    // Up at once in both. A panic of a minute after its last cause; then the average, which forgets within another.
    let knative = run(&bare);
    assert_eq!(knative[..6], [10, 10, 10, 10, 4, 1], "{knative:?}");
    // The same, but no sooner than two minutes after it was needed, and two a minute.
    let calm = run(&slowed);
    assert_eq!(calm[..19], [10, 10, 10, 10, 10, 10, 10, 10, 10, 8, 8, 8, 6, 6, 6, 4, 4, 4, 2], "{calm:?}");
}

#[test]
fn state_goes_on_under_another_configuration() {
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&policy(json!({ "scaleDownDelay": "60s" }))).expect("a good policy");
    let decide = |manager: &mut AlgorithmManager, secs: i64, load: f64| {
        let readings = [Reading::Value(load)];
        manager.decide(workload, &look(secs, 4, &readings), &mut Trace::off()).expect("a decision").desired
    };
    for second in 0..70 {
        decide(&mut manager, second, 40.0);
    }
    // A longer window begins where the shorter one reaches: it does not take the rest for zeros.
    let longer = policy(json!({ "stableWindow": "10m", "scaleDownDelay": "60s" }));
    assert_eq!(manager.reconfigure(workload, &longer), Ok(Reconfigured::StateKept));
    assert_eq!(decide(&mut manager, 70, 40.0), 4);
    // The delay is gone when the policy says so: then what there is is the average, (61 · 40 + 59 · 0) / 120.
    let bare = policy(json!({ "stableWindow": "10m" }));
    for second in 71..700 {
        decide(&mut manager, second, 40.0);
    }
    for second in 700..790 {
        assert_eq!(decide(&mut manager, second, 0.0), 4);
    }
    assert_eq!(manager.reconfigure(workload, &bare), Ok(Reconfigured::StateKept));
    assert_eq!(decide(&mut manager, 1300, 0.0), 2);
}

#[test]
fn a_state_of_other_metrics_is_refused() {
    let mut state = Vec::new();
    kpa(2, json!({})).snapshot(&mut state).expect("a snapshot");
    let error = kpa(1, json!({})).restore(&state).expect_err("it is of two metrics");
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    let error = kpa(2, json!({})).restore(&[9]).expect_err("no such version");
    assert!(matches!(error, StateError::Version { .. }), "{error}");
}

#[test]
fn samples_between_looks_count() {
    let mut kpa = kpa(1, exact());
    kpa.start(1, at(0)).expect("a good spec");
    for second in 0..60 {
        kpa.sample(0, at(second), 25.0);
    }
    kpa.sample(7, at(60), 25.0);
    assert_eq!(ask(&mut kpa, 60, 1, &[Reading::Missing("sampled before")]), need(3));
}

#[test]
fn every_step_is_told() {
    let mut kpa = kpa(2, json!({ "scaleDownDelay": "20s", "maxScaleUpRate": 1.5, "activationScale": 2 }));
    let mut trace = Trace::new();
    let mut tell = |secs: i64, current: u32, readings: &[Reading<'_>]| {
        trace.clear();
        kpa.evaluate(&look(secs, current, readings), &mut trace).expect("an answer");
        let record = |reason: setpoint::ReasonRecord| format!("{} -> {}: {}", reason.from, reason.to, reason.text);
        trace.records(&metrics(2)).into_iter().map(record).collect::<Vec<_>>()
    };
    let gone = Reading::Missing("scrape failed");
    assert_eq!(
        tell(0, 1, &[gone, gone]),
        [
            "1 -> 1: requests is missing (scrape failed)",
            "1 -> 1: queue is missing (scrape failed)",
            "1 -> 1: no metric has a usable reading",
        ]
    );
    assert_eq!(
        tell(2, 1, &[Reading::Value(55.0), gone]),
        [
            "1 -> 6: requests averages 55 in 1m and 55 in 6s, of which 10 a replica: 6 and 6",
            "6 -> 2: at most 2 in one step from 1 ready",
            "2 -> 2: panic begins: 6 needed is 2 times the 1 ready or more; no fewer than 2 for 1m",
            "2 -> 2: short of capacity for a burst of 211 by 256",
            "1 -> 1: queue is missing (scrape failed)",
            "1 -> 2: requests alone makes a proposal",
        ]
    );
    tell(40, 2, &[Reading::Value(5.0), gone]);
    let ended = tell(63, 2, &[Reading::Value(5.0), gone]);
    assert_eq!(
        ended[..4],
        [
            "2 -> 1: requests averages 5 in 1m and 5 in 6s, of which 10 a replica: 1 and 1",
            "1 -> 2: if any, then 2",
            "2 -> 2: panic ends: a stable window has passed without a cause",
            "2 -> 2: short of capacity for a burst of 211 by 196",
        ]
    );
    let delayed = tell(80, 9, &[Reading::Value(90.0), gone]);
    assert_eq!(delayed[1], "3 -> 4: at least 4 in one step from 9 ready");
    assert_eq!(
        tell(90, 4, &[Reading::Value(0.0), gone])[1],
        "3 -> 4: 4 was wanted within the scale-down delay, and holds for 10s more"
    );
}

#[test]
fn effects_are_data_too() {
    let mut trace = Trace::new();
    let readings = [Reading::Value(55.0)];
    kpa(1, json!({})).evaluate(&look(2, 1, &readings), &mut trace).expect("an answer");
    let details = trace.details(&metrics(1));
    let effect = |index: usize| Value::Object(details[index].effect.clone());
    assert_eq!(
        effect(0),
        json!({
            "kind": "knative", "fact": "averages", "metric": "requests", "stable": 55.0, "stable_window_ms": 60_000,
            "panic": 55.0, "panic_window_ms": 6000, "target": 10.0, "panic_need": 6.0,
        })
    );
    assert_eq!(
        effect(1),
        json!({
            "kind": "knative", "fact": "panic", "event": "began", "need": 6.0, "ready": 1, "threshold": 2.0,
            "until_ms": 62_000, "left_ms": 60_000,
        })
    );
    assert_eq!(effect(2), json!({ "kind": "knative", "fact": "excess_burst", "capacity": -256, "burst": 211.0 }));
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_work(at_byte in 0_usize..700, byte in any::<u8>(), exact in any::<bool>()) {
        let mut kpa = kpa(1, json!({ "exact": exact, "scaleDownDelay": "30s" }));
        for second in 0..20 {
            ask(&mut kpa, second, 2, &[Reading::Value(second as f64)]);
        }
        let mut state = Vec::new();
        kpa.snapshot(&mut state).unwrap();
        let at_byte = at_byte % state.len();
        state[at_byte] = byte;
        let before = kpa.clone();
        if kpa.restore(&state).is_err() {
            prop_assert_eq!(format!("{:?}", kpa), format!("{before:?}"));
        }
        for millis in [20_000, 20_000, 95_000, i64::MAX, i64::MIN] {
            let readings = [Reading::Value(7.0)];
            let look = Observation::new(Timestamp::from_millis(millis), 2, &readings);
            prop_assert!(kpa.evaluate(&look, &mut Trace::new()).is_ok());
        }
    }
}
