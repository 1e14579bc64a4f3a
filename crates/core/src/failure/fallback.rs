//! What answers in place of an algorithm that fails.

use std::time::Duration;

use super::fact::Fact;
use super::spec::{FailureSpec, FallbackSpec};
use super::{EvaluateError, STAGE};
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::metric::Metric;
use crate::observation::Observation;
use crate::policy::AlgorithmSpec;
use crate::proposal::{Need, Proposal};
use crate::registry::Registry;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::{Effect, Hold, Reason, Trace};

/// A policy's fallback with what it remembers.
pub(crate) struct Fallback {
    last_good: Option<LastGood>,
    then: Then,
}

/// The last good answer, for some time.
#[derive(Clone, Copy, Debug)]
struct LastGood {
    r#for: Duration,
    given: Option<(Timestamp, Good)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Good {
    /// Replicas, after the tolerance and before rounding and bounds; at least zero.
    Need(f64),
    Hold,
    Suspend,
}

enum Then {
    Hold,
    Replicas(u32),
    Algorithm { name: String, algorithm: Box<dyn ScalingAlgorithm> },
}

impl Fallback {
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `spec`.
    pub(crate) fn build(spec: &FailureSpec, registry: &Registry, metrics: &[Metric]) -> Result<Self, ConfigError> {
        let algorithm = |field: &str, spec: &AlgorithmSpec| {
            let algorithm = registry.build(spec, metrics).map_err(|error| error.under(field))?;
            Ok(Then::Algorithm { name: spec.lineage(), algorithm })
        };
        let mut last_good = None;
        let then = match spec {
            FailureSpec::Hold => Then::Hold,
            FailureSpec::Replicas(replicas) => Then::Replicas(*replicas),
            FailureSpec::Algorithm(spec) => algorithm("algorithm", spec)?,
            FailureSpec::LastGood(spec) => {
                last_good = Some(LastGood { r#for: spec.r#for.as_duration(), given: None });
                match &spec.then {
                    FallbackSpec::Hold => Then::Hold,
                    FallbackSpec::Replicas(replicas) => Then::Replicas(*replicas),
                    FallbackSpec::Algorithm(spec) => algorithm("lastGood.then.algorithm", spec)?,
                }
            }
        };
        Ok(Self { last_good, then })
    }

    /// Remembers what the algorithm said. A need is one that is settled.
    #[inline]
    pub(crate) fn note(&mut self, proposal: Proposal, now: Timestamp) {
        let Some(last_good) = &mut self.last_good else { return };
        let good = match proposal {
            Proposal::Need(need) => Good::Need(need.exact().max(0.0)),
            Proposal::Hold(_) => Good::Hold,
            Proposal::Suspend => Good::Suspend,
            Proposal::NoOpinion => return,
        };
        last_good.given = Some((now, good));
    }

    /// Answers, and whether it is the last good answer.
    pub(crate) fn answer(&mut self, look: &Observation<'_>, trace: &mut Trace) -> (Proposal, bool) {
        let current = f64::from(look.current);
        if let Some(last_good) = &self.last_good {
            if let Some(proposal) = last_good.answer(look, trace) {
                return (proposal, true);
            }
            let r#for = last_good.r#for;
            trace.push(|| Reason::new(STAGE, current, current, Effect::Failure(Fact::NoLastGood { r#for })));
        }
        let proposal = match &mut self.then {
            Then::Hold => {
                fell_back(current, current, format_args!("hold"), trace);
                Proposal::Hold(Hold::Said)
            }
            Then::Replicas(replicas) => {
                fell_back(current, f64::from(*replicas), format_args!("{replicas} replicas"), trace);
                Proposal::Need(Need::from(*replicas))
            }
            Then::Algorithm { name, algorithm } => {
                fell_back(current, current, format_args!("{name}"), trace);
                let begin = trace.mark();
                algorithm.evaluate(look, trace).unwrap_or_else(|error| {
                    trace.rewind(begin);
                    failed(&error, current, trace);
                    Proposal::Hold(Hold::Said)
                })
            }
        };
        (proposal, false)
    }

    /// The name of its algorithm and that one's state, both empty where there is none.
    pub(crate) fn snapshot(&mut self) -> Result<(&str, Vec<u8>), StateError> {
        let mut state = Vec::new();
        match &mut self.then {
            Then::Algorithm { name, algorithm } => {
                algorithm.snapshot(&mut state)?;
                Ok((name, state))
            }
            Then::Hold | Then::Replicas(_) => Ok(("", state)),
        }
    }

    /// Puts the state of the algorithm called `name` back. Where that is another one, or there is none, the fallback
    /// begins without a past.
    pub(crate) fn restore(&mut self, name: &[u8], state: &[u8]) -> Result<(), StateError> {
        match &mut self.then {
            Then::Algorithm { name: own, algorithm } if own.as_bytes() == name => algorithm.restore(state),
            Then::Algorithm { .. } | Then::Hold | Then::Replicas(_) => Ok(()),
        }
    }

    pub(crate) fn write_last_good(&self, state: &mut Vec<u8>) {
        let Some((at, good)) = self.last_good.and_then(|last_good| last_good.given) else {
            state.push(0);
            return;
        };
        state.push(match good {
            Good::Need(_) => 1,
            Good::Hold => 2,
            Good::Suspend => 3,
        });
        state.extend(at.as_millis().to_le_bytes());
        if let Good::Need(need) = good {
            state.extend(need.to_le_bytes());
        }
    }
}

impl LastGood {
    fn answer(self, look: &Observation<'_>, trace: &mut Trace) -> Option<Proposal> {
        let (at, good) = self.given?;
        let (now, until) = (look.now, at + self.r#for);
        // How old an answer of the future is nobody knows.
        if now < at || now >= until {
            return None;
        }
        let current = f64::from(look.current);
        let (proposal, to) = match good {
            Good::Need(need) => {
                (Proposal::Need(Need::replicas(need).expect("a need is finite and not negative")), need)
            }
            Good::Hold => (Proposal::Hold(Hold::Said), current),
            Good::Suspend => (Proposal::Suspend, current),
        };
        let fact = Fact::LastGood { age: now.since(at), until, left: until.since(now) };
        trace.push(|| Reason::new(STAGE, current, to, Effect::Failure(fact)));
        Some(proposal)
    }
}

/// An answer as a state tells of it.
pub(crate) struct Given(Option<(Timestamp, Good)>);

impl Given {
    /// Of a state from before there was any.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let kind = reader.u8()?;
        if kind == 0 {
            return Ok(Self::NONE);
        }
        let at = Timestamp::from_millis(reader.i64()?);
        let good = match kind {
            1 => {
                let need = reader.finite()?;
                if need < 0.0 {
                    return Err(reader.damaged("the last good answer is below zero"));
                }
                Good::Need(need)
            }
            2 => Good::Hold,
            3 => Good::Suspend,
            _ => return Err(reader.damaged("the last good answer is of no known kind")),
        };
        Ok(Self(Some((at, good))))
    }

    /// Becomes what `fallback` remembers, if it remembers anything.
    pub(crate) fn put_into(self, fallback: &mut Fallback) {
        if let Some(last_good) = &mut fallback.last_good {
            last_good.given = self.0;
        }
    }
}

/// Writes that an algorithm failed.
pub(crate) fn failed(error: &EvaluateError, current: f64, trace: &mut Trace) {
    let message = trace.keep(format_args!("{error}"));
    trace.push(|| Reason::new(STAGE, current, current, Effect::Failed { cause: error.kind, message }));
}

fn fell_back(from: f64, to: f64, text: std::fmt::Arguments<'_>, trace: &mut Trace) {
    let fallback = trace.keep(text);
    trace.push(|| Reason::new(STAGE, from, to, Effect::FellBack { fallback }));
}
