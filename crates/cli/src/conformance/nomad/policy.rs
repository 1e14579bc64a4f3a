//! The way that `decide` and `simulate` take: a policy with the algorithm `nomad`, through the manager.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};
use setpoint::nomad::Written;
use setpoint::{
    Action, AlgorithmManager, AlgorithmSpec, Decision, HoldOutsideBounds, MAX_REPLICAS, Metric, Observation,
    Outcome as Answered, PolicySpec, Reading, Target, Timestamp, Trace, WorkloadId,
};

use super::scenario::{Outcome, Policy, Tick, WrittenOnError};
use super::{Found, compare};

/// One scenario's workload.
pub(super) struct PolicyWay {
    manager: AlgorithmManager,
    workload: WorkloadId,
    queries: Vec<String>,
    dry_run: bool,
    /// Whether there is no cooldown: then what is wanted is compared, held back or not.
    without_cooldown: bool,
    last_action: Action,
    pub(super) metrics: Vec<Metric>,
}

impl PolicyWay {
    /// None where a policy of ours can't say the same.
    pub(super) fn new(policy: &Policy, last_event: Option<i64>) -> Result<Option<Self>, String> {
        let mut queries: Vec<String> = Vec::new();
        let mut checks = Vec::new();
        for check in &policy.checks {
            if Written::new(&check.strategy, &check.config).strategy().is_err() {
                return Ok(None);
            }
            if let Some(query) = &check.query
                && !queries.contains(query)
            {
                queries.push(query.clone());
            }
            let Some(config) = typed_config(&check.strategy, &check.config, check.query.as_deref()) else {
                return Ok(None);
            };
            let mut written = json!({ "name": check.name, "strategy": { check.strategy.as_str(): config } });
            if !check.group.is_empty() {
                written["group"] = check.group.as_str().into();
            }
            if let Some(on_error) = check.on_error {
                written["onError"] = on_error.as_str().into();
            }
            checks.push(written);
        }
        if checks.is_empty() {
            return Ok(None);
        }
        // Of what was before the start, and of dry runs, a policy knows nothing.
        let without_cooldown = last_event.is_some() || policy.dry_run;
        let cooldown = |millis: u64| format!("{}ms", if without_cooldown { 0 } else { millis });
        let mut config = json!({
            "exact": true,
            "checks": checks,
            "cooldown": cooldown(policy.cooldown_ms),
            "cooldownOnScaleUp": cooldown(policy.cooldown_up_ms),
        });
        if let Some(on_error) = policy.on_check_error {
            config["onCheckError"] = on_error.as_str().into();
        }
        // A policy has a metric, also where no check looks at one.
        if queries.is_empty() {
            queries.push("nothing".to_owned());
        }
        let target = Target::value(1.0).map_err(|error| error.to_string())?;
        let metrics: Vec<Metric> = queries.iter().map(|query| Metric::new(query, target)).collect();
        let (Ok(min), Ok(max)) = (u32::try_from(policy.min), u32::try_from(policy.max)) else {
            return Ok(None);
        };
        let Ok(mut spec) = PolicySpec::new(min, max, metrics.clone(), AlgorithmSpec::named("nomad", config)) else {
            return Ok(None);
        };
        spec.hold_outside_bounds = HoldOutsideBounds::Leave;
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&spec).map_err(|error| error.to_string())?;
        let nothing = Action { at: Timestamp::default(), from: 0, to: 0, applied: false };
        let dry_run = policy.dry_run;
        Ok(Some(Self { manager, workload, queries, dry_run, without_cooldown, last_action: nothing, metrics }))
    }

    /// What the handler really did.
    pub(super) fn acted(&mut self, at: Timestamp, from: u32, to: u32) {
        if !self.without_cooldown {
            self.last_action = Action { at, from, to, applied: true };
        }
    }

    pub(super) fn tick(&mut self, tick: &Tick<'_>, current: u32, trace: &mut Trace) -> Result<Option<Found>, String> {
        let decision = self.decide(tick, current, trace)?;
        let wanted = tick.expect.count.map(clamp_to_possible);
        let desired = match tick.outcome {
            // Nothing says what a dry run wanted, and the mark of one changes nothing.
            Outcome::Scale if tick.expect.count == Some(-1) => {
                return Ok(if self.dry_run {
                    None
                } else {
                    compare("desired by the policy", &current, &decision.desired)
                });
            }
            Outcome::Scale => wanted.unwrap_or(current),
            // The mark of a dry run, again.
            Outcome::Cooldown | Outcome::Busy if self.without_cooldown && tick.expect.count != Some(-1) => {
                wanted.unwrap_or(current)
            }
            _ => current,
        };
        let failed = compare(
            "whether the policy failed",
            &(tick.outcome == Outcome::Error),
            &(decision.outcome == Answered::Fallback),
        );
        Ok(failed.or_else(|| compare("desired by the policy", &desired, &decision.desired)))
    }

    /// A look brings one value a query: those of a window are seen one after the other, up to the tick, and the last
    /// look has the last value of each.
    fn decide(&mut self, tick: &Tick<'_>, current: u32, trace: &mut Trace) -> Result<Decision, String> {
        let points: Vec<&[super::scenario::Point]> =
            self.queries.iter().map(|query| tick.metrics.get(query.as_str()).map_or(&[][..], Vec::as_slice)).collect();
        let most = points.iter().map(|points| points.len()).max().unwrap_or(0).max(1);
        let mut decision = None;
        for left in (0..most).rev() {
            let reading = |points: &&[super::scenario::Point]| match points.len().checked_sub(left + 1) {
                Some(index) => Reading::Value(points[index].value()),
                None => Reading::Missing("no points"),
            };
            let readings: Vec<Reading<'_>> = points.iter().map(reading).collect();
            let now = tick.t - i64::try_from(left).map_err(|error| error.to_string())?;
            let look = Observation::new(Timestamp::from_millis(now), current, &readings)
                .with_last_action(Some(self.last_action));
            decision = Some(self.manager.decide(self.workload, &look, trace).map_err(|error| error.to_string())?);
        }
        decision.ok_or_else(|| "there is a look".to_owned())
    }
}

impl WrittenOnError {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Fail => "fail",
        }
    }
}

pub(super) fn clamp_to_possible(count: i64) -> u32 {
    u32::try_from(count.clamp(0, i64::from(MAX_REPLICAS))).unwrap_or(MAX_REPLICAS)
}

/// A strategy's strings as the configuration of ours, exact. None where that can't hold them: infinities, negative limits, large
/// numbers.
pub(super) fn typed_config(name: &str, config: &BTreeMap<String, String>, query: Option<&str>) -> Option<Value> {
    let mut typed = Map::new();
    if name != "fixed-value" {
        typed.insert("exact".to_owned(), true.into());
        typed.insert("metric".to_owned(), query?.into());
    }
    if name == "threshold" {
        // Far more than the points of a step are apart, and less than it is to the step before.
        typed.insert("queryWindow".to_owned(), if query == Some("q") { "1m" } else { "1s" }.into());
    }
    // Keys that a strategy doesn't read, Nomad passes over.
    let known: &[(&str, &str)] = match name {
        "target-value" => &[
            ("target", "target"),
            ("threshold", "threshold"),
            ("max_scale_up", "maxScaleUp"),
            ("max_scale_down", "maxScaleDown"),
        ],
        "threshold" => &[
            ("lower_bound", "lowerBound"),
            ("upper_bound", "upperBound"),
            ("within_bounds_trigger", "withinBoundsTrigger"),
            ("delta", "delta"),
            ("percentage", "percentage"),
            ("value", "value"),
        ],
        "pass-through" => &[("max_scale_up", "maxScaleUp"), ("max_scale_down", "maxScaleDown")],
        _ => &[("value", "value")],
    };
    for &(key, field) in known {
        let Some(text) = config.get(key).filter(|text| !text.is_empty()) else {
            continue;
        };
        let float = matches!(field, "target" | "threshold" | "lowerBound" | "upperBound" | "percentage");
        let number: Value = if float {
            Number::from_f64(text.parse().ok()?)?.into()
        } else if field == "delta" {
            text.parse::<i64>().ok()?.into()
        } else {
            let most = if field == "withinBoundsTrigger" { 1000 } else { MAX_REPLICAS };
            text.parse::<u32>().ok().filter(|&number| number <= most)?.into()
        };
        typed.insert(field.to_owned(), number);
    }
    Some(typed.into())
}
