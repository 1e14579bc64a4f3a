//! From a value and its watermarks to a number of replicas, in the order of the controller's own arithmetic.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/replica_calculator.go, `getReplicaCount`,
//! `adjustReplicaCount` and what they call.

use serde::Serialize;

use super::pods::float;
use super::spec::{Mark, MetricSpec, Rules};
use crate::bounds::Bounds;
use crate::hpa::metrics::count;
use crate::trace::Direction;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Strictly above the high watermark and its tolerance.
    Above,
    /// Strictly below the low watermark and its tolerance.
    Below,
    /// Neither.
    Between,
}

/// What was made of a step towards a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Convergence {
    /// The value isn't between the watermarks, and scales this way.
    Unstable(Direction),
    /// `convergeTowardsWatermark` isn't set.
    Off,
    /// The step is taken: down towards the high watermark, or up towards the low one.
    Step(Direction),
    /// It would go beyond the watermark.
    TooFar(Direction),
}

/// The marks with their tolerance: a value has to be strictly beyond them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edges {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What a metric proposes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proposed {
    pub(super) replicas: i32,
    pub(super) above: bool,
    pub(super) below: bool,
    /// `None`: nothing was compared, for the value was a zero that isn't tolerated.
    pub(super) convergence: Option<Convergence>,
    /// How many replicas it was multiplied by.
    pub(super) ready: i32,
    /// In thousandths.
    pub(super) usage: f64,
    /// Before it was rounded to the modulo, and kept from going the wrong way.
    pub(super) raw: i32,
}

/// What the arithmetic needs to know beside the metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) current: i32,
    pub(super) bounds: Bounds,
}

/// The largest count that `usage` may make of `ready` replicas: enough to get it down to `high`. Saturates.
///
/// ```text
/// 10 ready at 85 with a high watermark of 80: 10 · 85 / 80 = 10.6, so 11
/// ```
#[inline]
pub(super) fn enough(ready: i32, usage: f64, high: i64) -> i32 {
    // Multiplied first: the order shows in the last bit, and the last bit in the ceiling.
    ceil(f64::from(ready) * usage / float(high))
}

/// Few enough to get `usage` up to `low`, and never none.
#[inline]
pub(super) fn few(ready: i32, usage: f64, low: i64) -> i32 {
    floor(f64::from(ready) * usage / float(low)).max(1)
}

// Not `f64::ceil` and `f64::floor`, which many targets have only as functions to call. Both saturate, and make 0 of what
// is no number.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and makes 0 of what is no number")]
#[inline]
pub(super) fn ceil(replicas: f64) -> i32 {
    let cut = replicas as i32;
    cut.saturating_add(i32::from(replicas > f64::from(cut)))
}

#[expect(clippy::cast_possible_truncation, reason = "as in ceil")]
#[inline]
fn floor(replicas: f64) -> i32 {
    let cut = replicas as i32;
    cut.saturating_sub(i32::from(replicas < f64::from(cut)))
}

impl Edges {
    /// `mark·tolerance` in whole thousandths, for the low and the high mark.
    pub(super) fn new(spec: &MetricSpec, tolerances: (i64, i64), exact: bool) -> Self {
        let part = |mark: i64, tolerance: i64| match i128::from(mark) * i128::from(tolerance) / 1000 {
            // Beyond what an int64 holds Go starts again from below.
            _ if exact => mark.wrapping_mul(tolerance) / 1000,
            part => i64::try_from(part).unwrap_or(i64::MAX),
        };
        let (low, high) = tolerances;
        Self {
            low: float(spec.low.saturating_sub(part(spec.low, low))),
            high: float(spec.high.saturating_add(part(spec.high, high))),
        }
    }
}

impl Rules {
    /// Replicas for a usage in thousandths.
    #[inline]
    pub(super) fn compare(
        &self,
        spec: &MetricSpec,
        edges: Edges,
        usage: f64,
        ready: i32,
        situation: Situation,
    ) -> Proposed {
        if usage > edges.high {
            let raw = enough(ready, usage, spec.high);
            self.up(raw, ready, usage, situation)
        } else if usage < edges.low {
            let raw = few(ready, usage, spec.low);
            self.down(raw, ready, usage, situation)
        } else {
            self.between(spec, usage, ready, situation)
        }
    }

    #[inline]
    fn up(&self, raw: i32, ready: i32, usage: f64, situation: Situation) -> Proposed {
        let replicas = self.rounded(raw).max(situation.current);
        let convergence = Some(Convergence::Unstable(Direction::Up));
        Proposed { replicas, above: true, below: false, convergence, ready, usage, raw }
    }

    #[inline]
    fn down(&self, raw: i32, ready: i32, usage: f64, situation: Situation) -> Proposed {
        let replicas = self.rounded(raw).min(situation.current);
        let convergence = Some(Convergence::Unstable(Direction::Down));
        Proposed { replicas, above: false, below: true, convergence, ready, usage, raw }
    }

    /// Up to the next multiple of the modulo, on the way down too.
    #[inline]
    fn rounded(&self, replicas: i32) -> i32 {
        let modulo = count(self.modulo.get());
        if modulo == 1 {
            return replicas;
        }
        match replicas % modulo {
            // Beyond what an int32 holds Go starts again from below.
            rest if rest > 0 && self.exact => replicas.wrapping_add(modulo - rest),
            rest if rest > 0 => replicas.saturating_add(modulo - rest),
            _ => replicas,
        }
    }

    fn between(&self, spec: &MetricSpec, usage: f64, ready: i32, situation: Situation) -> Proposed {
        let Some(mark) = self.converge else {
            return self.converge(0, ready, usage, situation);
        };
        let (min, max) = (count(situation.bounds.min()).max(1), count(situation.bounds.max()));
        // Divided first here.
        let per_mark = |mark: i64| f64::from(ready) / float(mark) * usage;
        let bound = match mark {
            Mark::High if spec.high == 0 => situation.current,
            Mark::High => ceil(per_mark(spec.high)).min(max).max(min),
            Mark::Low if spec.low == 0 => situation.current,
            Mark::Low => floor(per_mark(spec.low)).min(max).max(min),
        };
        self.converge(bound, ready, usage, situation)
    }

    /// A step towards the watermark, if it stays within `bound`.
    #[inline]
    fn converge(&self, bound: i32, ready: i32, usage: f64, situation: Situation) -> Proposed {
        let Situation { current, .. } = situation;
        let step = count(self.modulo.get());
        let (replicas, convergence) = match self.converge {
            None => (current, Convergence::Off),
            Some(Mark::High) => match current.saturating_sub(step).max(1) {
                fewer if fewer < bound => (current, Convergence::TooFar(Direction::Down)),
                fewer => (fewer, Convergence::Step(Direction::Down)),
            },
            Some(Mark::Low) => match current.saturating_add(step) {
                more if more > bound => (current, Convergence::TooFar(Direction::Up)),
                more => (more, Convergence::Step(Direction::Up)),
            },
        };
        let convergence = Some(convergence);
        Proposed { replicas, above: false, below: false, convergence, ready, usage, raw: bound }
    }

    /// A zero that isn't tolerated: nothing is compared. The controller proposes the ready replicas, which can be fewer
    /// than there are, past every delay.
    #[inline]
    pub(super) fn untolerated(&self, ready: i32, situation: Situation) -> Proposed {
        let replicas = if self.exact { ready } else { situation.current };
        Proposed { replicas, above: false, below: false, convergence: None, ready, usage: 0.0, raw: replicas }
    }

    /// Replicas for a recommender's answer.
    ///
    /// To the controller the direction is the recommended count's, and the position, which delays go by, that of the
    /// bounds: a count within the bounds is followed past every delay.
    #[inline]
    pub(super) fn follow(
        &self,
        (recommended, lower, upper): (i32, i32, i32),
        observed: f64,
        ready: i32,
        situation: Situation,
    ) -> Proposed {
        let Situation { current, .. } = situation;
        let proposed = if recommended > current {
            self.up(recommended, ready, observed, situation)
        } else if recommended < current {
            self.down(recommended, ready, observed, situation)
        } else {
            let bound = if self.converge == Some(Mark::Low) { upper } else { lower };
            return self.converge(bound, ready, observed, situation);
        };
        if self.exact { Proposed { above: current < lower, below: current > upper, ..proposed } } else { proposed }
    }
}

impl Proposed {
    pub(super) const fn position(&self) -> Position {
        if self.above {
            Position::Above
        } else if self.below {
            Position::Below
        } else {
            Position::Between
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_the_standard_library() {
        let cases = [
            0.0,
            -0.0,
            0.5,
            -0.5,
            1.0,
            -1.0,
            1.000_000_000_000_000_2,
            12.5,
            -12.5,
            2_147_483_646.5,
            2_147_483_647.0,
            2_147_483_647.5,
            -2_147_483_648.5,
            1e300,
            -1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for replicas in cases {
            assert_eq!(ceil(replicas), replicas.ceil() as i32, "{replicas}");
            assert_eq!(floor(replicas), replicas.floor() as i32, "{replicas}");
        }
    }
}
