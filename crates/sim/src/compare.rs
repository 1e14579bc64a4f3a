//! Policies against a scenario: what each decided, why, and what came of it.

use serde::Serialize;
use setpoint::{
    AlgorithmManager, ConfigError, Observation, Policy, Reading, ReasonRecord, Registry, Timestamp, Trace, near_miss,
};

use crate::load::Load;
use crate::readings::Source;
use crate::run::run;
use crate::scenario::Scenario;
use crate::score::{Samples, Summary};
use crate::units::{MAX_REPLICAS, Period};

/// What came of several policies on one load. As JSON, this is the output of `setpoint simulate --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What they were tried on.
    pub scenario: ScenarioRecord,
    /// One a policy, in the order given.
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

/// One policy's run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The policy's name.
    pub policy: String,
    /// The run in a few numbers.
    pub summary: Summary,
    /// Every evaluation, holds included.
    pub decisions: Vec<DecisionRecord>,
    /// The run over time, for charts.
    #[serde(skip)]
    pub samples: Samples,
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
    let sources = sources(scenario, policy)?;
    if spec.max_replicas > MAX_REPLICAS {
        let message = format!("at most {MAX_REPLICAS} replicas can be simulated, got {}", spec.max_replicas);
        return Err(ConfigError::new("spec.maxReplicas", message));
    }
    let interval = Period::try_from(spec.interval.as_duration())
        .map_err(|error| ConfigError::new("spec.interval", error.to_string()))?;
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let workload = manager.add(spec).map_err(|error| error.under("spec"))?;

    let mut trace = Trace::new();
    let mut decisions = Vec::new();
    let mut readings: Vec<Reading<'static>> = Vec::with_capacity(sources.len());
    let report = run(
        scenario,
        load,
        seed,
        interval,
        |tick| {
            readings.clear();
            readings.extend(sources.iter().map(|&source| tick.reading(source)));
            let now = Timestamp::default() + tick.now;
            let look = Observation::new(now, tick.current, &readings).with_ready(tick.ready);
            let decision = manager
                .decide(workload, &look, &mut trace)
                .expect("the workload was just added, and has a reading for each metric");
            decisions.push(DecisionRecord {
                t_ms: now.as_millis(),
                from: decision.current,
                to: decision.desired,
                reasons: trace.records(&spec.metrics),
            });
            decision.desired
        },
        progress,
    );
    Ok(Run { policy: policy.metadata.name.clone(), summary: report.summary, decisions, samples: report.samples })
}

fn sources(scenario: &Scenario, policy: &Policy) -> Result<Vec<Source>, ConfigError> {
    let find = |(index, metric): (usize, &setpoint::Metric)| {
        scenario.source(&metric.name).ok_or_else(|| {
            let (name, known): (&str, Vec<&str>) = (&metric.name, scenario.metric_names().collect());
            ConfigError::new(
                format!("spec.metrics[{index}].name"),
                format!(
                    "the scenario {:?} gives no reading called `{name}`; {}; its `spec.readings` gives one of these \
                     another name, as in `{{ {name}: inflight }}`",
                    scenario.name(),
                    near_miss(name, &known)
                ),
            )
        })
    };
    policy.spec.metrics.iter().enumerate().map(find).collect()
}
