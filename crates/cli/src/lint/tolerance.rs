//! Tolerances that swallow what they should let through.

use setpoint::{Direction, MetricKind, Target};

use super::finding::Finding;
use super::subject::Subject;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    single_replicas(subject, found);
    out_of_range(subject, found);
}

/// From `count` replicas one more is a ratio of 1 + 1/count: within the tolerance it is never asked for.
fn single_replicas(subject: &Subject, found: &mut Vec<Finding>) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    if min == max {
        return;
    }
    let smallest = |direction| match direction {
        Direction::Up => min.max(1),
        Direction::Down => min + 1,
    };
    let swallowed = |direction| {
        let (tolerance, field) = subject.tolerance(direction)?;
        (1.0 / f64::from(smallest(direction)) <= tolerance).then_some((tolerance, field))
    };
    let (up, down) = (swallowed(Direction::Up), swallowed(Direction::Down));
    let each = match (up, down) {
        // One field for both: one finding.
        (Some(up), Some(down)) if up == down => vec![("up or down", up)],
        (up, down) => [("up", up), ("down", down)].into_iter().filter_map(|(way, it)| Some((way, it?))).collect(),
    };
    for (way, (tolerance, field)) in each {
        let percent = tolerance * 100.0;
        let steps = (tolerance * f64::from(min.max(1))).floor() + 1.0;
        let why = format!(
            "with at least {min} replicas a tolerance of {percent} % swallows every step of one replica {way}: the smallest step there is {steps}"
        );
        let name = if subject.is_manifest { "a tolerance under scaleUp and scaleDown: " } else { "" };
        let least = floor(1.0 / f64::from(max));
        let instead = format!("{name}{least:.3} or less acts on one replica at every count up to {max}");
        found.push(Finding::warning("tolerance-swallows-a-replica", field, why, instead));
    }
}

/// Rounded down to what is printed of it, so that the advice holds.
fn floor(number: f64) -> f64 {
    // Strictly below the edge, which is inside.
    ((number * 1000.0).ceil() - 1.0).max(0.0) / 1000.0
}

/// A percentage of what replicas can do ends at 100. That of a request doesn't: Kubernetes lets pods use more.
fn out_of_range(subject: &Subject, found: &mut Vec<Finding>) {
    let Some((tolerance, _)) = subject.tolerance(Direction::Up) else {
        return;
    };
    for (index, metric) in subject.spec.metrics.iter().enumerate() {
        let Target::Utilization(percent) = metric.target else { continue };
        let resource = matches!(metric.kind, MetricKind::Resource | MetricKind::ContainerResource);
        let highest = 100.0 / percent.get();
        if resource || highest > 1.0 + tolerance {
            continue;
        }
        let why = format!(
            "a utilization ends at 100 %, {highest:.3} of {} %: that is within the tolerance of {} %, so this metric never asks for more",
            percent.get(),
            tolerance * 100.0
        );
        let most = (100.0 / (1.0 + tolerance)).ceil() - 1.0;
        let field = format!("spec.metrics[{index}].target.utilization");
        found.push(Finding::error("target-out-of-reach", field, why, format!("{most} at most, better less")));
    }
}
