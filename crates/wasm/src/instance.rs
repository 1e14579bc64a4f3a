//! One workload's instance as an algorithm: what it is asked, and what becomes of its answer.

use std::sync::Arc;

use setpoint::{
    ConfigError, EvaluateError, FailureKind, Hold, MAX_REPLICAS, Metric, Need, Observation, Proposal, Reading,
    ScalingAlgorithm, StateError, Timestamp, Trace,
};

use crate::cell::CallError;
use crate::contract;
use crate::counters::count;
use crate::plugin::Inner;
use crate::sandbox::printable;
use crate::seat::{Failed, LastGood, Recipe, Seat};

/// The stage under which a plugin's reasons stand.
pub(crate) const STAGE: &str = "plugin";

/// A plugin's instance as an algorithm.
///
/// Each answer brings the state along where that has changed, so that another instance can always go on from there.
pub(crate) struct PluginAlgorithm {
    pub(crate) seat: Seat,
    pub(crate) last_good: LastGood,
    /// Those of the last look.
    pub(crate) columns: Columns,
}

/// What a plugin is told of a look at a workload, beside its readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    pub(crate) now: Timestamp,
    pub(crate) current: u32,
    pub(crate) ready: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl Looked {
    pub(crate) fn at(look: &Observation<'_>) -> Self {
        Self { now: look.now, current: look.current, ready: look.ready, min: look.bounds.min(), max: look.bounds.max() }
    }
}

/// What is kept of a plugin's answer: its proposal, its state if that has changed, and its reason.
type Answered = (Proposal, Option<Vec<u8>>, String);

/// Readings as a plugin gets them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) values: Vec<f64>,
    /// Empty while all are plain values.
    pub(crate) states: Vec<u8>,
}

impl Columns {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.states.clear();
    }

    /// Adds one look at a workload.
    pub(crate) fn push(&mut self, look: &Observation<'_>, metrics: &[Metric]) {
        for (reading, metric) in look.readings.iter().zip(metrics) {
            let value = metric.value(*reading, look);
            // Only from the first reading on that isn't a plain value: usually there is none.
            if value.is_none() && self.states.is_empty() {
                self.states.resize(self.values.len(), 0);
            }
            self.values.push(value.unwrap_or(0.0));
            if value.is_none() || !self.states.is_empty() {
                self.states.push(if value.is_some() { 0 } else { state_of(reading) });
            }
        }
    }
}

fn state_of(reading: &Reading<'_>) -> u8 {
    match reading.state().0 {
        // Also samples of which none can be used.
        "value" | "missing" => 1,
        "stale" => 2,
        _ => 3,
    }
}

impl PluginAlgorithm {
    pub(crate) fn new(plugin: Arc<Inner>, recipe: Arc<Recipe>) -> Result<Self, ConfigError> {
        let mut seat = Seat::new(plugin, recipe);
        seat.try_out().map_err(|error| match error {
            CallError::Refused(error) => ConfigError::new(printable(&error.path), printable(&error.message)),
            CallError::Broken(error) => ConfigError::new("", error.message),
        })?;
        Ok(Self { seat, last_good: None, columns: Columns::default() })
    }

    /// One that goes on from `state`, and makes its instance at its first call.
    pub(crate) fn later(plugin: Arc<Inner>, recipe: Arc<Recipe>, state: LastGood) -> Self {
        Self { seat: Seat::new(plugin, recipe), last_good: state, columns: Columns::default() }
    }

    fn ask(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.columns.clear();
        self.columns.push(look, &self.seat.recipe.metrics);
        let explain = trace.is_on();
        let (proposal, state, reason) = self.answer(Looked::at(look), explain)?;
        if state.is_some() {
            self.last_good = state;
        }
        if explain {
            let current = f64::from(look.current);
            let to = if let Proposal::Need(need) = proposal { need.exact() } else { current };
            let name = self.seat.plugin.name();
            match printable(&reason).as_str() {
                "" => trace.note(STAGE, current, to, format_args!("{name} gives no reason")),
                reason => trace.note(STAGE, current, to, format_args!("{name}: {reason}")),
            }
        }
        Ok(proposal)
    }

    /// What the instance makes of a look whose readings are in `columns`.
    pub(crate) fn answer(&mut self, looked: Looked, explain: bool) -> Result<Answered, EvaluateError> {
        let Self { seat, last_good, columns } = self;
        let Looked { now, current, ready, min, max } = looked;
        seat.now = now;
        seat.with(last_good, |plugin, cell, instance| {
            let asked = contract::Observation {
                now_ms: now.as_millis(),
                current,
                ready,
                min,
                max,
                explain,
                values: &columns.values,
                states: &columns.states,
            };
            let answer = cell.evaluate(plugin, instance, now, asked)?;
            let proposal = plugin.proposal(&answer.proposal).map_err(Failed::Instance)?;
            plugin.check_state(answer.state.as_deref().unwrap_or_default()).map_err(Failed::Instance)?;
            Ok((proposal, answer.state, answer.reason))
        })
    }

    /// Keeps the state that came with an answer.
    pub(crate) fn keep(&mut self, state: &[u8]) {
        let last_good = self.last_good.get_or_insert_default();
        last_good.clear();
        last_good.extend_from_slice(state);
    }

    /// Puts a state into the instance; [`FailureKind::Refused`] where that will not have it.
    pub(crate) fn put_back(&mut self, state: &[u8]) -> Result<(), EvaluateError> {
        let now = self.seat.now;
        let restored = self.seat.with(&mut self.last_good, |plugin, cell, instance| {
            match cell.restore(plugin, instance, now, state) {
                Ok(()) => {
                    let state = cell.snapshot(plugin, instance, now).map_err(Failed::Store)?;
                    plugin.check_state(&state).map_err(Failed::Instance)?;
                    Ok(state)
                }
                // The contract says that nothing has changed; a new instance makes sure.
                Err(CallError::Refused(message)) => {
                    Err(Failed::Instance(EvaluateError::new(FailureKind::Refused, printable(&message))))
                }
                Err(CallError::Broken(error)) => Err(Failed::Store(error)),
            }
        });
        self.last_good = Some(restored?);
        Ok(())
    }

    /// Asks what can't be had otherwise.
    fn snapshot_of_instance(&mut self) -> Result<Vec<u8>, EvaluateError> {
        let now = self.seat.now;
        self.seat.with(&mut self.last_good, |plugin, cell, instance| {
            let state = cell.snapshot(plugin, instance, now).map_err(Failed::Store)?;
            plugin.check_state(&state).map_err(Failed::Instance)?;
            Ok(state)
        })
    }
}

impl ScalingAlgorithm for PluginAlgorithm {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let counting = &self.seat.plugin.identity.counting;
        count(&counting.calls, 1);
        let answer = self.ask(look, trace);
        if let Err(error) = &answer {
            self.seat.plugin.identity.counting.failed(error.kind);
        }
        answer
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        if self.last_good.is_none() {
            self.last_good = Some(self.snapshot_of_instance().map_err(refused)?);
        }
        state.extend(self.last_good.iter().flatten());
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.put_back(state).map_err(refused)
    }
}

fn refused(error: EvaluateError) -> StateError {
    StateError::Refused(error.message)
}

impl Inner {
    /// From the guest's answer, of which nothing is believed, to a proposal.
    fn proposal(&self, proposal: &contract::Proposal) -> Result<Proposal, EvaluateError> {
        match *proposal {
            contract::Proposal::Need(need) => self.need(need),
            contract::Proposal::Hold => Ok(Proposal::Hold(Hold::Said)),
            contract::Proposal::NoOpinion => Ok(Proposal::NoOpinion),
            contract::Proposal::Suspend => Ok(Proposal::Suspend),
        }
    }

    pub(crate) fn need(&self, need: f64) -> Result<Proposal, EvaluateError> {
        if !(0.0..=f64::from(MAX_REPLICAS)).contains(&need) {
            return Err(self.nonsense(&format_args!("answered with a need of {need} replicas")));
        }
        Ok(Need::replicas(need)?.into())
    }

    pub(crate) fn check_state(&self, state: &[u8]) -> Result<(), EvaluateError> {
        let limit = self.host.limits().snapshot;
        if state.len() > limit {
            let (name, bytes) = (self.name(), state.len());
            let message = format!("plugin {name} has a state of {bytes} bytes, at most {limit} are kept");
            return Err(EvaluateError::new(FailureKind::Resources, message));
        }
        Ok(())
    }
}
