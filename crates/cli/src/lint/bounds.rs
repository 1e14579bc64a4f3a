//! Bounds that the policy never reaches, found by trying.

use setpoint::hpa::SelectPolicy;
use setpoint::{Direction, Registry};

use super::finding::{Finding, Level};
use super::probe::{Load, Probe};
use super::subject::Subject;

pub(super) fn check(subject: &Subject, registry: &Registry, found: &mut Vec<Finding>) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    // A fixed count is asked for in so many words.
    if min == max || subject.is_algorithm(setpoint::nomad::Single::FIXED_VALUE) {
        return;
    }
    let off = |direction| {
        let mut rules = subject.rules().filter(|rules| rules.direction == direction);
        rules.any(|rules| rules.written.select_policy == Some(SelectPolicy::Disabled))
    };
    if !off(Direction::Down) {
        lowest(subject, registry, found);
    }
    // A metric whose range is too small was told already.
    let told = found.iter().any(|finding| finding.rule == "target-out-of-reach");
    if !off(Direction::Up) && !told {
        highest(subject, registry, found);
    }
}

/// Without load, from the largest count down.
fn lowest(subject: &Subject, registry: &Registry, found: &mut Vec<Finding>) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let Some(mut probe) = Probe::new(subject, registry, max) else { return };
    let Some(rest) = probe.rest(Load::None) else { return };
    if rest.replicas > min {
        let why = format!("with no load at all it stays at {}: {}", rest.replicas, rest.why);
        let instead = match min {
            0 => format!("{}, or an algorithm that goes to zero", rest.replicas),
            _ => format!("{}, or stages that let the last replicas go (capped: minStep: 1)", rest.replicas),
        };
        let finding = Finding::error("min-unreachable", "spec.minReplicas", why, instead);
        // Asked for in so many words.
        let floored =
            subject.config("ratioFloor").and_then(serde_json::Value::as_f64).is_some_and(|floor| floor >= 1.0);
        found.push(if floored { Finding { level: Level::Warning, ..finding } } else { finding });
    } else if rest.replicas == 0
        && let Some(rest) = probe.rest(Load::Boundless)
        && rest.replicas == 0
    {
        let why = format!("once at zero it never starts again, whatever the load: {}", rest.why);
        let instead = "1, or the algorithm hpa with a metric of type Object or External";
        found.push(Finding::error("asleep-at-zero", "spec.minReplicas", why, instead));
    }
}

/// Under more load than can be served, from the smallest count up.
fn highest(subject: &Subject, registry: &Registry, found: &mut Vec<Finding>) {
    let (min, max) = (subject.spec.min_replicas.max(1), subject.spec.max_replicas);
    let Some(mut probe) = Probe::new(subject, registry, min) else { return };
    let Some(rest) = probe.rest(Load::Boundless) else { return };
    if rest.replicas < max {
        let why = format!("under any load it stays at {}: {}", rest.replicas, rest.why);
        let instead = format!("{}, or an algorithm and stages that go further", rest.replicas);
        found.push(Finding::error("max-unreachable", "spec.maxReplicas", why, instead));
    }
}
