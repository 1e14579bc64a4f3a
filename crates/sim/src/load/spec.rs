//! The load as written in a scenario: generators, their sum, or a trace file.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Fraction, Period, Rate, Span};
use setpoint::ConfigError;

/// Terms in one sum.
const MOST_TERMS: usize = 16;
/// Bursts of one term, or slots of one noise, in a run.
const MOST_REPEATS: u128 = 100_000;

/// The load of a scenario. Rates are in requests/s, times count from the start of the run.
///
/// A `sum` adds the rates of its terms and then applies its noises, each a factor on the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LoadSpec {
    /// Requests or rates from a CSV file.
    Trace(TraceFile),
    /// Several generators at once: 1 to 16 terms, none of them a sum or a trace.
    Sum(Vec<LoadSpec>),
    /// The same rate all the time.
    Constant(Constant),
    /// `from` until `start`, then in a straight line to `to` at `end`, then `to`.
    Ramp(Ramp),
    /// Nothing until `at`, then `rate`.
    Step(Step),
    /// A cosine between `low` and `high`, with its top at `peakAt` in each period.
    Diurnal(Diurnal),
    /// `rate` for `length` from `at` on, and again every `every`.
    Burst(Burst),
    /// In a sum only: multiplies the rest by `1 + x`, with an `x` drawn evenly from
    /// `[-amplitude, amplitude)` anew every `every`.
    Noise(Noise),
}

/// A trace file; see [`Trace`](super::Trace) for its formats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TraceFile {
    /// Relative to the scenario's file.
    pub(crate) file: PathBuf,
}

/// The same rate all the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Constant {
    pub(super) rate: Rate,
}

/// A straight line from one rate to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ramp {
    pub(super) from: Rate,
    pub(super) to: Rate,
    pub(super) start: Span,
    /// After `start`.
    pub(super) end: Span,
}

/// A rate that begins at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Step {
    pub(super) at: Span,
    pub(super) rate: Rate,
}

/// A rate that rises and falls once a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Diurnal {
    pub(super) low: Rate,
    /// Not below `low`.
    pub(super) high: Rate,
    /// At least 1s. Default 24h.
    #[serde(default = "day")]
    pub(super) period: Period,
    /// Default 14h.
    #[serde(default = "afternoon")]
    pub(super) peak_at: Span,
}

/// A rate for a while, once or again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Burst {
    pub(super) at: Span,
    /// Default: once. Not below `length`, and at most 100,000 times in a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) every: Option<Period>,
    pub(super) length: Period,
    pub(super) rate: Rate,
}

/// A random factor on the rest of a sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Noise {
    /// 0 to 1.
    pub(super) amplitude: Fraction,
    /// How long one draw holds; at most 100,000 draws in a run. Default 1m.
    #[serde(default = "minute")]
    pub(super) every: Period,
}

fn day() -> Period {
    period(Duration::from_secs(24 * 3600))
}

fn minute() -> Period {
    period(Duration::from_secs(60))
}

fn afternoon() -> Span {
    span(Duration::from_secs(14 * 3600))
}

fn period(duration: Duration) -> Period {
    Period::try_from(duration).expect("a built-in period is in range")
}

fn span(duration: Duration) -> Span {
    Span::try_from(duration).expect("a built-in span is in range")
}

fn rate(rate: f64) -> Rate {
    Rate::try_from(rate).expect("a built-in rate is in range")
}

/// For what is built in; a document goes through serde.
impl LoadSpec {
    pub(crate) fn trace(file: PathBuf) -> Self {
        Self::Trace(TraceFile { file })
    }

    pub(crate) fn diurnal(low: f64, high: f64, cycle: Duration, peak_at: Duration) -> Self {
        let (low, high) = (rate(low), rate(high));
        Self::Diurnal(Diurnal { low, high, period: period(cycle), peak_at: span(peak_at) })
    }

    pub(crate) fn ramp(from: f64, to: f64, start: Duration, end: Duration) -> Self {
        Self::Ramp(Ramp { from: rate(from), to: rate(to), start: span(start), end: span(end) })
    }

    pub(crate) fn burst(at: Duration, length: Duration, height: f64) -> Self {
        Self::Burst(Burst { at: span(at), every: None, length: period(length), rate: rate(height) })
    }

    pub(crate) fn noise(amplitude: f64, every: Duration) -> Self {
        let amplitude = Fraction::try_from(amplitude).expect("a built-in amplitude is in range");
        Self::Noise(Noise { amplitude, every: period(every) })
    }

    /// The generators, a single one as a sum of one; none for a trace.
    pub(super) fn terms(&self) -> &[Self] {
        match self {
            Self::Trace(_) => &[],
            Self::Sum(terms) => terms,
            single => std::slice::from_ref(single),
        }
    }

    /// Check what a field's own type cannot.
    pub(crate) fn check(&self, field: &str, duration: Option<Period>) -> Result<(), ConfigError> {
        match self {
            Self::Trace(trace) => {
                let length = trace.file.as_os_str().len();
                if !(1..=4096).contains(&length) {
                    let problem = format!("expected a path of 1 to 4096 bytes, found {length}");
                    return Err(ConfigError::new(format!("{field}.trace.file"), problem));
                }
                Ok(())
            }
            Self::Sum(terms) => {
                let field = format!("{field}.sum");
                if !(1..=MOST_TERMS).contains(&terms.len()) {
                    let problem = format!("expected 1 to {MOST_TERMS} terms, found {}", terms.len());
                    return Err(ConfigError::new(field, problem));
                }
                if terms.iter().all(|term| matches!(term, Self::Noise(_))) {
                    let problem = "expected a term that is not noise: noise multiplies the others";
                    return Err(ConfigError::new(field, problem));
                }
                for (i, term) in terms.iter().enumerate() {
                    let field = format!("{field}[{i}]");
                    if matches!(term, Self::Sum(_) | Self::Trace(_)) {
                        let problem = "expected a generator, found a sum or a trace";
                        return Err(ConfigError::new(field, problem));
                    }
                    term.check_term(&field, duration)?;
                }
                Ok(())
            }
            Self::Noise(_) => Err(ConfigError::new(
                format!("{field}.noise"),
                "expected inside a sum: noise multiplies the other terms",
            )),
            single => single.check_term(field, duration),
        }
    }

    fn check_term(&self, field: &str, duration: Option<Period>) -> Result<(), ConfigError> {
        let fail = |name: &str, problem: String| Err(ConfigError::new(format!("{field}.{name}"), problem));
        let too_often = |every: Period| {
            duration.is_some_and(|all| all.duration().as_micros() / every.duration().as_micros() > MOST_REPEATS)
        };
        match self {
            Self::Ramp(ramp) if ramp.end <= ramp.start => {
                fail("ramp.end", format!("expected after `start` ({}), found {}", ramp.start, ramp.end))
            }
            Self::Diurnal(diurnal) if diurnal.high < diurnal.low => {
                let (low, high) = (diurnal.low.get(), diurnal.high.get());
                fail("diurnal.high", format!("expected at least `low` ({low}), found {high}"))
            }
            Self::Diurnal(diurnal) if diurnal.period.duration() < Duration::from_secs(1) => {
                fail("diurnal.period", format!("expected at least 1s, found {}", diurnal.period))
            }
            Self::Burst(Burst { every: Some(every), length, .. }) if every < length => {
                fail("burst.every", format!("expected at least `length` ({length}), found {every}"))
            }
            Self::Burst(Burst { every: Some(every), .. }) if too_often(*every) => {
                fail("burst.every", format!("expected at most {MOST_REPEATS} bursts in the run, found {every}"))
            }
            Self::Noise(Noise { every, .. }) if too_often(*every) => {
                fail("noise.every", format!("expected at most {MOST_REPEATS} draws in the run, found {every}"))
            }
            _ => Ok(()),
        }
    }
}
