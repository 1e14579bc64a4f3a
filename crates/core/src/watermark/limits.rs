//! How far one step may go: velocity caps and bounds.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go,
//! `convertDesiredReplicasWithRules`.

use serde::Serialize;

use super::spec::Rules;
use crate::hpa::metrics::count;

use super::replicas::Situation;

/// What cut a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// `scaleUpLimitFactor`.
    Up,
    /// `scaleDownLimitFactor`.
    Down,
    /// `scaleDownLimitFactor` allows no fewer than are ready, so the scale-down was given up.
    GivenUp,
    /// `minReplicas`.
    Min,
    /// `maxReplicas`.
    Max,
    /// One replica: with `minReplicas` 0 the last one is never taken away.
    One,
}

/// A count within its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) replicas: i32,
    /// What cut it; none where nothing did.
    pub(super) by: Option<Limit>,
}

impl Rules {
    /// The most that one step may lead to: a percentage more, and at least one more.
    #[inline]
    pub(super) fn up_limit(&self, current: i32) -> i32 {
        stepped(current, self.up_limit, 1.0)
    }

    /// The fewest.
    #[inline]
    pub(super) fn down_limit(&self, current: i32) -> i32 {
        stepped(current, self.down_limit, -1.0)
    }

    /// `desired` within caps and bounds.
    #[inline]
    pub(super) fn limit(&self, desired: i32, ready: i32, situation: Situation) -> Limited {
        let Situation { current, bounds } = situation;
        let (min, max) = (count(bounds.min()), count(bounds.max()));
        // A cap is only reached in its own direction.
        let down_limit = if desired < current { self.down_limit(current) } else { current };
        let (least, by) = if self.exact && min == 0 {
            // Without a minimum the controller caps nothing on the way down.
            (1, Limit::One)
        } else if desired < down_limit {
            match down_limit.max(min) {
                capped if ready < capped && ready > 0 => (current, Limit::GivenUp),
                capped => (capped, Limit::Down),
            }
        } else if min == 0 {
            (1, Limit::One)
        } else {
            (min, Limit::Min)
        };
        if desired < least {
            return Limited { replicas: least, by: Some(by) };
        }
        let up_limit = if desired > current { self.up_limit(current) } else { current };
        let (most, by) = if desired > up_limit { (up_limit.min(max), Limit::Up) } else { (max, Limit::Max) };
        if desired > most {
            return Limited { replicas: most, by: Some(by) };
        }
        Limited { replicas: desired, by: None }
    }
}

/// `limit` is in thousandths of a percent. Saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "`as` saturates, as far as it matters"
)]
#[inline]
fn stepped(current: i32, limit: i64, direction: f64) -> i32 {
    if limit == 0 {
        return current;
    }
    let current = f64::from(current);
    // A whole number of replicas, cut off, and never less than one.
    let step = ((super::pods::float(limit) / 1000.0 * current / 100.0) as i64 as f64).max(1.0);
    (current + direction * step) as i32
}
