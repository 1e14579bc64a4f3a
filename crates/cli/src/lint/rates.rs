//! Rate policies that can never act: always outdone, wider than the bounds, or over before the next look.

use setpoint::Direction;
use setpoint::hpa::{PolicyKind, ScalingPolicy, SelectPolicy};

use super::finding::Finding;
use super::rate::Rate;
use super::subject::{Rules, Subject};

const OUTDONE: &str = "rate-policy-outdone";
const TOO_WIDE: &str = "rate-policy-too-wide";
const WITHIN_INTERVAL: &str = "period-within-interval";

/// So many counts from the smallest on are each looked at, and then twice as many spread out to the largest: a
/// percentage of many replicas has no steps that could fall between.
const CLOSE_COUNTS: u32 = 256;
/// The longest period that can be written, in seconds.
const LONGEST_PERIOD: u64 = 1800;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    // Switched off, none of them acts: that is for the rule on dead fields.
    for rules in subject.rules().filter(|rules| !rules.is_off() && !rules.has_default_policies()) {
        let Some(policies) = rules.written.policies.as_deref() else { continue };
        let select = rules.written.select_policy.unwrap_or_default();
        let changes = changes(policies, rules.direction, &counts(subject, rules.direction));
        for (index, policy) in policies.iter().enumerate() {
            let field = format!("{}.policies[{index}]", rules.field);
            if let Some(other) = outdoing(policies, &changes, index, select) {
                found.push(Finding::warning(OUTDONE, field, outdone_why(policy, other, select), "drop this one"));
            } else if is_too_wide(subject, rules.direction, policy) {
                found.push(too_wide(subject, &rules, field, policy));
            } else if subject.has_periods {
                within_interval(subject, field, policy, found);
            }
        }
    }
}

/// Counts from which a change in `direction` can begin.
fn counts(subject: &Subject, direction: Direction) -> Vec<u32> {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let (first, last) = match direction {
        Direction::Up => (min, max.saturating_sub(1).max(min)),
        Direction::Down => (min.saturating_add(1).min(max), max),
    };
    let close = first..=last.min(first.saturating_add(CLOSE_COUNTS));
    let step = ((last - close.end()) / (2 * CLOSE_COUNTS)).max(1);
    close.clone().chain((*close.end()..=last).step_by(step as usize)).chain([last]).collect()
}

/// For each policy how far it goes from each of `counts`.
fn changes(policies: &[ScalingPolicy], direction: Direction, counts: &[u32]) -> Vec<Vec<u32>> {
    let of = |policy: &ScalingPolicy| {
        let mut rate = Rate::new(*policy, direction);
        counts.iter().map(|&start| rate.change(start)).collect()
    };
    policies.iter().map(of).collect()
}

/// Another policy that is never the stricter one where the loosest decides, or never the looser one where the
/// strictest does.
fn outdoing<'a>(
    policies: &'a [ScalingPolicy],
    changes: &[Vec<u32>],
    index: usize,
    select: SelectPolicy,
) -> Option<&'a ScalingPolicy> {
    let this = &policies[index];
    let outdoes = |(other_index, other): &(usize, &ScalingPolicy)| {
        // Each period begins at a count of its own: of two that differ, either can be the looser one after the right
        // changes. Four in 15 s allow less than four in 60 s when ten were removed half a minute ago.
        if *other_index == index || other.period_seconds != this.period_seconds {
            return false;
        }
        let looser =
            |one: usize, other: usize| changes[one].iter().zip(&changes[other]).all(|(one, other)| one >= other);
        let (one, two) = if select == SelectPolicy::Min { (index, *other_index) } else { (*other_index, index) };
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
fn is_too_wide(subject: &Subject, direction: Direction, policy: &ScalingPolicy) -> bool {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let says_so = policy.kind == PolicyKind::Percent && direction == Direction::Down && policy.value >= 100;
    // From the far end it is the whole way: who allows that, allows any part of it.
    let start = if direction == Direction::Up { min } else { max };
    !says_so && max > min && Rate::new(*policy, direction).change(start) >= max - min
}

fn too_wide(subject: &Subject, rules: &Rules<'_>, field: String, policy: &ScalingPolicy) -> Finding {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let why =
        format!("{} is all the way between {min} and {max} replicas: it never holds anything back", words(policy));
    let (mut most, mut too_much) = (0, policy.value);
    while too_much - most > 1 {
        let value = most + (too_much - most) / 2;
        if is_too_wide(subject, rules.direction, &ScalingPolicy { value, ..*policy }) {
            too_much = value;
        } else {
            most = value;
        }
    }
    let instead = match (most, max - min) {
        (0, 1) => format!("no {}.policies: from {min} to {max} is one step, which no rate makes smaller", rules.field),
        (0, way) => format!("type: Pods, and a value of {} or less", way - 1),
        (most, _) => format!("a value of {most} or less"),
    };
    Finding::warning(TOO_WIDE, field, why, instead)
}

fn within_interval(subject: &Subject, field: String, policy: &ScalingPolicy, found: &mut Vec<Finding>) {
    let interval = subject.spec.interval.as_duration();
    // The longest period, in whole seconds, within which there is no second look.
    let same = interval.as_secs();
    if u64::from(policy.period_seconds) >= same {
        return;
    }
    let every = humantime::format_duration(interval);
    let why = format!(
        "{} can't be had: there is one decision every {every}, so it is that much every {every}",
        words(policy)
    );
    let instead = if same > LONGEST_PERIOD {
        format!("an interval of {} s or less; no period is as long as this one", policy.period_seconds)
    } else {
        format!("periodSeconds: {same}, which is what happens")
    };
    found.push(Finding::warning(WITHIN_INTERVAL, format!("{field}.periodSeconds"), why, instead));
}

fn words(policy: &ScalingPolicy) -> String {
    let unit = match policy.kind {
        PolicyKind::Pods => "pods",
        PolicyKind::Percent => "percent",
    };
    format!("{} {unit} in {} s", policy.value, policy.period_seconds)
}
