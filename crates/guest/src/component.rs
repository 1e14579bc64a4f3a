//! From the generated bindings to [`Plugin`], in one place.

use std::cell::RefCell;
use std::marker::PhantomData;

use setpoint::{Bounds, EvaluateError, FailureKind, Metric, Observation, Proposal, Reading, Target, Timestamp, Trace};

use crate::bindings::exports::setpoint::scaling::algorithm::{self as wit, Guest, GuestInstance};
use crate::bindings::setpoint::scaling::types;
use crate::{Plugin, PluginVersion};

/// What [`export!`](crate::export) exports: `P` as the component's algorithm.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

/// One workload's `P`, with what would otherwise be allocated at each call.
#[doc(hidden)]
#[derive(Debug)]
pub struct Instance<P>(RefCell<Inner<P>>);

#[derive(Debug)]
struct Inner<P> {
    plugin: P,
    metrics: Vec<Metric>,
    readings: Vec<Reading<'static>>,
    silent: Trace,
    explaining: Trace,
    /// The state as the host has it, and room for the next.
    known: Vec<u8>,
    next: Vec<u8>,
}

impl<P: Plugin + PluginVersion> Guest for Component<P> {
    type Instance = Instance<P>;

    fn describe() -> types::Description {
        types::Description {
            name: P::NAME.to_owned(),
            version: P::VERSION.to_owned(),
            summary: P::SUMMARY.to_owned(),
            config_schema: schemars::schema_for!(P::Config).to_value().to_string(),
        }
    }
}

impl<P: Plugin> GuestInstance for Instance<P> {
    fn create(config: String, metrics: Vec<types::Metric>) -> Result<wit::Instance, types::ConfigError> {
        create::<P>(&config, metrics)
            .map(|inner| wit::Instance::new(Self(RefCell::new(inner))))
            .map_err(|error| types::ConfigError { path: error.path, message: error.message })
    }

    fn evaluate(&self, look: types::Observation) -> Result<types::Answer, types::Failure> {
        self.0.borrow_mut().evaluate(&look)
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut inner = self.0.borrow_mut();
        inner.changed_state();
        inner.known.clone()
    }

    fn restore(&self, state: Vec<u8>) -> Result<(), String> {
        let mut inner = self.0.borrow_mut();
        inner.plugin.restore(&state).map_err(|error| error.to_string())?;
        inner.known = state;
        Ok(())
    }
}

fn create<P: Plugin>(config: &str, metrics: Vec<types::Metric>) -> Result<Inner<P>, setpoint::ConfigError> {
    let config = serde_json::from_str(config)
        .map_err(|error| setpoint::ConfigError::new("", format!("the configuration is not JSON: {error}")))?;
    let metrics = metrics
        .into_iter()
        .map(|metric| {
            let target = match metric.target {
                types::Target::Value(target) => Target::value(target),
                types::Target::AverageValue(target) => Target::average_value(target),
                types::Target::Utilization(target) => Target::utilization(target),
            };
            let name = metric.name;
            let target = target.map_err(|error| setpoint::ConfigError::new("", format!("metric {name}: {error}")))?;
            Ok(Metric::new(name, target))
        })
        .collect::<Result<Vec<_>, setpoint::ConfigError>>()?;
    Ok(Inner {
        plugin: P::new(setpoint::parse_config(&config)?, &metrics)?,
        readings: Vec::with_capacity(metrics.len()),
        metrics,
        silent: Trace::off(),
        explaining: Trace::new(),
        known: Vec::new(),
        next: Vec::new(),
    })
}

impl<P: Plugin> Inner<P> {
    fn evaluate(&mut self, look: &types::Observation) -> Result<types::Answer, types::Failure> {
        if look.values.len() != self.metrics.len() {
            let (readings, metrics) = (look.values.len(), self.metrics.len());
            return Err(types::Failure::BadObservation(format!("{readings} readings for {metrics} metrics")));
        }
        self.readings.clear();
        self.readings.extend(look.values.iter().enumerate().map(|(metric, &value)| {
            match look.states.get(metric).copied().unwrap_or(0) {
                0 => Reading::Value(value),
                1 => Reading::Missing(""),
                2 => Reading::Stale(""),
                _ => Reading::Invalid(""),
            }
        }));
        let bounds =
            Bounds::new(look.min, look.max).map_err(|error| types::Failure::BadObservation(error.to_string()))?;
        let observation = Observation::new(Timestamp::from_millis(look.now_ms), look.current, &self.readings)
            .with_ready(look.ready)
            .with_bounds(bounds);
        let trace = if look.explain { &mut self.explaining } else { &mut self.silent };
        trace.clear();
        let proposal = self.plugin.evaluate(&observation, trace).map_err(failure)?;
        let proposal = match proposal {
            Proposal::Need(need) => types::Proposal::Need(need.settle(look.current, trace).exact()),
            Proposal::Hold(_) => types::Proposal::Hold,
            Proposal::Suspend => types::Proposal::Suspend,
            // NoOpinion, and what a later library may add: nothing this contract could carry.
            _ => types::Proposal::NoOpinion,
        };
        let reason = words(trace, &self.metrics);
        Ok(types::Answer { proposal, reason, state: self.changed_state() })
    }

    /// The state, if it isn't what the host has.
    fn changed_state(&mut self) -> Option<Vec<u8>> {
        self.next.clear();
        // A plugin in a sandbox has nothing to fail at here; if it does, the host sees the trap.
        self.plugin.snapshot(&mut self.next).expect("a snapshot");
        if self.next == self.known {
            return None;
        }
        std::mem::swap(&mut self.next, &mut self.known);
        Some(self.known.clone())
    }
}

fn failure(error: EvaluateError) -> types::Failure {
    match error.kind {
        FailureKind::Refused => types::Failure::Refused(error.message),
        kind => types::Failure::Refused(format!("{kind}: {}", error.message)),
    }
}

fn words(trace: &Trace, metrics: &[Metric]) -> String {
    if trace.reasons().is_empty() {
        return String::new();
    }
    let records = trace.records(metrics);
    records.iter().map(|record| record.text.as_str()).collect::<Vec<_>>().join("; ")
}
