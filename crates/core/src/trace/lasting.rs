//! What goes on holding the count after a decision.

use std::time::Duration;

use super::{Direction, Effect};
use crate::time::Timestamp;
use crate::{aibrix, failure, knative, nomad, watermark};

/// For how long an effect would be the same, if nothing else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lasting {
    /// The direction that is held back; none where both are.
    pub direction: Option<Direction>,
    /// Until when.
    pub until: Timestamp,
    /// How long that is from the decision.
    pub left: Duration,
}

impl Effect {
    /// What holds the count until a known instant; none for an effect of the moment.
    ///
    /// ```
    /// use std::time::Duration;
    /// use setpoint::{Effect, Timestamp};
    /// let effect = Effect::Cooling { until: Timestamp::from_millis(60_000), left: Duration::from_secs(45) };
    /// assert_eq!(effect.lasting().map(|lasting| lasting.left), Some(Duration::from_secs(45)));
    /// assert_eq!(Effect::RoundedUp.lasting(), None);
    /// ```
    #[must_use]
    pub const fn lasting(&self) -> Option<Lasting> {
        let (direction, until, left) = match *self {
            Self::Stabilized { direction, until, left }
            | Self::RateLimited { direction, until, left, .. }
            | Self::Delayed { direction, until, left }
            | Self::Watermark(
                watermark::Fact::Forbidden { direction, until, left }
                | watermark::Fact::Delayed { direction, until: Some(until), left },
            ) => (Some(direction), until, left),
            Self::Aibrix(aibrix::Fact::Cooled { direction, until, left_ms, .. }) => {
                (Some(direction), until, Duration::from_millis(left_ms))
            }
            Self::Knative(knative::Fact::Delayed { until, left } | knative::Fact::Panic { until, left, .. }) => {
                (Some(Direction::Down), until, left)
            }
            Self::Cooling { until, left }
            | Self::Nomad(nomad::Fact::Cooldown { until, left })
            | Self::Failure(
                failure::Fact::Quarantined { until, left, .. } | failure::Fact::LastGood { until, left, .. },
            ) => (None, until, left),
            _ => return None,
        };
        Some(Lasting { direction, until, left })
    }
}
