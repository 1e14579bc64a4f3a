use serde_json::json;

use super::run;
use crate::testing::{generated, seconds};
use setpoint::Reading;

use crate::{Load, Scenario, Source};

#[test]
fn evaluations_are_on_the_interval_and_at_the_end() {
    let cases = [("with the end", 60, vec![20, 40, 60]), ("end between", 59, vec![20, 40]), ("too short", 19, vec![])];
    for (name, duration, want) in cases {
        let (scenario, load) =
            generated(json!({ "duration": format!("{duration}s"), "load": { "constant": { "rate": 1 } } }));
        let (mut ticks, mut parts) = (Vec::new(), Vec::new());
        let decide = |tick: &super::Tick<'_>| {
            ticks.push(tick.now.as_secs());
            tick.current
        };
        let report = run(&scenario, &load, 1, seconds(20), decide, |part| parts.push(part));
        assert_eq!(ticks, want, "{name}");
        assert_eq!(parts.last(), Some(&1.0), "{name}");
        assert_eq!((report.summary.scale_ups, report.summary.requests), (0, duration), "{name}");
    }
}

#[test]
fn each_policy_meets_the_same_requests() {
    let scenario = Scenario::builtin().with_duration(seconds(4 * 3600)).expect("long enough");
    let load = Load::generated(&scenario).expect("it is valid");
    let fixed = |n| run(&scenario, &load, 1, seconds(15), |_| n, |_| {});
    let (few, many) = (fixed(1), fixed(20));
    assert_eq!(few.samples.offered_rate, many.samples.offered_rate);
    assert!(few.summary.slo_violations > many.summary.slo_violations);
    assert!(few.summary.replica_seconds < many.summary.replica_seconds);
}

/// The day is made so that no fixed number is good, and a simple rule already is.
#[test]
fn the_built_in_day_asks_for_scaling() {
    let scenario = Scenario::builtin();
    let load = Load::generated(&scenario).expect("it is valid");
    let fixed = |n| run(&scenario, &load, 1, seconds(15), |_| n, |_| {}).summary;
    let (mean, peak) = (fixed(10), fixed(20));
    let by_rate = |tick: &super::Tick<'_>| match tick.reading(Source::Rate) {
        Reading::Value(rate) => (rate / 2.0 / 0.7).ceil() as u32,
        _ => tick.current,
    };
    let scaled = run(&scenario, &load, 1, seconds(15), by_rate, |_| {}).summary;
    assert!(mean.slo_violation_ratio > 0.05, "{mean:?}");
    assert!(peak.over_provision_accuracy > 10.0, "{peak:?}");
    assert!(scaled.slo_violation_ratio < mean.slo_violation_ratio, "{scaled:?}");
    assert!(scaled.replica_seconds < peak.replica_seconds * 0.7, "{scaled:?}");
}
