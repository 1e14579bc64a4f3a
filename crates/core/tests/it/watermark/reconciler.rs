//! The controller's sync around the arithmetic.

use serde_json::json;
use setpoint::watermark::{ConditionKind, Reconciler, Spec, Status};
use setpoint::{Bounds, Observation, Reading, Timestamp, Trace};

use super::{config, load, secs};

fn wpa(exact: bool, dry_run: bool) -> Reconciler {
    let rules = config(json!({}), exact).rules(&[load()]).expect("good rules");
    Reconciler::new(Spec { bounds: Bounds::new(3, 20).expect("bounds"), dry_run, rules })
}

fn sync(wpa: &mut Reconciler, at: i64, spec: u32, value: Option<f64>, written: bool) -> Option<u32> {
    let readings = [value.map_or(Reading::Missing("gone"), Reading::Value)];
    let plan = wpa.plan(&Observation::new(secs(at), spec, &readings), &mut Trace::off());
    let write = plan.write;
    wpa.finish(plan, written);
    write
}

fn shown(wpa: &Reconciler, kind: ConditionKind) -> Option<(bool, &'static str, i64)> {
    let since = |at: Timestamp| at.as_millis() / 1000;
    wpa.status().condition(kind).map(|it| (it.status, it.reason.as_str(), since(it.since)))
}

#[test]
fn bounds_are_corrected_at_once_and_the_controller_needs_readings_for_it() {
    for (name, spec, value, want) in [
        ("above", 30, Some(60.0), (Some(20), Some(20))),
        ("below", 1, Some(60.0), (Some(3), Some(3))),
        ("stopped", 0, Some(90.0), (None, None)),
        ("above, with nothing to go by", 30, None, (Some(20), None)),
    ] {
        for (exact, want) in [(false, want.0), (true, want.1)] {
            let mut wpa = wpa(exact, false);
            // A scaling just before, and both windows open.
            assert_eq!(sync(&mut wpa, 0, 10, Some(90.0), true), Some(12));
            assert_eq!(sync(&mut wpa, 1, spec, value, true), want, "{name}, exact: {exact}");
        }
    }
}

#[test]
fn what_does_not_exist_yet_is_not_taken_away() {
    for (exact, want) in [(false, None), (true, Some(1))] {
        let readings = [Reading::Value(90.0)];
        let look = Observation::new(secs(0), 10, &readings).with_existing(0);
        let mut wpa = wpa(exact, false);
        if exact {
            // Pods that are not counted yet: only with them does the controller come so far.
            let pods = [setpoint::InstanceState::new(setpoint::Phase::Running, setpoint::Readiness::Ready, secs(0))
                .with_started(Some(secs(0)))];
            assert_eq!(wpa.plan(&look.with_instances(&pods), &mut Trace::off()).write, want);
        } else {
            assert_eq!(wpa.plan(&look, &mut Trace::off()).write, want);
        }
    }
}

#[test]
fn a_dry_run_does_everything_but_the_write() {
    let mut wpa = wpa(false, true);
    assert_eq!(sync(&mut wpa, 30, 10, Some(90.0), true), None);
    assert_eq!((wpa.status().desired, wpa.status().last_scale, wpa.status().scalings), (12, Some(secs(30)), 1));
    assert_eq!(shown(&wpa, ConditionKind::AbleToScale), Some((true, "ReadyForScale", 30)));
    assert_eq!(shown(&wpa, ConditionKind::DryRun), Some((true, "DryRun mode enabled", 30)));
}

#[test]
fn a_write_that_fails_is_no_scaling() {
    let mut wpa = wpa(true, false);
    assert_eq!(sync(&mut wpa, 0, 10, Some(90.0), false), Some(12));
    let status = wpa.status();
    assert_eq!((status.desired, status.current, status.last_scale, status.scalings), (0, 10, None, 0));
    assert_eq!(shown(&wpa, ConditionKind::AbleToScale), Some((false, "FailedScale", 0)));
    assert_eq!(sync(&mut wpa, 15, 10, Some(90.0), true), Some(12));
    assert_eq!(shown(&wpa, ConditionKind::AbleToScale), Some((true, "SuccessfulScale", 15)));
}

#[test]
fn a_scale_that_cannot_be_read_is_told() {
    let mut wpa = wpa(true, false);
    sync(&mut wpa, 0, 10, Some(60.0), true);
    let before = wpa.status().clone();
    wpa.scale_unreadable(secs(15));
    for kind in [ConditionKind::AbleToScale, ConditionKind::ScalingActive] {
        assert_eq!(shown(&wpa, kind), Some((false, "FailedProcessWPA", 15)));
    }
    assert_eq!(wpa.status().current, before.current);
}

#[test]
fn a_failing_metric_keeps_all_but_the_conditions() {
    let mut wpa = wpa(true, false);
    sync(&mut wpa, 0, 10, Some(90.0), true);
    assert_eq!(sync(&mut wpa, 15, 12, None, true), None);
    let status = wpa.status();
    assert_eq!((status.desired, status.current, status.metrics.as_slice()), (12, 12, &[90_000][..]));
    assert_eq!(shown(&wpa, ConditionKind::ScalingActive), Some((false, "FailedGetExternalMetric", 15)));
    assert_eq!(shown(&wpa, ConditionKind::AboveHighWatermark), Some((true, "Value above High Watermark", 0)));
}

#[test]
fn its_status_is_all_it_remembers() {
    let mut wpa = wpa(true, false);
    sync(&mut wpa, 7, 10, Some(90.0), true);
    let mut state = Vec::new();
    wpa.snapshot(&mut state);
    assert_eq!(Status::read(&state).as_ref(), Ok(wpa.status()));
    let before = wpa.status().clone();
    for cut in 0..state.len() {
        assert!(wpa.restore(&state[..cut]).is_err(), "{cut} bytes");
    }
    let mut longer = state.clone();
    longer.push(0);
    assert!(wpa.restore(&longer).is_err());
    for at in 0..state.len() {
        let mut damaged = state.clone();
        damaged[at] ^= 0xff;
        // Some other status, or an error; no panic, and nothing half read.
        if wpa.restore(&damaged).is_err() {
            assert_eq!(*wpa.status(), before);
        }
        wpa.set_status(before.clone());
    }
}

#[test]
fn another_spec_goes_on_with_the_same_status() {
    let mut wpa = wpa(false, false);
    assert_eq!(sync(&mut wpa, 0, 10, Some(90.0), true), Some(12));
    let given = json!({ "upscaleForbiddenWindowSeconds": 120 });
    let rules = config(given, false).rules(&[load()]).expect("good rules");
    wpa.set_spec(Spec { bounds: Bounds::new(3, 20).expect("bounds"), dry_run: false, rules });
    assert_eq!(sync(&mut wpa, 60, 12, Some(90.0), true), None);
    assert_eq!(sync(&mut wpa, 120, 12, Some(90.0), true), Some(14));
}
