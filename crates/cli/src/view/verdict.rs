//! Which policy is best, in a sentence that the numbers carry.

use std::ops::Range;

use setpoint_sim::{Comparison, Run};

use super::{latency, percent, plain};

/// Policies within so much of the fewest broken promises count as equally good, and the cheapest of them wins.
const AS_GOOD: f64 = 0.005;

/// A policy, or a group with all its members.
struct Entrant<'a> {
    name: &'a str,
    /// The places of its runs.
    runs: Range<usize>,
    /// The part of the requests for which the promise was broken. All members of a group meet the same.
    broken: f64,
    /// In replica seconds.
    cost: f64,
    mean_replicas: f64,
}

impl<'a> Entrant<'a> {
    fn all(comparison: &'a Comparison) -> Vec<Self> {
        let is_first = |run: &Run| run.member.as_ref().is_none_or(|member| member.index == 0);
        let runs = &comparison.runs;
        let starts: Vec<usize> = (0..runs.len()).filter(|&index| is_first(&runs[index])).collect();
        let ends = starts.iter().skip(1).copied().chain([runs.len()]);
        starts.iter().zip(ends).map(|(&start, end)| Self::new(&runs[start..end], start)).collect()
    }

    fn new(runs: &'a [Run], start: usize) -> Self {
        let sum = |value: fn(&Run) -> f64| runs.iter().map(value).sum::<f64>();
        Self {
            name: &runs[0].policy,
            runs: start..start + runs.len(),
            broken: sum(|run| run.summary.slo_violation_ratio) / runs.len() as f64,
            cost: sum(|run| run.summary.replica_seconds),
            mean_replicas: sum(|run| run.summary.mean_replicas),
        }
    }

    /// The one to recommend: the cheapest of those that break the promise about as rarely as any.
    fn best(entrants: &[Self]) -> Option<usize> {
        let fewest = entrants.iter().map(|entrant| entrant.broken).min_by(f64::total_cmp)?;
        let good = entrants.iter().enumerate().filter(|(_, entrant)| entrant.broken <= fewest + AS_GOOD);
        good.min_by(|(_, one), (_, other)| one.cost.total_cmp(&other.cost)).map(|(index, _)| index)
    }
}

/// The runs to recommend: a policy's, or those of all members of a group.
pub(super) fn best(comparison: &Comparison) -> Option<Range<usize>> {
    let entrants = Entrant::all(comparison);
    Entrant::best(&entrants).map(|best| entrants[best].runs.clone())
}

/// The best `count` of the runs: those to recommend, then those that break the promise most rarely, the cheaper first.
pub(super) fn first(comparison: &Comparison, count: usize) -> Vec<usize> {
    let entrants = Entrant::all(comparison);
    let best = Entrant::best(&entrants);
    let mut order: Vec<(usize, &Entrant<'_>)> = entrants.iter().enumerate().collect();
    order.sort_by(|(index, one), (place, other)| {
        let is_other = (best != Some(*index)).cmp(&(best != Some(*place)));
        is_other.then(one.broken.total_cmp(&other.broken)).then(one.cost.total_cmp(&other.cost))
    });
    order.into_iter().flat_map(|(_, entrant)| entrant.runs.clone()).take(count).collect()
}

/// What to make of the comparison.
pub(super) fn sentence(comparison: &Comparison) -> String {
    let entrants = Entrant::all(comparison);
    let Some(best) = Entrant::best(&entrants).map(|index| &entrants[index]) else {
        return "No policy was tried.".to_owned();
    };
    if comparison.runs[best.runs.start].summary.requests == 0 {
        return "The load held no requests: there is nothing to compare.".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "a promise is far below 2^53 ms")]
    let promise = latency(comparison.scenario.slo_latency_ms as f64);
    let serves = if best.runs.len() > 1 { "'s members serve" } else { " serves" };
    let mut text = format!(
        "{}{serves} {} of requests within {promise}, with {} replicas on average.",
        best.name,
        percent(1.0 - best.broken),
        plain(best.mean_replicas),
    );
    let cheapest = entrants.iter().min_by(|one, other| one.cost.total_cmp(&other.cost));
    if let Some(cheapest) = cheapest.filter(|cheapest| cheapest.cost < best.cost) {
        let saved = percent(1.0 - cheapest.cost / best.cost);
        let (theirs, ours) = (cheapest.broken, best.broken);
        text += &format!(" {} costs {saved} less and breaks the promise for {}", cheapest.name, percent(theirs));
        text += &if ours > 0.0 { format!(", {} times as often.", plain(theirs / ours)) } else { ".".to_owned() };
    } else if entrants.len() > 1 {
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
    fn a_group_is_judged_by_all_its_members() {
        let mut comparison = comparison(&["chat", "chat", "wide", "wide"], 2.0);
        // Share of broken promises and cost of each member: together, the second group is as good and cheaper.
        let members = [(0.0, 4.0), (0.02, 8.0), (0.01, 2.0), (0.01, 9.0)];
        for (index, (run, (broken, cost))) in comparison.runs.iter_mut().zip(members).enumerate() {
            let name = ["prefill", "decode"][index % 2].to_owned();
            run.member = Some(setpoint_sim::Member { name, index: index % 2 });
            run.summary.slo_violation_ratio = broken;
            run.summary.mean_replicas = cost;
            run.summary.replica_seconds = cost * 1200.0;
        }
        let want =
            "wide's members serve 99 % of requests within 2 s, with 11 replicas on average. It is also the cheapest.";
        assert_eq!(sentence(&comparison), want);
        assert_eq!((best(&comparison), first(&comparison, 3)), (Some(2..4), vec![2, 3, 0]));
    }

    #[test]
    fn nothing_to_compare_is_said() {
        assert!(sentence(&comparison(&["idle"], 0.0)).contains("no requests"));
        let nobody = Comparison { runs: Vec::new(), ..comparison(&["a"], 1.0) };
        assert_eq!(sentence(&nobody), "No policy was tried.");
    }
}
