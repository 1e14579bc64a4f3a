//! Knative's rules that implementations of it get wrong, and what is sound here and isn't there.

mod algorithm;
mod lifecycle;
mod resolve;

use std::time::Duration;

use setpoint::Timestamp;
use setpoint::knative::{Autoscaler, Averages, Collector, Panic, Scaled, Spec, Windows};
use setpoint::window::Averaging;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

/// Ten a pod, and nothing that limits.
fn spec() -> Spec {
    Spec { target: 10.0, total: 10.0, max_scale_down_rate: 1000.0, target_burst_capacity: 0.0, ..Spec::default() }
}

fn autoscaler(spec: Spec, ready: u32) -> Autoscaler {
    Autoscaler::new(spec, ready, at(0)).expect("a good spec")
}

/// The same average in both windows.
fn both(average: f64) -> Averages {
    Averages { stable: average, panic: average }
}

/// One decision of a new autoscaler that doesn't begin in panic.
fn once(spec: Spec, ready: u32, averages: Averages) -> Scaled {
    autoscaler(spec, 1).scale(at(2), ready, averages).expect("averages")
}

#[test]
fn limits_are_those_of_the_ready_pods() {
    let limited = Spec { max_scale_up_rate: 1.1, max_scale_down_rate: 2.0, panic_threshold: 100.0, ..spec() };
    let unreachable = Spec { reachable: false, ..limited };
    let activated = Spec { activation_scale: 4, ..limited };
    let cases = [
        ("rounded up, so that one more is always allowed", limited, 2, 30.0, 3),
        ("and no more", limited, 2, 300.0, 3),
        ("down rounds down", limited, 5, 0.0, 2),
        ("none ready counts as one", limited, 0, 300.0, 2),
        ("one may go", limited, 1, 0.0, 0),
        ("what can't be reached has no lower limit", unreachable, 5, 0.0, 0),
        ("activation goes past the limit", activated, 1, 30.0, 4),
        ("and needs a need, not a limit", activated, 5, 0.0, 2),
        ("one raises nothing", Spec { activation_scale: 1, ..limited }, 1, 0.0, 0),
        ("a negative load needs nothing", activated, 1, -30.0, 0),
        ("a trace above a whole number is one more", limited, 9, 90.0_f64.next_up(), 10),
    ];
    for (name, spec, ready, average, want) in cases {
        assert_eq!(once(spec, ready, both(average)).desired, want, "{name}");
    }
}

#[test]
fn the_panic_test_is_of_the_need_rounded_up_and_unlimited() {
    let slow = Spec { max_scale_up_rate: 1.5, ..spec() };
    let cases = [
        ("exactly at the threshold", spec(), 2, 40.0, true),
        // 31 / 10 / 2 is 1.55; but 4 pods for 2 is 2.
        ("the need is rounded up first", spec(), 2, 31.0, true),
        ("3 pods for 2 are 1.5", spec(), 2, 30.0, false),
        ("none ready counts as one", spec(), 0, 11.0, true),
        ("limits don't hide it", slow, 4, 80.0, true),
    ];
    for (name, spec, ready, panic, want) in cases {
        let scaled = once(spec, ready, Averages { stable: 10.0, panic });
        assert_eq!(scaled.panicking(), want, "{name}");
    }
}

#[test]
fn panic_holds_its_high_mark_for_a_whole_window() {
    let mut it = autoscaler(spec(), 1);
    let mut scale = |secs, ready, averages| {
        let scaled = it.scale(at(secs), ready, averages).expect("averages");
        (scaled.desired, scaled.panic)
    };
    assert_eq!(scale(2, 1, both(10.0)), (1, Panic::None));
    assert_eq!(scale(10, 1, Averages { stable: 20.0, panic: 50.0 }), (5, Panic::Began));
    // The stable average counts too, where it is larger.
    assert_eq!(scale(20, 5, Averages { stable: 70.0, panic: 50.0 }), (7, Panic::Continued));
    assert_eq!(scale(30, 2, Averages { stable: 10.0, panic: 40.0 }), (7, Panic::Extended));
    assert_eq!(scale(90, 7, both(10.0)), (7, Panic::Continued));
    assert_eq!(scale(91, 7, both(10.0)), (1, Panic::Ended));
    // The mark is forgotten with it.
    assert_eq!(scale(92, 1, both(20.0)), (2, Panic::Began));
}

#[test]
fn more_than_one_pod_at_the_start_is_a_panic() {
    let cases = [(0, 1, false), (1, 1, false), (2, 2, true), (5, 5, true)];
    for (ready, desired, panicking) in cases {
        let scaled = autoscaler(spec(), ready).scale(at(60), 5, both(10.0)).expect("averages");
        assert_eq!((scaled.desired, scaled.panicking()), (desired, panicking), "{ready} ready");
        let scaled = autoscaler(spec(), ready).scale(at(61), 5, both(10.0)).expect("averages");
        assert_eq!((scaled.desired, scaled.panicking()), (1, false), "{ready} ready, a window later");
    }
}

#[test]
fn the_delay_is_a_maximum_over_buckets_of_two_seconds() {
    let delayed = Spec { scale_down_delay: Duration::from_secs(5), panic_threshold: 100.0, ..spec() };
    let mut it = autoscaler(delayed, 1);
    let mut scale =
        |millis, average| it.scale(Timestamp::from_millis(millis), 9, both(average)).expect("averages").desired;
    assert_eq!(scale(1999, 50.0), 5);
    // Three buckets for five seconds: the one of 0 s still counts at 5.9 s.
    assert_eq!(scale(5900, 10.0), 5);
    assert_eq!(scale(6000, 10.0), 1);
    // Two decisions of a bucket give the larger.
    assert_eq!(scale(7000, 30.0), 3);
    assert_eq!(scale(7900, 20.0), 3);
}

#[test]
fn a_delay_is_made_once_unless_set() {
    let delayed = Spec { scale_down_delay: Duration::from_secs(60), panic_threshold: 100.0, ..spec() };
    let desired = |it: &mut Autoscaler, secs, average| it.scale(at(secs), 9, both(average)).expect("averages").desired;
    let mut it = autoscaler(delayed, 1);
    desired(&mut it, 0, 50.0);
    it.set_spec(Spec { scale_down_delay: Duration::ZERO, ..delayed }).expect("a good spec");
    assert_eq!(desired(&mut it, 10, 10.0), 5);
    it.set_delay();
    assert_eq!(desired(&mut it, 12, 10.0), 1);
    // While nothing can reach it nothing is delayed or recorded; what was before counts again afterwards.
    let mut it = autoscaler(delayed, 1);
    desired(&mut it, 0, 50.0);
    it.set_spec(Spec { reachable: false, ..delayed }).expect("a good spec");
    assert_eq!(desired(&mut it, 10, 80.0), 8);
    assert_eq!(desired(&mut it, 12, 10.0), 1);
    it.set_spec(delayed).expect("a good spec");
    assert_eq!(desired(&mut it, 14, 10.0), 5);
}

#[test]
fn excess_burst_capacity_counts_the_pods_that_are_really_ready() {
    let with = |burst: f64| Spec { target_burst_capacity: burst, total: 20.0, ..spec() };
    let cases = [
        ("short of it", 50.0, 3, 30.5, -21),
        ("enough", 5.0, 3, 30.5, 24),
        ("none ready is none", 5.0, 0, 30.5, -36),
        ("no burst", 0.0, 3, 1000.0, 0),
        ("any burst", -1.0, 3, 0.0, -1),
        ("beyond all counts", 1e300, 3, 0.0, i32::MIN),
    ];
    for (name, burst, ready, panic, want) in cases {
        let scaled = once(with(burst), ready, Averages { stable: 0.0, panic });
        assert_eq!(scaled.excess_burst_capacity, want, "{name}");
    }
}

#[test]
fn averages_that_are_no_numbers_change_nothing() {
    let mut it = autoscaler(spec(), 1);
    it.scale(at(2), 1, both(50.0)).expect("averages");
    let mut before = Vec::new();
    it.write(&mut before);
    for value in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
        assert_eq!(it.scale(at(90), 1, Averages { stable: value, panic: 1.0 }), None);
        assert_eq!(it.scale(at(90), 1, Averages { stable: 1.0, panic: value }), None);
    }
    let mut after = Vec::new();
    it.write(&mut after);
    assert_eq!(before, after);
    // A count that no integer holds saturates at the limit of all counts.
    let huge = Spec { max_scale_up_rate: 1e300, ..spec() };
    assert_eq!(once(huge, 1, both(1e300)).desired, i32::MAX.unsigned_abs());
    assert_eq!(autoscaler(Spec { target: 1e-300, ..spec() }, 1).scale(at(2), 1, both(1e300)), None);
}

#[test]
fn a_spec_that_can_t_be_computed_with_names_its_field() {
    let cases = [
        ("target", Spec { target: 0.0, ..spec() }),
        ("total", Spec { total: f64::NAN, ..spec() }),
        ("panicThreshold", Spec { panic_threshold: -1.0, ..spec() }),
        ("maxScaleUpRate", Spec { max_scale_up_rate: f64::INFINITY, ..spec() }),
        ("maxScaleDownRate", Spec { max_scale_down_rate: 0.0, ..spec() }),
        ("targetBurstCapacity", Spec { target_burst_capacity: -2.0, ..spec() }),
        ("activationScale", Spec { activation_scale: u32::MAX, ..spec() }),
    ];
    for (field, bad) in cases {
        assert_eq!(Autoscaler::new(bad, 1, at(0)).expect_err(field).path, field);
        assert_eq!(autoscaler(spec(), 1).set_spec(bad).expect_err(field).path, field);
    }
}

#[test]
fn both_windows_see_the_same_samples() {
    let windows =
        Windows { averaging: Averaging::Linear, stable: Duration::from_secs(10), panic: Duration::from_secs(2) };
    let mut collector = Collector::new(windows).expect("whole seconds");
    assert_eq!(collector.averages(at(0)), None);
    assert_eq!(collector.averages_or_zero(at(0)), both(0.0));
    for (second, value) in [(0, 10.0), (1, 10.0), (2, 40.0)] {
        collector.add(at(second), value);
    }
    assert_eq!(collector.averages(at(2)), Some(Averages { stable: 20.0, panic: 25.0 }));
    // The panic window is empty long before the stable one.
    assert_eq!(collector.averages(at(6)), Some(Averages { stable: 20.0, panic: 0.0 }));
    assert_eq!(collector.averages(at(13)), None);
    let odd = Windows { panic: Duration::from_millis(1500), ..windows };
    assert_eq!(Collector::new(odd).expect_err("no whole seconds").path, "panicWindow");
}
