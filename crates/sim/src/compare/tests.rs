use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::generated;

fn member(name: &str, ratio: u32, priority: i32, bounds: (u32, u32), target: f64) -> Value {
    json!({
        "name": name, "ratio": ratio, "priority": priority,
        "policy": {
            "minReplicas": bounds.0, "maxReplicas": bounds.1,
            "metrics": [{ "name": "inflight", "target": { "averageValue": target } }],
            "algorithm": { "name": "max-ratio" },
        },
    })
}

fn group(budget: Option<u32>, members: &[Value]) -> ScalingGroup {
    ScalingGroup::from_value(&json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingGroup", "metadata": { "name": "chat" },
        "spec": { "maxReplicas": budget, "members": members },
    }))
    .expect("a good group")
}

/// Twenty minutes in which the load rises and falls, with a slow prefill and a slower decode.
fn rise_and_fall() -> (Scenario, Load) {
    generated(json!({
        "duration": "20m",
        "load": { "diurnal": { "low": 1, "high": 12, "period": "20m", "peakAt": "10m" } },
        "replicas": { "startup": "20s" },
        "members": {
            "prefill": { "service": { "time": { "mean": "400ms" }, "concurrency": 2 } },
            "decode": { "service": { "time": { "mean": "3s" } } },
        },
    }))
}

fn simulated(group: &ScalingGroup) -> Vec<Run> {
    let (scenario, load) = rise_and_fall();
    simulate_group(&scenario, &load, 1, group, &Registry::builtin(), |_| {}).expect("it can be simulated")
}

#[test]
fn members_meet_the_same_requests_each_with_its_own_service() {
    let runs = simulated(&group(None, &[member("prefill", 1, 0, (1, 20), 4.0), member("decode", 2, 0, (1, 20), 6.0)]));
    let names: Vec<_> = runs.iter().map(|run| run.member.clone().expect("a member")).collect();
    let want = ["prefill", "decode"].iter().enumerate();
    assert_eq!(names, want.map(|(index, name)| Member { name: (*name).to_owned(), index }).collect::<Vec<_>>());
    let [prefill, decode] = &runs[..] else { panic!("two runs") };
    assert_eq!(prefill.samples.offered_rate, decode.samples.offered_rate);
    let mean = |run: &Run| run.summary.mean_latency_ms.expect("it served");
    assert!(mean(prefill) * 2.0 < mean(decode), "{} and {}", mean(prefill), mean(decode));
    assert!(prefill.summary.scale_ups > 1 && prefill.summary.scale_downs > 1, "{:?}", prefill.summary);
}

#[test]
fn a_group_of_one_service_meets_it_as_a_policy_does() {
    // Nothing to couple and nothing to share: each member is as if alone.
    let own = |name: &str| {
        let mut member = member(name, 1, 0, (1, 20), 4.0);
        member.as_object_mut().expect("an object").remove("ratio");
        member
    };
    let group = group(None, &[own("a"), own("b")]);
    let (scenario, load) = generated(json!({ "duration": "1h", "load": { "constant": { "rate": 9 } } }));
    let runs = simulate_group(&scenario, &load, 1, &group, &Registry::builtin(), |_| {}).expect("runs");
    let policy = Policy::from_value(&json!({
        "apiVersion": "setpoint.dev/v1alpha1", "kind": "ScalingPolicy", "metadata": { "name": "alone" },
        "spec": group.spec.members[0].policy,
    }))
    .expect("a good policy");
    let alone = simulate(&scenario, &load, 1, &policy, &Registry::builtin(), |_| {}).expect("a run");
    for run in runs {
        assert_eq!((run.summary, run.decisions), (alone.summary.clone(), alone.decisions.clone()));
    }
}

#[test]
fn a_member_that_the_scenario_does_not_tell_of_is_refused() {
    let group = group(None, &[member("prefill", 1, 0, (1, 20), 4.0), member("decoder", 2, 0, (1, 20), 6.0)]);
    let (scenario, load) = rise_and_fall();
    let error = simulate_group(&scenario, &load, 1, &group, &Registry::builtin(), |_| {}).expect_err("a typo");
    assert_eq!(error.path, "spec.members[1].name");
    assert!(error.message.contains("did you mean `decode`?"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// At each look: within the bounds and the budget; and where neither binds, at the ratio up to a whole replica.
    #[test]
    fn a_ratio_is_kept_up_to_a_replica_within_bounds_and_budget(
        ratios in prop::array::uniform2(1_u32..5),
        priorities in prop::array::uniform2(0_i32..3),
        maxima in prop::array::uniform2(3_u32..30),
        targets in prop::array::uniform2(1.0_f64..8.0),
        budget in prop::option::of(2_u32..40),
    ) {
        let names = ["prefill", "decode"];
        let members: Vec<Value> = (0..2)
            .map(|it| member(names[it], ratios[it], priorities[it], (1, maxima[it]), targets[it]))
            .collect();
        let runs = simulated(&group(budget, &members));
        for (one, other) in runs[0].decisions.iter().zip(&runs[1].decisions) {
            let counts = [one.to, other.to];
            for (count, most) in counts.iter().zip(maxima) {
                prop_assert!((1..=most).contains(count), "{counts:?} at {} ms", one.t_ms);
            }
            let total = counts[0] + counts[1];
            prop_assert!(budget.is_none_or(|budget| total <= budget), "{counts:?} at {} ms", one.t_ms);
            // Who has all that it may is held back by that, and so is everybody once the budget is used up.
            let is_bound = counts.iter().zip(maxima).any(|(count, most)| *count == most) || Some(total) == budget;
            let scale = |it: usize| f64::from(counts[it]) / f64::from(ratios[it]);
            let a_replica = |it: usize| 1.0 / f64::from(ratios[it]);
            let apart = scale(0) - scale(1);
            prop_assert!(
                is_bound || (apart < a_replica(0) + 1e-9 && -apart < a_replica(1) + 1e-9),
                "{counts:?} at {ratios:?}, {} ms", one.t_ms
            );
        }
    }
}
