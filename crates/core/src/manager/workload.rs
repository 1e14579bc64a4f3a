//! One workload: its pipeline, its fallback, its bounds, and how an answer becomes a decision.

use std::borrow::Cow;
use std::fmt;

use crate::algorithm::ScalingAlgorithm;
use crate::bounds::Bounds;
use crate::config::ConfigError;
use crate::decision::{Decision, Outcome, round_up};
use crate::failure::fallback::{Fallback, Given, failed};
use crate::failure::quarantine::{Next, Quarantine};
use crate::failure::{self, Fact, FailureTotals, Health};
use crate::manager::ReadingsMismatch;
use crate::observation::{Action, Observation};
use crate::policy::{HoldOutsideBounds, Pause, PolicySpec};
use crate::proposal::Proposal;
use crate::registry::Registry;
use crate::stage::restrained::{Restrained, split_state};
use crate::state::{StateError, StateReader};
use crate::trace::{Direction, Effect, Reason, Trace};

/// The stage name of what the manager itself does to bounds.
const BOUNDS: &str = "bounds";

pub(super) struct Workload {
    /// What the state belongs to: the algorithm and its stages, by name.
    lineage: String,
    pipeline: Box<dyn ScalingAlgorithm>,
    fallback: Fallback,
    quarantine: Quarantine,
    totals: FailureTotals,
    bounds: Bounds,
    hold_outside_bounds: HoldOutsideBounds,
    pause: Pause,
    metrics: usize,
    /// The last change that was decided, for callers that don't tell how it ended: as if it were made.
    asked: Option<Action>,
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload").field("lineage", &self.lineage).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Workload {
    /// Version 1 knew nothing of failures.
    const STATE_VERSION: u8 = 2;

    pub(super) fn build(policy: &PolicySpec, registry: &Registry) -> Result<Self, ConfigError> {
        policy.check()?;
        let metrics = &policy.metrics;
        let mut pipeline = registry.build(&policy.algorithm, metrics).map_err(|error| error.under("algorithm"))?;
        let mut lineage = policy.algorithm.lineage();
        for (index, stage) in policy.stages.iter().enumerate() {
            let path = format!("stages[{index}]");
            pipeline = registry.wrap(pipeline, stage, metrics).map_err(|error| error.under(&path))?;
            lineage.push_str(" > ");
            lineage.push_str(&stage.name);
        }
        if let Some(behavior) = &policy.behavior {
            pipeline = Box::new(Restrained::new(pipeline, behavior).map_err(|error| error.under("behavior"))?);
            lineage.push_str(" > behavior");
        }
        let fallback =
            Fallback::build(&policy.on_failure, registry, metrics).map_err(|error| error.under("onFailure"))?;
        Ok(Self {
            lineage,
            pipeline,
            fallback,
            quarantine: Quarantine::new(policy.quarantine),
            totals: FailureTotals::default(),
            bounds: policy.bounds()?,
            hold_outside_bounds: policy.hold_outside_bounds,
            pause: policy.pause,
            metrics: metrics.len(),
            asked: None,
        })
    }

    pub(super) fn decide(
        &mut self,
        observation: &Observation<'_>,
        trace: &mut Trace,
    ) -> Result<Decision, ReadingsMismatch> {
        if observation.readings.len() != self.metrics {
            return Err(ReadingsMismatch { metrics: self.metrics, readings: observation.readings.len() });
        }
        trace.clear();
        let mut observation = observation.with_bounds(self.bounds);
        if observation.last_action.is_none() {
            // As much as the next look finds is taken as made. The rest is forgotten: the same count later on is somebody
            // else's doing.
            self.asked = self.asked.and_then(|asked| asked.reached(observation.current));
            observation.last_action = self.asked;
        }
        let (desired, outcome) = match self.ask(&observation, trace) {
            Some(proposal) => self.conclude(proposal, observation.current, trace),
            None => {
                let (proposal, is_last_good) = self.fallback.answer(&observation, trace);
                self.totals.last_good += u64::from(is_last_good);
                let settled = proposal.settled(observation.current, trace);
                (self.conclude(settled, observation.current, trace).0, Outcome::Fallback)
            }
        };
        let desired = self.pause(desired, observation.current, trace);
        if desired != observation.current {
            self.asked = Some(Action { at: observation.now, from: observation.current, to: desired, applied: true });
        }
        Ok(Decision { now: observation.now, current: observation.current, desired, outcome })
    }

    /// What the algorithm says, settled, or nothing where it fails or is in quarantine.
    fn ask(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Option<Proposal> {
        let current = f64::from(look.current);
        let note = |fact, at: f64, trace: &mut Trace| {
            trace.push(|| Reason::new(failure::STAGE, at, at, Effect::Failure(fact)));
        };
        let failures = self.quarantine.failures();
        let next = self.quarantine.next(look.now);
        match next {
            Next::Call => {}
            Next::Trial => {
                self.totals.trials += 1;
                note(Fact::Trial { failures }, current, trace);
            }
            Next::Wait { until } => {
                self.totals.waits += 1;
                note(Fact::Quarantined { failures, until, left: until.since(look.now) }, current, trace);
                return None;
            }
        }
        let begin = trace.mark();
        match self.pipeline.evaluate(look, trace) {
            Ok(proposal) => {
                self.quarantine.answered();
                let settled = proposal.settled(look.current, trace);
                if next == Next::Trial {
                    self.totals.recoveries += 1;
                    let at = if let Proposal::Need(need) = settled { need.exact() } else { current };
                    note(Fact::Recovered { failures }, at, trace);
                }
                self.fallback.note(settled, look.now);
                Some(settled)
            }
            Err(error) => {
                // What the failed attempt wrote up to its failure led to nothing.
                trace.rewind(begin);
                failed(&error, current, trace);
                self.totals.count(error.kind);
                if self.quarantine.failed(error.kind, look.now)
                    && let Some(until) = self.quarantine.until()
                {
                    self.totals.quarantines += 1;
                    let failures = self.quarantine.failures();
                    note(Fact::Quarantined { failures, until, left: until.since(look.now) }, current, trace);
                }
                None
            }
        }
    }

    /// How the algorithm is.
    pub(super) fn health(&self) -> Health {
        Health {
            failures_in_a_row: self.quarantine.failures(),
            quarantined_until: self.quarantine.until(),
            totals: self.totals,
        }
    }

    /// Takes the place of `before`, whose policy it replaces: what failed under that is tried again at once.
    pub(super) fn inherit(&mut self, before: &Self) {
        self.quarantine.answered();
        self.totals = before.totals;
    }

    /// Rounds and clamps what is settled: once, here, for every algorithm.
    fn conclude(&self, settled: Proposal, current: u32, trace: &mut Trace) -> (u32, Outcome) {
        match settled {
            Proposal::Need(need) => {
                let exact = need.exact();
                let whole = round_up(exact);
                if f64::from(whole) != exact {
                    trace.push(|| Reason::new("rounding", exact, f64::from(whole), Effect::RoundedUp));
                }
                (self.bound(whole, trace), Outcome::Need)
            }
            Proposal::Hold(_) => (self.hold(current, trace), Outcome::Hold),
            Proposal::NoOpinion => {
                note(Effect::NoOpinion, current, trace);
                (self.hold(current, trace), Outcome::NoOpinion)
            }
            Proposal::Suspend => {
                note(Effect::Suspended, current, trace);
                (current, Outcome::Suspend)
            }
        }
    }

    fn hold(&self, current: u32, trace: &mut Trace) -> u32 {
        match self.hold_outside_bounds {
            HoldOutsideBounds::Correct => self.bound(current, trace),
            HoldOutsideBounds::Leave => current,
        }
    }

    fn bound(&self, replicas: u32, trace: &mut Trace) -> u32 {
        let bounded = self.bounds.clamp(replicas);
        if bounded != replicas {
            let direction = if bounded > replicas { Direction::Up } else { Direction::Down };
            trace.push(|| Reason::new(BOUNDS, f64::from(replicas), f64::from(bounded), Effect::Bounded { direction }));
        }
        bounded
    }

    /// Keeps the count where the policy pauses the direction in which it would go.
    fn pause(&self, desired: u32, current: u32, trace: &mut Trace) -> u32 {
        let direction = if desired > current { Direction::Up } else { Direction::Down };
        if desired == current || !self.pause.holds(direction) {
            return desired;
        }
        trace.push(|| Reason::new("pause", f64::from(desired), f64::from(current), Effect::Paused { direction }));
        current
    }

    // Version; the lineage, the pipeline's state, the fallback's name and its state, each behind its length; the last
    // change; the failures in a row; the last good answer.
    pub(super) fn snapshot(&mut self) -> Result<Vec<u8>, StateError> {
        let mut pipeline = Vec::new();
        self.pipeline.snapshot(&mut pipeline)?;
        let (name, fallback) = self.fallback.snapshot()?;
        let mut state = vec![Self::STATE_VERSION];
        for part in [self.lineage.as_bytes(), &pipeline, name.as_bytes(), &fallback] {
            let length = u32::try_from(part.len())
                .map_err(|_| StateError::Refused("the state is larger than 4 GiB".to_owned()))?;
            state.extend(length.to_le_bytes());
            state.extend(part);
        }
        Action::write(self.asked, &mut state);
        self.quarantine.write(&mut state);
        self.fallback.write_last_good(&mut state);
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let (version, mut reader) = StateReader::up_to("the workload", Self::STATE_VERSION, state)?;
        let (lineage, pipeline) = (reader.part()?, reader.part()?);
        let (fallback_name, fallback) = (reader.part()?, reader.part()?);
        let asked = Action::read(&mut reader)?;
        let (quarantine, given) = match version {
            1 => (Quarantine::new(self.quarantine.spec()), Given::NONE),
            _ => (self.quarantine.read(&mut reader)?, Given::read(&mut reader)?),
        };
        reader.end()?;
        let mut before = Vec::new();
        self.pipeline.snapshot(&mut before)?;
        let carried = self.carry(lineage, pipeline, &before)?;
        self.pipeline.restore(&carried)?;
        if let Err(error) = self.fallback.restore(fallback_name, fallback) {
            self.pipeline.restore(&before)?;
            return Err(error);
        }
        self.asked = asked;
        self.quarantine = quarantine;
        given.put_into(&mut self.fallback);
        Ok(())
    }

    /// The state that a pipeline called `lineage` left, for this one. HPA's rules around it may have come or gone: what
    /// is inside of them goes on. `own` is this pipeline's state as it is.
    fn carry<'a>(&self, lineage: &[u8], state: &'a [u8], own: &[u8]) -> Result<Cow<'a, [u8]>, StateError> {
        let foreign = || StateError::Foreign {
            found: String::from_utf8_lossy(lineage).into_owned(),
            expected: self.lineage.clone(),
        };
        let found = std::str::from_utf8(lineage).map_err(|_| foreign())?;
        let ((theirs, restrained), (ours, restrains)) = (unrestrained(found), unrestrained(&self.lineage));
        if theirs != ours {
            return Err(foreign());
        }
        Ok(match (restrained, restrains) {
            (true, false) => Cow::Borrowed(split_state(state)?.1),
            (false, true) => Cow::Owned([split_state(own)?.0, state].concat()),
            (true, true) | (false, false) => Cow::Borrowed(state),
        })
    }
}

/// A lineage without HPA's rules around it, and whether they are.
fn unrestrained(lineage: &str) -> (&str, bool) {
    let within = |name| lineage.strip_suffix(name).and_then(|rest: &str| rest.strip_suffix(" > "));
    type Any = Restrained<Box<dyn ScalingAlgorithm>>;
    match within(Any::NAME).or_else(|| within(Any::LEGACY_NAME)) {
        Some(inside) => (inside, true),
        None => (lineage, false),
    }
}

fn note(effect: Effect, current: u32, trace: &mut Trace) {
    let current = f64::from(current);
    trace.push(|| Reason::new("algorithm", current, current, effect));
}
