//! Forbidden windows, delays and what is remembered of them.

use serde_json::{Value, json};
use setpoint::{Action, Observation, Reading, ScalingAlgorithm, StateError, Watermark};

use super::{ask, config, load, secs};

/// Follows its own counts, and tells them as done: what is desired at each `(seconds, value)`, from 10.
fn run(given: Value, exact: bool, looks: &[(i64, f64)]) -> Vec<u32> {
    let config = config(given, exact);
    let (mut current, mut last) = (10, None);
    let mut state = Vec::new();
    looks
        .iter()
        .map(|&(at, value)| {
            // A restart before every look.
            let mut watermark = Watermark::new(&[load()], &config).expect("a good configuration");
            if !state.is_empty() {
                watermark.restore(&state).expect("its own state");
            }
            let readings = [Reading::Value(value)];
            let desired = ask(&mut watermark, &Observation::new(secs(at), current, &readings).with_last_action(last));
            if desired != current {
                last = Some(Action { at: secs(at), from: current, to: desired, applied: true });
            }
            current = desired;
            state.clear();
            watermark.snapshot(&mut state).expect("a snapshot");
            desired
        })
        .collect()
}

#[test]
fn windows_begin_at_the_last_scaling_of_either_direction_and_end_exactly() {
    let looks = [(0, 90.0), (59, 90.0), (60, 90.0), (359, 44.0), (360, 44.0), (419, 90.0), (420, 90.0), (720, 44.0)];
    let want = [12, 12, 14, 14, 12, 12, 14, 12];
    assert_eq!(run(json!({}), false, &looks), want);
    assert_eq!(run(json!({}), true, &looks), want);
    // A window of 0 is none; to the controller it is one of 60 s.
    let none = json!({ "upscaleForbiddenWindowSeconds": 0 });
    let looks = [(0, 90.0), (15, 90.0), (60, 90.0)];
    assert_eq!(run(none.clone(), false, &looks), [12, 14, 16]);
    assert_eq!(run(none, true, &looks), [12, 12, 14]);
}

#[test]
fn a_delay_begins_when_the_value_is_first_seen_beyond_its_mark() {
    let delays = json!({ "upscaleDelayAboveWatermarkSeconds": 60, "downscaleDelayBelowWatermarkSeconds": 90 });
    let looks = [(0, 90.0), (59, 90.0), (60, 90.0)];
    assert_eq!(run(delays.clone(), false, &looks), [10, 10, 12]);
    // The controller's first sync waits for nothing.
    assert_eq!(run(delays.clone(), true, &looks), [12, 12, 14]);
    // Back between the marks it begins anew.
    let looks = [(0, 60.0), (1000, 44.0), (1045, 60.0), (1060, 44.0), (1149, 44.0), (1150, 44.0)];
    assert_eq!(run(delays.clone(), false, &looks), [10, 10, 10, 10, 10, 8]);
    assert_eq!(run(delays.clone(), true, &looks), [10, 10, 10, 10, 10, 8]);
    // Converging waits for no delay.
    let mut converging = delays;
    converging["convergeTowardsWatermark"] = json!("highwatermark");
    assert_eq!(run(converging, false, &[(0, 60.0)]), [9]);
}

#[test]
fn the_controller_s_first_sync_starts_the_windows_without_a_change() {
    let looks = [(0, 60.0), (30, 90.0), (60, 90.0)];
    assert_eq!(run(json!({}), false, &looks), [10, 12, 12]);
    assert_eq!(run(json!({}), true, &looks), [10, 10, 12]);
}

#[test]
fn a_change_that_was_not_made_starts_no_window() {
    for exact in [false, true] {
        let mut watermark = Watermark::new(&[load()], &config(json!({}), exact)).expect("a good configuration");
        let readings = [Reading::Value(90.0)];
        assert_eq!(ask(&mut watermark, &Observation::new(secs(0), 10, &readings)), 12);
        let refused = Action { at: secs(0), from: 10, to: 12, applied: false };
        let look = Observation::new(secs(15), 10, &readings).with_last_action(Some(refused));
        assert_eq!(ask(&mut watermark, &look), 12, "exact: {exact}");
    }
}

#[test]
fn the_controller_s_times_are_cut_to_seconds() {
    for (exact, want) in [(false, 12), (true, 14)] {
        let config = config(json!({}), exact);
        let mut watermark = Watermark::new(&[load()], &config).expect("a good configuration");
        let readings = [Reading::Value(90.0)];
        let at = setpoint::Timestamp::from_millis;
        assert_eq!(ask(&mut watermark, &Observation::new(at(900), 10, &readings)), 12);
        let done = Action { at: at(900), from: 10, to: 12, applied: true };
        let look = Observation::new(at(60_000), 12, &readings).with_last_action(Some(done));
        assert_eq!(ask(&mut watermark, &look), want, "exact: {exact}");
    }
}

#[test]
fn a_clock_that_runs_backwards_waits() {
    assert_eq!(run(json!({}), false, &[(1000, 90.0), (500, 90.0), (1060, 90.0)]), [12, 12, 14]);
}

#[test]
fn hostile_bytes_are_errors_and_change_nothing() {
    let mut watermark = Watermark::new(&[load()], &config(json!({}), true)).expect("a good configuration");
    let readings = [Reading::Value(90.0)];
    ask(&mut watermark, &Observation::new(secs(7), 10, &readings));
    let mut state = Vec::new();
    watermark.snapshot(&mut state).expect("a snapshot");
    let mut other_version = state.clone();
    other_version[0] = 9;
    // Never since, and beyond it all the same.
    let beyond = [1, 0, 0, 1, 0, 0, 0, 0];
    for bytes in [&[][..], &other_version, &state[..5], &[1, 7], &beyond] {
        assert!(watermark.restore(bytes).is_err(), "{bytes:?}");
    }
    assert!(matches!(watermark.restore(&beyond), Err(StateError::Damaged { .. })));
    let mut after = Vec::new();
    watermark.snapshot(&mut after).expect("a snapshot");
    assert_eq!(after, state);
}
