//! Checks, and the vote of all of them.
//!
//! Nomad Autoscaler: policy/check.go, `runCheckAndCapCount` and `getNewCountFromStrategy`; policy/handler.go,
//! `calculateNewCount`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::fact::{Fact, Why};
use super::strategy::{Judgement, Strategy};
use super::vote::{Direction, Tally, Vote};
use super::written::StrategyError;
use crate::bounds::MAX_REPLICAS;
use crate::trace::{Effect, Hold, Reason, Trace};

/// What becomes of a decision when one of its checks fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// The others decide, and nothing is taken away: what can't be seen may be what needs the replicas.
    BlockScaleDown,
    /// The others decide, as if the check were not there: what Nomad's documents promise of `ignore`. What Nomad does,
    /// and `exact` too, is to count it as a vote for none.
    Ignore,
    /// There is no decision: the policy's declared fallback answers.
    Fail,
}

/// One check of a policy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// Whose vote it is part of; empty: of all those without a group.
    pub group: String,
    /// Which of the policy's queries it looks at; none for a strategy that needs none.
    pub query: Option<usize>,
    /// What becomes of the decision when it fails; none: what the policy says.
    pub on_error: Option<OnError>,
    /// How it votes; an error fails it each time.
    pub strategy: Result<Strategy, StrategyError>,
}

impl Check {
    /// A check of `query`, without a group.
    #[must_use]
    pub fn new(name: impl Into<String>, query: Option<usize>, strategy: Strategy) -> Self {
        Self::written(name, query, Ok(strategy))
    }

    /// A check whose strategy may be a broken one: see [`Written`](super::Written).
    #[must_use]
    pub fn written(name: impl Into<String>, query: Option<usize>, strategy: Result<Strategy, StrategyError>) -> Self {
        Self { name: name.into(), group: String::new(), query, on_error: None, strategy }
    }

    /// The same in a group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// The same with its own answer to failures.
    #[must_use]
    pub fn on_error(mut self, on_error: impl Into<Option<OnError>>) -> Self {
        self.on_error = on_error.into();
        self
    }
}

/// What a vote came to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Action {
    /// The check that won.
    pub check: usize,
    /// Which way its vote goes, before it is capped.
    pub direction: Direction,
    /// The count.
    pub count: i64,
    /// The count before it was capped, where that changed it.
    pub uncapped: Option<i64>,
    /// What the vote comes from.
    pub why: Why,
}

impl Action {
    /// In Nomad's words.
    ///
    /// ```
    /// use setpoint::nomad::{Action, Strategy, TargetValue};
    /// # use setpoint::nomad::{Check, Handler, Query, Spec, Target};
    /// # let check = Check::new("cpu", Some(0), Strategy::TargetValue(TargetValue::new(50.0)));
    /// # let mut handler = Handler::new(Spec::new(1, 10, vec![check]));
    /// # let plan = handler.plan(Default::default(), Target::Ready(3), &[Query::Points(&[83.0])], &mut setpoint::Trace::off());
    /// let action: Action = plan.action.unwrap();
    /// assert_eq!(action.reason(), "scaling up because factor is 1.660000");
    /// ```
    #[must_use]
    pub fn reason(&self) -> String {
        match self.uncapped {
            Some(from) => format!("capped count from {from} to {} to stay within limits", self.count),
            None => self.why.reason(self.direction),
        }
    }
}

impl Why {
    /// In Nomad's words.
    #[must_use]
    pub fn reason(self, direction: Direction) -> String {
        let because = match self {
            // Go writes the sign of an infinity.
            Self::Factor { factor } if factor == f64::INFINITY => "factor is +Inf".to_owned(),
            Self::Factor { factor } if factor == f64::NEG_INFINITY => "factor is -Inf".to_owned(),
            Self::Factor { factor } => format!("factor is {factor:.6}"),
            Self::WithinBounds { .. } => "metric is within bounds".to_owned(),
            Self::Value { value } => format!("metric is {}", super::strategy::go_int(value)),
            Self::Fixed { value } => format!("fixed value is {value}"),
        };
        format!("scaling {} because {because}", direction.as_str())
    }
}

/// Why a check has no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing usable was measured.
    Query,
    /// Its strategy can't be made.
    Strategy,
}

/// What all checks together came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Another count.
    Act(Action),
    /// The count there is.
    Keep,
    /// Fewer, but a check is missing without which nothing is taken away.
    Blocked {
        /// So many.
        count: i64,
    },
    /// Nobody voted.
    Silent,
    /// A check failed whose failure is everybody's.
    Failed {
        /// The first of them.
        check: usize,
    },
}

/// The checks of a policy, ordered for the vote.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    /// One group after the other, in the order in which they first appear.
    members: Box<[Member]>,
    exact: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The check's own number.
    pub(super) check: usize,
    pub(super) query: Option<usize>,
    pub(super) strategy: Option<Strategy>,
    group: Option<u32>,
    on_error: OnError,
}

impl Checks {
    pub(super) fn new(checks: &[Check], on_check_error: Option<OnError>, exact: bool) -> Self {
        let mut groups: Vec<&str> = Vec::new();
        let mut members: Vec<(usize, Member)> = Vec::with_capacity(checks.len());
        for (index, check) in checks.iter().enumerate() {
            let place = groups.iter().position(|&group| group == check.group).unwrap_or_else(|| {
                groups.push(&check.group);
                groups.len() - 1
            });
            let named = !check.group.is_empty();
            let member = Member {
                check: index,
                query: check.query,
                strategy: check.strategy.as_ref().ok().copied(),
                group: named.then(|| u32::try_from(place).expect("there are not 2^32 groups")),
                on_error: check.on_error.or(on_check_error).unwrap_or(OnError::BlockScaleDown),
            };
            members.push((place, member));
        }
        members.sort_by_key(|&(place, _)| place);
        Self { members: members.into_iter().map(|(_, member)| member).collect(), exact }
    }

    pub(super) const fn members(&self) -> &[Member] {
        &self.members
    }

    /// The vote at `current`. `judge` is asked of every check, failed ones before it or not; `limits` cap each vote.
    #[inline]
    pub(super) fn decide(
        &self,
        current: i64,
        limits: Option<(i64, i64)>,
        mut judge: impl FnMut(usize, &Member) -> Result<Judgement, Failed>,
        trace: &mut Trace,
    ) -> Verdict {
        let mut tally = Tally::new();
        let (mut voters, mut blocked, mut stopped) = (0_usize, false, None);
        for (place, member) in self.members.iter().enumerate() {
            let Member { check, query: metric, on_error, group, .. } = *member;
            match judge(place, member) {
                Ok(Judgement { vote, why }) => {
                    voters += 1;
                    let capped = vote.map(|count| limits.map_or(count, |limits| self.cap(count, limits)));
                    let uncapped = vote.count().filter(|_| capped != vote);
                    let direction = vote.direction();
                    told(trace, current, vote, Fact::Voted { check, metric, direction, why });
                    if let (Some(from), Some(to)) = (uncapped, capped.count()) {
                        note(trace, from, to, Fact::Capped { from });
                    }
                    tally.add((check, why, uncapped), group, capped);
                }
                // Nomad's `on_error` is about strategies: a query that fails ends an evaluation always.
                Err(failed) if on_error == OnError::Fail || (self.exact && failed == Failed::Query) => {
                    note(trace, current, current, Fact::Stopped { check, metric });
                    stopped = stopped.or(Some(check));
                }
                Err(_) if self.exact => {
                    voters += 1;
                    note(trace, current, current, Fact::CountedAsKeep { check, metric });
                    tally.add((check, Why::Fixed { value: current }, None), group, Vote::Keep);
                }
                Err(_) => {
                    let blocks_down = on_error == OnError::BlockScaleDown;
                    blocked |= blocks_down;
                    note(trace, current, current, Fact::LeftOut { check, metric, blocks_down });
                }
            }
        }
        if let Some(check) = stopped {
            return Verdict::Failed { check };
        }
        let Some(((check, why, uncapped), vote)) = tally.winner() else {
            return Verdict::Silent;
        };
        let direction = vote.direction();
        told(trace, current, vote, Fact::Won { check, of: voters, direction });
        match vote.count() {
            None => Verdict::Keep,
            // A vote to take away is what the winner is only where nobody wants more.
            Some(count) if blocked && direction == Direction::Down => Verdict::Blocked { count },
            Some(count) => Verdict::Act(Action { check, direction, count, uncapped, why }),
        }
    }

    fn cap(&self, count: i64, (min, max): (i64, i64)) -> i64 {
        if self.exact && count == DRY_RUN {
            return count;
        }
        // Nomad's order, for bounds that nobody checked.
        if count < min {
            min
        } else if count > max {
            max
        } else {
            count
        }
    }
}

/// The count that means a dry run.
pub(super) const DRY_RUN: i64 = -1;

/// `count` as one that a workload can have.
#[inline]
pub(super) fn replicas(count: i64) -> u32 {
    u32::try_from(count.clamp(0, i64::from(MAX_REPLICAS))).expect("clamped")
}

fn told(trace: &mut Trace, current: i64, vote: Vote<i64>, fact: Fact) {
    note(trace, current, vote.count().unwrap_or(current), fact);
}

#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is none")]
pub(super) fn note(trace: &mut Trace, from: i64, to: i64, fact: Fact) {
    trace.push(|| Reason::new(NAME, from as f64, to as f64, Effect::Nomad(fact)));
}

/// `from` was wanted, and the current count is kept.
#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 is none")]
pub(super) fn held(trace: &mut Trace, from: i64, current: i64, why: Hold) {
    trace.push(|| Reason::new(NAME, from as f64, current as f64, Effect::Held { why }));
}
