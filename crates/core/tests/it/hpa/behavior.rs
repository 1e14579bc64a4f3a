//! Windows and rates.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint::hpa::{ControlLoop, Manifest, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy, Spec};
use setpoint::{Direction, Effect, Observation, Reading, Timestamp, Trace};

use super::{by, exact, follow, percent_a_minute, pods_a_minute, restrained, sync, unrestrained, window};

#[test]
fn the_history_keeps_what_was_proposed_and_not_what_the_window_made_of_it() {
    // A history of held tens would hold ten for ever.
    let spec = restrained(window(0), window(60));
    assert_eq!(follow(&spec, 10, &[(0, 4), (30, 4), (60, 4)]), [10, 10, 4]);
}

#[test]
fn a_new_history_begins_with_the_count_there_is() {
    // An empty history, as after a restart, would let all but one go at once.
    let spec = restrained(window(0), window(300));
    assert_eq!(follow(&spec, 10, &[(0, 1), (299, 1), (300, 1)]), [10, 10, 1]);
    // The older rules count it for as long as the window is, the edge included.
    assert_eq!(follow(&unrestrained(), 10, &[(0, 1), (300, 1), (301, 1)]), [10, 10, 1]);
}

#[test]
fn the_way_up_is_the_lowest_of_its_window_and_the_way_down_the_highest() {
    let spec = restrained(window(60), window(60));
    // The highest would make 40 at the end.
    assert_eq!(follow(&spec, 10, &[(0, 30), (30, 20), (60, 40)]), [10, 10, 20]);
    // The lowest would make 1.
    assert_eq!(follow(&spec, 10, &[(0, 2), (30, 5), (60, 1)]), [10, 10, 5]);
}

#[test]
fn a_period_began_with_the_count_before_the_changes_of_both_directions() {
    let spec = restrained(by([pods_a_minute(4)]), by([pods_a_minute(10)]));
    // Ten, four added and six taken away: it began with ten, and may have 14. Without the six it began with four,
    // and may have no more than the eight there are; without either it may have 12.
    assert_eq!(follow(&spec, 10, &[(0, 30), (15, 8), (30, 30)]), [14, 8, 14]);
}

#[test]
fn percents_round_up_on_the_way_up_and_are_cut_off_on_the_way_down() {
    let spec = Spec { min: 0, ..restrained(by([percent_a_minute(10)]), by([percent_a_minute(10)])) };
    // 4.4: cut off it would never grow.
    assert_eq!(follow(&spec, 4, &[(0, 9)]), [5]);
    // 3.6, and the last one's 0.9: rounded up, neither would ever go.
    assert_eq!(follow(&spec, 4, &[(0, 1)]), [3]);
    assert_eq!(follow(&spec, 1, &[(0, 0)]), [0]);
}

#[test]
fn select_policy_compares_changes_and_not_limits() {
    // From ten, down: two less is 8, half is 5. The highest limit is the smallest change.
    for (select, up, down) in [(SelectPolicy::Max, 15, 5), (SelectPolicy::Min, 12, 8), (SelectPolicy::Disabled, 10, 10)]
    {
        let policies = by([pods_a_minute(2), percent_a_minute(50)]);
        let rules = ScalingRules { select_policy: Some(select), ..policies };
        let spec = restrained(rules.clone(), rules);
        assert_eq!(follow(&spec, 10, &[(0, 90)]), [up], "{select:?}");
        assert_eq!(follow(&spec, 10, &[(0, 1)]), [down], "{select:?}");
    }
}

#[test]
fn an_overdrawn_rate_waits_and_takes_nothing_back() {
    // Corrections to the bounds add four, or take ten away. A minute began with one, or with twenty, and a rate of
    // one allows 2, or 19.
    let one = || by([pods_a_minute(1)]);
    let spec = Spec { min: 5, ..restrained(one(), one()) };
    assert_eq!(follow(&spec, 1, &[(0, 8), (15, 8), (60, 8)]), [5, 5, 6]);
    let spec = Spec { max: 10, ..restrained(one(), one()) };
    assert_eq!(follow(&spec, 20, &[(0, 5), (15, 5), (60, 5)]), [10, 10, 9]);
}

#[test]
fn one_policy_replaces_all_default_ones() {
    let spec = |behavior: Value| -> Spec {
        let document = json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "workers" },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "workers" },
                "maxReplicas": 100,
                "metrics": [{
                    "type": "External",
                    "external": {
                        "metric": { "name": "queue" },
                        "target": { "type": "AverageValue", "averageValue": 1 },
                    },
                }],
                "behavior": behavior,
            },
        });
        Manifest::from_value(&document).expect("a good manifest").spec().clone()
    };
    // With the default 100 % beside it, it would be 20.
    let one = json!({ "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] } });
    assert_eq!(follow(&spec(one), 10, &[(0, 90)]), [11]);
    // And without any policies the default ones hold: 100 % of ten, 4 pods of one.
    let none = spec(json!({ "scaleUp": { "stabilizationWindowSeconds": 0 } }));
    assert_eq!(follow(&none, 10, &[(0, 90)]), [20]);
    assert_eq!(follow(&none, 1, &[(0, 90)]), [5]);
}

#[test]
fn without_behavior_the_older_limit_holds_and_not_the_defaults() {
    let defaults = restrained(ScalingRules::default(), ScalingRules::default());
    // Twice the count, but at least four, whenever it looks.
    assert_eq!(follow(&unrestrained(), 1, &[(0, 90), (5, 90), (10, 90)]), [4, 8, 16]);
    // Four more or twice the count, every 15 s.
    assert_eq!(follow(&defaults, 1, &[(0, 90), (5, 90), (15, 90)]), [5, 5, 10]);
}

#[test]
fn changes_made_without_behavior_are_not_held_against_a_rate() {
    let rated = restrained(by([pods_a_minute(1)]), window(0));
    let mut hpa = ControlLoop::new(&unrestrained(), exact());
    assert_eq!(sync(&mut hpa, 4, &[(0, 90)]), [8]);
    hpa.set_spec(&rated);
    // Had the four been remembered, the minute would have begun with four, and 8 would be all for now.
    assert_eq!(sync(&mut hpa, 8, &[(15, 90), (30, 90)]), [9, 9]);
}

#[test]
fn no_window_down_is_the_controllers_own_and_zero_is_none() {
    let mut settings = exact();
    settings.downscale_stabilization = Duration::from_secs(60);
    let wants = [(0, 2), (59, 2), (60, 2)];
    let sync = |secs: Option<u32>| {
        let down = ScalingRules { stabilization_window_seconds: secs, ..window(0) };
        sync(&mut ControlLoop::new(&restrained(window(0), down), settings), 10, &wants)
    };
    // As 0 it would be 2 at once, and as a fixed 300 it would be 10 throughout.
    assert_eq!(sync(None), [10, 10, 2]);
    assert_eq!(sync(Some(0)), [2, 2, 2]);
}

fn rates() -> impl Strategy<Value = ScalingRules> {
    let policy = (any::<bool>(), 1..60_i32, prop::sample::select(vec![15_u32, 30, 60, 90]));
    let policy = policy.prop_map(|(pods, value, period_seconds)| ScalingPolicy {
        kind: if pods { PolicyKind::Pods } else { PolicyKind::Percent },
        value: if pods { value.min(8) } else { value },
        period_seconds,
    });
    let select = prop::sample::select(vec![SelectPolicy::Max, SelectPolicy::Min]);
    (prop::collection::vec(policy, 1..4), select).prop_map(|(policies, select)| ScalingRules {
        select_policy: Some(select),
        policies: Some(policies),
        ..by([])
    })
}

proptest! {
    #[test]
    fn a_rate_holds_until_the_instant_that_it_tells(
        (up, down) in (rates(), rates()),
        start in 1_u32..40,
        wants in prop::collection::vec((1_i64..40, 1_u32..100), 1..30),
    ) {
        let spec = restrained(up, down);
        let mut hpa = ControlLoop::new(&spec, exact());
        let (mut now, mut current) = (0, start);
        let mut trace = Trace::new();
        for (wait, wanted) in wants {
            now += wait;
            let readings = [Reading::Value(f64::from(wanted))];
            let at = |millis, current| Observation::new(Timestamp::from_millis(millis), current, &readings);
            trace.clear();
            let plan = hpa.plan(&at(now * 1000, current), &mut trace);
            current = plan.write.unwrap_or(current);
            hpa.finish(plan, true);
            let Some(Effect::RateLimited { direction, until, .. }) = trace.reasons().last().map(|reason| reason.effect)
            else {
                continue;
            };
            let next = |millis| hpa.clone().plan(&at(millis, current), &mut Trace::off()).write.unwrap_or(current);
            prop_assert_eq!(next(until.as_millis() - 1), current, "moves before {:?}", until);
            let then = next(until.as_millis());
            let moved = if direction == Direction::Up { then > current } else { then < current };
            // A period begins with too few for any of its percents to take one away.
            let stuck = hpa.clone().plan(&at(until.as_millis() + 3_600_000, current), &mut Trace::off()).write.is_none();
            prop_assert!(moved || stuck, "still {} at {:?}", then, until);
        }
    }
}

#[test]
fn the_older_window_holds_until_just_after_the_edge_that_it_includes() {
    let mut hpa = ControlLoop::new(&unrestrained(), exact());
    let mut trace = Trace::new();
    let readings = [Reading::Value(1.0)];
    let plan = hpa.plan(&Observation::new(Timestamp::default(), 10, &readings), &mut trace);
    hpa.finish(plan, true);
    let Some(Effect::Stabilized { until, .. }) = trace.reasons().last().map(|reason| reason.effect) else {
        panic!("{:?}", trace.reasons());
    };
    assert_eq!(until, Timestamp::from_millis(300_001));
    for (at, want) in [(300_000, None), (300_001, Some(1))] {
        let look = Observation::new(Timestamp::from_millis(at), 10, &readings);
        assert_eq!(hpa.clone().plan(&look, &mut Trace::off()).write, want, "{at}");
    }
}
