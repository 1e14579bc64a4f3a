//! Metrics of one number, and tolerances.

use setpoint::hpa::{Behavior, ControlLoop, MetricTarget, ScalingRules, Settings, Spec};
use setpoint::{
    Action, Bounds, Hpa, HpaConfig, Metric, MetricKind, Need, Observation, Quantity, Reading, ScalingAlgorithm, Target,
    Trace,
};

use super::{NOW, external, metric, plan, secs_ago, spec};

#[test]
fn a_total_is_divided_by_its_target_and_only_the_tolerance_asks_how_many_exist() {
    let readings = [Reading::Value(42.0)];
    let look = |current, existing| Observation::new(NOW, current, &readings).with_existing(existing);
    for kind in [MetricKind::Object, MetricKind::External] {
        let queue = metric(kind, "queue", MetricTarget::AverageValue(4000));
        // 42 over 4 is 11 from anywhere. 42 / (4 · 5) is 2.1; of the three that serve that would be 7.
        assert_eq!(plan(&queue, &look(5, 5).with_ready(3)).proposal, Some(11));
        // For ten that exist 1.05 is near enough: 10. Against the 20 asked for it would be 0.525: 11.
        assert_eq!(plan(&queue, &look(20, 10)).proposal, Some(10));
        // And the reverse: 2.1 for the five that exist; against the ten asked for it would be 1.05: 10.
        assert_eq!(plan(&queue, &look(10, 5)).proposal, Some(11));
    }
}

#[test]
fn from_zero_there_is_no_tolerance_and_nothing_to_multiply() {
    let queue = Metric::new("queue", Target::value(100.0).expect("in range"));
    let own_way_to_zero = Action { at: secs_ago(60), from: 1, to: 0, applied: true };
    // 0.95 is within the tolerance: 0. And 2.5 of none is 0.
    for (value, need) in [(95.0, 1.0), (250.0, 3.0), (0.0, 0.0)] {
        let readings = [Reading::Value(value)];
        let look = Observation::new(NOW, 0, &readings)
            .with_bounds(Bounds::new(0, 10).expect("in order"))
            .with_last_action(Some(own_way_to_zero));
        let mut hpa = Hpa::new(std::slice::from_ref(&queue), &HpaConfig::default()).expect("a good metric");
        let need = Need::replicas(need).expect("a count").into();
        assert_eq!(hpa.evaluate(&look, &mut Trace::off()), Ok(need), "{value}");
    }
}

#[test]
fn from_zero_the_reasons_show_the_total() {
    let own_way_to_zero = Action { at: secs_ago(60), from: 1, to: 0, applied: true };
    for (target, readings) in
        [(Target::average_value(5.0), [Reading::Series(&[7_000, 8_000])]), (Target::value(5.0), [Reading::Value(15.0)])]
    {
        let metrics = [Metric::new("queue", target.expect("in range"))];
        let mut hpa = Hpa::new(&metrics, &HpaConfig::default()).expect("a good metric");
        let look = Observation::new(NOW, 0, &readings)
            .with_bounds(Bounds::new(0, 10).expect("in order"))
            .with_last_action(Some(own_way_to_zero));
        let mut trace = Trace::new();
        assert_eq!(hpa.evaluate(&look, &mut trace), Ok(Need::replicas(3.0).expect("a count").into()));
        // A share of it for each of none would be 0.
        assert_eq!(trace.records(&metrics)[0].text, "queue is 15 in total, at 5 a replica: 3");
    }
}

#[test]
fn tolerances_include_their_edges_and_each_direction_has_its_own() {
    let own = |milli| Some(ScalingRules { tolerance: Some(Quantity::from_milli(milli)), ..ScalingRules::default() });
    let cases = [
        // Without the edges it would be 22 and 18.
        (None, None, [(110.0, 20), (110.1, 23), (90.0, 20), (89.9, 18)]),
        // 0.5 both ways would hold at 89.9, and the usual 0.1 would make 30 of 150.
        (own(500), None, [(150.0, 20), (150.1, 31), (90.0, 20), (89.9, 18)]),
        // 0.25 both ways would hold at 110.1, and the usual 0.1 would make 15 of 75.
        (None, own(250), [(110.0, 20), (110.1, 23), (75.0, 20), (74.9, 15)]),
    ];
    for (scale_up, scale_down, values) in cases {
        let behavior = Some(Behavior { scale_up, scale_down });
        let spec = Spec { behavior, ..spec(&[external(MetricTarget::Value(100_000))]) };
        for (value, want) in values {
            let readings = [Reading::Value(value)];
            let look = Observation::new(NOW, 20, &readings);
            let plan = ControlLoop::new(&spec, Settings::default()).plan(&look, &mut Trace::off());
            assert_eq!(plan.proposal, Some(want), "{value} by {:?}", spec.behavior);
        }
    }
}

#[test]
fn external_series_add_up_and_an_overflow_is_the_largest_value() {
    let targets = [MetricTarget::Value(10_000), MetricTarget::AverageValue(10_000)];
    let proposal = |target, series: &[i64]| {
        let readings = [Reading::Series(series)];
        plan(&external(target), &Observation::new(NOW, 1, &readings)).proposal
    };
    for target in targets {
        // 120 over 10 is 12. The mean would be 4, the first 3, the last 6.
        assert_eq!(proposal(target, &[30_000, 30_000, 60_000]), Some(12));
        // Wrapped around it would be -2 thousandths, and 0.
        assert_eq!(proposal(target, &[i64::MAX, i64::MAX]), Some(i32::MAX));
    }
}

#[test]
fn a_negative_reading_is_told_as_a_need_of_none() {
    let metric = [Metric::new("queue", Target::average_value(1.0).expect("positive"))];
    let mut hpa = Hpa::new(&metric, &HpaConfig::default()).expect("good");
    let mut trace = Trace::new();
    let readings = [Reading::Value(-5.0)];
    let answer = hpa.evaluate(&Observation::new(NOW, 5, &readings), &mut trace);
    assert_eq!(answer, Ok(Need::from(0).into()));
    assert_eq!(trace.reasons()[0].to, 0.0);
}

#[test]
fn targets_finer_than_hpa_s_integers_are_refused() {
    let targets = [
        (Target::average_value(0.0015), false),
        (Target::average_value(0.001), true),
        (Target::value(0.1), true),
        (Target::value(1234.567), true),
        (Target::value(0.000_9), false),
        (Target::value(1e16), false),
        (Target::utilization(62.5), false),
        (Target::utilization(62.0), true),
    ];
    for (target, fits) in targets {
        let target = target.expect("in range");
        let metric = Metric::new("queue", target);
        assert_eq!(Hpa::new(&[metric], &HpaConfig::default()).is_ok(), fits, "{target:?}");
    }
}
