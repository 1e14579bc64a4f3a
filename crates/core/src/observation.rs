//! One look at a workload.

use crate::bounds::Bounds;
use crate::instance::InstanceState;
use crate::metric::Reading;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::units::Tolerances;

/// One look at a workload at one instant. It borrows, so that taking one costs nothing.
///
/// ```
/// use setpoint::{Observation, Reading, Timestamp};
/// let readings = [Reading::Value(620.0), Reading::Missing("scrape failed")];
/// let observation = Observation::new(Timestamp::from_millis(0), 4, &readings);
/// assert_eq!(observation.ready, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation<'a> {
    /// When the look was taken.
    pub now: Timestamp,
    /// How many replicas are asked for.
    pub current: u32,
    /// How many there are, in whatever state: what Kubernetes reports as `status.replicas`.
    pub existing: u32,
    /// How many of them serve. The rest are starting, or failing.
    pub ready: u32,
    /// What the manager will clamp to. An algorithm may look; it can't get outside.
    pub bounds: Bounds,
    /// One reading a metric, in the order in which the policy lists its metrics.
    pub readings: &'a [Reading<'a>],
    /// Each instance's state, where the source tells. [`Reading::Samples`] are in this order.
    pub instances: Option<&'a [InstanceState]>,
    /// The last change asked for. The manager fills it in where the caller doesn't: see
    /// [`AlgorithmManager::decide`](crate::AlgorithmManager::decide).
    pub last_action: Option<Action>,
    /// Tolerances that a stage asks the algorithm inside it to use in place of its own, down and up.
    pub(crate) tolerances: (Option<f64>, Option<f64>),
}

/// A change of the replicas that was asked for, and how that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// The replicas there were.
    pub from: u32,
    /// The replicas asked for.
    pub to: u32,
    /// Whether they are asked for now: false when the workload's owner refused or could not be reached.
    pub applied: bool,
}

impl<'a> Observation<'a> {
    /// A look at `now` with `current` replicas, all of them there and ready.
    #[must_use]
    pub const fn new(now: Timestamp, current: u32, readings: &'a [Reading<'a>]) -> Self {
        Self {
            now,
            current,
            existing: current,
            ready: current,
            bounds: Bounds::UNBOUNDED,
            readings,
            instances: None,
            last_action: None,
            tolerances: (None, None),
        }
    }

    /// The same with `ready` of the replicas serving.
    #[must_use]
    pub const fn with_ready(mut self, ready: u32) -> Self {
        self.ready = ready;
        self
    }

    /// The same with `existing` replicas, in whatever state.
    #[must_use]
    pub const fn with_existing(mut self, existing: u32) -> Self {
        self.existing = existing;
        self
    }

    /// The same with each instance's state.
    #[must_use]
    pub const fn with_instances(mut self, instances: &'a [InstanceState]) -> Self {
        self.instances = Some(instances);
        self
    }

    /// The same after `action`.
    #[must_use]
    pub const fn with_last_action(mut self, action: Option<Action>) -> Self {
        self.last_action = action;
        self
    }

    /// The same within `bounds`. The manager does this for its workloads.
    #[must_use]
    pub const fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The same with other readings, for an algorithm that sees only some of them.
    #[must_use]
    pub const fn with_readings<'b>(self, readings: &'b [Reading<'b>]) -> Observation<'b>
    where
        'a: 'b,
    {
        Observation { readings, ..self }
    }

    pub(crate) const fn with_tolerances(mut self, (down, up): (Option<f64>, Option<f64>)) -> Self {
        if down.is_some() {
            self.tolerances.0 = down;
        }
        if up.is_some() {
            self.tolerances.1 = up;
        }
        self
    }

    /// `own`, unless a stage asks for others.
    #[inline]
    pub(crate) fn tolerances(&self, own: Tolerances) -> Tolerances {
        let (down, up) = self.tolerances;
        Tolerances { down: down.unwrap_or(own.down), up: up.unwrap_or(own.up) }
    }
}

/// Notices each change once, for those who remember them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noticed(Option<Action>);

impl Noticed {
    /// The last change, if it was made and is another than the one before.
    #[inline]
    pub(crate) fn new_in(&mut self, look: &Observation<'_>) -> Option<Action> {
        let action = look.last_action.as_ref()?;
        // Most looks bring the change that is known: then nothing is written.
        if !action.applied || action.from == action.to || self.0.as_ref() == Some(action) {
            return None;
        }
        self.0 = Some(*action);
        self.0
    }

    pub(crate) fn write(self, state: &mut Vec<u8>) {
        Action::write(self.0, state);
    }

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        Action::read(reader).map(Self)
    }
}

impl Action {
    /// As much of it as has happened when there are `current` replicas: none while nothing of it has, nor where
    /// the count has gone elsewhere.
    pub(crate) fn reached(self, current: u32) -> Option<Self> {
        let Self { from, to, .. } = self;
        let on_its_way = (from < current && current <= to) || (to <= current && current < from);
        on_its_way.then_some(Self { to: current, ..self })
    }

    /// Into a state, without whether it was made: that is for the next look to tell.
    pub(crate) fn write(action: Option<Self>, state: &mut Vec<u8>) {
        state.push(u8::from(action.is_some()));
        if let Some(Self { at, from, to, .. }) = action {
            state.extend(at.as_millis().to_le_bytes());
            state.extend(from.to_le_bytes());
            state.extend(to.to_le_bytes());
        }
    }

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Option<Self>, StateError> {
        if !reader.flag()? {
            return Ok(None);
        }
        let at = Timestamp::from_millis(reader.i64()?);
        Ok(Some(Self { at, from: reader.u32()?, to: reader.u32()?, applied: true }))
    }
}
