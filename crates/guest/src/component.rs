//! From the generated bindings to [`Plugin`], in one place.

use std::cell::RefCell;
use std::marker::PhantomData;

use setpoint::{Bounds, EvaluateError, FailureKind, Metric, Observation, Proposal, Reading, Target, Timestamp, Trace};

use crate::bindings::exports::setpoint::scaling::algorithm::{self as wit, Guest, GuestInstance};
use crate::bindings::exports::setpoint::scaling::batch;
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
            metrics: P::METRICS
                .iter()
                .map(|need| types::MetricNeed { name: need.name.to_owned(), meaning: need.meaning.to_owned() })
                .collect(),
            deterministic: P::DETERMINISTIC,
        }
    }
}

impl<P: Plugin + PluginVersion> batch::Guest for Component<P> {
    fn evaluate(instances: Vec<wit::InstanceBorrow<'_>>, looks: batch::Looks) -> batch::Answers {
        let workloads = instances.len();
        let mut answers = batch::Answers {
            proposals: Vec::with_capacity(workloads),
            needs: Vec::with_capacity(workloads),
            // As much as last time: states rarely change their size.
            states: Vec::with_capacity(workloads * 16),
            state_ends: Vec::with_capacity(workloads),
        };
        for (index, instance) in instances.iter().enumerate() {
            let mut inner = instance.get::<Instance<P>>().0.borrow_mut();
            let answer = looks.of(index, workloads).and_then(|look| inner.evaluate_one(&look, &mut answers.states));
            let (kind, need) = match answer {
                Some(types::Proposal::Need(need)) => (0, need),
                Some(types::Proposal::Hold) => (1, 0.0),
                Some(types::Proposal::NoOpinion) => (2, 0.0),
                Some(types::Proposal::Suspend) => (3, 0.0),
                None => (4, 0.0),
            };
            answers.proposals.push(kind);
            answers.needs.push(need);
            answers.state_ends.push(u32::try_from(answers.states.len()).expect("a guest's memory is below 4 GiB"));
        }
        answers
    }
}

/// What one workload's instance is asked.
struct Look<'a> {
    now_ms: i64,
    current: u32,
    ready: u32,
    min: u32,
    max: u32,
    values: &'a [f64],
    states: &'a [u8],
}

impl batch::Looks {
    /// That of one of so many workloads; none where the columns have no entry for it.
    fn of(&self, index: usize, workloads: usize) -> Option<Look<'_>> {
        let metrics = self.values.len() / workloads;
        let range = index * metrics..(index + 1) * metrics;
        Some(Look {
            now_ms: self.now_ms,
            current: *self.current.get(index)?,
            ready: *self.ready.get(index)?,
            min: *self.min.get(index)?,
            max: *self.max.get(index)?,
            values: self.values.get(range.clone())?,
            states: if self.states.is_empty() { &[] } else { self.states.get(range)? },
        })
    }
}

impl<P: Plugin> GuestInstance for Instance<P> {
    fn create(config: String, metrics: Vec<types::Metric>) -> Result<wit::Instance, types::ConfigError> {
        create::<P>(&config, metrics)
            .map(|inner| wit::Instance::new(Self(RefCell::new(inner))))
            .map_err(|error| types::ConfigError { path: error.path, message: error.message })
    }

    fn evaluate(&self, look: types::Observation) -> Result<types::Answer, types::Failure> {
        let alone = Look {
            now_ms: look.now_ms,
            current: look.current,
            ready: look.ready,
            min: look.min,
            max: look.max,
            values: &look.values,
            states: &look.states,
        };
        self.0.borrow_mut().evaluate(&alone, look.explain)
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut inner = self.0.borrow_mut();
        inner.state_has_changed();
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
    let mut inner = Inner {
        plugin: P::new(setpoint::parse_config(&config)?, &metrics)?,
        readings: Vec::with_capacity(metrics.len()),
        metrics,
        silent: Trace::off(),
        explaining: Trace::new(),
        known: Vec::new(),
        next: Vec::new(),
    };
    // The host needs no state for an instance as it is made.
    inner.state_has_changed();
    Ok(inner)
}

impl<P: Plugin> Inner<P> {
    fn evaluate(&mut self, look: &Look<'_>, explain: bool) -> Result<types::Answer, types::Failure> {
        let proposal = self.propose(look, explain)?;
        let reason = if explain { words(&self.explaining, &self.metrics) } else { String::new() };
        let state = self.state_has_changed().then(|| self.known.clone());
        Ok(types::Answer { proposal, reason, state })
    }

    /// As one of many: a changed state goes to the end of `states`. None for a failure, which leaves no trace.
    fn evaluate_one(&mut self, look: &Look<'_>, states: &mut Vec<u8>) -> Option<types::Proposal> {
        match self.propose(look, false) {
            Ok(proposal) => {
                if self.state_has_changed() {
                    states.extend_from_slice(&self.known);
                }
                Some(proposal)
            }
            Err(_) => {
                // Its own state: if it can't be put back, the host sees the trap, and asks each workload alone.
                self.plugin.restore(&self.known).expect("a plugin takes its own state back");
                None
            }
        }
    }

    fn propose(&mut self, look: &Look<'_>, explain: bool) -> Result<types::Proposal, types::Failure> {
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
        let trace = if explain { &mut self.explaining } else { &mut self.silent };
        trace.clear();
        let proposal = self.plugin.evaluate(&observation, trace).map_err(failure)?;
        Ok(match proposal {
            Proposal::Need(need) => types::Proposal::Need(need.settle(look.current, trace).exact()),
            Proposal::Hold(_) => types::Proposal::Hold,
            Proposal::Suspend => types::Proposal::Suspend,
            // NoOpinion, and what a later library may add: nothing this contract could carry.
            _ => types::Proposal::NoOpinion,
        })
    }

    /// Whether the state isn't what the host has. From then on it has it.
    fn state_has_changed(&mut self) -> bool {
        self.next.clear();
        // A plugin in a sandbox has nothing to fail at here; if it does, the host sees the trap.
        self.plugin.snapshot(&mut self.next).expect("a snapshot");
        if self.next == self.known {
            return false;
        }
        std::mem::swap(&mut self.next, &mut self.known);
        true
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
