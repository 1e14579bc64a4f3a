//! Bounds that the policy never reaches, found by trying.

use setpoint::{Direction, Effect, Registry};

use super::advice::further;
use super::budget::Budget;
use super::finding::{Finding, Level};
use super::probe::{Load, Probe, Stop};
use super::subject::Subject;
use super::{fields, stopped, tolerance};

pub(super) fn check(subject: &Subject, registry: &Registry, budget: &mut Budget, found: &mut Vec<Finding>) {
    // A fixed count is asked for in so many words.
    if subject.spec.min_replicas == subject.spec.max_replicas || subject.is_algorithm(setpoint::nomad::Single::FIXED_VALUE) {
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
    if at > min {
        let why = format!("with no load at all it stays at {at}: {}", rest.cause.why);
        let other = further(subject, &rest.cause, at, Direction::Down);
        let instead =
            format!("{at}, or {}", other.as_deref().unwrap_or("an algorithm and stages that go further down"));
        let finding = Finding::error("min-unreachable", "spec.minReplicas", why, instead);
        // Asked for in so many words.
        let floored = matches!(rest.cause.effect, Some(Effect::RatioFloor { floor, .. }) if floor >= 1.0);
        found.push(if floored { Finding { level: Level::Warning, ..finding } } else { finding });
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
    if at < max {
        let why = format!("under any load it stays at {at}: {}", rest.cause.why);
        let other = further(subject, &rest.cause, at, Direction::Up);
        let instead = format!("{at}, or {}", other.as_deref().unwrap_or("an algorithm and stages that go further up"));
        found.push(Finding::error("max-unreachable", "spec.maxReplicas", why, instead));
    }
    Ok(())
}
