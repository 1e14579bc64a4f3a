//! What the reasons of these algorithms tell.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::vote::Direction;
use crate::metric::Metric;
use crate::time::Timestamp;
use crate::trace::Short;

/// What a vote comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// The factor of value to target.
    Factor {
        /// The factor.
        factor: f64,
    },
    /// How many values are within bounds.
    WithinBounds {
        /// So many. None above the trigger are counted where a window is kept.
        within: i64,
        /// So many it takes.
        trigger: i64,
    },
    /// The value, which is the count.
    Value {
        /// The value.
        value: f64,
    },
    /// A fixed count.
    Fixed {
        /// The count.
        value: i64,
    },
}

/// One thing that happened on the way to a count. Checks are numbered as the policy lists them, from 0, and so are
/// metrics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A check voted. Several stand beside each other: each begins at the current count.
    Voted {
        /// Which check.
        check: usize,
        /// What it looked at.
        metric: Option<usize>,
        /// Which way.
        direction: Direction,
        /// What the vote comes from.
        why: Why,
    },
    /// A check won.
    Won {
        /// Which.
        check: usize,
        /// Of so many that voted.
        of: usize,
        /// Which way.
        direction: Direction,
    },
    /// A check has no vote, and the others decide.
    LeftOut {
        /// Which check.
        check: usize,
        /// What it should have looked at.
        metric: Option<usize>,
        /// Whether nothing is taken away without it.
        blocks_down: bool,
    },
    /// A check has no vote, which counts as one to keep the count.
    CountedAsKeep {
        /// Which check.
        check: usize,
        /// What it should have looked at.
        metric: Option<usize>,
    },
    /// A check has no vote, and without it there is no decision.
    Stopped {
        /// Which check.
        check: usize,
        /// What it should have looked at.
        metric: Option<usize>,
    },
    /// The last change is too recent.
    Cooldown {
        /// The last instant at which nothing is changed.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "crate::trace::millis")]
        left: Duration,
    },
    /// The last change is still under way.
    Busy,
    /// A count of -1, which Nomad takes for a dry run: nothing is changed.
    DryRunMark,
    /// A dry run: the target is told, and nothing is changed.
    DryRun,
    /// Nomad caps a vote before it counts it.
    Capped {
        /// The count before.
        from: i64,
    },
}

impl Fact {
    pub(crate) fn metric_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Voted { metric, .. }
            | Self::LeftOut { metric, .. }
            | Self::CountedAsKeep { metric, .. }
            | Self::Stopped { metric, .. } => metric.as_mut(),
            _ => None,
        }
    }

    /// In words.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, metrics: &[Metric]) -> fmt::Result {
        let name = |metric: Option<usize>| {
            metric.and_then(|index| metrics.get(index)).map_or("a metric", |metric| metric.name.as_str())
        };
        match *self {
            Self::Voted { check, metric, direction, why } => {
                write!(f, "check {} votes {}: ", check + 1, direction.as_str())?;
                match why {
                    Why::Factor { factor } => write!(f, "{} is {} times its target", name(metric), Short(factor)),
                    Why::WithinBounds { within, trigger } => {
                        write!(f, "{within} of the {trigger} values it takes of {} are within bounds", name(metric))
                    }
                    Why::Value { value } => write!(f, "{} is {}", name(metric), Short(value)),
                    Why::Fixed { value } => write!(f, "the fixed value {value}"),
                }
            }
            Self::Won { check, of: 1, direction } => {
                write!(f, "check {} alone votes: {}", check + 1, direction.as_str())
            }
            Self::Won { check, of, direction } => {
                write!(f, "check {} wins among {of}: {}", check + 1, direction.as_str())
            }
            Self::LeftOut { check, metric, blocks_down } => {
                write!(f, "check {} has nothing to go by ({}): it is left out", check + 1, name(metric))?;
                f.write_str(if blocks_down { ", and nothing is taken away" } else { "" })
            }
            Self::CountedAsKeep { check, metric } => {
                write!(f, "check {} failed ({}), which counts as a vote for none", check + 1, name(metric))
            }
            Self::Stopped { check, metric } => {
                write!(f, "check {} failed ({}), which ends the evaluation", check + 1, name(metric))
            }
            Self::Cooldown { left, .. } => {
                write!(f, "cooling down from the last change for {} more", humantime::format_duration(left))
            }
            Self::Busy => f.write_str("the last change is still under way"),
            Self::DryRunMark => f.write_str("a count of -1 is the mark of a dry run: nothing is changed"),
            Self::DryRun => f.write_str("a dry run: nothing is changed"),
            Self::Capped { from } => write!(f, "{from} is outside the bounds"),
        }
    }
}
