//! What would let a count go further, by what held it.

use setpoint::hpa::{PolicyKind, SelectPolicy};
use setpoint::{
    Capped, CappedConfig, CappedSmoothRatioConfig, Direction, Effect, Hold, Hpa, Judged, MetricKind, ScalingAlgorithm,
    StepDown, StepUp, aibrix, combinator, nomad, parse_config, watermark,
};

use super::cause::Cause;
use super::subject::Subject;

/// What to write so that it goes further in `direction` from `at` replicas. None for causes that only the algorithm
/// itself could tell of.
pub(super) fn further(subject: &Subject, cause: &Cause, at: u32, direction: Direction) -> Option<String> {
    match cause.effect? {
        Effect::Capped { .. } => caps(subject, at, direction),
        Effect::WithinTolerance { .. } | Effect::Proposed { how: Judged::WithinTolerance, .. } => {
            let (_, field) = subject.tolerance(direction)?;
            Some(format!("a smaller tolerance ({field})"))
        }
        Effect::RatioFloor { .. } => Some("a ratioFloor of 0 in spec.algorithm.config".to_owned()),
        Effect::RateLimited { kind: PolicyKind::Percent, start: 0, .. } => percent_of_nothing(subject),
        Effect::DirectionDisabled { direction } => {
            let mut rules = subject.rules().filter(|rules| rules.direction == direction && rules.is_off());
            rules.next().map(|rules| format!("selectPolicy: Max in {}", rules.field))
        }
        Effect::Held { why: Hold::AtZero } => {
            Some("the algorithm hpa with a metric of type Object or External".to_owned())
        }
        Effect::ScalingDisabled => Some(wakes(subject)),
        // A percentage of what no replicas can do.
        Effect::Proposed { .. } | Effect::Highest { .. } if at == 0 && subject.is_algorithm(Hpa::NAME) => {
            Some("a value or an averageValue as the target of a metric of type Object or External".to_owned())
        }
        Effect::Aibrix(fact) => of_aibrix(subject, &fact, direction),
        Effect::Watermark(fact) => of_watermark(subject, &fact, direction),
        Effect::Nomad(nomad::Fact::Voted { why, .. }) => match why {
            nomad::Why::WithinBounds { within, trigger } if within < trigger => Some(
                "a threshold check whose bounds hold the value then, with a withinBoundsTrigger that its queryWindow has looks for"
                    .to_owned(),
            ),
            nomad::Why::Fixed { .. } => Some("no fixed-value check, which is a floor under the others".to_owned()),
            nomad::Why::Factor { .. } if direction == Direction::Up => {
                Some("a target or a threshold small enough for the metric to exceed both".to_owned())
            }
            _ => None,
        },
        Effect::Combined { fact: combinator::Fact::Limited { direction }, .. } => Some(match direction {
            Direction::Up => "a lower floor in spec.algorithm.of".to_owned(),
            Direction::Down => "a higher ceiling in spec.algorithm.of".to_owned(),
        }),
        _ => None,
    }
}

fn of_aibrix(subject: &Subject, fact: &aibrix::Fact, direction: Direction) -> Option<String> {
    let aibrix::Fact::Recommended { how, .. } = fact else { return None };
    match how {
        aibrix::How::Limited { direction: Direction::Up } => {
            Some("a maxScaleUpRate above 1 in spec.algorithm.config".to_owned())
        }
        aibrix::How::Limited { direction: Direction::Down } => {
            Some("a maxScaleDownRate above 1 in spec.algorithm.config".to_owned())
        }
        aibrix::How::WithinTolerance => {
            let (_, field) = subject.tolerance(direction)?;
            Some(format!("a smaller tolerance ({field})"))
        }
        _ => None,
    }
}

fn of_watermark(subject: &Subject, fact: &watermark::Fact, direction: Direction) -> Option<String> {
    let (limit, mark) = match direction {
        Direction::Up => ("scaleUpLimitFactor", "a lower high watermark"),
        Direction::Down => ("scaleDownLimitFactor", "a higher low watermark"),
    };
    let modulo = subject.config("replicaScalingAbsoluteModulo").and_then(serde_json::Value::as_u64);
    let what = match fact {
        watermark::Fact::Untolerated { .. } => "tolerateZero: true".to_owned(),
        watermark::Fact::Compared { position: watermark::Position::Between, .. } => {
            format!("{mark}, or a smaller tolerance,")
        }
        watermark::Fact::Compared { .. } if modulo.is_some_and(|modulo| modulo > 1) => {
            "a replicaScalingAbsoluteModulo of 1".to_owned()
        }
        watermark::Fact::Limited {
            by: watermark::Limit::Up | watermark::Limit::Down | watermark::Limit::GivenUp,
            ..
        } => {
            format!("a {limit} above 0")
        }
        _ => return None,
    };
    Some(format!("{what} in spec.algorithm.config"))
}

/// The caps that allow no whole replica from `at`: each of them has to go further.
fn caps(subject: &Subject, at: u32, direction: Direction) -> Option<String> {
    let mut fields = Vec::new();
    let mut look_at = |field: String, up: Option<StepUp>, down: Option<StepDown>, least: u32| {
        let (name, fraction) = match direction {
            Direction::Up => ("maxScaleUp", up.map(StepUp::get)),
            Direction::Down => ("maxScaleDown", down.map(StepDown::get)),
        };
        let Some(fraction) = fraction else { return };
        let step = (f64::from(at) * fraction).max(f64::from(least));
        // Rounding up makes any growth a whole replica, and of a part of a replica less it makes none.
        let stuck = if direction == Direction::Up { step == 0.0 } else { step < 1.0 };
        if stuck {
            let other = if fraction == 0.0 { format!("a {name} above 0, or ") } else { String::new() };
            fields.push(format!("{other}minStep: 1 in {field}"));
        }
    };
    if subject.is_algorithm(CappedSmoothRatioConfig::NAME)
        && let Ok(config) = parse_config::<CappedSmoothRatioConfig>(&subject.spec.algorithm.config)
    {
        let field = "spec.algorithm.config".to_owned();
        look_at(field, Some(config.max_scale_up), Some(config.max_scale_down), config.min_step.0);
    }
    for (index, stage) in subject.spec.stages.iter().enumerate() {
        if stage.name == Capped::<Box<dyn ScalingAlgorithm>>::NAME
            && let Ok(config) = parse_config::<CappedConfig>(&stage.config)
        {
            let field = format!("spec.stages[{index}].{}", stage.name);
            look_at(field, config.max_scale_up, config.max_scale_down, config.min_step.0);
        }
    }
    (!fields.is_empty()).then(|| fields.join(", and "))
}

/// However many percent of nothing are nothing.
fn percent_of_nothing(subject: &Subject) -> Option<String> {
    let is_percent = |kind| kind == PolicyKind::Percent;
    let mut rules = subject.rules().filter(|rules| rules.direction == Direction::Up);
    rules.find_map(|rules| {
        let mut kinds = rules.written.policies.iter().flatten().map(|policy| policy.kind);
        let strictest = rules.written.select_policy == Some(SelectPolicy::Min);
        if strictest && kinds.any(is_percent) {
            Some(format!("policies of type Pods alone in {}", rules.field))
        } else {
            kinds.all(is_percent).then(|| format!("a policy of type Pods beside in {}.policies", rules.field))
        }
    })
}

/// What HPA starts from zero by.
fn wakes(subject: &Subject) -> String {
    let total = |kind| matches!(kind, MetricKind::Object | MetricKind::External);
    let off = subject.config("scaleToZero") == Some(&false.into());
    match (off, subject.spec.metrics.iter().any(|metric| total(metric.kind))) {
        (true, true) => "scaleToZero: true in spec.algorithm.config",
        (true, false) => {
            "scaleToZero: true in spec.algorithm.config and a metric of type Object or External, with a target of value or averageValue"
        }
        (false, _) => "a metric of type Object or External, with a target of value or averageValue",
    }
    .to_owned()
}
