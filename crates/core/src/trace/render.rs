//! Reasons in words.

use std::fmt;

use super::{Direction, Effect, Reason, Trace};
use crate::metric::Metric;
use crate::proposal::Hold;

pub(super) fn text<'a>(reason: &'a Reason, trace: &'a Trace, metrics: &'a [Metric]) -> impl fmt::Display + 'a {
    Text { reason, trace, metrics }
}

struct Text<'a> {
    reason: &'a Reason,
    trace: &'a Trace,
    metrics: &'a [Metric],
}

/// Three digits after the point at most, and no trailing zeros: 620, 1.24, 0.333.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.abs();
        if magnitude != 0.0 && !(0.001..1e15).contains(&magnitude) {
            return write!(f, "{:e}", self.0);
        }
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Text<'_> {
    fn metric(&self, index: usize) -> &str {
        self.metrics.get(index).map_or("a metric", |metric| metric.name.as_str())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reason { from, to, .. } = *self.reason;
        match self.reason.effect {
            Effect::Unusable { metric, state, cause } => {
                write!(f, "{} is {state}", self.metric(metric))?;
                match self.trace.kept(cause) {
                    "" => Ok(()),
                    cause => write!(f, " ({cause})"),
                }
            }
            Effect::LargestRatio { metric, reading, amount, ratio } => write!(
                f,
                "{} is {} against {}: {} times {} replicas",
                self.metric(metric),
                Short(reading),
                Short(amount),
                Short(ratio),
                Short(from),
            ),
            Effect::RatioFloor { ratio, floor } => {
                write!(f, "the largest ratio {} is below the floor {}", Short(ratio), Short(floor))
            }
            Effect::MeanRatio { metrics, ratio, weighted } => {
                let mean = if weighted { "weighted mean" } else { "mean" };
                write!(f, "the {mean} of {metrics} ratios is {}", Short(ratio))
            }
            Effect::WithinTolerance { ratio, tolerance } => {
                write!(f, "the ratio {} is within {} % of 1", Short(ratio), Short(tolerance.get() * 100.0),)
            }
            Effect::ShrinkBlocked => f.write_str("nothing is taken away while a reading is not usable"),
            Effect::Held { why } => f.write_str(match why {
                Hold::NoReadings => "no metric has a usable reading",
                Hold::ZeroTotalWeight => "the weights of the usable metrics add up to zero",
                Hold::AtZero => "there are no replicas for a ratio to multiply",
                Hold::Said => "the algorithm holds",
            }),
            Effect::Smoothed { newest, average, ratio } => write!(
                f,
                "the newest {} {} averages to {}",
                if ratio { "ratio" } else { "need" },
                Short(newest),
                Short(average),
            ),
            Effect::Capped { direction, step } => write!(
                f,
                "at most {} {} in one step",
                Short(step),
                match direction {
                    Direction::Up => "more",
                    Direction::Down => "fewer",
                },
            ),
            Effect::Stabilized { direction, left, .. } => write!(
                f,
                "{} was {} within the scale-{} window, and counts for {} more",
                Short(to),
                match direction {
                    Direction::Up => "enough",
                    Direction::Down => "needed",
                },
                match direction {
                    Direction::Up => "up",
                    Direction::Down => "down",
                },
                humantime::format_duration(left),
            ),
            Effect::RoundedUp => write!(f, "{} rounded up", Short(from)),
            Effect::Bounded { direction: Direction::Up } => write!(f, "{} is the minimum", Short(to)),
            Effect::Bounded { direction: Direction::Down } => write!(f, "{} is the maximum", Short(to)),
            Effect::Failed { message } => write!(f, "the algorithm failed: {}", self.trace.kept(message)),
            Effect::FellBack { fallback } => write!(f, "the declared fallback answers: {}", self.trace.kept(fallback)),
            Effect::NoOpinion => f.write_str("the algorithm has not enough data"),
            Effect::Suspended => f.write_str("the algorithm asked to leave the workload alone"),
            Effect::Note { text } => f.write_str(self.trace.kept(text)),
        }
    }
}
