//! Fields that do nothing.

use serde_json::Value;
use setpoint::{Backoff, Direction, FailureSpec, Hpa, PolicySpec, QuarantineSpec, WeightedRatio};

use super::finding::Finding;
use super::subject::{Rules, Subject};

const RULE: &str = "dead-field";
/// The rule of weights that leave no metric.
pub(super) const NO_WEIGHT: &str = "weights-add-up-to-nothing";

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    switched_off(subject, found);
    never(subject, found);
    tolerances(subject, found);
    weights(subject, found);
    hpa(subject, found);
    single_metric(subject, found);
    on_failure(subject, found);
    equal_bounds(subject, found);
}

fn dead(field: impl Into<String>, why: impl Into<String>, found: &mut Vec<Finding>) {
    found.push(Finding::warning(RULE, field, why.into(), "leave it out"));
}

fn switched_off(subject: &Subject, found: &mut Vec<Finding>) {
    for rules in subject.rules().filter(Rules::is_off) {
        // What an API server adds is nobody's mistake: the default policies, and no window up.
        let window = rules.written.stabilization_window_seconds;
        let written = [
            ("policies", rules.written.policies.is_some() && !rules.has_default_policies()),
            (
                "stabilizationWindowSeconds",
                window.is_some_and(|window| window > 0 || rules.direction == Direction::Down),
            ),
            ("tolerance", rules.written.tolerance.is_some()),
        ];
        for (name, _) in written.into_iter().filter(|(_, written)| *written) {
            let why = "the direction is switched off (selectPolicy: Disabled), and this says how it would go";
            dead(format!("{}.{name}", rules.field), why, found);
        }
    }
}

/// Neither up nor down.
fn never(subject: &Subject, found: &mut Vec<Finding>) {
    let off = |direction| {
        let mut rules = subject.rules().filter(|rules| rules.direction == direction && rules.is_off());
        rules.next().map(|rules| rules.field)
    };
    let (Some(up), Some(down)) = (off(Direction::Up), off(Direction::Down)) else { return };
    if subject.spec.min_replicas == subject.spec.max_replicas {
        return;
    }
    // Of one `behavior`, that one.
    let field = match (up.rsplit_once('.'), down.rsplit_once('.')) {
        (Some((one, _)), Some((other, _))) if one == other => one.to_owned(),
        _ => format!("{down}.selectPolicy"),
    };
    let why =
        "both directions are switched off (selectPolicy: Disabled): whatever is measured, the count stays what it is"
            .to_owned();
    let instead =
        "selectPolicy: Max in one direction at least; where one count is meant, minReplicas and maxReplicas alike";
    found.push(Finding::warning("never-scales", field, why, instead));
}

fn tolerances(subject: &Subject, found: &mut Vec<Finding>) {
    if !subject.takes_tolerance() {
        for rules in subject.rules().filter(|rules| rules.written.tolerance.is_some()) {
            let why = "the algorithm has no tolerance that `behavior` could set";
            dead(format!("{}.tolerance", rules.field), why, found);
        }
        return;
    }
    let of_behavior = |direction| {
        let direction = subject.rules().filter(move |rules| rules.direction == direction);
        direction.map(|rules| rules.written.tolerance).any(|tolerance| tolerance.is_some())
    };
    let (up, down) = (of_behavior(Direction::Up), of_behavior(Direction::Down));
    let replaced = [
        ("tolerance", up && down, "`behavior` has a tolerance for each direction, which go before it"),
        ("scaleUpTolerance", up, "`behavior` has a tolerance under scaleUp, which goes before it"),
        ("scaleDownTolerance", down, "`behavior` has a tolerance under scaleDown, which goes before it"),
    ];
    for (name, replaced, why) in replaced {
        if replaced && subject.config(name).is_some() {
            dead(format!("spec.algorithm.config.{name}"), why, found);
        }
    }
}

fn weights(subject: &Subject, found: &mut Vec<Finding>) {
    if !subject.is_algorithm(WeightedRatio::NAME) {
        return;
    }
    let Some(weights) = subject.config("weights").and_then(Value::as_object) else {
        return;
    };
    let is_zero = |name: &str| weights.get(name).and_then(Value::as_f64) == Some(0.0);
    if subject.spec.metrics.iter().all(|metric| is_zero(&metric.name)) {
        let why = "every metric weighs 0, so there is no mean, and the algorithm always holds".to_owned();
        let field = "spec.algorithm.config.weights";
        found.push(Finding::error(NO_WEIGHT, field, why, "a weight above 0 for one of them at least"));
        return;
    }
    for (index, metric) in subject.spec.metrics.iter().enumerate().filter(|(_, metric)| is_zero(&metric.name)) {
        let why = format!("`{}` weighs 0, and is looked at for nothing", metric.name);
        dead(format!("spec.metrics[{index}]"), why, found);
    }
}

fn hpa(subject: &Subject, found: &mut Vec<Finding>) {
    if !subject.is_algorithm(Hpa::NAME) || subject.is_manifest {
        return;
    }
    let field = |name: &str| format!("spec.algorithm.config.{name}");
    let cpu = subject.spec.metrics.iter().any(|metric| metric.resource() == Some("cpu"));
    for name in ["cpuInitializationPeriod", "initialReadinessDelay"] {
        if subject.config(name).is_some() && !cpu {
            dead(field(name), "it is about the CPU of starting instances, and no metric here is", found);
        }
    }
    if subject.config("scaleToZero").is_some() && subject.spec.min_replicas > 0 {
        dead(field("scaleToZero"), "with a minReplicas above 0 nothing is ever scaled to zero", found);
    }
}

fn single_metric(subject: &Subject, found: &mut Vec<Finding>) {
    if subject.is_of_ratios() && subject.spec.metrics.len() == 1 && subject.config("whenMissing").is_some() {
        let why = "it is about some of several metrics, and there is one";
        dead("spec.algorithm.config.whenMissing", why, found);
    }
}

fn on_failure(subject: &Subject, found: &mut Vec<Finding>) {
    let PolicySpec { on_failure, quarantine, interval, .. } = &subject.spec;
    if subject.is_of_ratios() {
        let name = subject.spec.algorithm.name.as_deref().unwrap_or_default();
        let written = [
            ("onFailure", *on_failure != FailureSpec::default()),
            ("quarantine", *quarantine != QuarantineSpec::default()),
        ];
        for (field, _) in written.into_iter().filter(|(_, written)| *written) {
            let why = format!(
                "it is about an algorithm that fails, as a plugin can. {name} doesn't: without readings it holds, and this is not asked"
            );
            dead(format!("spec.{field}"), why, found);
        }
        return;
    }
    if let Some((field, replicas)) = on_failure.replicas() {
        let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
        let bounded = replicas.clamp(min, max);
        if bounded != replicas {
            let why =
                format!("{replicas} is outside the bounds of {min} to {max}, which come last: it answers {bounded}");
            let field = format!("spec.onFailure.{field}");
            found.push(Finding::warning("fallback-out-of-bounds", field, why, bounded.to_string()));
        }
    }
    if let QuarantineSpec::After(Backoff { max_backoff, .. }) = quarantine
        && *quarantine != QuarantineSpec::default()
        && max_backoff <= interval
    {
        let why = format!(
            "a quarantine of at most {max_backoff} is over at the next look, {interval} later: no call is ever left out"
        );
        let instead = format!("more than the interval of {interval}, or quarantine: never");
        found.push(Finding::warning(RULE, "spec.quarantine.maxBackoff", why, instead));
    }
}

fn equal_bounds(subject: &Subject, found: &mut Vec<Finding>) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    if min == max {
        let why = format!("both bounds are {min}: whatever is measured, that is the count");
        found.push(Finding::warning("nothing-to-decide", "spec.maxReplicas", why, "a maxReplicas above minReplicas"));
    }
}
