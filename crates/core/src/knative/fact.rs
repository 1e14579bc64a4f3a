//! What Knative's autoscaler tells of a decision.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::metric::Metric;
use crate::time::Timestamp;
use crate::trace::{Direction, Short, millis};

/// A step of a Knative decision. Metrics are numbered as the policy lists them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// What the averages need. Several metrics stand beside each other: each begins at the current count.
    Averages {
        /// The metric.
        metric: usize,
        /// Its stable average, in total over all replicas.
        stable: f64,
        /// Over so long.
        #[serde(rename = "stable_window_ms", serialize_with = "millis")]
        stable_window: Duration,
        /// Its panic average.
        panic: f64,
        /// Over so long.
        #[serde(rename = "panic_window_ms", serialize_with = "millis")]
        panic_window: Duration,
        /// What a replica should have.
        target: f64,
        /// The replicas that the panic average needs.
        panic_need: f64,
    },
    /// The ready replicas allow no more in one decision, or no fewer.
    ReadyLimit {
        /// Which way it was to go.
        direction: Direction,
        /// The most, or the fewest.
        limit: f64,
        /// The replicas that are ready.
        ready: u32,
    },
    /// Any need at all is raised to the activation scale.
    ActivationScale,
    /// Panic: nothing is taken away, and the panic average counts too.
    Panic {
        /// How it came to it.
        event: PanicEvent,
        /// The replicas that the panic average needs.
        need: f64,
        /// The replicas that are ready, at least 1.
        ready: u32,
        /// Panic begins where so many times the ready replicas are needed.
        threshold: f64,
        /// When it ends, if it gets no more cause.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// A stable window has passed without a cause to panic.
    PanicEnded,
    /// A larger count is held until the scale-down delay has passed.
    Delayed {
        /// When the largest leaves the delay.
        #[serde(rename = "until_ms")]
        until: Timestamp,
        /// How long that is from now.
        #[serde(rename = "left_ms", serialize_with = "millis")]
        left: Duration,
    },
    /// What is left of the capacity after load and burst. Negative: Knative puts its activator in front.
    ExcessBurst {
        /// So much of the metric.
        capacity: i32,
        /// The burst to hold capacity for.
        burst: f64,
    },
}

/// How a panic came to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PanicEvent {
    /// It began with it, or before anything was known of the load.
    Began,
    /// It got another cause.
    Extended,
    /// It goes on.
    Continued,
}

impl Fact {
    pub(crate) fn metric_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Averages { metric, .. } => Some(metric),
            _ => None,
        }
    }

    /// In words, for a reason that ends at `to`.
    pub(crate) fn write(self, f: &mut fmt::Formatter<'_>, metrics: &[Metric], to: f64) -> fmt::Result {
        let span = |span: Duration| humantime::format_duration(span);
        match self {
            Self::Averages { metric, stable, stable_window, panic, panic_window, target, panic_need } => {
                let name = metrics.get(metric).map_or("a metric", |metric| metric.name.as_str());
                let (stable_window, panic_window) = (span(stable_window), span(panic_window));
                write!(
                    f,
                    "{name} averages {} in {stable_window} and {} in {panic_window}",
                    Short(stable),
                    Short(panic)
                )?;
                write!(f, ", of which {} a replica: {} and {}", Short(target), Short(to), Short(panic_need))
            }
            Self::ReadyLimit { direction, limit, ready } => {
                let side = if direction == Direction::Up { "most" } else { "least" };
                write!(f, "at {side} {} in one step from {ready} ready", Short(limit))
            }
            Self::ActivationScale => write!(f, "if any, then {}", Short(to)),
            Self::Panic { event, need, ready, threshold, left, .. } => {
                match event {
                    PanicEvent::Continued => write!(f, "panic goes on")?,
                    PanicEvent::Began | PanicEvent::Extended => {
                        let verb = if event == PanicEvent::Began { "begins" } else { "is extended" };
                        write!(
                            f,
                            "panic {verb}: {} needed is {} times the {ready} ready",
                            Short(need),
                            Short(threshold)
                        )?;
                        f.write_str(" or more")?;
                    }
                }
                write!(f, "; no fewer than {} for {}", Short(to), span(left))
            }
            Self::PanicEnded => f.write_str("panic ends: a stable window has passed without a cause"),
            Self::Delayed { left, .. } => {
                write!(f, "{} was wanted within the scale-down delay, and holds for {} more", Short(to), span(left))
            }
            Self::ExcessBurst { capacity, burst } if capacity < 0 => {
                write!(f, "short of capacity for a burst of {} by {}", Short(burst), capacity.unsigned_abs())
            }
            Self::ExcessBurst { capacity, burst } => {
                write!(f, "capacity for a burst of {}, and {capacity} more", Short(burst))
            }
        }
    }
}
