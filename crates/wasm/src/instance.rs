//! One workload's instance: how it is called, what becomes of its answer, and how it is replaced.

use std::sync::Arc;

use setpoint::{
    ConfigError, EvaluateError, FailureKind, Hold, MAX_REPLICAS, Metric, Need, Observation, Proposal, Reading,
    ScalingAlgorithm, Setup, StateError, Target, Trace,
};
use wasmtime::component::ResourceAny;
use wasmtime::{Result, Store, Trap};

use crate::bindings::Plugin;
use crate::bindings::setpoint::scaling::types;
use crate::limits::Limits;
use crate::plugin::Inner;
use crate::sandbox::{DeadlinePassed, Sandbox, printable};

/// The stage under which a plugin's reasons stand.
const STAGE: &str = "plugin";

/// A plugin's instance as an algorithm.
///
/// Each answer brings the state along where that has changed. When a call traps, times out or gives nonsense, the instance is
/// dropped with its whole store; the next call makes a new one and puts the last good state back.
pub(crate) struct PluginAlgorithm {
    plugin: Arc<Inner>,
    config: Box<str>,
    metrics: Box<[Metric]>,
    live: Option<Live>,
    /// None while the instance is as it was made.
    last_good: Option<Vec<u8>>,
    values: Vec<f64>,
    states: Vec<u8>,
}

struct Live {
    store: Store<Sandbox>,
    exports: Plugin,
    handle: ResourceAny,
}

/// How a call into a plugin can fail: it ran and said no, or it did not run to its end.
enum CallError<E> {
    Refused(E),
    Failed(EvaluateError),
}

impl PluginAlgorithm {
    pub(crate) fn new(plugin: Arc<Inner>, setup: &Setup<'_>) -> Result<Self, ConfigError> {
        // A plugin reads an object; a policy without `config` has none.
        let config = if setup.config.is_null() { "{}".into() } else { setup.config.to_string() };
        let mut algorithm = Self {
            plugin,
            config: config.into_boxed_str(),
            metrics: setup.metrics.into(),
            live: None,
            last_good: None,
            values: Vec::with_capacity(setup.metrics.len()),
            states: Vec::with_capacity(setup.metrics.len()),
        };
        let live = algorithm.start().map_err(|error| match error {
            CallError::Refused(error) => ConfigError::new(printable(&error.path), printable(&error.message)),
            CallError::Failed(error) => ConfigError::new("", error.message),
        })?;
        algorithm.live = Some(live);
        Ok(algorithm)
    }

    fn start(&self) -> Result<Live, CallError<types::ConfigError>> {
        let host = &self.plugin.host;
        let mut store = host.store();
        let watched = host.watch(&mut store);
        let metrics: Vec<types::Metric<'_>> = self.metrics.iter().map(to_binding).collect();
        let created = self.plugin.pre.instantiate(&mut store).and_then(|exports| {
            let instance = exports.setpoint_scaling_algorithm().instance();
            let handle = instance.call_create(&mut store, &self.config, &metrics)?;
            Ok((exports, handle))
        });
        drop(watched);
        match created {
            Ok((exports, Ok(handle))) => Ok(Live { store, exports, handle }),
            Ok((_, Err(refused))) => Err(CallError::Refused(refused)),
            Err(error) => Err(CallError::Failed(self.plugin.explain(&error, &store))),
        }
    }

    /// The instance, taken out until it has proved good, or a new one.
    fn live(&mut self) -> Result<Live, EvaluateError> {
        self.live.take().map_or_else(|| self.revive(), Ok)
    }

    /// A new instance that goes on from the last good state.
    ///
    /// A state that it will not or can not take back is dropped with the error: the instance after this begins anew,
    /// for a workload must not be stuck with it.
    fn revive(&mut self) -> Result<Live, EvaluateError> {
        let mut live = self.start().map_err(|error| match error {
            // It accepted this configuration before.
            CallError::Refused(error) => self.plugin.nonsense(&format_args!(
                "refused its configuration when it was replaced: {}",
                printable(&error.message)
            )),
            CallError::Failed(error) => error,
        })?;
        let Some(state) = self.last_good.take() else {
            return Ok(live);
        };
        match live.restore(&self.plugin, &state) {
            Ok(()) => {
                self.last_good = Some(state);
                Ok(live)
            }
            Err(CallError::Failed(error)) => Err(error),
            Err(CallError::Refused(message)) => {
                Err(self.plugin.nonsense(&format_args!("refused its own state: {}", printable(&message))))
            }
        }
    }

    fn ask(&mut self, live: &mut Live, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.values.clear();
        self.states.clear();
        for (metric, (reading, terms)) in look.readings.iter().zip(&self.metrics).enumerate() {
            let value = terms.value(*reading, look);
            self.values.push(value.unwrap_or(0.0));
            // Only from the first reading on that isn't a plain value: usually there is none.
            if value.is_none() && self.states.is_empty() {
                self.states.resize(metric, 0);
            }
            if value.is_none() || !self.states.is_empty() {
                self.states.push(if value.is_some() { 0 } else { state_of(reading) });
            }
        }
        let current = look.current;
        let look = types::Observation {
            now_ms: look.now.as_millis(),
            current,
            ready: look.ready,
            min: look.bounds.min(),
            max: look.bounds.max(),
            explain: trace.is_on(),
            values: &self.values,
            states: &self.states,
        };
        let answer = live.evaluate(&self.plugin, look)?;
        let proposal = self.check(&answer, current, trace)?;
        if let Some(state) = answer.state {
            self.last_good = Some(state);
        }
        Ok(proposal)
    }

    /// From the guest's answer, of which nothing is believed, to a proposal.
    fn check(&self, answer: &types::Answer, current: u32, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let current = f64::from(current);
        let (to, proposal) = match answer.proposal {
            types::Proposal::Need(need) => {
                if !(0.0..=f64::from(MAX_REPLICAS)).contains(&need) {
                    return Err(self.plugin.nonsense(&format_args!("answered with a need of {need} replicas")));
                }
                (need, Need::replicas(need)?.into())
            }
            types::Proposal::Hold => (current, Proposal::Hold(Hold::Said)),
            types::Proposal::NoOpinion => (current, Proposal::NoOpinion),
            types::Proposal::Suspend => (current, Proposal::Suspend),
        };
        if trace.is_on() {
            let reason = printable(&answer.reason);
            let name = &self.plugin.name;
            match reason.as_str() {
                "" => trace.note(STAGE, current, to, format_args!("{name} gives no reason")),
                reason => trace.note(STAGE, current, to, format_args!("{name}: {reason}")),
            }
        }
        Ok(proposal)
    }
}

impl ScalingAlgorithm for PluginAlgorithm {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let mut live = self.live()?;
        let answer = self.ask(&mut live, look, trace);
        match &answer {
            // It ran to its end and said that it can't answer: nothing is wrong with the instance.
            Err(error) if error.kind != FailureKind::Refused => {
                tracing::warn!(plugin = self.plugin.name, kind = %error.kind, "dropped a plugin's instance");
            }
            _ => self.live = Some(live),
        }
        answer
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        if self.last_good.is_none() {
            let mut live = self.live().map_err(refused)?;
            self.last_good = Some(live.snapshot(&self.plugin).map_err(refused)?);
            self.live = Some(live);
        }
        state.extend(self.last_good.iter().flatten());
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut live = self.live().map_err(refused)?;
        match live.restore(&self.plugin, state) {
            Ok(()) => {
                self.last_good = Some(live.snapshot(&self.plugin).map_err(refused)?);
                self.live = Some(live);
                Ok(())
            }
            Err(CallError::Refused(message)) => {
                // The contract says that nothing has changed; a new instance makes sure.
                Err(StateError::Refused(printable(&message)))
            }
            Err(CallError::Failed(error)) => Err(refused(error)),
        }
    }
}

impl Live {
    fn evaluate(&mut self, plugin: &Inner, look: types::Observation<'_>) -> Result<types::Answer, EvaluateError> {
        let watched = plugin.host.watch(&mut self.store);
        let instance = self.exports.setpoint_scaling_algorithm().instance();
        let answer = instance.call_evaluate(&mut self.store, self.handle, look);
        drop(watched);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(types::Failure::Refused(why) | types::Failure::BadObservation(why))) => {
                let message = format!("plugin {} can't answer: {}", plugin.name, printable(&why));
                Err(EvaluateError::new(FailureKind::Refused, message))
            }
            Err(error) => Err(plugin.explain(&error, &self.store)),
        }
    }

    fn snapshot(&mut self, plugin: &Inner) -> Result<Vec<u8>, EvaluateError> {
        let watched = plugin.host.watch(&mut self.store);
        let instance = self.exports.setpoint_scaling_algorithm().instance();
        let state = instance.call_snapshot(&mut self.store, self.handle);
        drop(watched);
        state.map_err(|error| plugin.explain(&error, &self.store))
    }

    fn restore(&mut self, plugin: &Inner, state: &[u8]) -> Result<(), CallError<String>> {
        let watched = plugin.host.watch(&mut self.store);
        let instance = self.exports.setpoint_scaling_algorithm().instance();
        let restored = instance.call_restore(&mut self.store, self.handle, state);
        drop(watched);
        match restored {
            Ok(Ok(())) => Ok(()),
            Ok(Err(message)) => Err(CallError::Refused(message)),
            Err(error) => Err(CallError::Failed(plugin.explain(&error, &self.store))),
        }
    }
}

impl Inner {
    fn explain(&self, error: &wasmtime::Error, store: &Store<Sandbox>) -> EvaluateError {
        let EvaluateError { kind, message, .. } = explain(error, self.host.limits(), store.data());
        EvaluateError::new(kind, format!("plugin {} {message}", self.name))
    }

    fn nonsense(&self, what: &dyn std::fmt::Display) -> EvaluateError {
        EvaluateError::nonsense(format!("plugin {} {what}", self.name))
    }
}

/// Whether a plugin failed while it ran, rather than being of the wrong type.
pub(crate) fn is_failure(error: &wasmtime::Error, sandbox: &Sandbox) -> bool {
    sandbox.meter.refused || error.downcast_ref::<Trap>().is_some() || error.downcast_ref::<DeadlinePassed>().is_some()
}

/// A failed call in words that need no knowledge of WASM. The message continues a sentence about the plugin.
pub(crate) fn explain(error: &wasmtime::Error, limits: &Limits, sandbox: &Sandbox) -> EvaluateError {
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        let message = format!("took longer than its deadline of {:?}", limits.deadline);
        return EvaluateError::new(FailureKind::Deadline, message);
    }
    if sandbox.meter.refused {
        let message = format!("wanted more than {} bytes of memory", limits.memory);
        return EvaluateError::new(FailureKind::Resources, message);
    }
    let stderr = sandbox.stderr_line();
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => printable(&trap.to_string()),
        None => printable(&error.root_cause().to_string()),
    };
    let message = match stderr.as_str() {
        "" => format!("crashed: {cause}"),
        said => format!("crashed: {cause}; it said: {said}"),
    };
    EvaluateError::new(FailureKind::Trap, message)
}

fn refused(error: EvaluateError) -> StateError {
    StateError::Refused(error.message)
}

fn state_of(reading: &Reading<'_>) -> u8 {
    match reading.state().0 {
        // Also samples of which none can be used.
        "value" | "missing" => 1,
        "stale" => 2,
        _ => 3,
    }
}

fn to_binding(metric: &Metric) -> types::Metric<'_> {
    let target = match metric.target {
        Target::Value(target) => types::Target::Value(target.get()),
        // A mean over the instances is compared as it is, whatever their number.
        Target::AverageValue(target) if metric.kind.is_per_instance() => types::Target::Value(target.get()),
        Target::AverageValue(target) => types::Target::AverageValue(target.get()),
        Target::Utilization(target) => types::Target::Utilization(target.get()),
    };
    types::Metric { name: &metric.name, target }
}
