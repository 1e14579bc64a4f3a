//! Rate policies that can never act: switched off, always outdone, or wider than the bounds.

use std::time::Duration;

use setpoint::Direction;
use setpoint::hpa::{PolicyKind, ScalingPolicy, SelectPolicy};

use super::finding::Finding;
use super::subject::{Rules, Subject};

const OUTDONE: &str = "rate-policy-outdone";
const TOO_WIDE: &str = "rate-policy-too-wide";
const WITHIN_INTERVAL: &str = "period-within-interval";

/// So many counts of a wide range are looked at, its ends among them.
const MOST_COUNTS: u32 = 10_000;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    for rules in subject.rules() {
        // Switched off, none of them acts: that is for the rule on dead fields.
        let select = rules.written.select_policy.unwrap_or_default();
        let Some(policies) = rules.written.policies.as_deref().filter(|_| select != SelectPolicy::Disabled) else {
            continue;
        };
        for (index, policy) in policies.iter().enumerate() {
            let field = format!("{}.policies[{index}]", rules.field);
            let outdone = outdoing(subject, &rules, policies, index, select);
            if let Some(other) = outdone {
                found.push(Finding::warning(OUTDONE, field, outdone_why(policy, other, select), "drop one of the two"));
            } else if is_too_wide(subject, &rules, policy) {
                found.push(too_wide(subject, field, policy));
            } else {
                within_interval(subject, field, policy, found);
            }
        }
    }
}

/// How far `policy` lets the count go from `start`, in replicas: HPA's own arithmetic.
fn change(policy: &ScalingPolicy, direction: Direction, start: u32) -> f64 {
    let (start, value) = (f64::from(start), f64::from(policy.value));
    match (policy.kind, direction) {
        (PolicyKind::Pods, _) => value,
        (PolicyKind::Percent, Direction::Up) => (start * (1.0 + value / 100.0)).ceil() - start,
        (PolicyKind::Percent, Direction::Down) => start - (start * (1.0 - value / 100.0)).trunc(),
    }
}

/// Counts from which a change in `direction` can begin.
fn counts(subject: &Subject, direction: Direction) -> impl Iterator<Item = u32> + Clone {
    let (min, max) = (subject.spec.min_replicas.max(1), subject.spec.max_replicas);
    let (first, last) = match direction {
        Direction::Up => (min, max.saturating_sub(1).max(min)),
        Direction::Down => (min.saturating_add(1).min(max), max),
    };
    let step = ((last - first) / MOST_COUNTS).max(1);
    (first..=last).step_by(step as usize).chain([last])
}

/// Another policy that is never the stricter one where the loosest decides, or never the looser one where the
/// strictest does.
fn outdoing<'a>(
    subject: &Subject,
    rules: &Rules<'_>,
    policies: &'a [ScalingPolicy],
    index: usize,
    select: SelectPolicy,
) -> Option<&'a ScalingPolicy> {
    let this = &policies[index];
    let outdoes = |(other_index, other): &(usize, &ScalingPolicy)| {
        if *other_index == index {
            return false;
        }
        let looser = |one: &ScalingPolicy, other: &ScalingPolicy| {
            one.period_seconds <= other.period_seconds
                && counts(subject, rules.direction)
                    .all(|start| change(one, rules.direction, start) >= change(other, rules.direction, start))
        };
        let (one, two) = if select == SelectPolicy::Min { (this, *other) } else { (*other, this) };
        // Of two that are alike the first counts.
        looser(one, two) && (!looser(two, one) || *other_index < index)
    };
    policies.iter().enumerate().find(outdoes).map(|(_, other)| other)
}

fn outdone_why(this: &ScalingPolicy, other: &ScalingPolicy, select: SelectPolicy) -> String {
    let (rank, how) = match select {
        SelectPolicy::Min => ("smallest", "less"),
        _ => ("largest", "more"),
    };
    format!(
        "the {rank} change decides (selectPolicy), and {} never allows {how} than {} at any count in the bounds: it never decides",
        words(this),
        words(other),
    )
}

/// Whether `policy` allows the whole way between the bounds at once. All at once in percent down says so itself.
fn is_too_wide(subject: &Subject, rules: &Rules<'_>, policy: &ScalingPolicy) -> bool {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let says_so = policy.kind == PolicyKind::Percent && rules.direction == Direction::Down && policy.value >= 100;
    let whole_way = |start: u32| match rules.direction {
        Direction::Up => f64::from(max - start),
        Direction::Down => f64::from(start - min.min(start)),
    };
    !says_so && max > min && {
        let mut counts = counts(subject, rules.direction);
        counts.all(|start| change(policy, rules.direction, start) >= whole_way(start))
    }
}

fn too_wide(subject: &Subject, field: String, policy: &ScalingPolicy) -> Finding {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let why =
        format!("{} is all the way between {min} and {max} replicas: it never holds anything back", words(policy));
    let unit = match policy.kind {
        PolicyKind::Pods => format!("a value below {}", max - min),
        PolicyKind::Percent => "a smaller value".to_owned(),
    };
    Finding::warning(TOO_WIDE, field, why, unit)
}

fn within_interval(subject: &Subject, field: String, policy: &ScalingPolicy, found: &mut Vec<Finding>) {
    let interval = subject.spec.interval.as_duration();
    if Duration::from_secs(policy.period_seconds.into()) >= interval {
        return;
    }
    let every = humantime::format_duration(interval);
    let why = format!(
        "{} can't be had: there is one decision every {every}, so it is that much every {every}",
        words(policy)
    );
    let instead = format!("periodSeconds: {}, which is what happens", interval.as_secs().max(1));
    found.push(Finding::warning(WITHIN_INTERVAL, format!("{field}.periodSeconds"), why, instead));
}

fn words(policy: &ScalingPolicy) -> String {
    let unit = match policy.kind {
        PolicyKind::Pods => "pods",
        PolicyKind::Percent => "percent",
    };
    format!("{} {unit} in {} s", policy.value, policy.period_seconds)
}
