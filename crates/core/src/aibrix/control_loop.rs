//! A reconciliation of a PodAutoscaler, as a pure state machine.
//!
//! AIBrix: pkg/controller/podautoscaler/podautoscaler_controller.go, `computeScaleDecision`.

use std::fmt;

use super::NAME;
use super::autoscaler::{self, Autoscaler, Input, Look, Track, Verdict};
use super::collected::Collected;
use super::spec::{Spec, Strategy};
use super::window::Lengths;
use crate::bounds::{Bounds, BoundsError};
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::{Direction, Effect, Reason, Trace};

/// One PodAutoscaler of the strategy APA or KPA, exactly as AIBrix has it. It does no I/O.
///
/// ```
/// use setpoint::aibrix::{Collected, ControlLoop, MetricSource, Spec, Strategy};
/// use setpoint::{Timestamp, Trace};
///
/// let metrics = vec![MetricSource { name: "cache".into(), target: Some(50.0) }];
/// let mut autoscaler = ControlLoop::new(&Spec::new(Strategy::Apa, 1, 10, metrics))?;
/// let pods = Collected::of_pods(&[Some(90.0), None, Some(60.0)]);
/// let decision = autoscaler.decide(Timestamp::from_millis(10_000), 3, &[pods], &mut Trace::off())?;
/// assert_eq!((decision.desired, decision.reason.to_string().as_str()), (5, "apa above target"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ControlLoop {
    autoscaler: Autoscaler,
    strategy: Strategy,
    bounds: Bounds,
    /// Of the autoscaler's tracks: a metric that comes back finds its windows.
    names: Vec<String>,
    /// Each metric's track and target.
    metrics: Vec<(usize, Option<f64>)>,
}

/// What a reconciliation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The replicas there should be.
    pub desired: u32,
    /// Whether they are to be written.
    pub scale: bool,
    /// Why, as AIBrix says it.
    pub reason: DecisionReason,
}

/// Why a count is to change, or not to. [`Display`](fmt::Display) says it in AIBrix's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecisionReason {
    /// There are no replicas, and the minimum isn't 0.
    Disabled,
    /// There are more than the maximum.
    AboveMax,
    /// There are fewer than the minimum.
    BelowMin,
    /// More are needed.
    AboveTarget(Strategy),
    /// Fewer are needed.
    AllBelowTarget,
    /// Nothing changes.
    Stable,
}

impl fmt::Display for DecisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "scaling disabled: current replicas is 0",
            Self::AboveMax => "current replicas exceed maximum",
            Self::BelowMin => "current replicas below minimum",
            Self::AboveTarget(strategy) => return write!(f, "{} above target", strategy.as_str()),
            Self::AllBelowTarget => "All metrics below target",
            Self::Stable => "stable",
        })
    }
}

/// No metric could be had: there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {metrics} metrics failed")]
pub struct AllFailed {
    /// How many there are.
    pub metrics: usize,
}

impl ControlLoop {
    const STATE_VERSION: u8 = 1;

    /// A new PodAutoscaler, without a past.
    ///
    /// # Errors
    ///
    /// [`BoundsError`] for bounds that no PodAutoscaler can have.
    pub fn new(spec: &Spec) -> Result<Self, BoundsError> {
        let mut new = Self {
            autoscaler: Autoscaler::new(spec.strategy, true, spec.settings, lengths(spec), 0),
            strategy: spec.strategy,
            bounds: Bounds::new(spec.min, spec.max)?,
            names: Vec::new(),
            metrics: Vec::new(),
        };
        new.set_spec(spec)?;
        Ok(new)
    }

    /// Another spec, from the next decision on. What was recommended stays; windows stay if their lengths do.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); then nothing has changed.
    pub fn set_spec(&mut self, spec: &Spec) -> Result<(), BoundsError> {
        self.bounds = Bounds::new(spec.min, spec.max)?;
        self.strategy = spec.strategy;
        let names = &mut self.names;
        let track = |name: &str| {
            names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            })
        };
        let mut track = track;
        self.metrics = spec.metrics.iter().map(|metric| (track(&metric.name), metric.target)).collect();
        self.autoscaler.reconfigure(spec.strategy, spec.settings, lengths(spec), self.names.len());
        Ok(())
    }

    /// A reconciliation at `now` with `current` replicas, by what was collected of each metric of the spec. Of a metric
    /// without an answer here nothing was.
    ///
    /// # Errors
    ///
    /// [`AllFailed`] when no metric could be had. Windows remember the look all the same.
    pub fn decide(
        &mut self,
        now: Timestamp,
        current: u32,
        collected: &[Collected],
        trace: &mut Trace,
    ) -> Result<Decision, AllFailed> {
        let tolerances = self.autoscaler.tolerances();
        let look = Look { now, current, bounds: self.bounds, tolerances, stage: NAME };
        let metrics = &self.metrics;
        let input = |metric: usize, _: &mut Trace| {
            let (track, target) = metrics[metric];
            Input { track, collected: collected.get(metric).copied().unwrap_or(Collected::Failed), target }
        };
        let desired = match self.autoscaler.decide(&look, metrics.len(), input, trace) {
            Verdict::Disabled => {
                return Ok(Decision { desired: 0, scale: false, reason: DecisionReason::Disabled });
            }
            Verdict::OutsideBounds(desired) => {
                let (from, to) = (f64::from(current), f64::from(desired));
                trace.push(|| Reason::new(NAME, from, to, Effect::OutsideBounds));
                let reason = if desired < current { DecisionReason::AboveMax } else { DecisionReason::BelowMin };
                return Ok(Decision { desired, scale: true, reason });
            }
            Verdict::Failed => return Err(AllFailed { metrics: self.metrics.len() }),
            Verdict::ShrinkBlocked => current,
            Verdict::Desired(desired) => self.bound(desired, trace),
        };
        let reason = match desired.cmp(&current) {
            std::cmp::Ordering::Greater => DecisionReason::AboveTarget(self.strategy),
            std::cmp::Ordering::Less => DecisionReason::AllBelowTarget,
            std::cmp::Ordering::Equal => DecisionReason::Stable,
        };
        Ok(Decision { desired, scale: desired != current, reason })
    }

    /// What an earlier recommendation comes to under the bounds there are now.
    fn bound(&self, desired: i32, trace: &mut Trace) -> u32 {
        let counted = desired.max(0).unsigned_abs();
        let bounded = self.bounds.clamp(counted);
        if bounded != counted {
            let direction = if bounded > counted { Direction::Up } else { Direction::Down };
            trace.push(|| Reason::new(NAME, f64::from(desired), f64::from(bounded), Effect::Bounded { direction }));
        }
        bounded
    }

    /// Appends what it remembers to `state`. AIBrix forgets it at a restart.
    pub fn snapshot(&self, state: &mut Vec<u8>) {
        state.push(Self::STATE_VERSION);
        self.autoscaler.write(state);
        let tracks = self.autoscaler.tracks();
        state.extend(u32::try_from(tracks.len()).expect("fewer than 2^32 metrics").to_le_bytes());
        for (name, track) in self.names.iter().zip(tracks) {
            autoscaler::write_name(name, state);
            track.write(state);
        }
    }

    /// Puts back what [`snapshot`](Self::snapshot) took out; metrics find their windows by name. On an error nothing has
    /// changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are no such state.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        let mut autoscaler = self.autoscaler.read(&mut reader)?;
        let (mut names, mut tracks) = (Vec::new(), Vec::new());
        for _ in 0..reader.u32()? {
            let name = autoscaler::read_name(&mut reader)?;
            if names.contains(&name) {
                return Err(reader.damaged("two metrics have one name"));
            }
            names.push(name);
            tracks.push(Track::read(&mut reader)?);
        }
        reader.end()?;
        let own: Vec<&str> = self.metrics.iter().map(|&(track, _)| self.names[track].as_str()).collect();
        let mut slots = Vec::with_capacity(own.len());
        for name in own {
            slots.push(names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                tracks.push(Track::default());
                names.len() - 1
            }));
        }
        autoscaler.set_tracks(tracks);
        for (metric, slot) in self.metrics.iter_mut().zip(slots) {
            metric.0 = slot;
        }
        (self.autoscaler, self.names) = (autoscaler, names);
        Ok(())
    }
}

fn lengths(spec: &Spec) -> Lengths {
    Lengths { observe: spec.observe_window_seconds, panic: Some(spec.panic_window_seconds) }
}
