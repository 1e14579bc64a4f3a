//! A worker pool that scales itself: one policy, one workload, a handler, and the reasons.

use setpoint::{
    AlgorithmManager, AlgorithmSpec, InMemoryHandler, Metric, Observation, PolicySpec, Reading, ResourceHandler,
    Target, TargetRef, Timestamp, Trace,
};

fn main() -> anyhow::Result<()> {
    let metrics = vec![Metric::new("queue", Target::average_value(4.0)?)];
    let policy = PolicySpec::new(2, 40, metrics, AlgorithmSpec::named("max-ratio", serde_json::json!({})))?
        .with_stage("stabilized", serde_json::json!({ "scaleDownWindow": "1m" }))
        .with_stage("capped", serde_json::json!({ "maxScaleUp": "100%", "maxScaleDown": "50%" }));

    let mut manager = AlgorithmManager::new();
    let pool = manager.add(&policy)?;
    let target = TargetRef { api_version: "v1".into(), kind: "Pool".into(), name: "workers".into(), namespace: None };
    let handler = InMemoryHandler::new([(target.clone(), 2)]);

    let mut trace = Trace::new();
    for (tick, queue) in [5.0, 30.0, 60.0, 60.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0].into_iter().enumerate() {
        let current = handler.replicas(&target).unwrap_or_default();
        let readings = [Reading::Value(queue)];
        let now = Timestamp::from_millis(i64::try_from(tick)? * 15_000);
        let decision = manager.decide(pool, &Observation::new(now, current, &readings), &mut trace)?;

        println!("queue {queue}: {} -> {}", decision.current, decision.desired);
        for reason in trace.records(&policy.metrics) {
            println!("    {}: {}", reason.stage, reason.text);
        }
        // A real handler awaits its API here; this one is ready at once.
        ready(handler.update_replicas(&target, decision.desired))?;
    }
    Ok(())
}

fn ready<T>(mut future: setpoint::BoxFuture<'_, T>) -> T {
    use std::task::{Context, Poll, Waker};
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the in-memory handler never waits"),
    }
}
