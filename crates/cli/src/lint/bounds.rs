//! Bounds that the policy never reaches, found by trying.

use setpoint::{Direction, Registry};

use super::advice::further;
use super::budget::Budget;
use super::cause::Cause;
use super::finding::{Finding, Level};
use super::probe::{Load, Probe, Stop, loads_between};
use super::subject::Subject;
use super::{fields, stopped, tolerance};

pub(super) fn check(subject: &Subject, registry: &Registry, budget: &mut Budget, found: &mut Vec<Finding>) {
    // A fixed count is asked for in so many words.
    if subject.spec.min_replicas == subject.spec.max_replicas
        || subject.is_algorithm(setpoint::nomad::Single::FIXED_VALUE)
    {
        return;
    }
    // Where the cause was told already, what comes of it needs no finding of its own.
    let told = |rules: &[&str]| found.iter().any(|finding| rules.contains(&finding.rule));
    let down = !subject.is_off(Direction::Down) && !told(&[fields::NO_WEIGHT, tolerance::NEVER_SHRINKS]);
    let up = !subject.is_off(Direction::Up) && !told(&[fields::NO_WEIGHT, tolerance::OUT_OF_REACH]);
    let mut tried = if down { lowest(subject, registry, budget, found) } else { Ok(()) };
    if up && tried.is_ok() {
        tried = highest(subject, registry, budget, found);
    }
    if let Err(stop) = tried {
        found.push(stopped::finding(subject, "whether it reaches its bounds", &stop));
    }
}

/// Without load, from the largest count down.
fn lowest(subject: &Subject, registry: &Registry, budget: &mut Budget, found: &mut Vec<Finding>) -> Result<(), Stop> {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let Some(mut probe) = Probe::new(subject, registry, max) else { return Ok(()) };
    let rest = probe.rest(Load::None, budget)?;
    let at = rest.replicas;
    let other = further(subject, &rest.cause, at, Direction::Down);
    if at > min && reaches(subject, registry, &rest.cause, (max, min), budget)? {
        let why = format!(
            "with no load at all it stays at {at}: {}; it goes down to {min} only while there is some",
            rest.cause.why
        );
        let instead = other.unwrap_or_else(|| "an algorithm that goes down without load too".to_owned());
        found.push(Finding::warning("stays-without-load", "spec.algorithm", why, instead));
    } else if at > min {
        let why = format!("with no load at all it stays at {at}: {}", rest.cause.why);
        let instead =
            format!("{at}, or {}", other.as_deref().unwrap_or("an algorithm and stages that go further down"));
        let finding = Finding::error("min-unreachable", "spec.minReplicas", why, instead);
        found.push(milder_if_asked_for(finding, &rest.cause));
    } else if at == 0 {
        let rest = probe.rest(Load::Boundless, budget)?;
        if rest.replicas == 0 {
            let why = format!("once at zero it never starts again, whatever the load: {}", rest.cause.why);
            let other = further(subject, &rest.cause, 0, Direction::Up);
            let instead = format!("1, or {}", other.as_deref().unwrap_or("an algorithm that starts from zero"));
            found.push(Finding::error("asleep-at-zero", "spec.minReplicas", why, instead));
        }
    }
    Ok(())
}

/// Under more load than can be served, from the smallest count up.
fn highest(subject: &Subject, registry: &Registry, budget: &mut Budget, found: &mut Vec<Finding>) -> Result<(), Stop> {
    let (min, max) = (subject.spec.min_replicas.max(1), subject.spec.max_replicas);
    let Some(mut probe) = Probe::new(subject, registry, min) else { return Ok(()) };
    let rest = probe.rest(Load::Boundless, budget)?;
    let at = rest.replicas;
    if at >= max {
        return Ok(());
    }
    let other = further(subject, &rest.cause, at, Direction::Up);
    if reaches(subject, registry, &rest.cause, (min, max), budget)? {
        let why = format!(
            "under more load than can be served it stays at {at}: {}; it goes up to {max} only under less",
            rest.cause.why
        );
        let instead = other.unwrap_or_else(|| "an algorithm that goes up under any overload".to_owned());
        found.push(Finding::warning("stays-under-overload", "spec.algorithm", why, instead));
    } else {
        let why = format!("under any load it stays at {at}: {}", rest.cause.why);
        let instead = format!("{at}, or {}", other.as_deref().unwrap_or("an algorithm and stages that go further up"));
        let finding = Finding::error("max-unreachable", "spec.maxReplicas", why, instead);
        found.push(milder_if_asked_for(finding, &rest.cause));
    }
    Ok(())
}

fn milder_if_asked_for(finding: Finding, cause: &Cause) -> Finding {
    if cause.is_asked_for() { Finding { level: Level::Warning, ..finding } } else { finding }
}

/// Whether some load in between leads `from` one bound `to` the other, where neither none at all nor the most does: an
/// algorithm may act on readings in a band alone.
fn reaches(
    subject: &Subject,
    registry: &Registry,
    cause: &Cause,
    (from, to): (u32, u32),
    budget: &mut Budget,
) -> Result<bool, Stop> {
    if !cause.depends_on_readings() {
        return Ok(false);
    }
    for load in loads_between(subject) {
        let Some(mut probe) = Probe::new(subject, registry, from) else { return Ok(false) };
        if probe.rest(load, budget)?.replicas == to {
            return Ok(true);
        }
    }
    Ok(false)
}
