//! Why: a typed record of each stage's effect. Text is only a rendering of it.

mod render;

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use crate::metric::Metric;
use crate::proposal::Hold;
use crate::time::Timestamp;
use crate::units::Tolerance;

/// The reasons of one decision, in the order in which they took effect.
///
/// The caller owns it and hands it to each decision, which clears it first; so it allocates only until it
/// has grown to the longest decision. [`Trace::off`] records nothing.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    off: bool,
    reasons: Vec<Reason>,
    text: String,
}

impl Trace {
    /// A trace that records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A trace that records nothing, for callers that want only the number.
    #[must_use]
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Whether anything is recorded. Worth a look before composing text.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.off
    }

    /// Forgets the last decision's reasons and keeps their room.
    pub fn clear(&mut self) {
        self.reasons.clear();
        self.text.clear();
    }

    /// Adds a reason, which is only made when anyone asks.
    #[inline]
    pub fn push(&mut self, reason: impl FnOnce() -> Reason) {
        if !self.off {
            self.reasons.push(reason());
        }
    }

    /// Adds a reason in an algorithm's own words, for effects that this library has no type for.
    ///
    /// ```
    /// use setpoint::Trace;
    /// let mut trace = Trace::new();
    /// trace.note("night-shift", 4.0, 2.0, format_args!("between 22:00 and 6:00"));
    /// assert_eq!(trace.records(&[])[0].text, "between 22:00 and 6:00");
    /// ```
    pub fn note(&mut self, stage: &'static str, from: f64, to: f64, text: fmt::Arguments<'_>) {
        if self.is_on() {
            let text = self.keep(text);
            self.push(|| Reason::new(stage, from, to, Effect::Note { text }));
        }
    }

    /// Keeps `text` for a reason to refer to.
    pub fn keep(&mut self, text: fmt::Arguments<'_>) -> TextId {
        let start = self.text.len();
        if self.is_on() {
            self.text.write_fmt(text).expect("writing to a String can't fail");
        }
        TextId { start, end: self.text.len() }
    }

    /// The reasons of the last decision.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The reasons as records with their text, for whoever writes or shows them. `metrics` names what the
    /// reasons refer to by number: the policy's metrics, in order.
    #[must_use]
    pub fn records(&self, metrics: &[Metric]) -> Vec<ReasonRecord> {
        self.reasons
            .iter()
            .map(|reason| ReasonRecord {
                stage: reason.stage.to_owned(),
                from: reason.from,
                to: reason.to,
                text: render::text(reason, self, metrics).to_string(),
            })
            .collect()
    }

    fn kept(&self, id: TextId) -> &str {
        self.text.get(id.start..id.end).unwrap_or_default()
    }
}

/// A text that a [`Trace`] keeps until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId {
    start: usize,
    end: usize,
}

/// One stage's effect on the number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// The stage, as policies call it.
    pub stage: &'static str,
    /// The exact number of replicas before.
    pub from: f64,
    /// The exact number of replicas after.
    pub to: f64,
    /// What happened.
    pub effect: Effect,
}

impl Reason {
    /// `stage` turned `from` into `to` by `effect`.
    #[must_use]
    pub const fn new(stage: &'static str, from: f64, to: f64, effect: Effect) -> Self {
        Self { stage, from, to, effect }
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards more replicas.
    Up,
    /// Towards fewer.
    Down,
}

/// What a stage did. Metrics are numbered as the policy lists them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// A metric has no usable reading.
    Unusable {
        /// Which metric.
        metric: usize,
        /// `missing`, `stale` or `invalid`.
        state: &'static str,
        /// What its source said.
        cause: TextId,
    },
    /// The largest of the ratios of reading to target.
    LargestRatio {
        /// The metric it comes from.
        metric: usize,
        /// Its reading.
        reading: f64,
        /// What the reading was compared with.
        amount: f64,
        /// Reading by amount.
        ratio: f64,
    },
    /// No ratio was above the configured floor.
    RatioFloor {
        /// The largest ratio measured.
        ratio: f64,
        /// The floor used in its place.
        floor: f64,
    },
    /// The mean of the ratios, or their weighted mean.
    MeanRatio {
        /// How many metrics it was taken over.
        metrics: usize,
        /// The mean.
        ratio: f64,
        /// Whether by weight.
        weighted: bool,
    },
    /// The ratio is so near to 1 that nothing is done.
    WithinTolerance {
        /// The ratio.
        ratio: f64,
        /// How far from 1 it may be.
        tolerance: Tolerance,
    },
    /// Some readings are not usable, and without them nothing is taken away.
    ShrinkBlocked,
    /// The algorithm held.
    Held {
        /// Why.
        why: Hold,
    },
    /// Averaged with what came before.
    Smoothed {
        /// The newest value: a ratio, or replicas.
        newest: f64,
        /// The average.
        average: f64,
        /// Whether these are ratios.
        ratio: bool,
    },
    /// A step larger than allowed was cut.
    Capped {
        /// Which way the step went.
        direction: Direction,
        /// The largest step, in replicas.
        step: f64,
    },
    /// An earlier need inside the window won.
    Stabilized {
        /// The direction that was held back.
        direction: Direction,
        /// When that need leaves the window.
        until: Timestamp,
        /// How long that is from now.
        left: Duration,
    },
    /// Rounded up to whole replicas.
    RoundedUp,
    /// Raised to the smallest or cut to the largest count allowed.
    Bounded {
        /// `Up` for the minimum, `Down` for the maximum.
        direction: Direction,
    },
    /// The algorithm failed.
    Failed {
        /// How.
        message: TextId,
    },
    /// The policy's fallback answered in place of a failed algorithm.
    FellBack {
        /// To what.
        fallback: TextId,
    },
    /// Not enough data to say anything.
    NoOpinion,
    /// The algorithm asked for hands off.
    Suspended,
    /// An algorithm's own words.
    Note {
        /// The words.
        text: TextId,
    },
}

/// A reason as it is written into JSON, reports and logs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonRecord {
    /// The stage, as policies call it.
    pub stage: String,
    /// The exact number of replicas before.
    #[serde(serialize_with = "whole_where_possible")]
    pub from: f64,
    /// The exact number of replicas after.
    #[serde(serialize_with = "whole_where_possible")]
    pub to: f64,
    /// What happened, in words.
    pub text: String,
}

// 4, not 4.0: most of these are whole counts.
fn whole_where_possible<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}
