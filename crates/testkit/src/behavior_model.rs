//! What an HPA's `behavior` allows, by its definition: slow, and meant to be checked by reading.

use setpoint::Behavior;
use setpoint::hpa::{PolicyKind, ScalingRules, SelectPolicy};

/// One workload under one `behavior`, with all that ever happened to it. Times are in milliseconds.
///
/// A look at `now`, with `current` replicas and a new `proposal`, allows:
///
/// 1. **Windows.** Counted are the new proposal and each earlier one `at > now - window`; the count at the first
///    look is an earlier one too. From `current`, up to the lowest of the up window and down to the highest of the
///    down window.
/// 2. **Rates.** A policy starts from the count that there was when its period began: `current`, less what was
///    added and plus what was removed `at > now - period`. It lets the count get to start + value or start - value
///    (`Pods`), or to start · (1 + value/100), rounded up, or start · (1 - value/100), cut off (`Percent`).
///    Of several policies `Max` takes the one with the largest change from `current`, `Min` the one with the
///    smallest, and `Disabled` stands for no change. No change is ever in the other direction.
///
/// The history is whole, but one thing that Kubernetes forgets has to be forgotten here too. It keeps what was added
/// in a list of places, and what was removed in another. A change takes the last place whose holder is older than all
/// periods *of its direction*, or else a new place. So a holder is lost to the policies of the other direction, whose
/// periods may be longer. Proposals are overwritten only when both windows have passed them: with the same rules
/// throughout, as here, nobody can tell.
///
/// The fields are public so that a test can spoil them.
#[derive(Clone, Debug)]
pub struct Model {
    /// On the way up.
    pub up: Rules,
    /// On the way down.
    pub down: Rules,
    proposals: Vec<(i64, i64)>,
    added: Vec<Change>,
    removed: Vec<Change>,
}

/// The rules of one direction.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a proposal counts.
    pub window: i64,
    /// Which policy decides.
    pub select: SelectPolicy,
    /// At least one.
    pub policies: Vec<Policy>,
    /// The longest period of the policies.
    pub longest: i64,
}

/// How much may change in how long.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Replicas, or percent.
    pub kind: PolicyKind,
    /// How many.
    pub value: i32,
    /// In how long.
    pub period: i64,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    at: i64,
    replicas: i64,
    place: usize,
}

impl Model {
    /// Nothing has happened yet. What `behavior` leaves out has the defaults of autoscaling/v2.
    #[must_use]
    pub fn new(behavior: &Behavior) -> Self {
        let policy = |kind, value| Policy { kind, value, period: 15_000 };
        let up = [policy(PolicyKind::Pods, 4), policy(PolicyKind::Percent, 100)];
        let down = [policy(PolicyKind::Percent, 100)];
        Self {
            up: Rules::new(behavior.scale_up.as_ref(), 0, &up),
            down: Rules::new(behavior.scale_down.as_ref(), 300, &down),
            proposals: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// The count allowed at `now`, when there are `current` and `proposal` are wanted.
    pub fn allow(&mut self, now: i64, current: u32, proposal: u32) -> i64 {
        let (current, proposal) = (i64::from(current), i64::from(proposal));
        if self.proposals.is_empty() {
            self.proposals.push((now, current));
        }
        let (mut lowest, mut highest) = (proposal, proposal);
        for &(at, earlier) in &self.proposals {
            if at > now - self.up.window {
                lowest = lowest.min(earlier);
            }
            if at > now - self.down.window {
                highest = highest.max(earlier);
            }
        }
        self.proposals.push((now, proposal));

        if lowest > current {
            lowest.min(current + self.largest_step_up(now, current))
        } else if highest < current {
            highest.max(current - self.largest_step_down(now, current))
        } else {
            current
        }
    }

    /// Remembers that the count was changed at `at`.
    pub fn change(&mut self, at: i64, from: u32, to: u32) {
        let replicas = i64::from(to.abs_diff(from));
        let (changes, longest) =
            if to > from { (&mut self.added, self.up.longest) } else { (&mut self.removed, self.down.longest) };
        let places = changes.iter().map(|change| change.place + 1).max().unwrap_or(0);
        let mut place = places;
        for taken in 0..places {
            let holder = changes.iter().rfind(|change| change.place == taken).expect("places are taken in order");
            if holder.at < at - longest {
                place = taken;
            }
        }
        changes.push(Change { at, replicas, place });
    }

    fn largest_step_up(&self, now: i64, current: i64) -> i64 {
        let mut steps = Vec::new();
        for policy in &self.up.policies {
            let start = self.start(now, current, policy.period);
            let highest = match policy.kind {
                PolicyKind::Pods => start + i64::from(policy.value),
                // In doubles, as Kubernetes does it: 100 + 10 % is 111.
                PolicyKind::Percent => (start as f64 * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i64,
            };
            steps.push(highest - current);
        }
        selected(self.up.select, &steps)
    }

    fn largest_step_down(&self, now: i64, current: i64) -> i64 {
        let mut steps = Vec::new();
        for policy in &self.down.policies {
            let start = self.start(now, current, policy.period);
            let lowest = match policy.kind {
                PolicyKind::Pods => start - i64::from(policy.value),
                // And 20 - 80 % is 3.
                PolicyKind::Percent => (start as f64 * (1.0 - f64::from(policy.value) / 100.0)).trunc() as i64,
            };
            steps.push(current - lowest);
        }
        selected(self.down.select, &steps)
    }

    /// The count when the `period` that ends `now` began.
    fn start(&self, now: i64, current: i64, period: i64) -> i64 {
        current - sum_since(now - period, &self.added) + sum_since(now - period, &self.removed)
    }
}

/// What was changed after `edge`, but for what Kubernetes has forgotten.
fn sum_since(edge: i64, changes: &[Change]) -> i64 {
    let mut sum = 0;
    for (index, change) in changes.iter().enumerate() {
        let forgotten = changes[index + 1..].iter().any(|later| later.place == change.place);
        if change.at > edge && !forgotten {
            sum += change.replicas;
        }
    }
    sum
}

/// The step of the policy that decides. A negative one would be in the other direction.
fn selected(select: SelectPolicy, steps: &[i64]) -> i64 {
    let step = match select {
        SelectPolicy::Max => steps.iter().max(),
        SelectPolicy::Min => steps.iter().min(),
        SelectPolicy::Disabled => None,
    };
    step.copied().unwrap_or(0).max(0)
}

impl Rules {
    fn new(given: Option<&ScalingRules>, window_seconds: u32, policies: &[Policy]) -> Self {
        let given = given.cloned().unwrap_or_default();
        let milliseconds = |seconds| i64::from(seconds) * 1000;
        let policies: Vec<Policy> = match given.policies {
            Some(own) => own
                .iter()
                .map(|own| Policy { kind: own.kind, value: own.value, period: milliseconds(own.period_seconds) })
                .collect(),
            None => policies.to_vec(),
        };
        Self {
            window: milliseconds(given.stabilization_window_seconds.unwrap_or(window_seconds)),
            select: given.select_policy.unwrap_or(SelectPolicy::Max),
            longest: policies.iter().map(|policy| policy.period).max().unwrap_or(0),
            policies,
        }
    }
}
