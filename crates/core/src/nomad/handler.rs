//! What Nomad does around the checks of a policy, as a pure state machine.
//!
//! Nomad Autoscaler: policy/handler.go, `Handler`.

use std::time::Duration;

use super::check::{Action, Check, Checks, DRY_RUN, Failed, Member, OnError, Verdict, held, note};
use super::fact::Fact;
use super::strategy::{Judgement, Strategy};
use super::vote::Direction;
use crate::state::{StateError, StateReader, write_time};
use crate::time::Timestamp;
use crate::timing::Cooldown;
use crate::trace::{Hold, Trace};

/// A policy, as Nomad has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// The lowest count.
    pub min: i64,
    /// The highest.
    pub max: i64,
    /// How long nothing is changed after a change that was not up. Default 5 minutes.
    pub cooldown: Duration,
    /// How long nothing is changed after a change up. Default 5 minutes.
    pub cooldown_on_scale_up: Duration,
    /// What becomes of a decision when a check fails that doesn't say itself. Default: nothing is taken away.
    pub on_check_error: Option<OnError>,
    /// Whether the target is only told what would be done.
    pub dry_run: bool,
    /// What is looked at.
    pub checks: Vec<Check>,
    /// As Nomad, to the last bit: see the table of what differs.
    pub exact: bool,
}

impl Spec {
    /// Checks of a count from `min` to `max`; everything else by default.
    #[must_use]
    pub const fn new(min: i64, max: i64, checks: Vec<Check>) -> Self {
        let cooldown = Duration::from_secs(300);
        Self {
            min,
            max,
            cooldown,
            cooldown_on_scale_up: cooldown,
            on_check_error: None,
            dry_run: false,
            checks,
            exact: false,
        }
    }
}

/// What the target says of itself at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It isn't there.
    Gone,
    /// It is busy with something else.
    NotReady,
    /// It has so many.
    Ready(i64),
}

/// The answer to one query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Query<'a> {
    /// The values of the window, in the order of time. No values are a failure.
    Points(&'a [f64]),
    /// There is no answer.
    Failed,
}

/// How a tick ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickOutcome {
    /// The target is to be scaled.
    Scale,
    /// An action is wanted, and the last one is too recent.
    Cooldown,
    /// An action is wanted, and the last one is still under way.
    Busy,
    /// No action is wanted.
    None,
    /// The target is not ready: nobody looked.
    NotReady,
    /// There is no decision.
    Error,
}

/// What reaches the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// A count. It can be -1 in an exact handler, which the target takes for a dry run.
    Count(i64),
    /// The mark of a dry run: no count, and no direction.
    DryRun,
}

/// What a tick came to, before the target is scaled.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a plan that writes is to be finished"]
#[non_exhaustive]
pub struct Plan {
    /// How it ended.
    pub outcome: TickOutcome,
    /// The action that is wanted, held back or not.
    pub action: Option<Action>,
    /// What to tell the target; none: nothing.
    pub write: Option<Write>,
    /// Whether the cooldown after it is that of a change up.
    up: bool,
}

impl Plan {
    const fn of(outcome: TickOutcome) -> Self {
        Self { outcome, action: None, write: None, up: false }
    }
}

/// How a scaling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaled {
    /// The target took it.
    Done,
    /// The target had nothing to do.
    Noop,
    /// The target refused, or could not be reached.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Scaling,
    Cooldown,
}

/// One policy's handler: it keeps the cooldown, and does no I/O.
///
/// A tick has two halves. [`plan`](Self::plan) takes what was observed and says what to tell the target;
/// [`finish`](Self::finish) takes how that ended, when it has. Ticks in between find the handler busy.
///
/// ```
/// use std::time::Duration;
/// use setpoint::nomad::{Check, Handler, Query, Scaled, Spec, Strategy, Target, TargetValue, TickOutcome, Write};
/// use setpoint::{Timestamp, Trace};
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let cpu = Check::new("cpu", Some(0), Strategy::TargetValue(TargetValue::new(50.0)));
/// let mut handler = Handler::new(Spec::new(1, 10, vec![cpu]));
/// let mut trace = Trace::off();
/// let plan = handler.plan(at(10), Target::Ready(3), &[Query::Points(&[83.0])], &mut trace);
/// assert_eq!(plan.write, Some(Write::Count(5)));
/// handler.finish(plan, at(12), Scaled::Done);
/// // Five minutes from the end of the scaling nothing is changed.
/// let plan = handler.plan(at(312), Target::Ready(5), &[Query::Points(&[83.0])], &mut trace);
/// assert_eq!(plan.outcome, TickOutcome::Cooldown);
/// ```
#[derive(Clone, Debug)]
pub struct Handler {
    min: i64,
    max: i64,
    dry_run: bool,
    exact: bool,
    checks: Checks,
    state: State,
    cooldown: Cooldown,
    /// When an exact handler becomes idle, whatever it is doing.
    timer: Option<Timestamp>,
}

impl Handler {
    const NAME: &'static str = "nomad handler";
    const STATE_VERSION: u8 = 1;

    /// A handler that knows of no change before it.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        Self {
            min: spec.min,
            max: spec.max,
            dry_run: spec.dry_run,
            exact: spec.exact,
            checks: Checks::new(&spec.checks, spec.on_check_error, spec.exact),
            state: State::Idle,
            cooldown: Cooldown::new(spec.cooldown, spec.cooldown_on_scale_up),
            timer: None,
        }
    }

    /// The same, whose target was last scaled at `at`, which way is not known: so the cooldown is that of a change up.
    ///
    /// An exact handler cools down without an end, so that the first action it wants ends that; and at the end that was
    /// meant it becomes idle, whatever it is doing then.
    #[must_use]
    pub fn after_event(mut self, at: Timestamp) -> Self {
        self.state = State::Cooldown;
        if self.exact {
            self.timer = Some(at + self.cooldown.after_up());
        } else {
            self.cooldown.start(at, true);
        }
        self
    }

    /// Another policy, from the next tick on. A cooldown that has begun goes on as it began.
    pub fn set_spec(&mut self, spec: Spec) {
        let fresh = Self::new(spec);
        let (state, timer) = (self.state, self.timer);
        let cooldown = fresh.cooldown.ending(self.cooldown.until());
        *self = Self { state, timer, cooldown, ..fresh };
    }

    /// The first half of a tick: what to tell the target, for what was observed. One answer a query.
    pub fn plan(&mut self, now: Timestamp, target: Target, queries: &[Query<'_>], trace: &mut Trace) -> Plan {
        self.fire(now);
        let current = match target {
            Target::Gone => return Plan::of(TickOutcome::Error),
            Target::NotReady => return Plan::of(TickOutcome::NotReady),
            Target::Ready(count) => count,
        };
        let judge = |_, member: &Member| {
            let points: &[f64] = match member.query.map(|query| queries.get(query)) {
                None => &[],
                Some(Some(Query::Points(points))) if !points.is_empty() => points,
                Some(_) => return Err(Failed::Query),
            };
            let strategy = member.strategy.ok_or(Failed::Strategy)?;
            self.judge(&strategy, current, points)
        };
        let action = match self.checks.decide(current, Some((self.min, self.max)), judge, trace) {
            Verdict::Failed { .. } => return Plan::of(TickOutcome::Error),
            Verdict::Keep => return Plan::of(TickOutcome::None),
            Verdict::Silent => {
                held(trace, current, current, Hold::NoReadings);
                return Plan::of(TickOutcome::None);
            }
            Verdict::Blocked { count } => {
                held(trace, count, current, Hold::ShrinkBlocked);
                return Plan::of(TickOutcome::None);
            }
            Verdict::Act(action) if action.count == current => return Plan::of(TickOutcome::None),
            Verdict::Act(action) => action,
        };
        let held_back = |outcome| Plan { action: Some(action), ..Plan::of(outcome) };
        if self.state == State::Cooldown && !self.cooldown.holds(now) {
            self.state = State::Idle;
        }
        match self.state {
            State::Cooldown => {
                let until = self.cooldown.until().unwrap_or(now);
                note(trace, action.count, current, Fact::Cooldown { until, left: until.since(now) });
                held_back(TickOutcome::Cooldown)
            }
            State::Scaling => {
                note(trace, action.count, current, Fact::Busy);
                held_back(TickOutcome::Busy)
            }
            State::Idle => {
                self.state = State::Scaling;
                // A count above the maximum is scaled down by a vote up, and Nomad goes by the vote.
                let up = if self.exact { action.direction == Direction::Up } else { action.count > current };
                let write = if self.dry_run {
                    note(trace, action.count, current, Fact::DryRun);
                    Write::DryRun
                } else {
                    if action.count == DRY_RUN {
                        note(trace, action.count, current, Fact::DryRunMark);
                    }
                    Write::Count(action.count)
                };
                Plan { outcome: TickOutcome::Scale, action: Some(action), write: Some(write), up }
            }
        }
    }

    /// The second half: the scaling of `plan` ended at `at`. Only one that was done starts a cooldown.
    pub fn finish(&mut self, plan: Plan, at: Timestamp, scaled: Scaled) {
        self.fire(at);
        if plan.write.is_none() {
            return;
        }
        match scaled {
            Scaled::Done => {
                self.state = State::Cooldown;
                self.cooldown.start(at, plan.up);
            }
            Scaled::Noop | Scaled::Failed => self.state = State::Idle,
        }
    }

    fn judge(&self, strategy: &Strategy, current: i64, points: &[f64]) -> Result<Judgement, Failed> {
        // The newest value has to be one, but for an exact handler.
        if !self.exact && points.last().is_some_and(|value| !value.is_finite()) {
            return Err(Failed::Query);
        }
        strategy.judge(current, points).ok_or(Failed::Query)
    }

    fn fire(&mut self, now: Timestamp) {
        if self.timer.is_some_and(|at| at <= now) {
            (self.timer, self.state) = (None, State::Idle);
        }
    }

    // Version, whether it cools down, until when, and the timer. Who began a scaling is gone after a restart, and nobody
    // will finish it.
    /// Appends what it remembers to `state`. A scaling under way is not part of it.
    pub fn snapshot(&self, state: &mut Vec<u8>) {
        state.extend([Self::STATE_VERSION, u8::from(self.state == State::Cooldown)]);
        self.cooldown.write(state);
        write_time(self.timer, state);
    }

    /// Puts back what [`snapshot`](Self::snapshot) took out. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are no such state.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(Self::NAME, Self::STATE_VERSION, state)?;
        let cooling = reader.flag()?;
        let (cooldown, timer) = (self.cooldown.read(&mut reader)?, reader.time()?);
        reader.end()?;
        self.state = if cooling { State::Cooldown } else { State::Idle };
        (self.cooldown, self.timer) = (cooldown, timer);
        Ok(())
    }
}
