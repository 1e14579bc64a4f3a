//! KubeAI's own code decides as this library does, where it is told to behave alike.

use serde::Deserialize;
use serde_json::json;
use setpoint::{AlgorithmManager, Observation, Reading, Timestamp, Trace};

#[derive(Deserialize)]
struct Scenario {
    algorithm: String,
    min: u32,
    max: u32,
    tolerance: f64,
    #[serde(default)]
    weights: Vec<f64>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    current: u32,
    ratios: Vec<f64>,
    desired: u32,
}

#[test]
fn every_decision_of_kubeai_s_own_code_is_ours() {
    let mut checked = 0;
    for (line, text) in include_str!("kubeai/vectors.jsonl").lines().enumerate() {
        let scenario: Scenario = serde_json::from_str(text).expect("a scenario");
        let metrics = scenario.steps.iter().map(|step| step.ratios.len()).max().expect("a step").max(1);
        let mut config = json!({ "tolerance": scenario.tolerance });
        if matches!(scenario.algorithm.as_str(), "max-ratio" | "capped-smooth-ratio") {
            config["ratioFloor"] = json!(1);
        }
        if !scenario.weights.is_empty() {
            let names = scenario.weights.iter().enumerate().map(|(index, weight)| (format!("m{index}"), json!(weight)));
            config["weights"] = names.collect::<serde_json::Map<_, _>>().into();
        }
        let policy = crate::policy(&scenario.algorithm, config, metrics, (scenario.min, scenario.max));
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("a good policy");
        for (number, step) in scenario.steps.iter().enumerate() {
            let mut readings = vec![Reading::Missing("no metrics available"); metrics];
            for (reading, ratio) in readings.iter_mut().zip(&step.ratios) {
                *reading = Reading::Value(*ratio);
            }
            let look = Observation::new(Timestamp::default(), step.current, &readings);
            let mut trace = Trace::new();
            let desired = manager.decide(workload, &look, &mut trace).expect("a decision").desired;
            // Its example plugin forgets to clamp inside its tolerance; here bounds always hold.
            let want = step.desired.clamp(scenario.min, scenario.max);
            assert_eq!(desired, want, "line {}, step {number}: {:?}", line + 1, trace.records(&policy.metrics));
            checked += 1;
        }
    }
    assert_eq!(checked, 1434);
}
