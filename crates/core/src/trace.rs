//! Why: a typed record of each stage's effect. Text is only a rendering of it.

mod cause;
mod lasting;
mod record;
mod render;

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;

use crate::aibrix;
use crate::failure::FailureKind;
use crate::hpa::PolicyKind;
use crate::time::Timestamp;
use crate::units::Tolerances;

pub use self::lasting::Lasting;
pub(crate) use self::record::millis;
pub use self::record::{DetailedReason, ReasonRecord};
pub use self::render::Short;

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

    /// Where it is now, for [`rewind`](Self::rewind).
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { reasons: self.reasons.len(), text: self.text.len() }
    }

    /// Forgets what was added since `mark`: an attempt that led to nothing.
    pub fn rewind(&mut self, mark: Mark) {
        self.reasons.truncate(mark.reasons);
        self.text.truncate(mark.text);
    }

    /// Gives the metrics of the reasons since `mark` the numbers that the policy has for them, from an algorithm that
    /// saw only some.
    pub(crate) fn renumber(&mut self, mark: Mark, numbers: &[usize]) {
        for reason in self.reasons.iter_mut().skip(mark.reasons) {
            if let Some(metric) = reason.effect.metric_mut()
                && let Some(&number) = numbers.get(*metric)
            {
                *metric = number;
            }
        }
    }

    /// The text that [`keep`](Self::keep) kept; empty if the trace was cleared since.
    #[must_use]
    pub fn kept(&self, id: TextId) -> &str {
        self.text.get(id.start..id.end).unwrap_or_default()
    }
}

/// A text that a [`Trace`] keeps until it is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId {
    start: usize,
    end: usize,
}

/// A place in a [`Trace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    reasons: usize,
    text: usize,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards more replicas.
    Up,
    /// Towards fewer.
    Down,
}

/// Why an algorithm holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hold {
    /// No metric has a usable reading.
    NoReadings,
    /// The weights of the metrics with a usable reading add up to zero.
    ZeroTotalWeight,
    /// There are no replicas for a ratio to multiply.
    AtZero,
    /// Some metrics have no usable reading, and without them nothing is taken away.
    ShrinkBlocked,
    /// The algorithm's own reason, which it wrote into the trace.
    Said,
}

/// What a stage did. Metrics are numbered as the policy lists them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// A metric has no usable reading.
    Unusable {
        /// Which metric.
        metric: usize,
        /// `missing`, `stale` or `invalid`.
        state: &'static str,
        /// What its source said.
        #[serde(skip)]
        cause: TextId,
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
        tolerance: Tolerances,
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
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "record::millis")]
        left: Duration,
    },
    /// The last change is too recent for another.
    Cooling {
        /// The last instant at which nothing is changed.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "record::millis")]
        left: Duration,
    },
    /// The change has not been wanted for long enough.
    Delayed {
        /// Which way it would go.
        direction: Direction,
        /// When it will have been, if it stays so.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "record::millis")]
        left: Duration,
    },
    /// One metric's own proposal. Several stand beside each other: each begins at the current count.
    Proposed {
        /// The metric.
        metric: usize,
        /// What was measured: a percentage, or an amount in units. Of a total it is each replica's share, or where there
        /// are no replicas the total itself.
        usage: f64,
        /// What it is compared with.
        target: f64,
        /// Whether both are percentages.
        utilization: bool,
        /// The ratio of the two, with assumptions for instances that aren't known. Not finite where there are no replicas
        /// to share a total.
        ratio: f64,
        /// How many replicas the ratio multiplies; none where it multiplies nothing, as for an average of a total.
        counted: Option<u32>,
        /// Instances without a sample, which are taken to need nothing on the way up, and much on the way down.
        missing: u32,
        /// Instances that aren't ready, which are taken to need nothing on the way up.
        unready: u32,
        /// How it came to this number.
        how: Judged,
    },
    /// The highest of several proposals won.
    Highest {
        /// The metric it comes from.
        metric: usize,
        /// How many metrics made a proposal.
        of: usize,
    },
    /// A rate policy of `behavior` allows no more.
    RateLimited {
        /// Which way the step went.
        direction: Direction,
        /// Which of the direction's policies.
        policy: usize,
        /// What it counts in.
        #[serde(rename = "type")]
        kind: PolicyKind,
        /// How many of that.
        value: i32,
        /// In which time.
        #[serde(rename = "period_ms", serialize_with = "record::millis")]
        period: Duration,
        /// The replicas there were when the period began.
        start: i32,
        /// When the oldest change of this period, or this one, leaves it.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "record::millis")]
        left: Duration,
    },
    /// A metric is above its activation threshold: there is something to do.
    Activated {
        /// Which metric.
        metric: usize,
        /// Its reading.
        reading: f64,
        /// The threshold.
        threshold: f64,
    },
    /// No metric is above its activation threshold.
    Idle {
        /// When replicas may go for that, or could have gone.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "record::millis")]
        left: Duration,
    },
    /// A metric has no usable reading, and counts as it last read.
    Remembered {
        /// Which metric.
        metric: usize,
        /// What it last read.
        reading: f64,
        /// How long ago.
        #[serde(rename = "age_ms", serialize_with = "record::millis")]
        age: Duration,
    },
    /// A metric had no usable reading for too long, and counts as if it asked for so many replicas.
    Substituted {
        /// Which metric.
        metric: usize,
        /// How many looks in a row.
        failures: u32,
        /// What it is taken to ask for.
        replicas: u32,
    },
    /// `behavior` has this direction switched off: `selectPolicy: Disabled`.
    DirectionDisabled {
        /// The direction.
        direction: Direction,
    },
    /// An HPA without `behavior` at most doubles the count in one step.
    DoublingLimit {
        /// The most it may come to.
        limit: i32,
    },
    /// The count is outside the bounds, which is corrected before anything else.
    OutsideBounds,
    /// There are no replicas, and the last one wasn't taken away by what decides here: whoever did starts it again.
    ScalingDisabled,
    /// Rounded up to whole replicas.
    RoundedUp,
    /// Raised to the smallest or cut to the largest count allowed.
    Bounded {
        /// `Up` for the minimum, `Down` for the maximum.
        direction: Direction,
    },
    /// Changes in this direction are paused by the policy.
    Paused {
        /// The direction.
        direction: Direction,
    },
    /// The algorithm failed.
    Failed {
        /// What kind of failure.
        cause: FailureKind,
        /// How.
        #[serde(skip)]
        message: TextId,
    },
    /// What else happened around a failure.
    Failure(crate::failure::Fact),
    /// The policy's fallback answered in place of a failed algorithm.
    FellBack {
        /// To what.
        #[serde(skip)]
        fallback: TextId,
    },
    /// Not enough data to say anything.
    NoOpinion,
    /// The algorithm asked for hands off.
    Suspended,
    /// An algorithm's own words.
    Note {
        /// The words.
        #[serde(skip)]
        text: TextId,
    },
    /// A step of AIBrix's algorithms.
    Aibrix(aibrix::Fact),
    /// A step of a WatermarkPodAutoscaler.
    Watermark(crate::watermark::Fact),
    /// What Nomad's strategies, checks and handler did.
    Nomad(crate::nomad::Fact),
    /// What became of a member's need in its group.
    Grouped {
        /// What happened.
        #[serde(flatten)]
        fact: crate::group::Fact,
        /// Whose need it is about.
        #[serde(skip)]
        member: TextId,
    },
    /// What several algorithms' answers came to.
    Combined {
        /// What happened.
        #[serde(flatten)]
        fact: crate::combinator::Fact,
        /// Whose answer it is about.
        #[serde(skip)]
        member: TextId,
    },
    /// A step of Knative's autoscaler.
    Knative(crate::knative::Fact),
}

impl Effect {
    /// The number of the metric it is about.
    fn metric_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Unusable { metric, .. }
            | Self::Proposed { metric, .. }
            | Self::Highest { metric, .. }
            | Self::Activated { metric, .. }
            | Self::Remembered { metric, .. }
            | Self::Substituted { metric, .. } => Some(metric),
            Self::Aibrix(fact) => fact.metric_mut(),
            Self::Watermark(fact) => fact.metric_mut(),
            Self::Nomad(fact) => fact.metric_mut(),
            Self::Knative(fact) => fact.metric_mut(),
            _ => None,
        }
    }
}

/// How a metric's ratio became its proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Judged {
    /// The ratio was multiplied out.
    Multiplied,
    /// The ratio is within the tolerance: as it is.
    WithinTolerance,
    /// What was assumed for unknown instances turned the direction: as it is.
    DirectionTurned,
    /// There are no replicas to multiply or to share: the total, divided by the target, is the proposal.
    FromZero,
}
