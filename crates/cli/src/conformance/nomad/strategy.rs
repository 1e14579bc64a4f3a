//! The replay of a strategy alone: as Nomad's policies write it, and as an algorithm in a policy of ours.

use std::collections::BTreeMap;

use setpoint::nomad::Written;
use setpoint::{
    AlgorithmSpec, Hold, Metric, Observation, Proposal, Reading, Reason, Registry, ScalingAlgorithm, Target, Timestamp,
    Trace,
};

use super::policy::{clamp_to_possible, typed_config};
use super::scenario::{Run, Voted};
use super::{Found, compare};
use crate::conformance::Difference;

pub(super) fn replay(
    name: &str,
    config: &BTreeMap<String, String>,
    steps: &[Run<'_>],
) -> Result<Option<Difference>, String> {
    let written = Written::new(name, config);
    let algorithm = match written.strategy() {
        Ok(_) => {
            typed_config(name, config, Some("q")).map(|config| AlgorithmSpec::named(format!("nomad-{name}"), config))
        }
        Err(_) => None,
    };
    for (index, step) in steps.iter().enumerate() {
        let mut trace = Trace::new();
        let found = bare(&written, step).map_or_else(
            || match &algorithm {
                Some(algorithm) => in_policy(algorithm, step, &mut trace),
                None => Ok(None),
            },
            |found| Ok(Some(found)),
        )?;
        if let Some((what, expected, got)) = found {
            let t_ms = step.points.last().map_or(0, |point| point.t);
            let reasons = trace.records(&metrics());
            return Ok(Some(Difference { step: index, t_ms, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

fn bare(written: &Written, step: &Run<'_>) -> Option<Found> {
    let points: Vec<f64> = step.points.iter().map(|point| point.value()).collect();
    let (error, reason);
    let got = match written.judge(step.count, &points) {
        Ok(None) => Voted::Nil,
        Err(failed) => {
            error = failed.to_string();
            Voted::Error(&error)
        }
        Ok(Some(judgement)) => {
            let (direction, count) = (judgement.vote.direction(), judgement.vote.count());
            reason = count.map(|_| judgement.why.reason(direction)).unwrap_or_default();
            Voted::Vote { dir: direction.as_str(), count, reason: &reason }
        }
    };
    compare("vote", &step.expect, &got)
}

/// A new algorithm sees the points one after the other, each at its time; the last answer counts.
fn in_policy(algorithm: &AlgorithmSpec, step: &Run<'_>, trace: &mut Trace) -> Result<Option<Found>, String> {
    let Ok(current) = u32::try_from(step.count) else {
        return Ok(None);
    };
    let mut algorithm = Registry::builtin().build(algorithm, &metrics()).map_err(|error| error.to_string())?;
    let mut looks: Vec<(i64, Reading<'_>)> =
        step.points.iter().map(|point| (point.t, Reading::Value(point.value()))).collect();
    if looks.is_empty() {
        looks.push((0, Reading::Missing("no points")));
    }
    let mut proposal = Proposal::NoOpinion;
    for (t, reading) in looks {
        trace.clear();
        let readings = [reading];
        let look = Observation::new(Timestamp::from_millis(t), current, &readings);
        proposal = algorithm.evaluate(&look, trace).map_err(|error| error.to_string())?;
    }
    let expected = match step.expect {
        Voted::Nil => "no opinion".to_owned(),
        Voted::Error(error) => error.to_owned(),
        Voted::Vote { count: Some(count), .. } => clamp_to_possible(count).to_string(),
        // A fixed value is the same in an exact policy and in any other.
        Voted::Vote { .. } if proposal != Proposal::Hold(Hold::Said) => current.to_string(),
        Voted::Vote { .. } => "hold".to_owned(),
    };
    let got = match proposal {
        Proposal::NoOpinion => "no opinion".to_owned(),
        Proposal::Need(need) => need.exact().to_string(),
        Proposal::Hold(_) => "hold".to_owned(),
        other => format!("{other:?}"),
    };
    let told = trace.reasons().iter().any(|Reason { to, .. }| step.expect_count().is_none_or(|count| *to == count));
    let found = compare("proposal of the algorithm", &expected, &got);
    Ok(found.or_else(|| (!told && !step.points.is_empty()).then(|| ("reasons", "the vote".to_owned(), String::new()))))
}

impl Run<'_> {
    fn expect_count(&self) -> Option<f64> {
        match self.expect {
            Voted::Vote { count, .. } => count.map(|count| count as f64),
            _ => None,
        }
    }
}

fn metrics() -> [Metric; 1] {
    [Metric::new("q", Target::value(1.0).expect("in range"))]
}
