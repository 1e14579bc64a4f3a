//! The replay of a scenario through the controller's loop, with the policy's way beside it.

use std::collections::HashMap;
use std::time::Duration;

use setpoint::watermark::{Condition, Reconciler, Source, Spec, Status};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, HoldOutsideBounds, InstanceState, Metric, Observation, PolicySpec, Sample,
    Timestamp, Trace, Watermark, WatermarkConfig, WorkloadId, parse_config,
};

use super::scenario::{Expected, Pod, Scenario, Step, WrittenKind};
use crate::conformance::Difference;
use crate::measured::{self, Measured};

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

/// The first difference, if any; an error for a scenario that makes no sense.
pub(super) fn replay(scenario: &Scenario) -> Result<Option<Difference>, String> {
    let spec = scenario.spec.spec()?;
    let mut found = compare_config(scenario, &spec)?;
    let mut way = Way {
        wpa: Reconciler::new(spec),
        policy: if found.is_none() { Some(PolicyWay::new(scenario)?) } else { None },
        trace: Trace::new(),
        scalings: 0,
    };
    let mut pods: &[Pod] = &[];
    for (index, step) in scenario.steps.iter().enumerate() {
        pods = step.pods.as_deref().unwrap_or(pods);
        way.trace.clear();
        if found.is_none() {
            found = way.sync(scenario, step, pods)?;
        }
        if let Some((what, expected, got)) = found {
            let reasons = way.trace.records(&scenario.spec.policy_metrics());
            return Ok(Some(Difference { step: index, t_ms: step.t, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

/// A configuration with what a person left out left out comes to the rules that the controller computed with.
fn compare_config(scenario: &Scenario, spec: &Spec) -> Result<Option<Found>, String> {
    let config = scenario.spec.policy_config(&scenario.unset);
    let config: WatermarkConfig = parse_config(&config).map_err(|error| error.to_string())?;
    let mut read = config.rules(&scenario.spec.policy_metrics()).map_err(|error| error.to_string())?;
    let mut rules = spec.rules.clone();
    // What is only shown, and what Kubernetes calls a metric.
    for source in [&mut read.source, &mut rules.source] {
        if let Source::Recommender(readings) = source {
            readings.observed = None;
        }
    }
    if let (Source::Metrics(read), Source::Metrics(given)) = (&mut read.source, &rules.source) {
        for (read, given) in read.iter_mut().zip(given).filter(|(_, given)| !given.kind.is_per_instance()) {
            read.name.clone_from(&given.name);
        }
    }
    Ok(compare("config", &rules, &read))
}

/// The two ways to a count: the controller's own loop, and a policy's.
struct Way {
    wpa: Reconciler,
    /// None where a policy can't follow: an observation has no place for pods of others, which count in the
    /// percentage of a resource metric.
    policy: Option<PolicyWay>,
    trace: Trace,
    /// Of the step before.
    scalings: u32,
}

impl Way {
    fn sync(&mut self, scenario: &Scenario, step: &Step, pods: &[Pod]) -> Result<Option<Found>, String> {
        let own: Vec<&Pod> = pods.iter().filter(|pod| !pod.foreign).collect();
        let foreign = u32::try_from(pods.len() - own.len()).map_err(|error| error.to_string())?;
        let instances: Vec<InstanceState> = own.iter().map(|pod| pod.state()).collect();
        let measured = measure(scenario, step, &own)?;
        let samples = measured::samples(&measured);
        let readings = measured::readings(&measured, &samples);
        let now = Timestamp::from_millis(step.t);
        let look = Observation::new(now, step.spec, &readings).with_existing(step.status).with_instances(&instances);
        let plan = self.wpa.plan_among(&look, foreign, &mut self.trace);
        let write = plan.write;
        self.wpa.finish(plan, true);
        let found = compare("write", &step.expect.write, &write)
            .or_else(|| compare_status(&step.expect, self.wpa.status()))
            .or_else(|| self.restart());
        let scaled = step.expect.scalings > self.scalings;
        self.scalings = step.expect.scalings;
        let resource = scenario.spec.metrics.iter().any(|metric| metric.kind == WrittenKind::Resource);
        if foreign > 0 && resource {
            self.policy = None;
        }
        let Some(policy) = self.policy.as_mut().filter(|_| found.is_none()) else {
            return Ok(found);
        };
        let readings = &readings[..policy.metrics];
        let look = Observation::new(now, step.spec, readings).with_existing(step.status).with_instances(&instances);
        let desired = policy.decide(&look, &mut self.trace)?;
        // A dry run is for the caller to do; and what the controller asks for outside its bounds, the manager doesn't.
        let expected = match step.expect.write {
            Some(write) => scenario.spec.bounds()?.clamp(write),
            None if scaled && scenario.spec.dry_run() => scenario.spec.bounds()?.clamp(step.expect.desired),
            None => step.spec,
        };
        Ok(compare("desired by the policy", &expected, &desired))
    }

    /// The status is the only state: each sync goes on from its bytes.
    fn restart(&mut self) -> Option<Found> {
        let before = self.wpa.status().clone();
        let mut state = Vec::new();
        self.wpa.snapshot(&mut state);
        self.wpa.set_status(Status::default());
        match self.wpa.restore(&state) {
            Ok(()) => compare("state", &before, self.wpa.status()),
            Err(error) => Some(("state", format!("{before:?}"), error.to_string())),
        }
    }
}

struct PolicyWay {
    manager: AlgorithmManager,
    workload: WorkloadId,
    metrics: usize,
}

impl PolicyWay {
    fn new(scenario: &Scenario) -> Result<Self, String> {
        let bounds = scenario.spec.bounds()?;
        let metrics: Vec<Metric> = scenario.spec.policy_metrics();
        let count = metrics.len();
        let algorithm = AlgorithmSpec::named(Watermark::NAME, scenario.spec.policy_config(&scenario.unset));
        let mut policy =
            PolicySpec::new(bounds.min(), bounds.max(), metrics, algorithm).map_err(|error| error.to_string())?;
        // A failing metric keeps the controller from its bounds too.
        policy.hold_outside_bounds = HoldOutsideBounds::Leave;
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).map_err(|error| error.to_string())?;
        Ok(Self { manager, workload, metrics: count })
    }

    fn decide(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<u32, String> {
        self.manager.decide(self.workload, look, trace).map(|it| it.desired).map_err(|error| error.to_string())
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Option<Found> {
    (expected != got).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}

fn compare_status(expect: &Expected, status: &Status) -> Option<Found> {
    let written = |it: &(String, String, String, i64)| format!("{} {} {:?} {}", it.0, it.1, it.2, it.3);
    let conditions: Vec<String> = expect.conds.iter().map(written).collect();
    let own: Vec<String> = status.conditions().map(condition).collect();
    compare("desired", &expect.desired, &status.desired)
        .or_else(|| compare("current", &expect.current, &status.current))
        .or_else(|| compare("last scale", &expect.last_scale, &status.last_scale.map(Timestamp::as_millis)))
        .or_else(|| compare("scalings", &expect.scalings, &status.scalings))
        .or_else(|| compare("current metrics", &expect.currents, &status.metrics))
        .or_else(|| compare("conditions", &conditions, &own))
}

fn condition(it: &Condition) -> String {
    let status = if it.status { "True" } else { "False" };
    format!("{} {status} {:?} {}", it.kind.as_str(), it.reason.as_str(), it.since.as_millis())
}

fn measure(scenario: &Scenario, step: &Step, pods: &[&Pod]) -> Result<Vec<Measured>, String> {
    let missing = || Measured::Missing("no answer".to_owned());
    if scenario.spec.recommender {
        let answer = step.reco.ok_or_else(|| format!("no recommender's answer at t = {}", step.t))?;
        let values = [answer.replicas, answer.lower, answer.upper, answer.value].map(f64::from);
        return Ok(values.map(|value| if answer.err { missing() } else { Measured::Value(value) }).to_vec());
    }
    let count = scenario.spec.metrics.len();
    if step.metrics.len() != count || step.reco.is_some() {
        return Err(format!("{} answers for {count} metrics at t = {}", step.metrics.len(), step.t));
    }
    let index: HashMap<&str, usize> = pods.iter().enumerate().map(|(index, pod)| (pod.name.as_str(), index)).collect();
    let answers = step.metrics.iter().map(|answer| match (answer.err, &answer.values, &answer.pods) {
        (true, None, None) => Ok(missing()),
        (false, Some(values), None) => Ok(Measured::Series(values.clone())),
        (false, None, Some(answered)) => {
            let (mut of_instances, mut of_others) = (vec![None; pods.len()], Vec::new());
            for (pod, &value) in answered {
                match index.get(pod.as_str()) {
                    Some(&index) => {
                        let at = Timestamp::from_millis(step.t);
                        of_instances[index] = Some(Sample { value, at, window: Duration::ZERO });
                    }
                    None => of_others.push(value),
                }
            }
            Ok(Measured::Instances { of_instances, requests: Vec::new(), of_others })
        }
        _ => Err(format!("an answer at t = {} is none, or more than one", step.t)),
    });
    answers.collect()
}
