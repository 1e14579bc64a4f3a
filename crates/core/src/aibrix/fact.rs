//! Reasons of AIBrix's algorithms, as data.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::time::Timestamp;
use crate::trace::Direction;

/// What one step of an AIBrix decision found. Metrics are numbered as the policy lists them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// There is no pod to ask: what the windows hold has to do.
    NoPods {
        /// The metric.
        metric: usize,
    },
    /// A metric has no target that could be read: it asks for what there is.
    NoTarget {
        /// The metric.
        metric: usize,
    },
    /// What one metric recommends by its long window. Several stand beside each other: each begins at the current count.
    Recommended {
        /// The metric.
        metric: usize,
        /// The newest value in the window.
        newest: f64,
        /// The mean of the window.
        mean: f64,
        /// Over so many values.
        samples: usize,
        /// What the values are compared with; none where they are numbers of replicas themselves.
        target: Option<f64>,
        /// How it came to this number.
        how: How,
    },
    /// The short window is far above the long one.
    Panicking {
        /// The metric.
        metric: usize,
        /// The mean of the short window.
        mean: f64,
        /// So many times the long window's mean are a panic.
        threshold: f64,
        /// When the panic ends, if it doesn't begin anew; none where it is not remembered.
        #[serde(rename = "until_ms")]
        until: Option<Timestamp>,
    },
    /// An earlier recommendation wins over the newest.
    Cooled {
        /// The way that the newest would go.
        direction: Direction,
        /// What the other is. Unless it is AIBrix's own cooldown, it goes no farther than the current count.
        recommended: i32,
        /// When it was made.
        #[serde(rename = "made_ms")]
        made: Timestamp,
        /// When that one leaves the window.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now, in milliseconds.
        left_ms: u64,
    },
}

/// How a metric's window became its recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum How {
    /// Rounded up.
    Whole,
    /// So near to what there is that it stays.
    WithinTolerance,
    /// No rate allows more, or fewer.
    Limited {
        /// Which way.
        direction: Direction,
    },
}

impl Fact {
    /// The metric it is about.
    #[must_use]
    pub const fn metric(&self) -> Option<usize> {
        match self {
            Self::NoPods { metric }
            | Self::NoTarget { metric }
            | Self::Recommended { metric, .. }
            | Self::Panicking { metric, .. } => Some(*metric),
            Self::Cooled { .. } => None,
        }
    }

    pub(crate) fn metric_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::NoPods { metric }
            | Self::NoTarget { metric }
            | Self::Recommended { metric, .. }
            | Self::Panicking { metric, .. } => Some(metric),
            _ => None,
        }
    }

    /// In words, about the metric called `name`, with what it came `to`.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, name: &str, to: f64) -> fmt::Result {
        use crate::trace::Short;
        match *self {
            Self::NoPods { .. } => write!(f, "{name} has no pod to ask: what its windows hold has to do"),
            Self::NoTarget { .. } => write!(f, "{name} has no target that can be read, and asks for what there is"),
            Self::Recommended { newest, mean, samples, target, how, .. } => {
                match target {
                    Some(target) => write!(f, "{name} is {} against {}", Short(mean), Short(target))?,
                    None => write!(f, "{name} asks for {}", Short(mean))?,
                }
                if samples != 1 {
                    write!(f, ", the mean of {samples}, the newest {}", Short(newest))?;
                }
                match how {
                    How::Whole => Ok(()),
                    How::WithinTolerance => f.write_str(": within the tolerance"),
                    How::Limited { direction: Direction::Up } => write!(f, ": at most {} in one step", Short(to)),
                    How::Limited { direction: Direction::Down } => {
                        write!(f, ": no fewer than {} in one step", Short(to))
                    }
                }
            }
            Self::Panicking { mean, threshold, until, .. } => {
                write!(f, "{name} panics: the short mean is {}, and ", Short(mean))?;
                match until {
                    Some(until) => {
                        let (threshold, until) = (Short(threshold), until.as_millis());
                        write!(f, "was above {threshold} times the long one; nothing is taken away until {until} ms")
                    }
                    None => write!(f, "is above {} times the long one, or that is not above 0", Short(threshold)),
                }
            }
            Self::Cooled { direction, recommended, left_ms, .. } => {
                let way = match direction {
                    Direction::Up => "up",
                    Direction::Down => "down",
                };
                let left = humantime::format_duration(Duration::from_millis(left_ms));
                write!(f, "{recommended} was recommended within the scale-{way} cooldown, and counts for {left} more")
            }
        }
    }
}
