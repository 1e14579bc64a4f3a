//! Stages around algorithms: whole sequences, and the order that the documentation promises.

use serde_json::json;
use setpoint::Reading;

fn constant(ratio: f64, looks: usize, every: i64, policy: &setpoint::PolicySpec, start: u32) -> Vec<u32> {
    let mut manager = setpoint::AlgorithmManager::new();
    let workload = manager.add(policy).expect("a good policy");
    let mut current = start;
    let need = f64::from(start) * ratio;
    (0..looks)
        .map(|look| {
            // The load stays: the ratio follows from it and the replicas there are.
            let readings = [Reading::Value(need / f64::from(current))];
            let now = setpoint::Timestamp::from_millis(i64::try_from(look).expect("few") * every * 1000);
            let look = setpoint::Observation::new(now, current, &readings);
            current = manager.decide(workload, &look, &mut setpoint::Trace::off()).expect("a decision").desired;
            current
        })
        .collect()
}

#[test]
fn capped_smooth_ratio_scales_down_in_steps() {
    let policy = crate::policy("capped-smooth-ratio", json!({ "smoothingFactor": 1 }), 1, (1, 40));
    // 25 % less each time, rounded up; below 4 a quarter is less than one replica, so none goes.
    assert_eq!(constant(0.2, 8, 15, &policy, 10), [8, 6, 5, 4, 3, 3, 3, 3]);
    let policy = crate::policy("capped-smooth-ratio", json!({ "smoothingFactor": 1, "minStep": 1 }), 1, (1, 40));
    assert_eq!(constant(0.2, 8, 15, &policy, 10), [8, 6, 5, 4, 3, 2, 2, 2]);
}

#[test]
fn smoothing_averages_the_ratio_and_the_tolerance_looks_at_the_average() {
    let policy = crate::policy("capped-smooth-ratio", json!({ "maxScaleUp": "500%" }), 1, (1, 40));
    let (low, high) = ([Reading::Value(1.0)], [Reading::Value(1.3)]);
    // Averages: 1, 1.09, 1.153. A ratio of 1.3 passes the tolerance of 0.1 only when the average does.
    assert_eq!(crate::decide(&policy, &[(0, 10, &low), (15, 10, &high), (30, 10, &high)]), [10, 10, 12]);
}

#[test]
fn a_window_holds_back_and_then_lets_go() {
    let down = crate::policy("max-ratio", json!({}), 1, (1, 40)).with_stage("stabilized", json!({}));
    // Five minutes without a need for four; the seed of the first look counts as one.
    let (idle, busy) = ([Reading::Value(0.5)], [Reading::Value(1.0)]);
    let looks: Vec<_> = (0..7).map(|minute| (minute * 60, 4, &idle[..])).collect();
    assert_eq!(crate::decide(&down, &looks), [4, 4, 4, 4, 4, 2, 2]);
    // A need in between begins the wait anew.
    let looks: Vec<_> =
        (0..9).map(|minute| (minute * 60, 4, if minute == 3 { &busy[..] } else { &idle[..] })).collect();
    assert_eq!(crate::decide(&down, &looks), [4, 4, 4, 4, 4, 4, 4, 4, 2]);

    let up = crate::policy("max-ratio", json!({}), 1, (1, 40))
        .with_stage("stabilized", json!({ "scaleUpWindow": "2m", "scaleDownWindow": "0s" }));
    let (more, most) = ([Reading::Value(1.5)], [Reading::Value(3.0)]);
    let looks = [(0, 4, &busy[..]), (60, 4, &most[..]), (120, 4, &more[..]), (180, 4, &most[..]), (240, 4, &most[..])];
    // Up to what was needed throughout: 4, then 6 once the 4 is two minutes old.
    assert_eq!(crate::decide(&up, &looks), [4, 4, 6, 6, 12]);
}

#[test]
fn stages_apply_in_the_order_written() {
    let base = crate::policy("max-ratio", json!({}), 1, (1, 40));
    let (window, cap) = (json!({ "scaleDownWindow": "1m" }), json!({ "maxScaleDown": "25%" }));
    let windows_first = base.clone().with_stage("stabilized", window.clone()).with_stage("capped", cap.clone());
    let caps_first = base.with_stage("capped", cap).with_stage("stabilized", window);
    // The window waits a minute once, and then the cap lets a quarter go each look.
    assert_eq!(constant(0.2, 10, 20, &windows_first, 10), [10, 10, 10, 8, 6, 5, 4, 3, 3, 3]);
    // The window sees only capped needs, so it waits for each of them.
    assert_eq!(constant(0.2, 10, 20, &caps_first, 10), [10, 10, 10, 8, 8, 8, 6, 6, 6, 5]);
}

#[test]
fn a_cooldown_keeps_the_count_after_each_change_whatever_is_needed() {
    let policy = crate::policy("max-ratio", json!({}), 1, (1, 40))
        .with_stage("cooled", json!({ "afterUp": "30s", "afterDown": "2m" }));
    let (more, fewer) = ([Reading::Value(2.0)], [Reading::Value(0.5)]);
    let looks = [
        (0, 4, &more[..]),
        // It went up at 0: nothing for 30 s, the last of them included.
        (15, 8, &fewer[..]),
        (30, 8, &more[..]),
        (45, 8, &fewer[..]),
        // Down at 45: nothing for two minutes, not even a burst.
        (60, 4, &more[..]),
        (165, 4, &more[..]),
        (180, 4, &more[..]),
    ];
    assert_eq!(crate::decide(&policy, &looks), [8, 8, 8, 4, 4, 4, 8]);
}

#[test]
fn a_delay_waits_until_the_same_direction_is_wanted_for_long_without_a_break() {
    let policy =
        crate::policy("max-ratio", json!({}), 1, (1, 40)).with_stage("delayed", json!({ "up": "30s", "down": "1m" }));
    let (same, more, most, fewer) =
        ([Reading::Value(1.0)], [Reading::Value(1.5)], [Reading::Value(3.0)], [Reading::Value(0.5)]);
    let gone = [Reading::Missing("scrape failed")];
    let looks = [
        (0, 4, &more[..]),
        (15, 4, &more[..]),
        // To what is wanted now.
        (30, 4, &most[..]),
        (45, 12, &fewer[..]),
        (75, 12, &same[..]),
        // The wait begins anew after a break, and a look without a reading is one.
        (90, 12, &fewer[..]),
        (120, 12, &gone[..]),
        (150, 12, &fewer[..]),
        (209, 12, &fewer[..]),
        (210, 12, &fewer[..]),
    ];
    assert_eq!(crate::decide(&policy, &looks), [4, 4, 12, 12, 12, 12, 12, 12, 12, 6]);
}
