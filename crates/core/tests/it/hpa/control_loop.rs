//! Failures, bounds and conditions.

use serde_json::json;
use setpoint::hpa::{
    About, Condition, ConditionKind, ConditionReason, ControlLoop, Event, Failure, MetricTarget, RescaleReason,
    ScalingRules, SelectPolicy, SelectorProblem, Settings, Spec,
};
use setpoint::{MetricKind, Observation, Reading, Target, Trace};

use super::{NOW, by, cpu, external, metric, pods_a_minute, restrained, spec, unrestrained, window};

const MISSING: Reading<'static> = Reading::Missing("scrape failed");

fn look<'a>(current: u32, readings: &'a [Reading<'a>]) -> Observation<'a> {
    Observation::new(NOW, current, readings)
}

fn active(hpa: &ControlLoop) -> Condition {
    *hpa.status().condition(ConditionKind::ScalingActive).expect("it was set")
}

#[test]
fn a_failed_metric_blocks_the_way_down_and_not_the_way_up_and_is_an_error_on_both() {
    let metrics = vec![external(MetricTarget::Value(10_000)); 2];
    // Without a window down: it would hold as well, and hide what is tested.
    let spec = Spec { metrics, ..restrained(window(0), window(0)) };
    let sync = |readings: [Reading<'_>; 2]| {
        let mut hpa = ControlLoop::new(&spec, Settings::default());
        let plan = hpa.plan(&look(4, &readings), &mut Trace::off());
        (plan.write, hpa.finish(plan, true).error)
    };
    // Left out, the failed one would let two go. An error that ends all would add none.
    assert_eq!(sync([Reading::Value(5.0), MISSING]), (None, true));
    assert_eq!(sync([Reading::Value(20.0), MISSING]), (Some(8), true));
    assert_eq!(sync([Reading::Value(5.0), Reading::Value(5.0)]), (Some(2), false));
}

#[test]
fn a_count_outside_the_bounds_is_corrected_past_metrics_windows_and_rates() {
    let never_down = ScalingRules { select_policy: Some(SelectPolicy::Disabled), ..window(300) };
    let slow = restrained(by([pods_a_minute(1)]), never_down).behavior;
    let free = restrained(window(0), window(0)).behavior;
    // The metric would make 7 at once. Slow rules make 2 of 1, and nothing else of 50.
    for (behavior, algorithms) in [(None, &["hpa"][..]), (slow, &["hpa", "max-ratio"]), (free, &["hpa", "max-ratio"])] {
        let spec = Spec { min: 5, max: 10, behavior, ..unrestrained() };
        for (current, want) in [(1, 5), (50, 10)] {
            for readings in [[MISSING], [Reading::Value(7.0)]] {
                let mut hpa = ControlLoop::new(&spec, Settings::default());
                assert_eq!(hpa.plan(&look(current, &readings), &mut Trace::off()).write, Some(want));
                for algorithm in algorithms {
                    let mut policy = crate::policy(algorithm, json!({}), 1, (spec.min, spec.max));
                    policy.metrics[0].target = Target::average_value(1.0).expect("in range");
                    policy.behavior.clone_from(&spec.behavior);
                    assert_eq!(crate::decide(&policy, &[(0, current, &readings)]), [want], "{algorithm}");
                }
            }
        }
    }
}

#[test]
fn the_condition_tells_of_the_first_metric_that_failed() {
    let value = MetricTarget::Value(10_000);
    let metrics =
        [external(value), metric(MetricKind::Object, "ingress", value), metric(MetricKind::External, "topic", value)];
    let mut hpa = ControlLoop::new(&spec(&metrics), Settings::default());
    // The last that failed is External, and the first of all didn't.
    let plan = hpa.plan(&look(4, &[Reading::Value(5.0), MISSING, MISSING]), &mut Trace::off());
    assert!(plan.failed);
    let Condition { status, reason, about, .. } = active(&hpa);
    assert_eq!((status, reason), (false, ConditionReason::FailedGetObjectMetric));
    assert_eq!(about, About::Failed(1, Failure::Unusable));
}

#[test]
fn pods_that_another_hpa_selects_too_are_left_alone_within_the_bounds() {
    let mut hpa = ControlLoop::new(&spec(&[external(MetricTarget::Value(10_000))]), Settings::default());
    // Looked at, it would be 8.
    let readings = [Reading::Value(20.0)];
    let plan = hpa.plan_unselected(&look(4, &readings), SelectorProblem::Ambiguous, &mut Trace::off());
    assert_eq!((plan.write, plan.proposal), (None, None));
    assert!(hpa.finish(plan, true).error);
    assert_eq!((active(&hpa).status, active(&hpa).reason), (false, ConditionReason::AmbiguousSelector));
    // Bounds need no pods.
    let plan = hpa.plan_unselected(&look(150, &readings), SelectorProblem::Ambiguous, &mut Trace::off());
    assert_eq!(plan.write, Some(100));
}

#[test]
fn each_sync_tells_how_it_ended_and_why_it_scaled() {
    let mut hpa = ControlLoop::new(&spec(&[external(MetricTarget::Value(10_000))]), Settings::default());
    let mut sync = |current: u32, reading: Reading<'_>, written: bool| {
        let plan = hpa.plan(&look(current, &[reading]), &mut Trace::off());
        hpa.finish(plan, written).event
    };
    let above = Some(RescaleReason::AboveTarget(0));
    assert_eq!(sync(4, Reading::Value(10.0), true), None);
    assert_eq!(sync(4, Reading::Value(15.0), true), Some(Event::Rescaled { to: 6, why: above }));
    assert_eq!(sync(4, Reading::Value(15.0), false), Some(Event::RescaleFailed { to: 6, why: above }));
    let failed = Event::MetricsFailed { metric: 0, failure: Failure::Unusable };
    assert_eq!(sync(4, MISSING, true), Some(failed));
    let Some(Event::Rescaled { why, .. }) = sync(5000, Reading::Value(10.0), true) else {
        panic!("it is above the maximum");
    };
    assert_eq!(why, Some(RescaleReason::AboveMax));
    assert_eq!(hpa.scale_unreadable(NOW).event, Some(Event::ScaleUnreadable));
}

#[test]
fn a_reading_that_was_not_given_is_missing_and_not_zero() {
    let two = spec(&[external(MetricTarget::AverageValue(1000)), external(MetricTarget::AverageValue(1000))]);
    for (given, proposal) in [(vec![], None), (vec![Reading::Value(1.0)], None), (vec![Reading::Value(9.0)], Some(9))] {
        let plan = ControlLoop::new(&two, Settings::default()).plan(&look(5, &given), &mut Trace::off());
        assert_eq!((plan.proposal, plan.failed), (proposal, true), "{given:?}");
    }
}

#[test]
fn a_spec_that_the_api_server_refuses_is_told_apart() {
    type Change = fn(&mut Spec);
    let cases: [(&str, Change, &str); 8] = [
        ("bounds", |spec| spec.min = 101, "maxReplicas"),
        ("no metric works from zero", |spec| spec.min = 0, "minReplicas"),
        (
            "a target of zero",
            |spec| spec.metrics[0].target = MetricTarget::Utilization(0),
            "metrics[0].resource.target.averageUtilization",
        ),
        (
            "a negative one",
            |spec| spec.metrics[0].target = MetricTarget::AverageValue(-1),
            "metrics[0].resource.target.averageValue",
        ),
        (
            "a value of all pods",
            |spec| spec.metrics[0].target = MetricTarget::Value(1),
            "metrics[0].resource.target.value",
        ),
        ("no name", |spec| spec.metrics[0].name.clear(), "metrics[0].resource.name"),
        (
            "a container of a metric that has none",
            |spec| spec.metrics[0].container = Some("app".to_owned()),
            "metrics[0].resource.container",
        ),
        ("no policy", |spec| spec.behavior = restrained(by([]), by([])).behavior, "behavior.scaleUp.policies"),
    ];
    assert_eq!(spec(&[cpu(50)]).check(), Ok(()));
    for (name, change, field) in cases {
        let mut spec = spec(&[cpu(50)]);
        change(&mut spec);
        assert_eq!(spec.check().map_err(|error| error.path), Err(field.to_owned()), "{name}");
        // Whoever computes with it all the same gets an answer.
        let _ = ControlLoop::new(&spec, Settings::default()).plan(&look(5, &[Reading::Value(9.0)]), &mut Trace::new());
    }
}
