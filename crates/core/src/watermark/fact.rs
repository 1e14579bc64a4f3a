//! Reasons: what each step did to the number.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::limits::Limit;
use super::pods::Failure;
use super::replicas::{Convergence, Position};
use crate::metric::Metric;
use crate::time::Timestamp;
use crate::trace::{Direction, Short, millis};

/// One step of a WatermarkPodAutoscaler. Metrics are numbered as the policy lists them; values are in units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A metric's value was compared with its watermarks.
    Compared {
        /// The metric.
        metric: usize,
        /// The value, over the ready replicas where the algorithm is `average`.
        usage: f64,
        /// The watermark that its replicas are computed with; the low one where none are.
        mark: f64,
        /// Where the value is.
        position: Position,
        /// Strictly beyond which it has to be: low.
        low: f64,
        /// Likewise: high.
        high: f64,
        /// The ready replicas, which it is multiplied by.
        ready: i32,
        /// The outcome, before the modulo, and before it is kept from going the wrong way.
        raw: i32,
    },
    /// A step towards a watermark, or none.
    Converged {
        /// What was made of it.
        step: Convergence,
        /// How far it may go.
        bound: i32,
    },
    /// A zero that isn't tolerated.
    Untolerated {
        /// The metric.
        metric: usize,
        /// Whether the ready replicas are proposed for it, as the controller does.
        ready: bool,
    },
    /// A recommender's answer.
    Recommended {
        /// The replicas.
        replicas: i32,
        /// The fewest.
        lower: i32,
        /// The most.
        upper: i32,
    },
    /// Nothing can be said.
    Failed {
        /// The metric; none for a recommender.
        metric: Option<usize>,
        /// Why.
        why: Failure,
    },
    /// A cap or a bound cut the step.
    Limited {
        /// Which.
        by: Limit,
        /// The ready replicas.
        ready: i32,
    },
    /// Too early after the last scaling.
    Forbidden {
        /// The direction.
        direction: Direction,
        /// When the window ends.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// The value is not beyond its watermark for long enough.
    Delayed {
        /// The direction.
        direction: Direction,
        /// When it is, if it stays so; none while it isn't beyond it.
        #[serde(rename = "until_ms")]
        until: Option<Timestamp>,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// Nothing was ever scaled, so the controller scales past windows and delays.
    First,
    /// None of the workload's replicas exists, so the controller asks for one.
    Revived,
}

impl Fact {
    pub(crate) fn metric_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Compared { metric, .. } | Self::Untolerated { metric, .. } => Some(metric),
            Self::Failed { metric, .. } => metric.as_mut(),
            _ => None,
        }
    }

    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, metrics: &[Metric]) -> fmt::Result {
        let name = |metric: usize| metrics.get(metric).map_or("a metric", |metric| metric.name.as_str());
        match *self {
            Self::Compared { metric, usage, mark, position, low, high, ready, raw } => {
                write!(f, "{} is {}, ", name(metric), Short(usage))?;
                match position {
                    Position::Between => write!(f, "between {} and {}", Short(low), Short(high)),
                    Position::Above => {
                        write!(f, "above {}: {ready} ready times {} over {}", Short(high), Short(usage), Short(mark))?;
                        write!(f, ", rounded up to {raw}")
                    }
                    Position::Below => {
                        write!(f, "below {}: {ready} ready times {} over {}", Short(low), Short(usage), Short(mark))?;
                        write!(f, ", rounded down to {raw}")
                    }
                }
            }
            Self::Converged { step: Convergence::Step(Direction::Down), bound } => {
                write!(f, "a step towards the high watermark, which {bound} would keep")
            }
            Self::Converged { step: Convergence::Step(Direction::Up), bound } => {
                write!(f, "a step towards the low watermark, which up to {bound} keep")
            }
            Self::Converged { step: Convergence::TooFar(Direction::Down), bound } => {
                write!(f, "no step towards the high watermark: {bound} are needed to keep it")
            }
            Self::Converged { step: Convergence::TooFar(Direction::Up), bound } => {
                write!(f, "no step towards the low watermark: no more than {bound} keep it")
            }
            Self::Converged { .. } => f.write_str("no step towards a watermark"),
            Self::Untolerated { metric, ready: false } => {
                write!(f, "{} is 0, which is not tolerated: as it is", name(metric))
            }
            Self::Untolerated { metric, ready: true } => {
                write!(f, "{} is 0, which is not tolerated: the ready replicas", name(metric))
            }
            Self::Recommended { replicas, lower, upper } => {
                write!(f, "{replicas} are recommended, and {lower} to {upper} would do")
            }
            Self::Failed { metric, why } => {
                if let Some(metric) = metric {
                    write!(f, "{}: ", name(metric))?;
                }
                failure(f, why)
            }
            Self::Limited { by, ready } => match by {
                Limit::Up => f.write_str("the most that scaleUpLimitFactor allows in one step"),
                Limit::Down => f.write_str("the fewest that scaleDownLimitFactor allows in one step"),
                Limit::GivenUp => {
                    write!(f, "given up: scaleDownLimitFactor asks for more than the {ready} that are ready")
                }
                Limit::Min => f.write_str("minReplicas"),
                Limit::Max => f.write_str("maxReplicas"),
                Limit::One => f.write_str("the last one stays"),
            },
            Self::Forbidden { direction, left, .. } => {
                write!(f, "forbidden to {} for {} more", way(direction), humantime::format_duration(left))
            }
            Self::Delayed { direction, until: Some(_), left } => {
                write!(f, "{} in {}, if the value stays beyond", way(direction), humantime::format_duration(left))?;
                write!(f, " its {} watermark", mark(direction))
            }
            Self::Delayed { direction, until: None, .. } => {
                write!(f, "no {} while no value is beyond its {} watermark", way(direction), mark(direction))
            }
            Self::First => f.write_str("the first scaling, which waits for no window and no delay"),
            Self::Revived => f.write_str("none exists: one is asked for at once"),
        }
    }
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "scale up",
        Direction::Down => "scale down",
    }
}

const fn mark(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "high",
        Direction::Down => "low",
    }
}

fn failure(f: &mut fmt::Formatter<'_>, why: Failure) -> fmt::Result {
    match why {
        Failure::Unusable => f.write_str("no usable reading"),
        Failure::NoInstances => f.write_str("there are no instances"),
        Failure::NoneReady => f.write_str("no instance is ready"),
        Failure::TooFewReady { percent, least } => {
            write!(f, "{percent} % of the instances are ready, and {least} % have to be")
        }
        Failure::NoSamples => f.write_str("no sample of an instance that counts"),
        Failure::RequestsUnknown => f.write_str("what the instances request is not known"),
        Failure::DividedByZero => f.write_str("every instance is left out, and there the controller stumbles"),
    }
}
