//! What comes out.

use serde::Serialize;

use crate::bounds::MAX_REPLICAS;
use crate::time::Timestamp;

/// Whole replicas, after all stages and bounds. The reasons are in the [`Trace`](crate::Trace) that was passed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The instant of the observation.
    pub now: Timestamp,
    /// The replicas there were.
    pub current: u32,
    /// The replicas there should be.
    pub desired: u32,
    /// What kind of answer led to it.
    pub outcome: Outcome,
}

/// What kind of answer a decision comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The algorithm named a need.
    Need,
    /// The algorithm held.
    Hold,
    /// The algorithm had not enough data.
    NoOpinion,
    /// The algorithm asked for hands off.
    Suspend,
    /// The algorithm failed or is in quarantine, and the policy's declared fallback answered.
    Fallback,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Need, Self::Hold, Self::NoOpinion, Self::Suspend, Self::Fallback];

    /// In one word, for telemetry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Need => "need",
            Self::Hold => "hold",
            Self::NoOpinion => "no-opinion",
            Self::Suspend => "suspend",
            Self::Fallback => "fallback",
        }
    }
}

/// Whole replicas for an exact need: the one place where a need becomes a count.
///
/// Rounds up, as HPA and KubeAI do: capacity for 4.01 replicas takes 5. A negative need is 0, one beyond
/// [`MAX_REPLICAS`] is [`MAX_REPLICAS`]; a need is never NaN ([`Need`](crate::Need) refuses it).
#[inline]
pub(crate) fn round_up(need: f64) -> u32 {
    // Not `f64::ceil`, which many targets have only as a function to call.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates at both ends")]
    let below = need as u32;
    below.saturating_add(u32::from(f64::from(below) < need)).min(MAX_REPLICAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_up_and_saturates() {
        let cases = [
            ("whole", 4.0, 4),
            ("a little more", 4.000_000_1, 5),
            ("negative", -3.5, 0),
            ("negative zero", -0.0, 0),
            ("just above zero", 1e-300, 1),
            ("huge", 1e300, MAX_REPLICAS),
            ("largest double", f64::MAX, MAX_REPLICAS),
        ];
        for (name, need, want) in cases {
            assert_eq!(round_up(need), want, "{name}");
        }
    }
}
