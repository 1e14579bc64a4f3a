//! What Knative's controller makes of a decision: bounds, the pods to begin with, and the way to zero and back.
//!
//! Knative: pkg/reconciler/autoscaling/kpa/scaler.go and kpa.go. No vector covers these: they can't be called from outside
//! the controller.

use std::time::Duration;

use super::cluster::ConfigMap;
use super::resolve::Resolved;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// What a revision's life goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The pods to begin with: no fewer until so many have once been ready.
    pub initial_scale: u32,
    /// The fewest pods.
    pub min: u32,
    /// The most, 0 for any number.
    pub max: u32,
    /// Whether requests can reach it.
    pub reachable: bool,
    /// Whether the last pod may go.
    pub scale_to_zero: bool,
    /// It is active for so long at least.
    pub stable_window: Duration,
    /// Requests go through the activator for so long before the last pod goes.
    pub grace_period: Duration,
    /// The last pod stays for so long after it isn't needed any more.
    pub pod_retention: Duration,
    /// What isn't ready after so long never will be.
    pub activation_timeout: Duration,
}

impl Rules {
    /// Those of a revision whose pods have `progress_deadline` to become ready; Knative's default is 600 s. Half a minute more
    /// goes by before it is given up.
    #[must_use]
    pub fn new(resolved: &Resolved, config: &ConfigMap, progress_deadline: Duration) -> Self {
        Self {
            initial_scale: resolved.initial_scale,
            min: resolved.min,
            max: resolved.max,
            reachable: resolved.spec.reachable,
            scale_to_zero: config.scale_to_zero,
            stable_window: resolved.spec.stable_window,
            grace_period: config.scale_to_zero_grace_period,
            pod_retention: resolved.pod_retention,
            activation_timeout: progress_deadline.saturating_add(Duration::from_secs(30)),
        }
    }
}

/// Whether a revision serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Its pods are on their way.
    Activating,
    /// It serves.
    Active,
    /// Nobody needs it.
    Inactive,
}

/// What the controller sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// [`Scaled::desired`](super::Scaled::desired) of the newest decision that could be made; none before the first.
    pub desired: Option<u32>,
    /// [`Scaled::excess_burst_capacity`](super::Scaled::excess_burst_capacity) of it.
    pub excess_burst_capacity: i32,
    /// The pods asked for.
    pub current: u32,
    /// The pods that are ready.
    pub ready: u32,
    /// Whether requests are known to go through the activator, which holds them while there is no pod.
    pub behind_activator: bool,
    /// Since when they are sent there.
    pub proxied_since: Option<Timestamp>,
}

/// What the controller does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// The pods to ask for; none: as it is.
    pub write: Option<u32>,
    /// The pods it wants, also where it waits before it asks for them; none where that isn't known.
    pub want: Option<u32>,
    /// Whether requests should go through the activator.
    pub through_activator: bool,
    /// When it should look again at the latest, because it waits for that.
    pub look_again: Option<Timestamp>,
}

/// One revision's life, as a state machine that takes the time as data.
///
/// ```
/// use std::time::Duration;
/// use setpoint::Timestamp;
/// use setpoint::knative::{Activity, Lifecycle, Rules, Seen};
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let rules = Rules {
///     initial_scale: 1, min: 0, max: 5, reachable: true, scale_to_zero: true,
///     stable_window: Duration::from_secs(60), grace_period: Duration::from_secs(30),
///     pod_retention: Duration::ZERO, activation_timeout: Duration::from_secs(630),
/// };
/// let mut revision = Lifecycle::new(at(0));
/// let idle = Seen {
///     desired: Some(0), excess_burst_capacity: 0, current: 2, ready: 2, behind_activator: true, proxied_since: None,
/// };
/// let busy = Seen { desired: Some(9), ..idle };
/// assert_eq!(revision.look(at(10), &busy, &rules).write, Some(5));
/// // Not needed: one pod stays until it was active for a stable window, and then for the grace period.
/// assert_eq!(revision.look(at(20), &idle, &rules).write, Some(1));
/// let idle = Seen { current: 1, ready: 1, ..idle };
/// assert_eq!((revision.look(at(70), &idle, &rules).write, revision.activity()), (None, Activity::Inactive));
/// let idle = Seen { proxied_since: Some(at(70)), ..idle };
/// assert_eq!(revision.look(at(99), &idle, &rules).write, None);
/// assert_eq!(revision.look(at(100), &idle, &rules).write, Some(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    activity: Activity,
    since: Timestamp,
    /// Whether as many pods as it was to begin with have once been ready.
    initialized: bool,
}

/// What comes of a wanted count.
enum Zero {
    Ask(u32),
    Wait { want: Option<u32>, until: Option<Timestamp> },
}

impl Lifecycle {
    /// A revision made at `at`.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self { activity: Activity::Activating, since: at, initialized: false }
    }

    /// Whether it serves.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.activity
    }

    /// Since when it is so.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// What to do at `now` about what was `seen`.
    pub fn look(&mut self, now: Timestamp, seen: &Seen, rules: &Rules) -> Due {
        let (mut write, mut look_again) = (None, None);
        let want = match self.zero(now, seen, rules) {
            None => None,
            Some(Zero::Ask(count)) => {
                write = (count != seen.current).then_some(count);
                if count == 1 && seen.desired == Some(0) && self.activity == Activity::Active {
                    look_again = Some(self.since + rules.stable_window);
                }
                Some(count)
            }
            Some(Zero::Wait { want, until }) => {
                look_again = until;
                want
            }
        };
        let through_activator = !(want.is_some_and(|want| want > 0) && seen.excess_burst_capacity >= 0);
        self.follow(now, want, seen.ready, rules);
        Due { write, want, through_activator, look_again: look_again.filter(|&at| at > now) }
    }

    /// Bounds, and what they leave of a way to zero.
    fn zero(&self, now: Timestamp, seen: &Seen, rules: &Rules) -> Option<Zero> {
        if seen.desired.is_none() && self.activity != Activity::Activating {
            return None;
        }
        let begins = !self.initialized && rules.reachable && rules.initial_scale > 1;
        let min = if begins { rules.min.max(rules.initial_scale) } else { rules.min };
        let max = if rules.max == 0 { u32::MAX } else { rules.max };
        let desired = seen.desired.unwrap_or(0);
        // The minimum goes before the maximum, as where more pods are to begin with than there may be.
        let bounded = if desired < min { min } else { desired.min(max) };
        if bounded > 0 {
            return Some(Zero::Ask(bounded));
        }
        if !rules.scale_to_zero {
            return Some(Zero::Ask(1));
        }
        let lasted = now.since(self.since);
        Some(match self.activity {
            Activity::Activating if lasted > rules.activation_timeout => Zero::Ask(0),
            Activity::Activating => Zero::Wait { want: None, until: Some(self.since + rules.activation_timeout) },
            Activity::Active if lasted >= rules.stable_window => Zero::Wait { want: Some(0), until: None },
            Activity::Active => Zero::Ask(1),
            Activity::Inactive => self.last_pod(now, seen, rules),
        })
    }

    fn last_pod(&self, now: Timestamp, seen: &Seen, rules: &Rules) -> Zero {
        let wait = |until| Zero::Wait { want: Some(0), until };
        if !seen.behind_activator {
            return wait(None);
        }
        let lasted = now.since(self.since);
        if lasted >= rules.grace_period.max(rules.pod_retention) {
            return Zero::Ask(0);
        }
        if lasted < rules.pod_retention {
            return wait(Some(self.since + rules.pod_retention));
        }
        let proxied = seen.proxied_since.map_or(Duration::ZERO, |since| now.since(since));
        match rules.grace_period.checked_sub(proxied) {
            Some(left) if !left.is_zero() => wait(Some(now + left)),
            _ => Zero::Ask(0),
        }
    }

    /// The activity that a look ends with.
    fn follow(&mut self, now: Timestamp, want: Option<u32>, ready: u32, rules: &Rules) {
        let least = if self.initialized { 1 } else { rules.initial_scale };
        let threshold = rules.min.max(least);
        self.initialized |= ready >= threshold;
        let wanted = want.is_some_and(|want| want > 0) || self.activity != Activity::Inactive;
        let activity = match want {
            Some(0) => Activity::Inactive,
            _ if threshold == 0 => Activity::Inactive,
            _ if !wanted => self.activity,
            _ if ready < threshold => Activity::Activating,
            _ => Activity::Active,
        };
        if activity != self.activity {
            (self.activity, self.since) = (activity, now);
        }
    }

    /// Appends what it remembers to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        state.push(self.activity as u8);
        state.extend(self.since.as_millis().to_le_bytes());
        state.push(u8::from(self.initialized));
    }

    /// What [`write`](Self::write) wrote.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no life writes.
    pub fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let activity = match reader.u8()? {
            0 => Activity::Activating,
            1 => Activity::Active,
            2 => Activity::Inactive,
            _ => return Err(reader.damaged("an activity is none")),
        };
        Ok(Self { activity, since: Timestamp::from_millis(reader.i64()?), initialized: reader.flag()? })
    }
}
