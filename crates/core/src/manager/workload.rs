//! One workload: its pipeline, its fallback, its bounds, and how an answer becomes a decision.

use std::borrow::Cow;
use std::fmt;

use crate::algorithm::ScalingAlgorithm;
use crate::bounds::Bounds;
use crate::config::ConfigError;
use crate::decision::{Decision, Outcome, round_up};
use crate::failure::EvaluateError;
use crate::manager::ReadingsMismatch;
use crate::observation::{Action, Observation};
use crate::policy::{FailureSpec, HoldOutsideBounds, PolicySpec};
use crate::proposal::Proposal;
use crate::registry::Registry;
use crate::stage::restrained::{Restrained, split_state};
use crate::state::{StateError, StateReader};
use crate::trace::{Direction, Effect, Reason, Trace};

/// The stage name of what the manager itself does to bounds.
const BOUNDS: &str = "bounds";
const FALLBACK: &str = "onFailure";

pub(super) struct Workload {
    /// What the state belongs to: the algorithm and its stages, by name.
    lineage: String,
    pipeline: Box<dyn ScalingAlgorithm>,
    on_failure: OnFailure,
    bounds: Bounds,
    hold_outside_bounds: HoldOutsideBounds,
    metrics: usize,
    /// The last change that was decided, for callers that don't tell how it ended: as if it were made.
    asked: Option<Action>,
}

enum OnFailure {
    Hold,
    Replicas(u32),
    Algorithm { name: String, algorithm: Box<dyn ScalingAlgorithm> },
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload").field("lineage", &self.lineage).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Workload {
    const STATE_VERSION: u8 = 1;

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
        let on_failure = match &policy.on_failure {
            FailureSpec::Hold => OnFailure::Hold,
            FailureSpec::Replicas(replicas) => OnFailure::Replicas(*replicas),
            FailureSpec::Algorithm(spec) => OnFailure::Algorithm {
                name: spec.lineage(),
                algorithm: registry.build(spec, metrics).map_err(|error| error.under("onFailure.algorithm"))?,
            },
        };
        Ok(Self {
            lineage,
            pipeline,
            on_failure,
            bounds: policy.bounds()?,
            hold_outside_bounds: policy.hold_outside_bounds,
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
        let (proposal, failed) = match self.pipeline.evaluate(&observation, trace) {
            Ok(proposal) => (proposal, false),
            Err(error) => (self.fall_back(&error, &observation, trace), true),
        };
        let (desired, outcome) = self.conclude(proposal, observation.current, trace);
        if desired != observation.current {
            self.asked = Some(Action { at: observation.now, from: observation.current, to: desired, applied: true });
        }
        Ok(Decision {
            now: observation.now,
            current: observation.current,
            desired,
            outcome: if failed { Outcome::Fallback } else { outcome },
        })
    }

    fn fall_back(&mut self, error: &EvaluateError, observation: &Observation<'_>, trace: &mut Trace) -> Proposal {
        let current = f64::from(observation.current);
        let fail = |error: &EvaluateError, trace: &mut Trace| {
            let message = trace.keep(format_args!("{error}"));
            trace.push(|| Reason::new(FALLBACK, current, current, Effect::Failed { message }));
        };
        let fell_back = |to: f64, text: fmt::Arguments<'_>, trace: &mut Trace| {
            let fallback = trace.keep(text);
            trace.push(|| Reason::new(FALLBACK, current, to, Effect::FellBack { fallback }));
        };
        // What the failed attempt wrote up to its failure led to nothing.
        trace.clear();
        fail(error, trace);
        match &mut self.on_failure {
            OnFailure::Hold => {
                fell_back(current, format_args!("hold"), trace);
                Proposal::Hold(crate::proposal::Hold::Said)
            }
            OnFailure::Replicas(replicas) => {
                let replicas = f64::from(*replicas);
                fell_back(replicas, format_args!("{replicas} replicas"), trace);
                Proposal::Need(crate::proposal::Need::replicas(replicas).expect("a count is a need"))
            }
            OnFailure::Algorithm { name, algorithm } => {
                fell_back(current, format_args!("{name}"), trace);
                algorithm.evaluate(observation, trace).unwrap_or_else(|error| {
                    fail(&error, trace);
                    Proposal::Hold(crate::proposal::Hold::Said)
                })
            }
        }
    }

    /// Settles, rounds and clamps: once, here, for every algorithm.
    fn conclude(&self, proposal: Proposal, current: u32, trace: &mut Trace) -> (u32, Outcome) {
        match proposal {
            Proposal::Need(need) => {
                let exact = need.settle(current, trace).exact();
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

    // Version; the lineage, the pipeline's state, the fallback's name and its state, each behind its length; the last
    // change.
    pub(super) fn snapshot(&mut self) -> Result<Vec<u8>, StateError> {
        let mut pipeline = Vec::new();
        self.pipeline.snapshot(&mut pipeline)?;
        let (mut name, mut fallback) = ("", Vec::new());
        if let OnFailure::Algorithm { name: own, algorithm } = &mut self.on_failure {
            algorithm.snapshot(&mut fallback)?;
            name = own;
        }
        let mut state = vec![Self::STATE_VERSION];
        for part in [self.lineage.as_bytes(), &pipeline, name.as_bytes(), &fallback] {
            let length = u32::try_from(part.len())
                .map_err(|_| StateError::Refused("the state is larger than 4 GiB".to_owned()))?;
            state.extend(length.to_le_bytes());
            state.extend(part);
        }
        Action::write(self.asked, &mut state);
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new("the workload", Self::STATE_VERSION, state)?;
        let (lineage, pipeline) = (reader.part()?, reader.part()?);
        let (fallback_name, fallback) = (reader.part()?, reader.part()?);
        let asked = Action::read(&mut reader)?;
        reader.end()?;
        let mut before = Vec::new();
        self.pipeline.snapshot(&mut before)?;
        let carried = self.carry(lineage, pipeline, &before)?;
        self.pipeline.restore(&carried)?;
        let restored = match &mut self.on_failure {
            OnFailure::Algorithm { name, algorithm } if name.as_bytes() == fallback_name => algorithm.restore(fallback),
            // A fallback that the policy no longer has, or didn't have before: it begins without a past.
            OnFailure::Algorithm { .. } | OnFailure::Hold | OnFailure::Replicas(_) => Ok(()),
        };
        if let Err(error) = restored {
            self.pipeline.restore(&before)?;
            return Err(error);
        }
        self.asked = asked;
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
