//! Reasons in words.

use std::fmt;

use super::{Direction, Effect, Hold, Judged, Reason, Trace};
use crate::hpa::PolicyKind;
use crate::metric::Metric;

pub(super) fn text<'a>(reason: &'a Reason, trace: &'a Trace, metrics: &'a [Metric]) -> impl fmt::Display + 'a {
    Text { reason, trace, metrics }
}

struct Text<'a> {
    reason: &'a Reason,
    trace: &'a Trace,
    metrics: &'a [Metric],
}

/// A number as reasons show it: three digits after the point at most, and no trailing zeros.
///
/// ```
/// use setpoint::Short;
/// let shown = [620.0, 1.24, 1.0 / 3.0, 0.000_01].map(|number| Short(number).to_string());
/// assert_eq!(shown, ["620", "1.24", "0.333", "1e-5"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.abs();
        let short = |digits: &str| digits.trim_end_matches('0').trim_end_matches('.').to_owned();
        if magnitude.is_finite() && magnitude != 0.0 && !(0.001..1e15).contains(&magnitude) {
            let text = format!("{:.3e}", self.0);
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            return write!(f, "{}e{exponent}", short(digits));
        }
        f.write_str(&short(&format!("{:.3}", self.0)))
    }
}

impl Text<'_> {
    fn metric(&self, index: usize) -> &str {
        self.metrics.get(index).map_or("a metric", |metric| metric.name.as_str())
    }
}

impl Text<'_> {
    fn proposed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effect::Proposed { metric, usage, target, utilization, ratio, counted, missing, unready, how } =
            self.reason.effect
        else {
            return Ok(());
        };
        let percent = if utilization { " %" } else { "" };
        if how == Judged::FromZero {
            let (name, to) = (self.metric(metric), Short(self.reason.to));
            return write!(f, "{name} is {} in total, at {} a replica: {to}", Short(usage), Short(target));
        }
        write!(f, "{} is {}{percent} against {}{percent}", self.metric(metric), Short(usage), Short(target))?;
        for (count, what) in [(missing, "without a sample"), (unready, "not ready")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        let (ratio, to) = (Short(ratio), Short(self.reason.to));
        match (how, counted) {
            (Judged::Multiplied | Judged::FromZero, Some(counted)) => write!(f, ": {ratio} times {counted} replicas"),
            (Judged::Multiplied | Judged::FromZero, None) => write!(f, " a replica: {to}"),
            (Judged::WithinTolerance, _) => write!(f, ": the ratio {ratio} is within the tolerance"),
            (Judged::DirectionTurned, _) => {
                write!(f, ": what is assumed of those makes the ratio {ratio}, the other way, so nothing is done")
            }
        }
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
            Effect::RatioFloor { ratio, floor } => {
                write!(f, "the largest ratio {} is below the floor {}", Short(ratio), Short(floor))
            }
            Effect::MeanRatio { metrics: 1, ratio, .. } => write!(f, "the one ratio there is, {}", Short(ratio)),
            Effect::MeanRatio { metrics, ratio, weighted } => {
                let mean = if weighted { "weighted mean" } else { "mean" };
                write!(f, "the {mean} of {metrics} ratios is {}", Short(ratio))
            }
            Effect::WithinTolerance { ratio, tolerance } => {
                let side = if ratio < 1.0 { tolerance.down } else { tolerance.up };
                write!(f, "the ratio {} is within {} % of 1", Short(ratio), Short(side * 100.0))
            }
            Effect::ShrinkBlocked => f.write_str("nothing is taken away while a reading is not usable"),
            Effect::Held { why } => f.write_str(match why {
                Hold::NoReadings => "no metric has a usable reading",
                Hold::ZeroTotalWeight => "the weights of the usable metrics add up to zero",
                Hold::ShrinkBlocked => "nothing is taken away while a metric has no usable reading",
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
            Effect::Cooling { left, .. } => {
                write!(
                    f,
                    "the last change is too recent; nothing changes for {} more",
                    humantime::format_duration(left)
                )
            }
            Effect::Delayed { direction, left, .. } => write!(
                f,
                "{} have to be wanted for {} more before any are {}",
                if direction == Direction::Up { "more" } else { "fewer" },
                humantime::format_duration(left),
                if direction == Direction::Up { "added" } else { "taken away" },
            ),
            Effect::Proposed { .. } => self.proposed(f),
            Effect::Highest { metric, of: 1 } => write!(f, "{} alone makes a proposal", self.metric(metric)),
            Effect::Highest { metric, of } => {
                write!(f, "{} asks for the most of {of} metrics", self.metric(metric))
            }
            Effect::RateLimited { direction, kind, value, period, start, left, .. } => {
                let (unit, verb) = match (kind, direction) {
                    (PolicyKind::Pods, Direction::Up) => ("", "more"),
                    (PolicyKind::Pods, Direction::Down) => ("", "fewer"),
                    (PolicyKind::Percent, Direction::Up) => (" %", "more"),
                    (PolicyKind::Percent, Direction::Down) => (" %", "fewer"),
                };
                let (period, left) = (humantime::format_duration(period), humantime::format_duration(left));
                write!(f, "at most {value}{unit} {verb} in {period}, from {start}; holds for {left} more")
            }
            Effect::Activated { metric, reading, threshold } => {
                let metric = self.metric(metric);
                write!(f, "active: {metric} is {}, above {}", Short(reading), Short(threshold))
            }
            Effect::Idle { left, .. } if left.is_zero() => f.write_str("idle: no metric is above its threshold"),
            Effect::Idle { left, .. } => {
                write!(f, "no metric is above its threshold; idle in {}", humantime::format_duration(left))
            }
            Effect::Remembered { metric, reading, age } => {
                let (metric, age) = (self.metric(metric), humantime::format_duration(age));
                write!(f, "{metric} has no usable reading, and counts as {}, as it read {age} ago", Short(reading))
            }
            Effect::Substituted { metric, failures, replicas } => write!(
                f,
                "{} had no usable reading {failures} times in a row, and counts as asking for {replicas}",
                self.metric(metric),
            ),
            Effect::DirectionDisabled { direction } => {
                let way = if direction == Direction::Up { "up" } else { "down" };
                write!(f, "scaling {way} is switched off by selectPolicy: Disabled")
            }
            Effect::DoublingLimit { limit } => {
                write!(f, "at most {limit} in one step: twice the count, and no less than 4")
            }
            Effect::OutsideBounds => f.write_str("outside the bounds: corrected at once, past windows and rates"),
            Effect::ScalingDisabled => {
                f.write_str("scaling is off at zero replicas, except after scaling there of its own accord")
            }
            Effect::RoundedUp => write!(f, "{} rounded up", Short(from)),
            Effect::Bounded { direction: Direction::Up } => write!(f, "{} is the minimum", Short(to)),
            Effect::Bounded { direction: Direction::Down } => write!(f, "{} is the maximum", Short(to)),
            Effect::Failed { message, .. } => write!(f, "the algorithm failed: {}", self.trace.kept(message)),
            Effect::Failure(fact) => fact.write(f, to),
            Effect::FellBack { fallback } => write!(f, "the declared fallback answers: {}", self.trace.kept(fallback)),
            Effect::NoOpinion => f.write_str("the algorithm has not enough data"),
            Effect::Paused { direction: Direction::Up } => {
                f.write_str("the policy's pause keeps replicas from being added")
            }
            Effect::Paused { direction: Direction::Down } => {
                f.write_str("the policy's pause keeps replicas from being taken away")
            }
            Effect::Suspended => f.write_str("the algorithm asked to leave the workload alone"),
            Effect::Note { text } => f.write_str(self.trace.kept(text)),
            Effect::Aibrix(fact) => fact.write(f, self.metric(fact.metric().unwrap_or_default()), to),
            Effect::Watermark(fact) => fact.write(f, self.metrics),
            Effect::Nomad(fact) => fact.write(f, self.metrics),
            Effect::Grouped { fact, member } => fact.write(f, self.trace.kept(member)),
            Effect::Combined { fact, member } => fact.write(f, self.trace.kept(member)),
            Effect::Knative(fact) => fact.write(f, self.metrics, to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_short_as_a_person_reads_it() {
        let cases = [
            (0.0, "0"),
            (12.0, "12"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (2.0 / 3.0, "0.667"),
            (9.528_833_333_333e-4, "9.529e-4"),
            (-2e-7, "-2e-7"),
            (1.5e20, "1.5e20"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (number, want) in cases {
            assert_eq!(Short(number).to_string(), want);
        }
    }
}
