//! Which policy is best, in a sentence that the numbers carry.

use setpoint_sim::{Comparison, Run};

use super::{latency, percent, plain};

/// Policies within so much of the fewest broken promises count as equally good, and the cheapest of them wins.
const AS_GOOD: f64 = 0.005;

/// The run to recommend: the cheapest of those that break the promise about as rarely as any.
pub(super) fn best(comparison: &Comparison) -> Option<usize> {
    let broken = |run: &Run| run.summary.slo_violation_ratio;
    let fewest = comparison.runs.iter().map(broken).min_by(f64::total_cmp)?;
    let good = comparison.runs.iter().enumerate().filter(|(_, run)| broken(run) <= fewest + AS_GOOD);
    let cost = |run: &Run| run.summary.replica_seconds;
    good.min_by(|(_, one), (_, other)| cost(one).total_cmp(&cost(other))).map(|(index, _)| index)
}

/// What to make of the comparison.
pub(super) fn sentence(comparison: &Comparison) -> String {
    let Some(best) = best(comparison).map(|index| &comparison.runs[index]) else {
        return "No policy was tried.".to_owned();
    };
    if best.summary.requests == 0 {
        return "The load held no requests: there is nothing to compare.".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "a promise is far below 2^53 ms")]
    let promise = latency(comparison.scenario.slo_latency_ms as f64);
    let mut text = format!(
        "{} serves {} of requests within {promise}, with {} replicas on average.",
        best.policy,
        percent(1.0 - best.summary.slo_violation_ratio),
        plain(best.summary.mean_replicas),
    );
    let cost = |run: &Run| run.summary.replica_seconds;
    let cheapest = comparison.runs.iter().min_by(|one, other| cost(one).total_cmp(&cost(other)));
    if let Some(cheapest) = cheapest.filter(|cheapest| cost(cheapest) < cost(best)) {
        let saved = percent(1.0 - cost(cheapest) / cost(best));
        let (theirs, ours) = (cheapest.summary.slo_violation_ratio, best.summary.slo_violation_ratio);
        text += &format!(" {} costs {saved} less and breaks the promise for {}", cheapest.policy, percent(theirs));
        text += &if ours > 0.0 { format!(", {} times as often.", plain(theirs / ours)) } else { ".".to_owned() };
    } else if comparison.runs.len() > 1 {
        text += " It is also the cheapest.";
    }
    text
}
