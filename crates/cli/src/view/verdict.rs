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

/// The best `count` of the runs: the one to recommend, then those that break the promise most rarely, the cheaper first.
pub(super) fn first(comparison: &Comparison, count: usize) -> Vec<usize> {
    let best = best(comparison);
    let mut order: Vec<usize> = (0..comparison.runs.len()).collect();
    let rank = |&index: &usize| {
        let summary = &comparison.runs[index].summary;
        (best != Some(index), summary.slo_violation_ratio, summary.replica_seconds)
    };
    order.sort_by(|one, other| {
        let (one, other) = (rank(one), rank(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.total_cmp(&other.2))
    });
    order.truncate(count);
    order
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::comparison;

    #[test]
    fn the_cheapest_of_those_that_keep_the_promise_is_best() {
        // Share of broken promises and cost of the policies a, b, …, and which is best, in which words.
        type Row = (&'static str, &'static [(f64, f64)], &'static str, &'static str);
        let rows: [Row; 5] = [
            ("alone", &[(0.01, 10.0)], "a", "99 % of requests within 2 s, with 10 replicas on average."),
            ("cheap and as good", &[(0.01, 10.0), (0.014, 9.0)], "b", "It is also the cheapest."),
            (
                "cheap and worse",
                &[(0.01, 10.0), (0.03, 8.0)],
                "a",
                "b costs 20 % less and breaks the promise for 3 %, 3 times as often.",
            ),
            ("never broken", &[(0.0, 10.0), (0.03, 8.0)], "a", "b costs 20 % less and breaks the promise for 3 %."),
            ("dear and worse", &[(0.5, 20.0), (0.01, 10.0)], "b", "It is also the cheapest."),
        ];
        for (name, policies, want, words) in rows {
            let names = ["a", "b", "c"];
            let mut comparison = comparison(&names[..policies.len()], 2.0);
            for (run, &(broken, cost)) in comparison.runs.iter_mut().zip(policies) {
                run.summary.slo_violation_ratio = broken;
                run.summary.mean_replicas = cost;
                run.summary.replica_seconds = cost * 1200.0;
            }
            let sentence = sentence(&comparison);
            assert!(sentence.starts_with(&format!("{want} serves ")), "{name}: {sentence}");
            assert!(sentence.ends_with(words), "{name}: {sentence}");
        }
    }

    #[test]
    fn nothing_to_compare_is_said() {
        assert!(sentence(&comparison(&["idle"], 0.0)).contains("no requests"));
        let nobody = Comparison { runs: Vec::new(), ..comparison(&["a"], 1.0) };
        assert_eq!(sentence(&nobody), "No policy was tried.");
    }
}
