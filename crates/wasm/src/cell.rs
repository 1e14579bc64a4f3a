//! One store with one component instance in it, in which workloads' instances live; and how it is called.

use setpoint::{EvaluateError, FailureKind, Metric, Timestamp};
use wasmtime::component::ResourceAny;
use wasmtime::{PoolConcurrencyLimitError, Result, Store, Trap};

use crate::contract::{Answer, Answers, ConfigError, Failure, Guest, Looks, Observation};
use crate::counters::count;
use crate::host::{Deadline, PluginHost};
use crate::plugin::Inner;
use crate::sandbox::{DeadlinePassed, Grants, Sandbox, printable};

/// A store and what it holds. After [`CallError::Broken`] it must be dropped.
pub(crate) struct Cell {
    store: Store<Sandbox>,
    guest: Guest,
    /// How many looks it has answered.
    looks: u64,
}

/// How many looks a workload's store must have answered before it is worn: one that fills its memory sooner fails, and
/// isn't made anew over and over.
const WORN_AFTER: u64 = 1_000;

/// How a call into a plugin can fail: it ran and said no, or it did not run to its end and nothing in its store can be
/// trusted.
pub(crate) enum CallError<E> {
    Refused(E),
    Broken(EvaluateError),
}

impl<E> From<EvaluateError> for CallError<E> {
    fn from(error: EvaluateError) -> Self {
        Self::Broken(error)
    }
}

impl Cell {
    pub(crate) fn open(plugin: &Inner, grants: Grants, now: Timestamp) -> Result<Self, EvaluateError> {
        let host = &plugin.host;
        let mut store = host.store(Sandbox::new(host, plugin.identity.clone(), grants));
        let guest = call(host, &mut store, Deadline::Init, now, |store| {
            let instance = plugin.pre.instantiate(&mut *store)?;
            plugin.exports().load(store, &instance)
        });
        match guest {
            Ok(guest) => {
                count(&plugin.identity.counting.stores, 1);
                Ok(Self { store, guest, looks: 0 })
            }
            Err(error) => Err(explain(plugin, Deadline::Init, &error, &store)),
        }
    }

    /// A new workload's instance.
    pub(crate) fn create(
        &mut self,
        plugin: &Inner,
        config: &str,
        metrics: &[Metric],
        now: Timestamp,
    ) -> Result<ResourceAny, CallError<ConfigError>> {
        let guest = &self.guest;
        let created =
            call(&plugin.host, &mut self.store, Deadline::Init, now, |store| guest.create(store, config, metrics));
        let created = created.map_err(|error| explain(plugin, Deadline::Init, &error, &self.store))?;
        let instance = created.map_err(CallError::Refused)?;
        count(&plugin.identity.counting.instances, 1);
        Ok(instance)
    }

    pub(crate) fn evaluate(
        &mut self,
        plugin: &Inner,
        instance: ResourceAny,
        now: Timestamp,
        look: Observation<'_>,
    ) -> Result<Answer, CallError<EvaluateError>> {
        let guest = &self.guest;
        let answer =
            call(&plugin.host, &mut self.store, Deadline::Call, now, |store| guest.evaluate(store, instance, look));
        match answer.map_err(|error| explain(plugin, Deadline::Call, &error, &self.store))? {
            Ok(answer) => {
                self.looks += 1;
                Ok(answer)
            }
            Err(Failure::Refused(why) | Failure::BadObservation(why)) => {
                let message = format!("plugin {} can't answer: {}", plugin.name(), printable(&why));
                Err(CallError::Refused(EvaluateError::new(FailureKind::Refused, message)))
            }
        }
    }

    /// None where the plugin has no batches.
    pub(crate) fn evaluate_all(
        &mut self,
        plugin: &Inner,
        instances: &[ResourceAny],
        now: Timestamp,
        looks: Looks<'_>,
    ) -> Option<Result<Answers, EvaluateError>> {
        let limits = plugin.host.limits();
        let copies = limits.host_copies.saturating_mul(instances.len()).min(limits.memory).max(limits.host_copies);
        self.store.set_hostcall_fuel(copies);
        let guest = &self.guest;
        let answers = call(&plugin.host, &mut self.store, Deadline::Call, now, |store| {
            guest.evaluate_all(store, instances, looks).transpose()
        });
        self.store.set_hostcall_fuel(limits.host_copies);
        self.looks += instances.len() as u64;
        let answers = answers.map_err(|error| explain(plugin, Deadline::Call, &error, &self.store));
        answers.transpose()
    }

    pub(crate) fn snapshot(
        &mut self,
        plugin: &Inner,
        instance: ResourceAny,
        now: Timestamp,
    ) -> Result<Vec<u8>, EvaluateError> {
        let guest = &self.guest;
        let state = call(&plugin.host, &mut self.store, Deadline::Call, now, |store| guest.snapshot(store, instance));
        state.map_err(|error| explain(plugin, Deadline::Call, &error, &self.store))
    }

    pub(crate) fn restore(
        &mut self,
        plugin: &Inner,
        instance: ResourceAny,
        now: Timestamp,
        state: &[u8],
    ) -> Result<(), CallError<String>> {
        let guest = &self.guest;
        let restored =
            call(&plugin.host, &mut self.store, Deadline::Call, now, |store| guest.restore(store, instance, state));
        restored.map_err(|error| explain(plugin, Deadline::Call, &error, &self.store))?.map_err(CallError::Refused)
    }

    /// Drops a workload's instance, which runs its destructor.
    pub(crate) fn drop_instance(
        &mut self,
        plugin: &Inner,
        instance: ResourceAny,
        now: Timestamp,
    ) -> Result<(), EvaluateError> {
        let dropped = call(&plugin.host, &mut self.store, Deadline::Call, now, |store| instance.resource_drop(store));
        dropped.map_err(|error| explain(plugin, Deadline::Call, &error, &self.store))
    }

    /// Whether it has served `workloads` for long and soon has no memory left, because something in it leaks or a runtime
    /// collects only when it must.
    pub(crate) fn is_worn(&self, workloads: usize) -> bool {
        self.looks >= WORN_AFTER * workloads as u64 && self.store.data().meter.is_nearly_full()
    }

    /// Whether the last call was refused memory, though it went on without.
    pub(crate) fn is_full(&self) -> bool {
        self.store.data().meter.refused
    }
}

/// One call into a store, watched.
pub(crate) fn call<R>(
    host: &PluginHost,
    store: &mut Store<Sandbox>,
    deadline: Deadline,
    now: Timestamp,
    call: impl FnOnce(&mut Store<Sandbox>) -> Result<R>,
) -> Result<R> {
    store.data_mut().begin(now);
    let watched = host.watch(store, deadline)?;
    let result = call(store);
    drop(watched);
    store.data_mut().end();
    result
}

fn explain(plugin: &Inner, deadline: Deadline, error: &wasmtime::Error, store: &Store<Sandbox>) -> EvaluateError {
    let EvaluateError { kind, message, .. } = in_words(&plugin.host, deadline, error, store.data());
    EvaluateError::new(kind, format!("plugin {} {message}", plugin.name()))
}

/// A failed call in words that need no knowledge of WASM. The message continues a sentence about the plugin.
pub(crate) fn in_words(
    host: &PluginHost,
    deadline: Deadline,
    error: &wasmtime::Error,
    sandbox: &Sandbox,
) -> EvaluateError {
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        let message = format!("took longer than its deadline of {:?}", host.time(deadline));
        return EvaluateError::new(FailureKind::Deadline, message);
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        let message = format!("did more than {} units of work in one call", host.fuel(deadline));
        return EvaluateError::new(FailureKind::Deadline, message);
    }
    if sandbox.meter.refused {
        let message = format!("wanted more than {} bytes of memory", host.limits().memory);
        return EvaluateError::new(FailureKind::Resources, message);
    }
    if let Some(full) = error.downcast_ref::<PoolConcurrencyLimitError>() {
        let message = format!("found no free slot ({full}): set up the host with more `slots`");
        return EvaluateError::new(FailureKind::Resources, message);
    }
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => printable(&trap.to_string()),
        None => printable(&error.root_cause().to_string()),
    };
    // The errors have no type that could be asked for.
    if cause.contains("fuel allocated for hostcalls") {
        let message = format!("made the host copy more than {} bytes in one call", host.limits().host_copies);
        return EvaluateError::new(FailureKind::Resources, message);
    }
    if cause.starts_with("resource limit exceeded") {
        let message = format!("wanted more than {} instances, tables or memories", host.limits().items);
        return EvaluateError::new(FailureKind::Resources, message);
    }
    if cause.contains("handle limit exceeded") {
        let message = "held more handles to resources than it may".to_owned();
        return EvaluateError::new(FailureKind::Resources, message);
    }
    let message = match sandbox.stderr_line().as_str() {
        "" => format!("crashed: {cause}"),
        said => format!("crashed: {cause}; it said: {said}"),
    };
    EvaluateError::new(FailureKind::Trap, message)
}
