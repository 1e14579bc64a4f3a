//! What holds a proposal back: windows and rates.
//!
//! Kubernetes: pkg/controller/podautoscaler/horizontal.go, `stabilizeRecommendationWithBehaviors`,
//! `calculateScaleUpLimitWithScalingRules`, `calculateScaleDownLimitWithBehaviors`, and for an HPA without
//! `behavior` `stabilizeRecommendation` and `calculateScaleUpLimit`.

use std::hint::select_unpredictable;
use std::time::Duration;

use super::behavior::{Behavior, PolicyKind, Rate, Rules, SelectPolicy};
use super::history::{Changes, Lengths, Recommendations};
use super::metrics::{ceil, count};
use crate::observation::Action;
use crate::state::{StateError, StateReader};
use crate::time::{Timestamp, millis};
use crate::trace::{Direction, Effect};

/// The windows and rates of one workload, with what they remember.
#[derive(Clone, Debug)]
pub(crate) struct Restraint {
    how: How,
    recommendations: Recommendations,
    added: Changes,
    removed: Changes,
}

#[derive(Clone, Debug)]
enum How {
    /// An HPA without `behavior`: a window down, and at most twice the count up.
    Legacy { window: Duration },
    /// An HPA with it.
    Rules { up: Rules, down: Rules },
}

/// The longest period of each direction's policies: an older change is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    pub(crate) up: Duration,
    pub(crate) down: Duration,
}

/// How far a rate lets the count go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) replicas: i32,
    /// The policy that it comes from, and the count when that one's period began.
    policy: Option<(usize, i32)>,
}

impl Restraint {
    /// By the rules of `behavior`, or the older ones where there is none. `window` is how long to wait before
    /// scaling down where nothing else says so.
    pub(crate) fn new(behavior: Option<&Behavior>, window: Duration) -> Self {
        let how = behavior.map_or(How::Legacy { window }, |behavior| How::Rules {
            up: behavior.rules(Direction::Up, window),
            down: behavior.rules(Direction::Down, window),
        });
        Self {
            how,
            recommendations: Recommendations::default(),
            added: Changes::default(),
            removed: Changes::default(),
        }
    }

    /// Goes on by other rules.
    pub(crate) fn set_rules(&mut self, behavior: Option<&Behavior>, window: Duration) {
        self.how = Self::new(behavior, window).how;
    }

    pub(crate) const fn is_legacy(&self) -> bool {
        matches!(self.how, How::Legacy { .. })
    }

    pub(crate) fn seed(&mut self, now: Timestamp, current: f64) {
        self.recommendations.seed(now, current);
    }

    pub(crate) fn is_seeded(&self) -> bool {
        !self.recommendations.is_empty()
    }

    /// What the windows make of `proposal`, which is remembered as it came.
    #[inline]
    pub(crate) fn stabilize(&mut self, now: Timestamp, current: f64, proposal: f64) -> f64 {
        match &self.how {
            How::Legacy { window } => {
                let window = millis(*window);
                // An entry exactly as old as the window is long still counts.
                let lengths = Lengths { up: 0, down: window.saturating_add(1), old: window };
                // Whatever was the highest, also where that is a growth that the newest proposal doesn't ask for.
                self.recommendations.add(now, proposal, lengths).highest
            }
            How::Rules { up, down } => {
                let (up, down) = (millis(up.window), millis(down.window));
                let windows = self.recommendations.add(now, proposal, Lengths { up, down, old: up.max(down) });
                // From current, up as far as all agree, down no further than one allows.
                current.max(windows.lowest).min(windows.highest)
            }
        }
    }

    /// Why [`stabilize`](Self::stabilize) made `stabilized` of `proposal`, and until when it would again.
    pub(crate) fn why_stabilized(&self, now: Timestamp, proposal: f64, stabilized: f64) -> Effect {
        let (direction, window) = match &self.how {
            How::Rules { up, .. } if proposal > stabilized => (Direction::Up, up.window),
            How::Rules { down, .. } => (Direction::Down, down.window),
            How::Legacy { window } => (Direction::Down, *window),
        };
        // It lasts as long as the newest of the proposals that ask for no more, or no less, is in the window.
        let holder = self.recommendations.last_proposed(|need| match direction {
            Direction::Up => need <= stabilized,
            Direction::Down => need >= stabilized,
        });
        // An older HPA's entry still counts when it is exactly as old as the window is long.
        let inclusive = Duration::from_millis(u64::from(self.is_legacy()));
        let until = holder.unwrap_or(now) + window + inclusive;
        Effect::Stabilized { direction, until, left: until.since(now) }
    }

    /// The most that rates allow from `current`.
    #[inline]
    pub(crate) fn upper_limit(&self, now: Timestamp, current: i32) -> Limit {
        match &self.how {
            // Go: int32(math.Max(2 * float64(current), 4)).
            How::Legacy { .. } => Limit { replicas: current.saturating_mul(2).max(4), policy: None },
            How::Rules { up, .. } => self.limit(up, Direction::Up, now, current),
        }
    }

    /// The least that rates allow from `current`.
    #[inline]
    pub(crate) fn lower_limit(&self, now: Timestamp, current: i32) -> Limit {
        match &self.how {
            How::Legacy { .. } => Limit { replicas: i32::MIN, policy: None },
            How::Rules { down, .. } => self.limit(down, Direction::Down, now, current),
        }
    }

    #[inline]
    fn limit(&self, rules: &Rules, direction: Direction, now: Timestamp, current: i32) -> Limit {
        let start = |period_ms| {
            let edge = now.minus_millis(period_ms);
            current.wrapping_sub(self.added.after(edge)).wrapping_add(self.removed.after(edge))
        };
        select(rules, direction, current, start)
    }

    /// Why a rate stopped at `limit` on the way from `current`, and until when it would again.
    pub(crate) fn why_limited(&self, limit: Limit, direction: Direction, now: Timestamp, current: i32) -> Effect {
        let rules = match (&self.how, direction) {
            (How::Legacy { .. }, _) => return Effect::DoublingLimit { limit: limit.replicas },
            (How::Rules { up, .. }, Direction::Up) => up,
            (How::Rules { down, .. }, Direction::Down) => down,
        };
        let Some((index, start)) = limit.policy else {
            return Effect::DirectionDisabled { direction };
        };
        let policy = rules.rates[index].policy;
        let period = policy.period();
        let until = self.gives_way(rules, direction, now, current, limit.replicas).unwrap_or(now + period);
        let left = until.since(now);
        let (kind, value) = (policy.kind, policy.value);
        Effect::RateLimited { direction, policy: index, kind, value, period, start, until, left }
    }

    /// When the rates first let the count past `limit`, once it has come there from `current` and nothing else
    /// changes: a change leaves some policy's period then. None where that never lets it.
    fn gives_way(
        &self,
        rules: &Rules,
        direction: Direction,
        now: Timestamp,
        current: i32,
        limit: i32,
    ) -> Option<Timestamp> {
        let step = limit.wrapping_sub(current);
        let same = match direction {
            Direction::Up => &self.added,
            Direction::Down => &self.removed,
        };
        let changes = || same.times().chain([now]);
        let instants = || rules.rates.iter().flat_map(|rate| changes().map(|at| at + rate.policy.period()));
        let next = |after: Timestamp| instants().filter(|at| *at > after).min();
        std::iter::successors(next(now), |at| next(*at)).find(|at| {
            let start = |period_ms| {
                let edge = at.minus_millis(period_ms);
                let this = if now > edge { step } else { 0 };
                let changed = self.added.after(edge).wrapping_sub(self.removed.after(edge)).wrapping_add(this);
                limit.wrapping_sub(changed)
            };
            let later = select(rules, direction, limit, start).replicas;
            match direction {
                Direction::Up => later > limit,
                Direction::Down => later < limit,
            }
        })
    }

    /// How long changes have to be remembered. Without `behavior` nobody will ask for them.
    pub(crate) fn periods(&self) -> Option<Periods> {
        match &self.how {
            How::Legacy { .. } => None,
            How::Rules { up, down } => Some(Periods { up: up.longest_period, down: down.longest_period }),
        }
    }

    /// Remembers a change that was made under rules with the longest `periods`.
    pub(crate) fn record(&mut self, action: Action, periods: Option<Periods>) {
        let Some(Periods { up, down }) = periods else {
            return;
        };
        let (from, to) = (count(action.from), count(action.to));
        if to > from {
            self.added.record(action.at, to - from, up);
        } else {
            self.removed.record(action.at, from - to, down);
        }
    }

    pub(crate) fn write(&self, state: &mut Vec<u8>) {
        self.recommendations.write(state);
        self.added.write(state);
        self.removed.write(state);
    }

    /// The same rules with the memory that `reader` holds.
    pub(crate) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let (recommendations, added, removed) = read_memory(reader)?;
        Ok(Self { how: self.how.clone(), recommendations, added, removed })
    }
}

/// What the policies of one direction allow from `current`; `start` tells the count as a period of so many
/// milliseconds began.
#[inline]
fn select(rules: &Rules, direction: Direction, current: i32, start: impl Fn(i64) -> i32) -> Limit {
    // The most change is the highest limit on the way up, and the lowest on the way down.
    let want_higher = match (rules.select, direction) {
        (SelectPolicy::Disabled, _) => return Limit { replicas: current, policy: None },
        (SelectPolicy::Max, Direction::Up) | (SelectPolicy::Min, Direction::Down) => true,
        (SelectPolicy::Min, Direction::Up) | (SelectPolicy::Max, Direction::Down) => false,
    };
    // The extreme, the policy that it comes from, and the count when that one's period began.
    let mut chosen = (if want_higher { i32::MIN } else { i32::MAX }, 0, current);
    let mut since = (0, current);
    for (index, rate) in rules.rates.iter().enumerate() {
        // Most policies of a direction have one period.
        if since.0 != rate.period_ms {
            since = (rate.period_ms, start(rate.period_ms));
        }
        let replicas = rate.limit(direction, since.1);
        let better = if want_higher { replicas > chosen.0 } else { replicas < chosen.0 };
        chosen = select_unpredictable(better | (index == 0), (replicas, index, since.1), chosen);
    }
    let (replicas, index, start) = chosen;
    // A checked behavior has a policy; without one nothing is limited.
    let policy = (!rules.rates.is_empty()).then_some((index, start));
    // Overdrawn, as after a correction to the bounds: it waits, and takes nothing back.
    let replicas = match direction {
        Direction::Up => replicas.max(current),
        Direction::Down => replicas.min(current),
    };
    Limit { replicas, policy }
}

/// What [`Restraint::write`] wrote.
pub(crate) fn read_memory(reader: &mut StateReader<'_>) -> Result<(Recommendations, Changes, Changes), StateError> {
    Ok((Recommendations::read(reader)?, Changes::read(reader)?, Changes::read(reader)?))
}

impl Rate {
    /// How far this policy lets the count go, when there were `start` replicas as its period began.
    #[inline]
    fn limit(&self, direction: Direction, start: i32) -> i32 {
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, where Go leaves it to the machine")]
        match (self.policy.kind, direction) {
            (PolicyKind::Pods, Direction::Up) => start.wrapping_add(self.policy.value),
            (PolicyKind::Pods, Direction::Down) => start.wrapping_sub(self.policy.value),
            // Up is rounded up, or 10 % of 4 would never add one: and 100 + 10 % is 110.00000000000001, so 111.
            (PolicyKind::Percent, Direction::Up) => ceil(f64::from(start) * self.factor),
            // Down is cut off: 80 % off 20 leaves 3.999999999999999, so 3.
            (PolicyKind::Percent, Direction::Down) => (f64::from(start) * self.factor) as i32,
        }
    }
}
