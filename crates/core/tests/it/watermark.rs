//! The rules of a WatermarkPodAutoscaler, each as we have it by default and as the controller has it.

mod config;
mod instances;
mod reconciler;
mod windows;

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Hold, Metric, Need, Observation, PolicySpec, Proposal, Reading, Registry,
    ScalingAlgorithm, Target, Timestamp, Trace, Watermark, WatermarkConfig,
};
use setpoint_testkit::laws::{self, Subject};

/// `given` in place of what a test takes for granted: marks of 50 and 80 for `load`.
fn config(given: Value, exact: bool) -> WatermarkConfig {
    let mut config = json!({ "watermarks": { "load": { "low": 50, "high": 80 } }, "exact": exact });
    for (name, value) in given.as_object().expect("an object") {
        config[name] = value.clone();
    }
    serde_json::from_value(config).expect("a good configuration")
}

fn load() -> Metric {
    Metric::new("load", Target::value(65.0).expect("in range"))
}

fn secs(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

/// The replicas an algorithm asks for; a hold and hands off are as many as there are.
#[track_caller]
fn ask(algorithm: &mut dyn ScalingAlgorithm, look: &Observation<'_>) -> u32 {
    match algorithm.evaluate(look, &mut Trace::off()).expect("an answer") {
        Proposal::Need(need) => need.exact() as u32,
        _ => look.current,
    }
}

#[test]
fn values_become_replicas() {
    struct Row {
        name: &'static str,
        config: Value,
        /// What is measured with 10 replicas, and how many of them are ready.
        given: (f64, u32),
        min: u32,
        /// Ours, and the controller's.
        want: (u32, u32),
    }
    let row = |name, config, value, want| Row { name, config, given: (value, 10), min: 1, want };
    let high = json!({ "convergeTowardsWatermark": "highwatermark" });
    let low = json!({ "convergeTowardsWatermark": "lowwatermark" });
    let rows = [
        row("between", json!({}), 65.0, (10, 10)),
        row("at the end of the upper tolerance", json!({}), 88.0, (10, 10)),
        row("just beyond it", json!({}), 88.001, (12, 12)),
        row("at the end of the lower tolerance", json!({}), 45.0, (10, 10)),
        row("just beyond that: rounded down", json!({}), 44.999, (8, 8)),
        row("up in steps", json!({}), 800.0, (15, 15)),
        row("down in steps", json!({}), 1.0, (8, 8)),
        row("steps are cut to whole replicas", json!({ "scaleUpLimitFactor": "29" }), 800.0, (12, 12)),
        row("and are one at least", json!({ "scaleDownLimitFactor": "1m" }), 1.0, (9, 9)),
        row("an up limit of 0", json!({ "scaleUpLimitFactor": 0 }), 800.0, (10, 10)),
        row("a down limit of 0", json!({ "scaleDownLimitFactor": 0 }), 1.0, (10, 10)),
        Row { given: (100.0, 5), ..row("of the ready ones, and never the wrong way", json!({}), 0.0, (10, 10)) },
        Row { given: (44.0, 8), ..row("of the ready ones on the way down", json!({}), 0.0, (8, 8)) },
        Row { given: (45.1, 9), ..row("ready ones don't move the marks", json!({}), 0.0, (10, 10)) },
        row("a negative value is a low one", json!({}), -5.0, (8, 8)),
        row(
            "tolerance in whole thousandths",
            json!({ "watermarks": { "load": { "low": "3m", "high": "15m" } } }),
            0.016,
            (10, 10),
        ),
        row(
            "one thousandth more",
            json!({ "watermarks": { "load": { "low": "3m", "high": "15m" } } }),
            0.017,
            (12, 12),
        ),
        row("without tolerance", json!({ "tolerance": "1m" }), 80.081, (11, 11)),
        row("0 is a tolerance too", json!({ "tolerance": 0 }), 80.001, (11, 10)),
        row("the modulo rounds up", json!({ "replicaScalingAbsoluteModulo": 4 }), 92.0, (12, 12)),
        row("the modulo on the way down", json!({ "replicaScalingAbsoluteModulo": 3 }), 40.0, (9, 9)),
        row("the modulo never turns the direction", json!({ "replicaScalingAbsoluteModulo": 7 }), 44.0, (10, 10)),
        row("towards the high mark", high.clone(), 60.0, (9, 9)),
        row("not beyond it", high.clone(), 75.0, (10, 10)),
        row(
            "a step is the modulo",
            json!({ "convergeTowardsWatermark": "highwatermark", "replicaScalingAbsoluteModulo": 2 }),
            60.0,
            (8, 8),
        ),
        row(
            "a step that is too large",
            json!({ "convergeTowardsWatermark": "highwatermark", "replicaScalingAbsoluteModulo": 3 }),
            60.0,
            (10, 10),
        ),
        row("towards the low mark", low.clone(), 60.0, (11, 11)),
        row("not below it", low, 52.0, (10, 10)),
        row("no way to converge beyond the marks", high, 89.0, (12, 12)),
        Row { given: (0.0, 9), ..row("a zero", json!({}), 0.0, (10, 9)) },
        Row { given: (0.0, 7), ..row("a zero with few ready: given up by its cap", json!({}), 0.0, (10, 10)) },
        row("a zero that is tolerated", json!({ "tolerateZero": true }), 0.0, (8, 8)),
        Row { given: (1.0, 7), ..row("a cap above the ready ones", json!({}), 0.0, (10, 10)) },
        Row { given: (1.0, 8), ..row("a cap at the ready ones", json!({}), 0.0, (8, 8)) },
        Row { min: 0, ..row("without a minimum", json!({}), 1.0, (8, 1)) },
        Row { min: 9, ..row("the minimum goes before the cap", json!({}), 1.0, (9, 9)) },
        Row { given: (90.0, 4), ..row("enough ready", json!({ "minAvailableReplicaPercentage": 40 }), 0.0, (10, 10)) },
        row("huge", json!({ "scaleUpLimitFactor": "1G" }), f64::MAX, (100, 100)),
        row("NaN is nothing", json!({}), f64::NAN, (10, 10)),
    ];
    for Row { name, config, given: (value, ready), min, want } in rows {
        for (exact, want) in [(false, want.0), (true, want.1)] {
            let mut watermark = Watermark::new(&[load()], &self::config(config.clone(), exact)).expect("a good one");
            let readings = [Reading::Value(value)];
            let bounds = setpoint::Bounds::new(min, 100).expect("bounds");
            let look = Observation::new(secs(0), 10, &readings).with_ready(ready).with_bounds(bounds);
            assert_eq!(ask(&mut watermark, &look), want, "{name}, exact: {exact}");
        }
    }
}

/// The order of multiplication and division shows in the last bit, and that in the count.
#[test]
fn a_proposal_is_multiplied_first_and_a_bound_for_converging_divided_first() {
    // By search, for counts and marks where both orders differ.
    let (mut up, mut converging) = (0, 0);
    for ready in 1..60_u32 {
        for high in (10..2000_i64).step_by(7) {
            // A value that makes a whole number of replicas.
            for whole in [ready + 1, ready + 2] {
                let usage = (i64::from(whole) * high / i64::from(ready)) as f64;
                let (ready_f, high_f) = (f64::from(ready), high as f64);
                let multiplied = (ready_f * usage / high_f).ceil();
                let divided = (ready_f / high_f * usage).ceil();
                if multiplied == divided || usage <= high_f + (high / 10) as f64 {
                    continue;
                }
                up += 1;
                let marks = json!({
                    "watermarks": { "load": { "low": "1m", "high": format!("{high}m") } },
                    "scaleUpLimitFactor": 10_000,
                });
                let mut watermark = Watermark::new(&[load()], &config(marks, false)).expect("a good one");
                let readings = [Reading::Value(usage / 1000.0)];
                let look = Observation::new(secs(0), ready, &readings);
                assert_eq!(f64::from(ask(&mut watermark, &look)), multiplied, "{ready} at {usage} of {high}");
            }
            let usage = (i64::from(ready) * high / i64::from(ready + 1)) as f64;
            let of = f64::from(ready + 1);
            let (multiplied, divided) = ((of * usage / high as f64).ceil(), (of / high as f64 * usage).ceil());
            if multiplied == divided || usage < 2.0 {
                continue;
            }
            converging += 1;
            let marks = json!({
                "watermarks": { "load": { "low": "1m", "high": format!("{high}m") } },
                "convergeTowardsWatermark": "highwatermark",
            });
            let mut watermark = Watermark::new(&[load()], &config(marks, false)).expect("a good one");
            let readings = [Reading::Value(usage / 1000.0)];
            let look = Observation::new(secs(0), ready + 1, &readings);
            let want = if f64::from(ready) < divided { ready + 1 } else { ready };
            assert_eq!(ask(&mut watermark, &look), want, "{} at {usage} of {high}", ready + 1);
        }
    }
    assert!(up > 10 && converging > 10, "{up} and {converging} cases where the order matters");
}

#[test]
fn several_metrics_ask_for_the_most_and_one_failing_stops_all() {
    let metrics = ["a", "b"].map(|name| Metric::new(name, Target::value(100.0).expect("in range")));
    let config = WatermarkConfig::default();
    let cases: [(&str, [Reading<'_>; 2], Proposal); 6] = [
        ("the higher one", [Reading::Value(120.0), Reading::Value(130.0)], Need::from(13).into()),
        ("up and down", [Reading::Value(120.0), Reading::Value(10.0)], Need::from(12).into()),
        ("down and steady", [Reading::Value(10.0), Reading::Value(100.0)], Need::from(10).into()),
        ("both down", [Reading::Value(10.0), Reading::Value(85.0)], Need::from(8).into()),
        ("one fails", [Reading::Value(150.0), Reading::Missing("gone")], Proposal::Hold(Hold::NoReadings)),
        ("a zero blocks scaling down", [Reading::Value(10.0), Reading::Value(0.0)], Need::from(10).into()),
    ];
    for (name, readings, want) in cases {
        let mut watermark = Watermark::new(&metrics, &config).expect("good metrics");
        let look = Observation::new(secs(0), 10, &readings);
        assert_eq!(watermark.evaluate(&look, &mut Trace::off()), Ok(want), "{name}");
    }
}

#[test]
fn an_average_is_over_the_ready_replicas() {
    let queue = Metric::new("queue", Target::average_value(10.0).expect("in range"));
    // 150 over 10 is 15, over 5 it is 30: 10 · 15 / 10 and 5 · 30 / 10 are both 15.
    for (ready, value, want) in [(10, 150.0, 15), (5, 150.0, 15), (10, 110.0, 10), (9, 110.0, 11), (10, 111.0, 12)] {
        for exact in [false, true] {
            let config = WatermarkConfig { exact, ..WatermarkConfig::default() };
            let mut watermark = Watermark::new(std::slice::from_ref(&queue), &config).expect("a good metric");
            let readings = [Reading::Value(value)];
            let look = Observation::new(secs(0), 10, &readings).with_ready(ready);
            assert_eq!(ask(&mut watermark, &look), want, "{value} with {ready} ready, exact: {exact}");
        }
    }
}

#[test]
fn a_recommender_s_answer_is_readings() {
    let metrics = ["wanted", "least", "most"].map(|name| Metric::new(name, Target::value(1.0).expect("in range")));
    let config = |more: Value, exact| {
        let mut config = json!({
            "recommender": { "replicas": "wanted", "lowerBound": "least", "upperBound": "most" },
            "exact": exact,
        });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        serde_json::from_value::<WatermarkConfig>(config).expect("a good configuration")
    };
    let high = json!({ "convergeTowardsWatermark": "highwatermark" });
    let low = json!({ "convergeTowardsWatermark": "lowwatermark" });
    let rows = [
        ("more", json!({}), [13.0, 11.0, 14.0], (13, 13)),
        ("capped", json!({}), [40.0, 30.0, 50.0], (15, 15)),
        ("fewer", json!({}), [9.0, 8.0, 9.0], (9, 9)),
        ("as many", json!({}), [10.0, 8.0, 12.0], (10, 10)),
        ("converging down within the lower bound", high.clone(), [10.0, 9.0, 12.0], (9, 9)),
        ("not below it", high, [10.0, 10.0, 12.0], (10, 10)),
        ("converging up within the upper bound", low.clone(), [10.0, 9.0, 11.0], (11, 11)),
        ("not above it", low, [10.0, 9.0, 10.0], (10, 10)),
        ("none", json!({}), [0.0, 0.0, 0.0], (10, 9)),
        ("none, tolerated", json!({ "tolerateZero": true }), [0.0, 0.0, 0.0], (8, 8)),
        ("part of a replica is one", json!({}), [10.2, 10.2, 11.0], (11, 11)),
        ("NaN is nothing", json!({}), [f64::NAN, 20.0, 30.0], (10, 10)),
        ("a bound is missing", json!({}), [13.0, f64::INFINITY, 14.0], (10, 10)),
    ];
    for (name, more, answer, want) in rows {
        for (exact, want) in [(false, want.0), (true, want.1)] {
            let mut watermark = Watermark::new(&metrics, &config(more.clone(), exact)).expect("a good one");
            let readings = answer.map(Reading::Value);
            let bounds = setpoint::Bounds::new(1, 100).expect("bounds");
            let look = Observation::new(secs(0), 10, &readings).with_ready(9).with_bounds(bounds);
            assert_eq!(ask(&mut watermark, &look), want, "{name}, exact: {exact}");
        }
    }
}

#[test]
fn a_stage_s_tolerance_goes_before_its_own() {
    let algorithm = AlgorithmSpec::named("watermark", json!({ "watermarks": { "load": { "low": 50, "high": 80 } } }));
    for (behavior, value, want) in [
        (json!({ "scaleUp": { "tolerance": "300m" } }), 100.0, 10),
        (json!({ "scaleUp": { "tolerance": "0" } }), 81.0, 11),
        (json!({ "scaleDown": { "tolerance": "2" } }), 1.0, 10),
    ] {
        let mut policy = PolicySpec::new(1, 100, vec![load()], algorithm.clone()).expect("a good policy");
        policy.behavior = Some(serde_json::from_value(behavior.clone()).expect("a behavior"));
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("a good policy");
        let readings = [Reading::Value(value)];
        let look = Observation::new(secs(0), 10, &readings);
        let decision = manager.decide(workload, &look, &mut Trace::off()).expect("a decision");
        assert_eq!(decision.desired, want, "{behavior}");
    }
}

#[test]
fn a_decision_says_how_it_came_to_be() {
    let texts = |config: Value, looks: &[(i64, f64)]| {
        let algorithm = AlgorithmSpec::named("watermark", config);
        let policy = PolicySpec::new(1, 12, vec![load()], algorithm).expect("a good policy");
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("a good policy");
        let (mut current, mut trace) = (10, Trace::new());
        for &(at, value) in looks {
            let readings = [Reading::Value(value)];
            let look = Observation::new(secs(at), current, &readings);
            current = manager.decide(workload, &look, &mut trace).expect("a decision").desired;
        }
        let text = |reason: &setpoint::ReasonRecord| format!("{} -> {}: {}", reason.from, reason.to, reason.text);
        trace.records(&policy.metrics).iter().map(text).collect::<Vec<_>>()
    };
    let marks = json!({ "watermarks": { "load": { "low": 50, "high": 80 } } });
    let with = |name: &str, value: Value| {
        let mut config = marks.clone();
        config[name] = value;
        config
    };
    assert_eq!(
        texts(marks.clone(), &[(0, 200.0)]),
        [
            "10 -> 25: load is 200, above 88: 10 ready times 200 over 80, rounded up to 25",
            "25 -> 12: the most that scaleUpLimitFactor allows in one step",
        ]
    );
    assert_eq!(
        texts(marks.clone(), &[(0, 90.0), (30, 90.0)]),
        ["12 -> 14: load is 90, above 88: 12 ready times 90 over 80, rounded up to 14", "14 -> 12: maxReplicas"]
    );
    assert_eq!(
        texts(marks.clone(), &[(0, 44.0), (45, 30.0)]),
        [
            "8 -> 4: load is 30, below 45: 8 ready times 30 over 50, rounded down to 4",
            "4 -> 7: the fewest that scaleDownLimitFactor allows in one step",
            "7 -> 8: forbidden to scale down for 4m 15s more",
        ]
    );
    assert_eq!(
        texts(with("upscaleDelayAboveWatermarkSeconds", json!(60)), &[(0, 90.0), (15, 90.0)]),
        [
            "10 -> 12: load is 90, above 88: 10 ready times 90 over 80, rounded up to 12",
            "12 -> 10: scale up in 45s, if the value stays beyond its high watermark",
        ]
    );
    assert_eq!(
        texts(with("convergeTowardsWatermark", json!("highwatermark")), &[(0, 60.0)]),
        ["10 -> 10: load is 60, between 45 and 88", "10 -> 9: a step towards the high watermark, which 8 would keep"]
    );
    assert_eq!(texts(marks, &[(0, 0.0)]), ["10 -> 10: load is 0, which is not tolerated: as it is"]);
}

/// More load means no fewer replicas, where a zero is a load like any other: one that isn't tolerated changes nothing by
/// design, and a little more than that does.
#[test]
fn it_keeps_the_laws() {
    let registry = Registry::builtin();
    for config in [
        json!({ "tolerateZero": true }),
        json!({ "tolerateZero": true, "replicaScalingAbsoluteModulo": 3, "upscaleDelayAboveWatermarkSeconds": 30 }),
    ] {
        let subject = Subject::new(&registry, "watermark").with_config(config).monotone();
        laws::check(&subject, 48);
        laws::check(&subject.with_pods(), 24);
    }
    // The controller's way starts with a write and remembers what it asked for; at its target it stays all the same.
    let exact =
        Subject::new(&registry, "watermark").with_config(json!({ "exact": true, "minAvailableReplicaPercentage": 30 }));
    laws::check(&exact, 48);
    laws::check(&exact.in_stage("smoothed", json!({})).in_stage("capped", json!({})), 24);
}

proptest! {
    /// Whatever is measured, a step is within the caps, and between the marks nothing is done.
    #[test]
    fn a_step_is_within_its_caps(
        current in 1_u32..200, ready in 1_u32..200, value in 0.0..500.0_f64, up in 0_u32..300, down in 0_u32..100,
    ) {
        let given = json!({ "scaleUpLimitFactor": up, "scaleDownLimitFactor": down });
        let mut watermark = Watermark::new(&[load()], &config(given, false)).unwrap();
        let readings = [Reading::Value(value)];
        let look = Observation::new(secs(0), current, &readings).with_ready(ready.min(current));
        let desired = f64::from(ask(&mut watermark, &look));
        let current = f64::from(current);
        let step = |percent: u32| if percent == 0 { 0.0 } else { (current * f64::from(percent) / 100.0).max(1.0) };
        prop_assert!(desired <= current + step(up) && desired >= (current - step(down)).max(1.0), "{desired}");
        if (45.0..=88.0).contains(&value) {
            prop_assert_eq!(desired, current);
        }
    }
}
