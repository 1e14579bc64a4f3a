//! Tolerances that swallow what they should let through.

use setpoint::{Direction, MetricKind, Target};

use super::finding::{Finding, short};
use super::subject::Subject;

/// The rule of a tolerance that holds whatever the load is.
pub(super) const NEVER_SHRINKS: &str = "tolerance-never-shrinks";
/// The rule of a metric that can't leave the tolerance.
pub(super) const OUT_OF_REACH: &str = "target-out-of-reach";
const SWALLOWS: &str = "tolerance-swallows-a-replica";

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    never_shrinks(subject, found);
    single_replicas(subject, found);
    out_of_range(subject, found);
}

/// The smallest tolerance that swallows every step of one replica in `direction` from `count` replicas.
///
/// One more is asked for by ratios above 1 up to 1 + 1/count: the last of them goes under at 1/count. One fewer is
/// what ratios up to 1 − 1/count and above 1 − 2/count come to, for they are rounded up: the last goes under at
/// 2/count. Of one replica that is none, and so is a ratio of 0.
fn edge(direction: Direction, count: u32) -> f64 {
    match direction {
        Direction::Up => 1.0 / f64::from(count),
        Direction::Down => (2.0 / f64::from(count)).min(1.0),
    }
}

/// The smallest step that there is from `count` replicas, with a tolerance of at least the [`edge`].
fn smallest_step(direction: Direction, count: u32, tolerance: f64) -> f64 {
    // A product that is whole but for its last digits is meant to be.
    let within = (f64::from(count) * tolerance + 1e-9).floor();
    match direction {
        Direction::Up => within + 1.0,
        Direction::Down => within,
    }
}

/// The smallest and the largest count from which there is a step in `direction`.
fn counts(subject: &Subject, direction: Direction) -> (u32, u32) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    match direction {
        Direction::Up => (min.max(1), max.saturating_sub(1).max(1)),
        Direction::Down => (min.saturating_add(1), max),
    }
}

/// No ratio is more than 1 below 1.
fn never_shrinks(subject: &Subject, found: &mut Vec<Finding>) {
    let Some((tolerance, field)) = live(subject, Direction::Down).filter(|(tolerance, _)| *tolerance >= 1.0) else {
        return;
    };
    let why = format!(
        "a tolerance of {} % holds every ratio down to none at all: it never shrinks, however little there is to do",
        short(tolerance * 100.0)
    );
    let instead = "a tolerance below 1 (0.1 is 10 %), or selectPolicy: Disabled under scaleDown, which says it";
    found.push(Finding::error(NEVER_SHRINKS, field, why, instead));
}

/// The tolerance in a direction in which there is something to tolerate, and its field.
fn live(subject: &Subject, direction: Direction) -> Option<(f64, String)> {
    let some_way = subject.spec.min_replicas < subject.spec.max_replicas && !subject.is_off(direction);
    subject.tolerance(direction).filter(|_| some_way)
}

fn single_replicas(subject: &Subject, found: &mut Vec<Finding>) {
    let swallowed = |direction| {
        let (smallest, _) = counts(subject, direction);
        live(subject, direction).filter(|(tolerance, _)| *tolerance >= edge(direction, smallest))
    };
    let up = swallowed(Direction::Up);
    // Of what never shrinks at all that was told.
    let down = swallowed(Direction::Down).filter(|(tolerance, _)| *tolerance < 1.0);
    match (up, down) {
        // One field for both: one finding.
        (Some(up), Some(down)) if up == down => {
            found.push(swallows(subject, &[Direction::Up, Direction::Down], up.0, up.1));
        }
        (up, down) => {
            for (direction, own) in [(Direction::Up, up), (Direction::Down, down)] {
                found.extend(own.map(|(tolerance, field)| swallows(subject, &[direction], tolerance, field)));
            }
        }
    }
}

fn swallows(subject: &Subject, ways: &[Direction], tolerance: f64, field: String) -> Finding {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let each =
        |words: &dyn Fn(Direction) -> String| ways.iter().map(|way| words(*way)).collect::<Vec<_>>().join(" and ");
    let why = format!(
        "between {min} and {max} replicas a tolerance of {} % swallows every step of one replica {}: the smallest is {}",
        short(tolerance * 100.0),
        each(&|way| name(way).to_owned()),
        each(&|way| format!("{} {}", smallest_step(way, counts(subject, way).0, tolerance), name(way))),
    );
    // Not only within the edge: what is needed for exactly one more, or one fewer, is to act.
    let least = |count: &dyn Fn((u32, u32)) -> u32| {
        let most = ways.iter().map(|way| count(counts(subject, *way))).max();
        below(1.0 / f64::from(most.unwrap_or(1)))
    };
    let (near, far) = (least(&|(smallest, _)| smallest), least(&|(_, largest)| largest));
    let mut instead = if near == far {
        format!("{near} or less acts on one replica")
    } else {
        format!("{near} or less acts on one replica near {min}, {far} or less at every count up to {max}")
    };
    if subject.is_manifest && !field.ends_with(".tolerance") {
        let fields = each(&|way| format!("scale{}", if way == Direction::Up { "Up" } else { "Down" }));
        instead = format!("a tolerance under {fields}: {instead}");
        if subject.spec.behavior.is_none() {
            instead.push_str(
                "; but any `behavior` brings v2's rates too, up by 4 pods or 100 % every 15 s, in place of twice the count or 4",
            );
        }
    }
    Finding::warning(SWALLOWS, field, why, instead)
}

const fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// A number of three digits that is below `edge`, which is itself inside.
fn below(edge: f64) -> f64 {
    let scale = 10_f64.powi(2).max(10_f64.powf(2.0 - edge.log10().floor()));
    let mut digits = (edge * scale).ceil() - 1.0;
    while digits / scale >= edge {
        digits -= 1.0;
    }
    digits / scale
}

/// A percentage of what replicas can do ends at 100. That of a request doesn't: Kubernetes lets pods use more.
fn out_of_range(subject: &Subject, found: &mut Vec<Finding>) {
    let Some((tolerance, name)) = live(subject, Direction::Up) else {
        return;
    };
    for (index, metric) in subject.spec.metrics.iter().enumerate() {
        let Target::Utilization(percent) = metric.target else { continue };
        let resource = matches!(metric.kind, MetricKind::Resource | MetricKind::ContainerResource);
        let highest = 100.0 / percent.get();
        if resource || highest > 1.0 + tolerance {
            continue;
        }
        let never = if highest < 1.0 {
            "which it can't reach".to_owned()
        } else {
            format!("and {} times that is within the tolerance of {} %", short(highest), short(tolerance * 100.0))
        };
        let why = format!(
            "a utilization ends at 100 %. The target is {} %, {never}: this metric never asks for more",
            short(percent.get())
        );
        let most = (100.0 / (1.0 + tolerance)).ceil() - 1.0;
        let instead =
            if most < 1.0 { format!("a smaller tolerance ({name})") } else { format!("{most} at most, better less") };
        let field = format!("spec.metrics[{index}].target.utilization");
        found.push(Finding::error(OUT_OF_REACH, field, why, instead));
    }
}

#[cfg(test)]
mod tests {
    use setpoint::{
        AlgorithmManager, AlgorithmSpec, Metric, Observation, PolicySpec, Reading, Timestamp, Tolerance, Trace,
    };

    use super::*;

    /// Whether any load makes `current` replicas one more, or one fewer, and the smallest step that any makes.
    fn steps(algorithm: &str, current: u32, tolerance: f64, direction: Direction) -> (bool, u32) {
        let metrics = vec![Metric::new("queue", Target::average_value(1000.0).expect("in range"))];
        let config = serde_json::json!({ "tolerance": tolerance });
        let policy = PolicySpec::new(0, 1000, metrics, AlgorithmSpec::named(algorithm, config)).expect("a policy");
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("it can be made");
        let (from, to) = match direction {
            Direction::Up => (current, 2 * current + 3),
            Direction::Down => (0, current - 1),
        };
        let mut smallest = u32::MAX;
        // What keeps so many replicas on target, a little less and a little more: 23 / 21 times 21 is above 23.
        let around = |whole: u32| [-1.0, 0.0, 1.0].map(|rest: f64| (f64::from(whole) * 1000.0 + rest).max(0.0));
        for load in (from..=to).flat_map(around) {
            let readings = [Reading::Value(load)];
            let look = Observation::new(Timestamp::default(), current, &readings);
            let decision = manager.decide(workload, &look, &mut Trace::off()).expect("one reading");
            let step = decision.desired.abs_diff(current);
            if step > 0 {
                smallest = smallest.min(step);
            }
        }
        (smallest == 1, smallest)
    }

    #[test]
    fn a_step_is_swallowed_where_the_algorithms_swallow_it() {
        for algorithm in ["max-ratio", "hpa"] {
            for direction in [Direction::Up, Direction::Down] {
                for tolerance in [0.05, 0.1, 0.25, 0.5] {
                    assert!(Tolerance::new(tolerance).is_ok());
                    for current in 1..=48 {
                        let name = format!("{algorithm}, {tolerance} {direction:?} from {current}");
                        let (one, smallest) = steps(algorithm, current, tolerance, direction);
                        let swallowed = tolerance >= edge(direction, current);
                        assert_eq!(!one, swallowed, "{name}");
                        if swallowed {
                            assert_eq!(f64::from(smallest), smallest_step(direction, current, tolerance), "{name}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn whoever_tolerates_all_never_shrinks() {
        for algorithm in ["max-ratio", "hpa"] {
            for current in [1, 2, 20] {
                assert_eq!(steps(algorithm, current, 1.0, Direction::Down), (false, u32::MAX), "{algorithm}");
            }
        }
    }

    #[test]
    fn advice_is_below_the_edge_and_not_nothing() {
        for (edge, want) in
            [(0.1, "0.099"), (1.0, "0.99"), (0.05, "0.0499"), (1.0 / 4999.0, "0.0002"), (3e-9, "0.00000000299")]
        {
            assert_eq!(below(edge).to_string(), want, "{edge}");
        }
    }
}
