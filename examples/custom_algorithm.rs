//! An algorithm of your own, registered under a name that policies can use, inside the library's stages.

use setpoint::{
    AlgorithmManager, AlgorithmSpec, EvaluateError, FailureKind, Metric, Need, Observation, PolicySpec, Proposal,
    Reading, ScalingAlgorithm, Target, Timestamp, Trace, algorithm_factory,
};

/// Little's law: requests in the system are arrivals times their time in it, L = λ·W.
/// The first metric is the rate in requests/s, the second the latency in ms; its target is a replica's share.
struct LittlesLaw {
    concurrency: f64,
}

impl ScalingAlgorithm for LittlesLaw {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let [rate, latency] = look.readings else {
            return Err(EvaluateError::new(FailureKind::Refused, "needs the metrics rate and latency, in this order"));
        };
        let (Some(rate), Some(latency)) = (rate.usable(), latency.usable()) else {
            return Ok(Proposal::NoOpinion);
        };
        let in_system = rate * latency / 1000.0;
        let need = in_system / self.concurrency;
        trace.note("littles-law", f64::from(look.current), need, format_args!("{in_system:.1} requests in the system"));
        Ok(Need::replicas(need)?.into())
    }
}

fn main() -> anyhow::Result<()> {
    let mut manager = AlgorithmManager::new();
    // Any type that serde can read and schemars can describe will do; the built-in ones need no other.
    let factory = algorithm_factory("replicas by Little's law", |_, concurrency: Option<f64>| {
        Ok(LittlesLaw { concurrency: concurrency.unwrap_or(8.0) })
    });
    manager.registry_mut().register_algorithm("littles-law", factory)?;

    let metrics = vec![Metric::new("rate", Target::value(1.0)?), Metric::new("latency", Target::value(1.0)?)];
    let policy = PolicySpec::new(1, 100, metrics, AlgorithmSpec::named("littles-law", 4.0.into()))?
        .with_stage("capped", serde_json::json!({ "maxScaleUp": "50%", "minStep": 1 }));
    let workload = manager.add(&policy)?;

    let readings = [Reading::Value(120.0), Reading::Value(350.0)];
    let mut trace = Trace::new();
    let decision = manager.decide(workload, &Observation::new(Timestamp::default(), 6, &readings), &mut trace)?;
    println!("{} -> {}", decision.current, decision.desired);
    for reason in trace.records(&policy.metrics) {
        println!("    {}: {}", reason.stage, reason.text);
    }
    Ok(())
}
