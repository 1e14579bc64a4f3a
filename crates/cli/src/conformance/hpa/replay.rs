//! The replay of a scenario through the controller's loop, with the policy's way beside it.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use setpoint::hpa::requests::Requests;
use setpoint::hpa::{
    Behavior, Condition, ControlLoop, Finished, Manifest, MetricStatus, Plan, RescaleReason, Spec, Status,
};
use setpoint::{InstanceState, Metric, MetricKind, Observation, Sample, Target, Timestamp, Trace};

use super::policy::PolicyWay;
use super::scenario::{Answer, Current, Expected, Hpa, Pod, ScaleError, Scenario, Step};
use crate::conformance::Difference;
use crate::measured::{self, Measured};

/// The first difference, if any; an error for a scenario that makes no sense.
pub(super) fn replay(scenario: &Scenario) -> Result<Option<Difference>, String> {
    let settings = scenario.settings.read()?;
    let requests: Vec<Requests> = scenario.templates.iter().map(super::scenario::Template::requests).collect();
    let mut spec = scenario.hpa.spec()?;
    let mut way = Way { hpa: ControlLoop::new(&spec, settings), policy: None, trace: Trace::new() };
    let mut found = match manifest(&scenario.hpa, &spec) {
        Ok(manifest) => {
            way.policy = manifest.map(|manifest| PolicyWay::new(&manifest, settings)).transpose()?;
            None
        }
        Err(found) => Some(found),
    };
    let mut pods: &[Pod] = &[];
    for (index, step) in scenario.steps.iter().enumerate() {
        if let Some(next) = &step.hpa {
            spec = next.spec()?;
            way.hpa.set_spec(&spec);
            match manifest(next, &spec) {
                Ok(Some(manifest)) => way.policy.as_mut().map_or(Ok(()), |policy| policy.change(&manifest))?,
                Ok(None) => way.policy = None,
                Err(differs) => found = found.or(Some(differs)),
            }
        }
        pods = step.pods.as_deref().unwrap_or(pods);
        way.trace.clear();
        if found.is_none() {
            found = way.sync(&spec, step, pods, &requests)?;
        }
        if let Some((what, expected, got)) = found {
            let reasons = way.trace.records(&metrics(&spec));
            return Ok(Some(Difference { step: index, t_ms: step.t, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

/// The manifest, read as a person writes it: it must come to what the API server made of it. None where that would
/// refuse it.
fn manifest(hpa: &Hpa, flat: &Spec) -> Result<Option<Manifest>, Found> {
    if !hpa.api_valid {
        return Ok(None);
    }
    let document = serde_json::json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "w" },
        "spec": hpa.user,
    });
    let manifest = Manifest::from_value(&document)
        .map_err(|error| ("manifest", "one that can be read".to_owned(), error.to_string()))?;
    let mut read = manifest.spec().clone();
    read.behavior = read.behavior.as_ref().map(Behavior::defaulted);
    if read == *flat { Ok(Some(manifest)) } else { Err(("manifest", format!("{flat:?}"), format!("{read:?}"))) }
}

/// The two ways to a count: the controller's own loop, and a policy's.
struct Way {
    hpa: ControlLoop,
    /// None once the scenario has a spec that the API server would refuse: no policy can be made of it.
    policy: Option<PolicyWay>,
    trace: Trace,
}

impl Way {
    fn sync(&mut self, spec: &Spec, step: &Step, pods: &[Pod], requests: &[Requests]) -> Result<Option<Found>, String> {
        let (now, expect) = (Timestamp::from_millis(step.t), &step.expect);
        if step.scale_err == Some(ScaleError::Get) {
            let finished = self.hpa.scale_unreadable(now);
            return Ok(compare_sync(expect, None, None, finished, self.hpa.status()));
        }
        let instances: Vec<InstanceState> = pods.iter().map(Pod::state).collect();
        let measured = measure(spec, step, pods, requests)?;
        let samples = measured::samples(&measured);
        let readings = measured::readings(&measured, &samples);
        let look = Observation::new(now, step.spec, &readings).with_existing(step.status).with_instances(&instances);
        let plan = self.hpa.plan(&look, &mut self.trace);
        let (write, proposal) = (plan.write, plan.proposal);
        let told = compare_told(expect, spec, &plan);
        let written = step.scale_err != Some(ScaleError::Update);
        let finished = self.hpa.finish(plan, written);
        let found = compare_sync(expect, write, proposal, finished, self.hpa.status()).or(told);
        if found.is_some() {
            return Ok(found);
        }
        let Some(policy) = &mut self.policy else {
            return Ok(None);
        };
        let desired = policy.decide(&look, &mut self.trace)?;
        policy.acted(now, step.spec, expect.write, written);
        Ok(compare("desired by the policy", &expect.write.unwrap_or(step.spec), &desired))
    }
}

fn compare_sync(
    expect: &Expected,
    write: Option<u32>,
    proposal: Option<i32>,
    finished: Finished,
    status: &Status,
) -> Option<Found> {
    compare("write", &expect.write, &write)
        .or_else(|| compare("proposal", &expect.proposal, &proposal))
        .or_else(|| compare("error", &expect.err.is_some(), &finished.error))
        .or_else(|| compare_status(expect, status))
        .or_else(|| compare("status written", &expect.status_put?, &finished.status_changed))
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Option<Found> {
    (expected != got).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}

/// The metric that won and the reason for a write, where a scenario tells them. Kubernetes' words for a metric hold
/// what nothing here knows, as a selector; its name is among them.
fn compare_told(expect: &Expected, spec: &Spec, plan: &Plan) -> Option<Found> {
    let name = |metric: usize| spec.metrics[metric].name.as_str();
    if let Some(expected) = &expect.metric {
        let own = plan.metric.map(name);
        if !own.is_some_and(|own| expected.contains(own)) {
            return Some(("metric", expected.clone(), format!("{own:?}")));
        }
    }
    let expected = expect.reason.as_ref()?;
    let same = match plan.why {
        Some(RescaleReason::AboveTarget(metric)) => {
            expected.ends_with(" above target") && expected.contains(name(metric))
        }
        Some(RescaleReason::AllBelowTarget) => expected == "All metrics below target",
        Some(RescaleReason::AboveMax) => expected == "Current number of replicas above Spec.MaxReplicas",
        Some(RescaleReason::BelowMin) => expected == "Current number of replicas below Spec.MinReplicas",
        None => false,
    };
    (!same).then(|| ("reason", expected.clone(), format!("{:?}", plan.why)))
}

fn compare_status(expect: &Expected, status: &Status) -> Option<Found> {
    let conditions: Vec<String> = expect.conds.iter().map(|condition| written(condition)).collect();
    let own: Vec<String> = status.conditions.iter().map(condition).collect();
    let shown = |it: &Option<MetricStatus>| it.map(|it| Current { u: it.utilization, a: it.average, v: it.value });
    let currents: Vec<Option<Current>> = status.metrics.iter().map(shown).collect();
    compare("desired", &expect.desired, &status.desired)
        .or_else(|| compare("current", &expect.current, &status.current))
        .or_else(|| compare("conditions", &conditions, &own))
        .or_else(|| compare("current metrics", expect.currents.as_ref().unwrap_or(&Vec::new()), &currents))
        .or_else(|| compare("last scale", &expect.last_scale, &status.last_scale.map(Timestamp::as_millis)))
}

/// Type, status, reason and time of a condition. A message, where there is one, is Kubernetes' own wording.
fn written(condition: &[Value]) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    condition.iter().take(4).map(text).collect::<Vec<_>>().join(" ")
}

fn condition(it: &Condition) -> String {
    let status = if it.status { "True" } else { "False" };
    format!("{} {status} {} {}", it.kind.as_str(), it.reason.as_str(), it.since.as_millis())
}

fn measure(spec: &Spec, step: &Step, pods: &[Pod], requests: &[Requests]) -> Result<Vec<Measured>, String> {
    if step.metrics.len() != spec.metrics.len() {
        return Err(format!("{} answers for {} metrics at t = {}", step.metrics.len(), spec.metrics.len(), step.t));
    }
    let index: HashMap<&str, usize> = pods.iter().enumerate().map(|(index, pod)| (pod.name.as_str(), index)).collect();
    let one = |(metric, answer): (&setpoint::hpa::MetricSpec, &Answer)| -> Result<Measured, String> {
        if let Some(error) = &answer.err {
            return Ok(Measured::Missing(error.clone()));
        }
        if let Some(value) = answer.value {
            return Ok(Measured::Series(vec![value]));
        }
        if let Some(values) = &answer.values {
            return Ok(Measured::Series(values.clone()));
        }
        let answered = match &answer.pods {
            Some(answered) => answered.as_slice(),
            None if answer.no_pods => &[],
            None => return Ok(Measured::Missing("no answer".to_owned())),
        };
        let (mut of_instances, mut of_others) = (vec![None; pods.len()], Vec::new());
        for (pod, value, at, window) in answered {
            let (at, window) = (Timestamp::from_millis(*at), Duration::from_millis(*window));
            match index.get(pod.as_str()) {
                Some(&index) => of_instances[index] = Some(Sample { value: *value, at, window }),
                None => of_others.push(*value),
            }
        }
        let request = |pod: &Pod| -> Result<Option<i64>, String> {
            let template = requests.get(pod.tpl).ok_or_else(|| format!("the pod {} has no template", pod.name))?;
            Ok(template.of(&metric.name, metric.container.as_deref()).ok())
        };
        // One that isn't known fails the metric: then none of them is told.
        let requests = match metric.kind {
            MetricKind::Resource | MetricKind::ContainerResource => {
                pods.iter().map(request).collect::<Result<Option<Vec<i64>>, String>>()?
            }
            _ => None,
        };
        Ok(Measured::Instances { of_instances, requests: requests.unwrap_or_default(), of_others })
    };
    spec.metrics.iter().zip(&step.metrics).map(one).collect()
}

/// Names for the trace.
fn metrics(spec: &Spec) -> Vec<Metric> {
    let target = Target::value(1.0).expect("1 is above 0");
    spec.metrics.iter().map(|metric| Metric::new(metric.name.as_str(), target)).collect()
}
