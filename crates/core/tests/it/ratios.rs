//! The ratio leaves, row by row.

use serde_json::{Value, json};
use setpoint::{
    AlgorithmSpec, Hold, InstanceState, MaxRatio, MaxRatioConfig, Metric, MetricKind, Observation, Phase, PolicySpec,
    Proposal, Readiness, Reading, Sample, Samples, ScalingAlgorithm, Target, Timestamp, Trace,
};

const MISSING: Reading<'static> = Reading::Missing("scrape failed");

fn value(reading: f64) -> Reading<'static> {
    Reading::Value(reading)
}

#[test]
fn ratio_leaves_decide_as_the_table_says() {
    struct Case {
        name: &'static str,
        algorithm: &'static str,
        config: Value,
        current: u32,
        readings: Vec<Reading<'static>>,
        want: u32,
    }
    let max = |name, current, readings, want| Case {
        name,
        algorithm: "max-ratio",
        config: json!({}),
        current,
        readings,
        want,
    };
    let cases = [
        max("up to the neediest", 4, vec![value(1.24), value(0.2)], 5),
        max("down when all are idle", 10, vec![value(0.31), value(0.2)], 4),
        max("slow growth: 1.11 × 2 must reach 3", 2, vec![value(1.11)], 3),
        max("zero is a value: nothing is used", 10, vec![value(0.0)], 1),
        max("upper tolerance edge, inclusive", 10, vec![value(1.1)], 10),
        max("just above it", 10, vec![value(1.100_000_1)], 12),
        max("lower tolerance edge, inclusive", 10, vec![value(0.9)], 10),
        max("just below it", 10, vec![value(0.899)], 9),
        max("at the maximum", 30, vec![value(5.0)], 40),
        max("no data", 7, vec![MISSING, MISSING], 7),
        max("no data outside bounds: corrected", 70, vec![MISSING], 40),
        max("one missing blocks down", 10, vec![value(0.2), MISSING], 10),
        max("one missing does not block up", 10, vec![value(2.0), MISSING], 20),
        max("stale and invalid block down alike", 10, vec![value(0.2), Reading::Stale(""), Reading::Invalid("")], 10),
        max("a NaN is no value", 10, vec![value(f64::NAN), value(0.2)], 10),
        max("an infinity is no value", 10, vec![value(f64::INFINITY)], 10),
        max("at zero replicas nothing is multiplied", 0, vec![value(9.0)], 1),
        max("a negative reading is less than nothing", 10, vec![value(-3.0)], 1),
        Case {
            name: "missing can be ignored",
            algorithm: "max-ratio",
            config: json!({ "whenMissing": "ignore" }),
            current: 10,
            readings: vec![value(0.2), MISSING],
            want: 2,
        },
        Case {
            name: "a floor of 1 never scales down",
            algorithm: "max-ratio",
            config: json!({ "ratioFloor": 1 }),
            current: 10,
            readings: vec![value(0.2)],
            want: 10,
        },
        Case {
            name: "no tolerance",
            algorithm: "max-ratio",
            config: json!({ "tolerance": 0 }),
            current: 10,
            readings: vec![value(1.01)],
            want: 11,
        },
        Case {
            name: "the mean",
            algorithm: "average-ratio",
            config: json!({}),
            current: 4,
            readings: vec![value(2.0), value(0.5)],
            want: 5,
        },
        Case {
            name: "an unlisted weight is 1",
            algorithm: "weighted-ratio",
            config: json!({ "weights": { "m0": 3 } }),
            current: 4,
            readings: vec![value(2.0), value(1.0)],
            want: 7,
        },
        Case {
            name: "a missing metric takes its weight with it",
            algorithm: "weighted-ratio",
            config: json!({ "weights": { "m0": 3 }, "whenMissing": "ignore" }),
            current: 4,
            readings: vec![MISSING, value(0.5)],
            want: 2,
        },
        Case {
            name: "a zero total holds",
            algorithm: "weighted-ratio",
            config: json!({ "weights": { "m0": 0, "m1": 0 } }),
            current: 4,
            readings: vec![value(2.0), value(2.0)],
            want: 4,
        },
    ];
    for Case { name, algorithm, config, current, readings, want } in cases {
        let policy = crate::policy(algorithm, config, readings.len(), (1, 40));
        assert_eq!(crate::decide(&policy, &[(0, current, &readings)]), [want], "{name}");
    }
}

#[test]
fn an_average_value_is_compared_per_replica() {
    let target = setpoint::Target::average_value(4.0).expect("in range");
    let mut policy = crate::policy("max-ratio", json!({}), 1, (1, 40));
    policy.metrics[0].target = target;
    // 40 waiting, 4 a replica: 10 replicas, whatever there are now.
    for current in [1, 5, 20] {
        assert_eq!(crate::decide(&policy, &[(0, current, &[value(40.0)])]), [10], "from {current}");
    }
}

#[test]
fn a_weight_for_no_metric_is_an_error_with_the_near_miss() {
    let policy = crate::policy("weighted-ratio", json!({ "weights": { "m00": 3 } }), 2, (1, 40));
    let error = setpoint::AlgorithmManager::new().add(&policy).expect_err("no such metric");
    assert_eq!(error.path, "algorithm.config.weights.m00");
    assert!(error.message.contains("did you mean `m0`?"), "{error}");
}

#[test]
fn samples_are_compared_with_the_target_as_it_is_and_not_with_whole_percents_of_it() {
    let metrics = [Metric::new("cpu", Target::utilization(62.5).expect("in range")).with_kind(MetricKind::Resource)];
    let start = Timestamp::default();
    let pod = InstanceState::new(Phase::Running, Readiness::Ready, start).with_started(Some(start));
    let now = Timestamp::from_millis(3_600_000);
    let sample = Sample { value: 750, at: now, window: std::time::Duration::from_secs(30) };
    let (pods, values, requests) = ([pod; 4], [Some(sample); 4], [1000; 4]);
    let samples = Samples::new(&values).with_requests(&requests);
    let mut ratio = MaxRatio::new(&metrics, &MaxRatioConfig::default());
    let mut decide = |samples: &Samples<'_>| {
        let readings = [Reading::Samples(samples)];
        let mut trace = Trace::new();
        let look = Observation::new(now, 4, &readings).with_instances(&pods);
        let answer = ratio.evaluate(&look, &mut trace).expect("an answer");
        (answer, trace.records(&metrics)[0].text.clone())
    };
    // 75 over 62.5 is 1.2: 4.8. Against 62 % it would be 4.84.
    let (answer, text) = decide(&samples);
    assert!(matches!(answer, Proposal::Need(need) if need.exact() == 1.2 * 4.0), "{answer:?}");
    assert_eq!(text, "cpu is 75 % against 62.5 %: 1.2 times 4 replicas");
    let (answer, text) = decide(&Samples::new(&values));
    assert_eq!(answer, Proposal::Hold(Hold::NoReadings));
    assert_eq!(text, "cpu is invalid (what the instances request is not known)");
}

#[test]
fn a_value_of_all_instances_is_no_target_for_a_value_of_each() {
    let metric = Metric::new("cpu", Target::value(62.5).expect("in range")).with_kind(MetricKind::Pods);
    let algorithm = AlgorithmSpec::named("max-ratio", json!({}));
    let error = PolicySpec::new(1, 10, vec![metric], algorithm).expect_err("refused");
    assert_eq!(error.path, "metrics[0].target.value");
}
