//! A sandboxed plugin in a native manager, with a native stage around it and six replicas should it fail.

use setpoint::{
    AlgorithmManager, AlgorithmSpec, FailureSpec, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace,
};
use setpoint_wasm::{Plugin, PluginHost};

fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1);
    let file = file.unwrap_or_else(|| "guest-plugins/prebuilt/capped-smooth-ratio.wasm".to_owned());
    let host = PluginHost::new()?;
    let plugin = Plugin::load(&host, &std::fs::read(file)?)?;
    println!("{} {}", plugin.name(), plugin.version());

    let name = plugin.name().to_owned();
    let mut manager = AlgorithmManager::new();
    manager.registry_mut().register_algorithm(name.clone(), plugin)?;
    let metrics = vec![Metric::new("p99", Target::value(500.0)?)];
    let policy = PolicySpec::new(2, 40, metrics, AlgorithmSpec::named(name, serde_json::json!({})))?
        .with_stage("stabilized", serde_json::json!({ "scaleDownWindow": "5m" }))
        .with_on_failure(FailureSpec::Replicas(6));
    let workload = manager.add(&policy)?;

    let mut trace = Trace::new();
    let readings = [Reading::Value(1500.0)];
    let decision = manager.decide(workload, &Observation::new(Timestamp::default(), 4, &readings), &mut trace)?;
    println!("{} -> {}", decision.current, decision.desired);
    for reason in trace.records(&policy.metrics) {
        println!("    {}: {}", reason.stage, reason.text);
    }
    Ok(())
}
