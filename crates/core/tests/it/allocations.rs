//! Once warm, a decision allocates nothing, traced or not.

use std::time::Duration;

use serde_json::json;
use setpoint::hpa::{ControlLoop, MetricSpec, MetricTarget, Settings, Spec};
use setpoint::nomad::{
    Check, Handler, Query, Scaled, Spec as NomadSpec, Step, Strategy, Target, TargetValue, Threshold, Write,
};
use setpoint::{
    AlgorithmManager, InstanceState, MetricKind, Observation, Phase, Readiness, Reading, Sample, Samples, Timestamp,
    Trace,
};
use setpoint_testkit::allocations::counted;

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| Box::new(1)).1, 1);
    assert_eq!(counted(|| 1 + 1).1, 0);
}

fn rates() -> serde_json::Value {
    json!({
        "scaleUp": { "stabilizationWindowSeconds": 60, "policies": [{ "type": "Pods", "value": 3, "periodSeconds": 120 }] },
        "scaleDown": { "policies": [{ "type": "Percent", "value": 20, "periodSeconds": 60 }], "tolerance": "50m" },
    })
}

fn nomad_checks() -> serde_json::Value {
    json!({ "cooldown": "1m", "cooldownOnScaleUp": "30s", "checks": [
        { "group": "a", "strategy": { "threshold": { "lowerBound": 1.5, "withinBoundsTrigger": 2, "percentage": 20 } } },
        { "group": "a", "strategy": { "threshold": { "upperBound": 1, "withinBoundsTrigger": 3, "delta": -1 } } },
        { "strategy": { "target-value": { "metric": "m1" } }, "onError": "ignore" },
    ] })
}

fn combined(name: &str) -> setpoint::PolicySpec {
    let member = |value| serde_json::from_value(value).expect("a member");
    let mut policy = crate::policy(name, serde_json::Value::Null, 3, (1, 40));
    policy.algorithm.of = vec![
        member(json!({ "algorithm": { "name": "hpa" }, "metrics": ["m2", "m0"] })),
        member(json!({ "algorithm": { "name": "capped-smooth-ratio" }, "stages": [{ "stabilized": {} }] })),
        member(json!({ "algorithm": { "name": "aibrix-kpa" }, "role": "floor" })),
    ];
    policy
}

/// One of the metrics fails at every look but the first, so that it is always remembered or substituted.
fn failing(stage: &str, config: serde_json::Value) -> setpoint::PolicySpec {
    let mut policy = crate::policy("hpa", serde_json::Value::Null, 3, (1, 40));
    for metric in &mut policy.metrics {
        metric.target = setpoint::Target::average_value(1.0).expect("in range");
    }
    policy.with_stage(stage, config)
}

#[test]
fn a_warm_decision_allocates_nothing() {
    let base = |name| crate::policy(name, json!({}), 3, (1, 40));
    let policies = [
        base("max-ratio"),
        base("average-ratio"),
        base("weighted-ratio"),
        base("capped-smooth-ratio"),
        base("hpa"),
        base("hpa").with_stage("legacy-behavior", json!({})),
        base("aibrix-apa"),
        base("aibrix-kpa"),
        crate::policy("aibrix-kpa", json!({ "scaleUpCooldownWindow": "2m", "exact": true }), 3, (1, 40)),
        base("hpa").with_stage("behavior", rates()),
        base("max-ratio").with_stage("behavior", rates()),
        base("max-ratio")
            .with_stage("smoothed", json!({}))
            .with_stage("stabilized", json!({ "scaleUpWindow": "1m", "scaleDownWindow": "5m" }))
            .with_stage("capped", json!({ "maxScaleUp": "50%", "maxScaleDown": "25%" })),
        base("knative-kpa"),
        crate::policy(
            "knative-kpa",
            json!({ "scaleDownDelay": "1m", "aggregation": "weightedExponential", "exact": true }),
            3,
            (1, 40),
        ),
        combined("max"),
        combined("median"),
        crate::policy(
            "formula",
            json!({ "formula": "m0 > 1 ? max([m0, m2]) ** 2 : m0 + m2", "target": { "value": 1 } }),
            3,
            (1, 40),
        ),
        crate::policy(
            "formula",
            json!({ "formula": "count([m0, m2], {# > 1}) > 1 ? m0 : m1", "target": { "averageValue": 1 } }),
            3,
            (1, 40),
        ),
        base("max-ratio").with_stage("activation", json!({ "thresholds": { "m0": 1.2, "m2": 9 }, "cooldown": "1m" })),
        failing("substituted", json!({ "failureThreshold": 1, "replicas": 6 })),
        failing("remembered", json!({ "for": "3h" })),
        base("watermark"),
        crate::policy("watermark", json!({ "convergeTowardsWatermark": "highwatermark", "exact": true }), 3, (1, 40)),
        base("nomad"),
        crate::policy("nomad-target-value", json!({ "maxScaleUp": 3 }), 3, (1, 40)),
        crate::policy(
            "nomad-threshold",
            json!({ "lowerBound": 0.5, "withinBoundsTrigger": 3, "delta": 1 }),
            3,
            (1, 40),
        ),
        crate::policy("nomad-pass-through", json!({}), 3, (1, 40)),
        crate::policy("nomad-fixed-value", json!({ "value": 5 }), 3, (1, 40)),
        crate::policy("nomad", nomad_checks(), 3, (1, 40)),
    ];
    for policy in &policies {
        for mut trace in [Trace::new(), Trace::off()] {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(policy).expect("a good policy");
            let mut current = 10;
            let mut look = |index: i64| {
                let wobble = Reading::Value(((index * 37) % 100) as f64 / 40.0);
                let once = if index == 0 { Reading::Value(0.9) } else { Reading::Missing("scrape failed") };
                let readings = [wobble, once, Reading::Value(0.7)];
                let look = Observation::new(Timestamp::from_millis(index * 15_000), current, &readings);
                let decision = manager.decide(workload, &look, &mut trace).expect("a decision");
                // It is followed, so that there are changes to remember.
                current = decision.desired;
                decision
            };
            // An hour to warm: the windows are full by then.
            for index in 0..240 {
                look(index);
            }
            for index in 240..480 {
                let (decision, allocations) = counted(|| look(index));
                assert_eq!(allocations, 0, "{}, {decision:?}", policy.algorithm.name.as_deref().unwrap_or_default());
            }
        }
    }
}

#[test]
fn a_warm_tick_of_nomads_handler_allocates_nothing() {
    let target = Strategy::TargetValue(TargetValue::new(1.0));
    let checks = vec![
        Check::new("a", Some(0), target),
        Check::new("b", Some(1), Strategy::Threshold(Threshold::new(0.0, 0.5, Step::Delta(-1)))).in_group("g"),
    ];
    let mut handler = Handler::new(NomadSpec::new(1, 40, checks));
    for mut trace in [Trace::new(), Trace::off()] {
        let mut current = 10;
        let mut tick = |index: i64| {
            let now = Timestamp::from_millis(index * 100_000);
            let points = [(index * 37 % 100) as f64 / 40.0; 8];
            let queries = [Query::Points(&points), if index % 7 == 0 { Query::Failed } else { Query::Points(&points) }];
            trace.clear();
            let plan = handler.plan(now, Target::Ready(current), &queries, &mut trace);
            if let Some(Write::Count(count)) = plan.write {
                current = count;
            }
            handler.finish(plan, now, Scaled::Done);
        };
        (0..100).for_each(&mut tick);
        for index in 100..200 {
            assert_eq!(counted(|| tick(index)).1, 0, "tick {index}");
        }
    }
}

#[test]
fn a_warm_sync_of_the_hpa_controller_allocates_nothing() {
    let metrics = ["cpu", "memory"].map(|name| MetricSpec {
        kind: MetricKind::Resource,
        name: name.to_owned(),
        container: None,
        target: MetricTarget::Utilization(70),
    });
    let behavior = serde_json::from_value(rates()).expect("a behavior");
    let spec = Spec { min: 1, max: 40, metrics: metrics.to_vec(), behavior: Some(behavior) };
    let mut hpa = ControlLoop::new(&spec, Settings::default());
    let started = Timestamp::from_millis(-3_600_000);
    let pods = vec![InstanceState::new(Phase::Running, Readiness::Ready, started).with_started(Some(started)); 10];
    let requests = vec![1000; pods.len()];
    for mut trace in [Trace::new(), Trace::off()] {
        let mut current = 10;
        let mut sync = |index: i64| {
            let now = Timestamp::from_millis(index * 15_000);
            let sample = Sample { value: (index * 37) % 100 * 14, at: now, window: Duration::from_secs(30) };
            let values = [Some(sample); 10];
            let samples = Samples::new(&values).with_requests(&requests);
            // One fails now and then.
            let memory = if index % 7 == 0 { Reading::Missing("scrape failed") } else { Reading::Value(30.0) };
            let readings = [Reading::Samples(&samples), memory];
            let look = Observation::new(now, current, &readings).with_instances(&pods);
            trace.clear();
            let plan = hpa.plan(&look, &mut trace);
            current = plan.write.unwrap_or(current);
            hpa.finish(plan, true);
        };
        (0..240).for_each(&mut sync);
        for index in 240..480 {
            assert_eq!(counted(|| sync(index)).1, 0, "sync {index}");
        }
    }
}

#[test]
fn a_warm_decision_or_sync_by_watermarks_allocates_nothing() {
    let pods = vec![
        InstanceState::new(Phase::Running, Readiness::Ready, Timestamp::default())
            .with_started(Some(Timestamp::default()));
        40
    ];
    for exact in [false, true] {
        let policy = crate::policy("watermark", json!({ "exact": exact }), 3, (1, 40));
        let config = serde_json::from_value::<setpoint::WatermarkConfig>(policy.algorithm.config.clone());
        let rules = config.expect("a good configuration").rules(&policy.metrics).expect("good rules");
        let bounds = setpoint::Bounds::new(1, 40).expect("bounds");
        for mut trace in [Trace::new(), Trace::off()] {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(&policy).expect("a good policy");
            let spec = setpoint::watermark::Spec { bounds, dry_run: false, rules: rules.clone() };
            let mut wpa = setpoint::watermark::Reconciler::new(spec);
            let (mut current, mut changes) = (10_u32, 0);
            let mut look = |index: i64| {
                let wobble = Reading::Value(((index / 40 * 37) % 100) as f64 / 40.0);
                let readings = [wobble, Reading::Series(&[300, 400]), Reading::Value(0.5)];
                let look = Observation::new(Timestamp::from_millis(index * 15_000), current, &readings)
                    .with_instances(&pods[..current as usize]);
                let decision = manager.decide(workload, &look, &mut trace).expect("a decision");
                let plan = wpa.plan(&look, &mut trace);
                wpa.finish(plan, true);
                changes += u32::from(decision.desired != current);
                current = decision.desired;
            };
            (0..240).for_each(&mut look);
            for index in 240..960 {
                assert_eq!(counted(|| look(index)).1, 0, "look {index}, exact: {exact}");
            }
            assert!(changes > 5, "{changes} changes");
        }
    }
}
