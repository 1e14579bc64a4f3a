//! The parts that remember a window of time, against models that forget nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use setpoint::window::{Averaging, BucketedMaximum, WindowAverage, WindowError};
use setpoint::{StateReader, Timestamp};
use setpoint_testkit::allocations::counted;

const SECOND: Duration = Duration::from_secs(1);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn average(averaging: Averaging, secs: u64) -> WindowAverage {
    WindowAverage::new(averaging, Duration::from_secs(secs), SECOND).expect("whole seconds")
}

fn linear(secs: u64) -> WindowAverage {
    average(Averaging::Linear, secs)
}

/// Adds each value at its second.
fn added(mut window: WindowAverage, values: &[(i64, f64)]) -> WindowAverage {
    values.iter().for_each(|&(secs, value)| window.add(at(secs), value));
    window
}

#[test]
fn a_linear_average_counts_the_seconds_there_are() {
    type Case = (&'static str, &'static [(i64, f64)], i64, Option<f64>);
    let cases: [Case; 14] = [
        ("nothing", &[], 0, None),
        ("one second", &[(7, 4.0)], 7, Some(4.0)),
        ("two values of a second add up", &[(7, 4.0), (7, 2.0)], 7, Some(6.0)),
        ("a gap is zeros", &[(0, 6.0), (2, 3.0)], 2, Some(3.0)),
        ("seconds after the newest don't count", &[(0, 6.0), (1, 3.0)], 3, Some(4.5)),
        ("what drops out doesn't either", &[(0, 6.0), (1, 3.0)], 4, Some(3.0)),
        ("a window after the newest it is zero", &[(0, 6.0)], 4, Some(0.0)),
        ("and only then empty", &[(0, 6.0)], 5, None),
        ("before the newest: all of it", &[(0, 6.0), (1, 2.0)], 0, Some(4.0)),
        ("a late one counts where it belongs", &[(3, 6.0), (1, 3.0)], 3, Some(3.0)),
        ("a window late is too late", &[(4, 6.0), (0, 3.0)], 4, Some(6.0)),
        ("a gap of a window begins anew", &[(0, 6.0), (4, 3.0)], 4, Some(3.0)),
        ("six digits, half away from zero", &[(0, 0.000_000_5)], 0, Some(0.000_001)),
        ("before the epoch", &[(-5, 6.0), (-3, 3.0)], -3, Some(3.0)),
    ];
    for (name, values, now, want) in cases {
        assert_eq!(added(linear(4), values).average(at(now)), want, "{name}");
    }
}

#[test]
fn a_weighted_average_counts_the_newest_most() {
    // Ten, ten, five, five: 5·c + 5·c·d + 10·c·d² + 10·c·d³, with c = 0.9 in a window of four seconds.
    let window = added(average(Averaging::WeightedExponential, 4), &[(0, 10.0), (1, 10.0), (2, 5.0), (3, 5.0)]);
    let (c, d) = (0.9, 1.0 - 0.9);
    let want = 5.0 * c + 5.0 * (c * d) + 10.0 * (c * d * d) + 10.0 * (c * d * d * d);
    assert_eq!(window.average(at(3)), Some(want));
    // Two seconds on: they count as zeros, and the two oldest values no longer.
    let later = window.average(at(5)).expect("not empty");
    assert!((later - 5.0 * (c * d * d + c * d * d * d)).abs() < 1e-12, "{later}");
    assert_eq!(window.average(at(7)), Some(0.0));
    assert_eq!(window.average(at(8)), None);
    assert!((window.coverage(at(3)) - 0.9999).abs() < 1e-12);
    let young = added(average(Averaging::WeightedExponential, 60), &[(0, 10.0)]);
    assert_eq!(young.average(at(0)), Some(2.0));
    assert!((young.average(at(0)).expect("a value") / young.coverage(at(0)) - 10.0).abs() < 1e-12);
}

#[test]
fn a_sample_stands_for_the_time_since_the_one_before() {
    let mut window = linear(60);
    for look in 0..10 {
        window.sample(at(look * 15), 10.0);
    }
    assert_eq!(window.average(at(135)), Some(10.0));
    // The same added to its second only: a fifteenth, and what the ends make of it.
    let sparse: Vec<(i64, f64)> = (0..10).map(|look| (look * 15, 10.0)).collect();
    assert_eq!(added(linear(60), &sparse).average(at(135)), Some(0.666_667));
    // A second look in a second takes the first one's place.
    window.sample(at(136), 70.0);
    window.sample(at(136), 10.0);
    assert_eq!(window.average(at(136)), Some(10.0));
}

#[test]
fn what_a_large_sample_rounded_away_comes_back_within_a_window() {
    // Also where no look ever falls into the first second of a turn.
    for every in [1, 2, 5] {
        let mut window = linear(10);
        window.sample(at(2), 0.1);
        window.sample(at(3), 1e17);
        for look in 1..40 {
            window.sample(at(3 + look * every), 0.1);
        }
        assert_eq!(window.average(at(3 + 39 * every)), Some(0.1), "a look every {every} s");
    }
    let mut summed = added(linear(10), &[(0, 0.1), (1, 1e17)]);
    for second in 2..40 {
        summed.add(at(second), 0.1);
    }
    assert_ne!(summed.average(at(39)), Some(0.1));
}

#[test]
fn what_is_no_number_changes_nothing() {
    let before = added(linear(10), &[(8, 3.0), (9, 5.0)]);
    let mut window = before.clone();
    for second in [1, 9, 12, 90] {
        window.add(at(second), f64::NAN);
        window.sample(at(second), f64::INFINITY);
    }
    assert_eq!(window, before);
}

#[test]
fn resizing_keeps_the_newest_seconds() {
    let values = [(0, 8.0), (1, 4.0), (2, 2.0)];
    let resized = |secs: u64, now: i64, as_if_full: bool| {
        let mut window = added(linear(6), &values);
        let length = Duration::from_secs(secs);
        let done = if as_if_full { window.resize_as_if_full(length, at(now)) } else { window.resize(length, at(now)) };
        done.expect("a good length");
        window.average(at(now))
    };
    let cases = [
        ("shorter", 2, 2, Some(3.0), Some(3.0)),
        // (8 + 4 + 2) / 3; or over the six seconds of the old window.
        ("longer", 60, 2, Some(4.666_667), Some(2.333_333)),
        ("the same", 6, 2, Some(4.666_667), Some(4.666_667)),
        ("exactly a window later there is something to keep", 60, 8, Some(4.666_667), Some(2.333_333)),
        ("later there isn't, but for when", 60, 9, None, Some(0.0)),
    ];
    for (name, secs, now, sound, as_if_full) in cases {
        assert_eq!((resized(secs, now, false), resized(secs, now, true)), (sound, as_if_full), "{name}");
    }
    assert!(linear(6).resize(Duration::from_millis(1500), at(0)).is_err());
}

#[test]
fn lengths_that_make_no_window_are_errors() {
    let bucket = |bucket| WindowAverage::new(Averaging::Linear, SECOND, bucket).unwrap_err();
    assert!(matches!(bucket(Duration::ZERO), WindowError::Bucket { .. }));
    assert!(matches!(bucket(Duration::from_micros(1500)), WindowError::Bucket { .. }));
    for window in [Duration::ZERO, Duration::from_millis(2500), Duration::from_secs(100_001), Duration::MAX] {
        let error = WindowAverage::new(Averaging::Linear, window, SECOND).unwrap_err();
        assert!(matches!(error, WindowError::Window { .. }), "{window:?}: {error}");
    }
    assert!(BucketedMaximum::new(Duration::ZERO, SECOND).is_err());
    assert!(BucketedMaximum::new(Duration::MAX, SECOND).is_err());
    assert!(BucketedMaximum::new(SECOND, Duration::ZERO).is_err());
}

#[test]
fn absurd_values_and_times_spoil_nothing() {
    for averaging in [Averaging::Linear, Averaging::WeightedExponential] {
        let mut window = average(averaging, 4);
        for value in [f64::NAN, f64::INFINITY, f64::MAX, f64::MAX, -f64::MAX] {
            window.add(at(0), value);
            window.sample(at(0), value);
        }
        for instant in [i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX] {
            window.add(Timestamp::from_millis(instant), f64::MAX);
            window.sample(Timestamp::from_millis(instant), 1.0);
            let _ =
                (window.average(Timestamp::from_millis(i64::MIN)), window.coverage(Timestamp::from_millis(i64::MAX)));
        }
        // The clock is at its end, so nothing is newer; another window starts over.
        assert!(window.average(Timestamp::from_millis(i64::MAX)).is_none_or(f64::is_finite));
    }
    let mut most = BucketedMaximum::new(4 * SECOND, SECOND).expect("a window");
    for value in [f64::NAN, f64::INFINITY] {
        most.record(at(0), value);
    }
    assert_eq!((most.current(), most.holds_until()), (None, None));
    most.record(Timestamp::from_millis(i64::MAX), 1.0);
    most.record(Timestamp::from_millis(i64::MIN), 2.0);
    assert_eq!(most.current(), Some(2.0));
}

#[test]
fn a_warm_window_allocates_nothing() {
    let mut window = average(Averaging::WeightedExponential, 60);
    let mut most = BucketedMaximum::new(Duration::from_secs(600), 2 * SECOND).expect("a window");
    let ((), allocations) = counted(|| {
        for second in 0..2000 {
            window.sample(at(second * 3), second as f64);
            most.record(at(second * 3), -second as f64);
            let _ = (window.average(at(second * 3)), most.current());
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_maximum_of_another_length_keeps_what_it_reaches() {
    let mut long = BucketedMaximum::new(Duration::from_secs(20), 2 * SECOND).expect("a window");
    for (second, value) in [(0, 9.0), (12, 5.0), (18, 1.0)] {
        long.record(at(second), value);
    }
    let mut short = BucketedMaximum::new(Duration::from_secs(8), 2 * SECOND).expect("a window");
    short.adopt(&long);
    assert_eq!(short.current(), Some(5.0));
    let mut other = BucketedMaximum::new(Duration::from_secs(8), SECOND).expect("a window");
    other.adopt(&long);
    assert_eq!(other.current(), None);
}

/// Steps in time, mostly on, and values.
fn steps() -> impl Strategy<Value = Vec<(i64, i32)>> {
    let step = prop_oneof![8 => 0_i64..3, 2 => 3_i64..12, 1 => -8_i64..0];
    prop::collection::vec((step, -20_i32..50), 1..80)
}

proptest! {
    #[test]
    fn adding_is_a_sum_by_second(steps in steps(), length in 1_u64..10) {
        let mut window = linear(length);
        let mut all: BTreeMap<i64, f64> = BTreeMap::new();
        let length = i64::try_from(length).unwrap();
        let (mut now, mut newest, mut first) = (0, None, 0);
        for (step, value) in steps {
            now += step;
            let value = f64::from(value);
            window.add(at(now), value);
            if newest.is_none_or(|newest| now - newest > -length) {
                if newest.is_none_or(|newest| now - newest >= length) {
                    all.clear();
                    first = now;
                }
                first = first.min(now);
                *all.entry(now).or_default() += value;
                newest = newest.max(Some(now));
            }
            let end = newest.unwrap();
            let total: f64 = all.range(end - length + 1..=end).map(|(_, value)| value).sum();
            let count = (end - first + 1).min(length) as f64;
            prop_assert_eq!(window.average(at(end)), Some((total / count * 1e6).round() / 1e6));
        }
    }

    #[test]
    fn sampling_is_a_level_of_each_second(steps in steps(), length in 1_u64..10) {
        let mut window = linear(length);
        let mut all: BTreeMap<i64, f64> = BTreeMap::new();
        let length = i64::try_from(length).unwrap();
        let (mut now, mut newest, mut first) = (0, None, 0);
        for (step, value) in steps {
            now += step;
            let value = f64::from(value);
            window.sample(at(now), value);
            let end = newest.unwrap_or(i64::MIN / 2);
            if now - end >= length {
                all.clear();
                first = now;
            }
            if now - end > -length {
                first = first.min(now);
                // The time since the sample before; a late one has its own second.
                let from = if now > end && end >= first { end + 1 } else { now };
                all.extend((from..=now).map(|second| (second, value)));
                newest = newest.max(Some(now));
            }
            let end = newest.unwrap();
            let total: f64 = all.range(end - length + 1..=end).map(|(_, value)| value).sum();
            let count = (end - first + 1).min(length) as f64;
            prop_assert_eq!(window.average(at(end)), Some((total / count * 1e6).round() / 1e6));
        }
    }

    #[test]
    fn a_maximum_is_that_of_a_list_that_forgets_nothing(steps in steps(), buckets in 1_i64..8) {
        let mut window = BucketedMaximum::new(Duration::from_secs(2) * u32::try_from(buckets).unwrap(), 2 * SECOND).unwrap();
        let mut all: Vec<(i64, f64)> = Vec::new();
        let (mut now, mut newest) = (0_i64, i64::MIN);
        for (step, value) in steps {
            now += step;
            newest = newest.max(now.div_euclid(2));
            all.push((newest, f64::from(value)));
            window.record(at(now), f64::from(value));
            let inside = all.iter().filter(|(bucket, _)| newest - bucket < buckets).map(|&(_, value)| value);
            prop_assert_eq!(window.current(), inside.reduce(f64::max));
        }
    }

    #[test]
    fn a_state_is_read_back_whole_or_not_at_all(steps in steps(), cut in 0_usize..400, flip in 0_usize..400) {
        let mut window = average(Averaging::WeightedExponential, 7);
        let mut most = BucketedMaximum::new(Duration::from_secs(9), 2 * SECOND).unwrap();
        let mut now = 0;
        for (step, value) in steps {
            now += step;
            window.sample(at(now), f64::from(value));
            most.record(at(now), f64::from(value));
        }
        let mut state = vec![1];
        window.write(&mut state);
        most.write(&mut state);
        let read = |state: &[u8]| {
            let mut reader = StateReader::new("a test", 1, state)?;
            let read = (window.read(&mut reader)?, BucketedMaximum::read(&mut reader)?);
            reader.end().map(|()| read)
        };
        prop_assert_eq!(read(&state), Ok((window.clone(), most.clone())));
        prop_assert!(read(&state[..cut % state.len()]).is_err());
        // Damaged bytes are refused, or make windows that work.
        let at_byte = flip % state.len();
        state[at_byte] ^= 0x91;
        if let Ok((mut window, mut most)) = read(&state) {
            window.sample(at(now), 1.0);
            most.record(at(now), 1.0);
            let _ = (window.average(at(now)), most.current(), window.resize(Duration::from_secs(3), at(now)));
        }
    }
}
