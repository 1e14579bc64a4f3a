//! One workload: its pipeline, its fallback, its bounds, and how an answer becomes a decision.

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
use crate::stage::restrained::Restrained;
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
    pub(super) fn build(policy: &PolicySpec, registry: &Registry) -> Result<Self, ConfigError> {
        policy.check()?;
        let metrics = &policy.metrics;
        let mut pipeline = registry.build(&policy.algorithm, metrics).map_err(|error| error.under("algorithm"))?;
        let mut lineage = name_of(&policy.algorithm).to_owned();
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
                name: name_of(spec).to_owned(),
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
            // A change whose count the next look finds is taken as made. Any other is forgotten: the same count later on
            // is somebody else's doing.
            self.asked = self.asked.filter(|asked| asked.to == observation.current);
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

    // The lineage and the pipeline's state, each behind its length, the last change, then the fallback's state.
    pub(super) fn snapshot(&mut self) -> Result<Vec<u8>, StateError> {
        let mut pipeline = Vec::new();
        self.pipeline.snapshot(&mut pipeline)?;
        let mut state = Vec::new();
        for part in [self.lineage.as_bytes(), &pipeline] {
            let length = u32::try_from(part.len())
                .map_err(|_| StateError::Refused("the state is larger than 4 GiB".to_owned()))?;
            state.extend(length.to_le_bytes());
            state.extend(part);
        }
        Action::write(self.asked, &mut state);
        if let OnFailure::Algorithm { algorithm, .. } = &mut self.on_failure {
            algorithm.snapshot(&mut state)?;
        }
        Ok(state)
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let (lineage, rest) = take_part(state)?;
        if lineage != self.lineage.as_bytes() {
            return Err(StateError::Foreign {
                found: String::from_utf8_lossy(lineage).into_owned(),
                expected: self.lineage.clone(),
            });
        }
        let (pipeline, rest) = take_part(rest)?;
        let mut reader = StateReader::unversioned("the workload", rest);
        let asked = Action::read(&mut reader)?;
        let fallback = reader.rest();
        let mut before = Vec::new();
        self.pipeline.snapshot(&mut before)?;
        self.pipeline.restore(pipeline)?;
        let restored = match &mut self.on_failure {
            OnFailure::Algorithm { algorithm, .. } => algorithm.restore(fallback),
            // A fallback that the policy no longer has: its state went with it.
            OnFailure::Hold | OnFailure::Replicas(_) => Ok(()),
        };
        if let Err(error) = restored {
            self.pipeline.restore(&before)?;
            return Err(error);
        }
        self.asked = asked;
        Ok(())
    }
}

fn note(effect: Effect, current: u32, trace: &mut Trace) {
    let current = f64::from(current);
    trace.push(|| Reason::new("algorithm", current, current, effect));
}

fn name_of(spec: &crate::policy::AlgorithmSpec) -> &str {
    spec.name.as_deref().or(spec.plugin.as_deref()).unwrap_or_default()
}

fn take_part(state: &[u8]) -> Result<(&[u8], &[u8]), StateError> {
    let truncated = StateError::Truncated { part: "the workload" };
    let (length, rest) = state.split_first_chunk::<4>().ok_or_else(|| truncated.clone())?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| truncated.clone())?;
    rest.split_at_checked(length).ok_or(truncated)
}
