//! Policies against a scenario: what each decided, why, and what came of it.

use serde::Serialize;
use setpoint::group::GroupMember;
use setpoint::{
    AlgorithmManager, ConfigError, Decision, Group, Observation, Policy, PolicySpec, Reading, ReasonRecord, Registry,
    ScalingGroup, Timestamp, Trace, near_miss,
};

use crate::load::Load;
use crate::readings::Source;
use crate::run::{Tick, in_lockstep, run};
use crate::scenario::Scenario;
use crate::score::{Report, Samples, Summary};
use crate::service::Service;
use crate::units::{MAX_REPLICAS, Period};

/// What came of several policies on one load. As JSON, this is the output of `setpoint simulate --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What they were tried on.
    pub scenario: ScenarioRecord,
    /// One a policy and one a member of a group, in the order given.
    pub runs: Vec<Run>,
}

/// What policies were tried on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioRecord {
    /// The scenario's name.
    pub name: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// The simulated time.
    pub duration_ms: u64,
    /// The promised latency.
    pub slo_latency_ms: u64,
}

impl ScenarioRecord {
    /// `scenario` with `load`, from `seed`.
    #[must_use]
    pub fn new(scenario: &Scenario, load: &Load, seed: u64) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: scenario.name().to_owned(),
            seed,
            duration_ms: millis(load.duration()),
            slo_latency_ms: millis(scenario.slo_latency()),
        }
    }
}

/// One policy's run, or that of one member of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The policy's name, or the group's.
    pub policy: String,
    /// Which member of the group it is, of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// The run in a few numbers.
    pub summary: Summary,
    /// Every evaluation, holds included.
    pub decisions: Vec<DecisionRecord>,
    /// The run over time, for charts.
    #[serde(skip)]
    pub samples: Samples,
}

/// One of those that scale together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name in the group.
    pub name: String,
    /// Its place in the group, from 0: the runs of a group follow each other.
    pub index: usize,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionRecord {
    /// Milliseconds from the start of the run.
    pub t_ms: i64,
    /// The replicas there were.
    pub from: u32,
    /// The replicas decided.
    pub to: u32,
    /// Why, in the order in which it took effect.
    pub reasons: Vec<ReasonRecord>,
}

/// Replay `load` against `policy`, with the algorithms that `registry` knows.
///
/// `progress` hears the part of the run that is over, after each hundredth.
///
/// # Errors
///
/// With the policy's field: a metric that the scenario has no reading for, more replicas than can be
/// simulated, an algorithm or a configuration that is unknown.
pub fn simulate(
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    policy: &Policy,
    registry: &Registry,
    progress: impl FnMut(f64),
) -> Result<Run, ConfigError> {
    let spec = &policy.spec;
    let at_spec = |error: ConfigError| error.under("spec");
    let sources = sources(scenario, spec).map_err(at_spec)?;
    let interval = interval(spec).map_err(at_spec)?;
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let workload = manager.add(spec).map_err(at_spec)?;

    let mut trace = Trace::new();
    let mut decisions = Vec::new();
    let decide = |tick: &Tick<'_>| {
        let readings = readings(tick, &sources);
        let decision = manager
            .decide(workload, &observed(tick, &readings), &mut trace)
            .expect("the workload was just added, and has a reading for each metric");
        decisions.push(DecisionRecord::new(&decision, &trace, spec));
        decision.desired
    };
    let report = run(scenario, load, seed, interval, decide, progress);
    Ok(Run {
        policy: policy.metadata.name.clone(),
        member: None,
        summary: report.summary,
        decisions,
        samples: report.samples,
    })
}

/// Replay `load` against `group`: a run a member, in their order.
///
/// Each member has its own service, as [`Scenario::member`] gives it, and meets all requests of the load. At each interval
/// all of them are observed, the group decides, and then all of them are scaled. The rest is as for [`simulate`].
///
/// # Errors
///
/// As for [`simulate`], with the group's field; and a member that the scenario doesn't tell of, where it tells of others.
pub fn simulate_group(
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    group: &ScalingGroup,
    registry: &Registry,
    progress: impl FnMut(f64),
) -> Result<Vec<Run>, ConfigError> {
    let members = &group.spec.members;
    let places: Vec<Place> = (0..members.len())
        .map(|index| Place::new(scenario, load, group, index).map_err(|error| error.under("spec")))
        .collect::<Result<_, _>>()?;
    let first = &members.first().expect("a checked group has members").policy;
    let interval = interval(first).map_err(|error| error.under("spec.members[0].policy"))?;
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let mut workloads = Group::new(&group.spec, &mut manager).map_err(|error| error.under("spec"))?;

    let mut traces: Vec<Trace> = members.iter().map(|_| Trace::new()).collect();
    let mut decisions: Vec<Vec<DecisionRecord>> = members.iter().map(|_| Vec::new()).collect();
    let decide = |ticks: &[Tick<'_>]| {
        let readings: Vec<_> = ticks.iter().zip(&places).map(|(tick, place)| readings(tick, &place.sources)).collect();
        let looks: Vec<_> = ticks.iter().zip(&readings).map(|(tick, readings)| observed(tick, readings)).collect();
        let decided = workloads
            .decide(&mut manager, &looks, &mut traces)
            .expect("there is a look for each member, and a reading for each of its metrics");
        for (index, (decision, trace)) in decided.iter().zip(&traces).enumerate() {
            decisions[index].push(DecisionRecord::new(decision, trace, &members[index].policy));
        }
        decided.iter().map(|decision| decision.desired).collect()
    };
    let services = places.iter().map(|place| Service::new(&place.scenario, &place.load, seed)).collect();
    let reports = in_lockstep(services, load.duration(), interval, decide, progress);
    let run = |(index, (report, decisions)): (usize, (Report, Vec<DecisionRecord>))| Run {
        policy: group.metadata.name.clone(),
        member: Some(Member { name: members[index].name.clone(), index }),
        summary: report.summary,
        decisions,
        samples: report.samples,
    };
    Ok(reports.into_iter().zip(decisions).enumerate().map(run).collect())
}

/// Where a member of a group runs.
struct Place {
    scenario: Scenario,
    load: Load,
    sources: Vec<Source>,
}

impl Place {
    fn new(scenario: &Scenario, load: &Load, group: &ScalingGroup, index: usize) -> Result<Self, ConfigError> {
        let GroupMember { name, policy, .. } = &group.spec.members[index];
        let own = scenario.member(name).ok_or_else(|| {
            let known: Vec<&str> = scenario.member_names().collect();
            let message = format!(
                "the scenario {:?} tells of no member called `{name}`; {}; its `spec.members` says how each is served, \
                 `{{}}` as the scenario's own service",
                scenario.name(),
                near_miss(name, &known)
            );
            ConfigError::new(format!("members[{index}].name"), message)
        })?;
        let sources = sources(&own, policy).map_err(|error| error.under(&format!("members[{index}].policy")))?;
        Ok(Self { load: load.served_by(&own), scenario: own, sources })
    }
}

fn interval(policy: &PolicySpec) -> Result<Period, ConfigError> {
    Period::try_from(policy.interval.as_duration()).map_err(|error| ConfigError::new("interval", error.to_string()))
}

fn readings(tick: &Tick<'_>, sources: &[Source]) -> Vec<Reading<'static>> {
    sources.iter().map(|&source| tick.reading(source)).collect()
}

fn observed<'a>(tick: &Tick<'_>, readings: &'a [Reading<'static>]) -> Observation<'a> {
    Observation::new(Timestamp::default() + tick.now, tick.current, readings).with_ready(tick.ready)
}

impl DecisionRecord {
    fn new(decision: &Decision, trace: &Trace, policy: &PolicySpec) -> Self {
        Self {
            t_ms: decision.now.as_millis(),
            from: decision.current,
            to: decision.desired,
            reasons: trace.records(&policy.metrics),
        }
    }
}

/// What each metric of a policy reads that can be simulated.
fn sources(scenario: &Scenario, policy: &PolicySpec) -> Result<Vec<Source>, ConfigError> {
    let find = |(index, metric): (usize, &setpoint::Metric)| {
        scenario.source(&metric.name).ok_or_else(|| {
            let (name, known): (&str, Vec<&str>) = (&metric.name, scenario.metric_names().collect());
            ConfigError::new(
                format!("metrics[{index}].name"),
                format!(
                    "the scenario {:?} gives no reading called `{name}`; {}; its `spec.readings` gives one of these \
                     another name, as in `{{ {name}: inflight }}`",
                    scenario.name(),
                    near_miss(name, &known)
                ),
            )
        })
    };
    let sources = policy.metrics.iter().enumerate().map(find).collect::<Result<_, _>>()?;
    if policy.max_replicas > MAX_REPLICAS {
        let message = format!("at most {MAX_REPLICAS} replicas can be simulated, got {}", policy.max_replicas);
        return Err(ConfigError::new("maxReplicas", message));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests;
