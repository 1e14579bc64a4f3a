//! Once warm, a decision allocates nothing, traced or not.

use serde_json::json;
use setpoint::{AlgorithmManager, Observation, Reading, Timestamp, Trace};
use setpoint_testkit::allocations::counted;

#[test]
fn the_counter_counts() {
    assert_eq!(counted(|| Box::new(1)).1, 1);
    assert_eq!(counted(|| 1 + 1).1, 0);
}

#[test]
fn a_warm_decision_allocates_nothing() {
    let base = |name| crate::policy(name, json!({}), 3, (1, 40));
    let policies = [
        base("max-ratio"),
        base("average-ratio"),
        base("weighted-ratio"),
        base("capped-smooth-ratio"),
        base("max-ratio")
            .with_stage("smoothed", json!({}))
            .with_stage("stabilized", json!({ "scaleUpWindow": "1m", "scaleDownWindow": "5m" }))
            .with_stage("capped", json!({ "maxScaleUp": "50%", "maxScaleDown": "25%" })),
    ];
    for policy in &policies {
        for mut trace in [Trace::new(), Trace::off()] {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(policy).expect("a good policy");
            let mut look = |index: i64| {
                let wobble = Reading::Value(((index * 37) % 100) as f64 / 40.0);
                let readings = [wobble, Reading::Missing("scrape failed"), Reading::Value(0.7)];
                let look = Observation::new(Timestamp::from_millis(index * 15_000), 10, &readings);
                manager.decide(workload, &look, &mut trace).expect("a decision")
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
