//! Comparisons for the tests of this folder.

use setpoint_sim::{Comparison, ScenarioRecord};

/// Real runs of a short scenario under `names`.
pub(super) fn comparison(names: &[&str], rate: f64) -> Comparison {
    let scenario = setpoint_sim::Scenario::from_value(&serde_json::json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "Scenario", "metadata": { "name": "<b>short</b>" },
        "spec": { "duration": "20m", "load": { "constant": { "rate": rate } } },
    }))
    .expect("a good scenario");
    let load = setpoint_sim::Load::generated(&scenario).expect("a good load");
    let run = |name: &&str| {
        let policy = setpoint::Policy::from_value(&serde_json::json!({
            "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": { "name": name },
            "spec": {
                "maxReplicas": 20, "metrics": [{ "name": "utilization", "target": { "utilization": 50 } }],
                "algorithm": { "name": "max-ratio" },
            },
        }))
        .expect("a good policy");
        setpoint_sim::simulate(&scenario, &load, 1, &policy, &setpoint::Registry::builtin(), |_| {}).expect("a run")
    };
    Comparison { scenario: ScenarioRecord::new(&scenario, &load, 1), runs: names.iter().map(run).collect() }
}
