//! Where one workload's instance is, and how it is replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use setpoint::{Capability, EvaluateError, FailureKind, Metric, Timestamp};
use wasmtime::component::ResourceAny;

use crate::cell::{CallError, Cell};
use crate::cells::{Entered, Place};
use crate::contract::ConfigError;
use crate::counters::count;
use crate::host::Mode;
use crate::plugin::Inner;
use crate::sandbox::{Grants, printable};

/// What workloads' instances are made from.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) mode: Mode,
    pub(crate) config: Box<str>,
    pub(crate) metrics: Box<[Metric]>,
    pub(crate) capabilities: BTreeSet<Capability>,
    grants: Grants,
}

impl Recipe {
    pub(crate) fn new(
        plugin: &Inner,
        mode: Mode,
        config: &serde_json::Value,
        metrics: &[Metric],
        capabilities: &BTreeSet<Capability>,
    ) -> Self {
        // A plugin reads an object; a policy without `config` has none.
        let config = if config.is_null() { "{}".into() } else { config.to_string() };
        let grants = Grants::new(&plugin.host, capabilities);
        let capabilities = capabilities.clone();
        Self { mode, config: config.into_boxed_str(), metrics: metrics.into(), capabilities, grants }
    }
}

/// One workload's instance, wherever it is.
pub(crate) struct Seat {
    pub(crate) plugin: Arc<Inner>,
    pub(crate) recipe: Arc<Recipe>,
    /// None before the first call, after a failure, and always where each call has a store of its own.
    live: Option<Live>,
    /// Whether a call of this workload has broken a store. Others don't share one with it again.
    alone: bool,
    /// When it was last looked at: what its clocks show between two looks.
    pub(crate) now: Timestamp,
}

pub(crate) struct Live {
    pub(crate) place: Place,
    pub(crate) instance: ResourceAny,
}

/// How a call can fail, by what must go.
pub(crate) enum Failed {
    /// Nothing: it ran to its end and said no.
    Said(EvaluateError),
    /// The instance: what it answered makes no sense.
    Instance(EvaluateError),
    /// The store: nothing in it can be trusted.
    Store(EvaluateError),
}

impl From<CallError<EvaluateError>> for Failed {
    fn from(error: CallError<EvaluateError>) -> Self {
        match error {
            CallError::Refused(error) => Self::Said(error),
            CallError::Broken(error) => Self::Store(error),
        }
    }
}

/// The last state that an instance told; None while it is as it was made.
pub(crate) type LastGood = Option<Vec<u8>>;

impl Seat {
    pub(crate) const fn new(plugin: Arc<Inner>, recipe: Arc<Recipe>) -> Self {
        Self { plugin, recipe, live: None, alone: false, now: Timestamp::from_millis(0) }
    }

    /// Tries the configuration, and keeps the instance that comes of it.
    pub(crate) fn try_out(&mut self) -> Result<(), CallError<ConfigError>> {
        if self.recipe.mode == Mode::Fresh {
            self.make().map(|_| ())
        } else {
            self.live = Some(self.settle(&mut None)?);
            Ok(())
        }
    }

    /// Calls `ask` on the workload's instance, or on a new one with its last good state, and keeps of both what the answer
    /// leaves whole.
    pub(crate) fn with<R>(
        &mut self,
        last_good: &mut LastGood,
        mut ask: impl FnMut(&Inner, &mut Cell, ResourceAny) -> Result<R, Failed>,
    ) -> Result<R, EvaluateError> {
        if self.recipe.mode == Mode::Fresh {
            return self.with_a_fresh_one(last_good, ask);
        }
        loop {
            self.be_live(last_good)?;
            let Some(live) = self.live.take() else { continue };
            let mut entered = live.place.enter();
            // A neighbour may have broken it just before.
            let Some(cell) = entered.open() else { continue };
            let answer = ask(&self.plugin, cell, live.instance);
            match answer {
                Ok(_) | Err(Failed::Said(_)) if live.place.is_shared() && cell.is_full() => {
                    // It went on without the memory; the next to call may not.
                    self.plugin.outgrown(&mut entered, &live.place);
                }
                Ok(_) if cell.is_worn(live.place.residents()) => self.plugin.renew(&mut entered),
                Ok(_) | Err(Failed::Said(_)) => {
                    drop(entered);
                    self.live = Some(live);
                }
                Err(Failed::Instance(_)) => self.plugin.evict(&mut entered, &live, self.now),
                Err(Failed::Store(ref error)) => {
                    if self.broke(&mut entered, &live.place, error) {
                        continue;
                    }
                }
            }
            return answer.map_err(|(Failed::Said(error) | Failed::Instance(error) | Failed::Store(error))| error);
        }
    }

    fn with_a_fresh_one<R>(
        &self,
        last_good: &mut LastGood,
        mut ask: impl FnMut(&Inner, &mut Cell, ResourceAny) -> Result<R, Failed>,
    ) -> Result<R, EvaluateError> {
        let (mut cell, instance) = self.make().map_err(|error| self.refused_again(error))?;
        self.go_on(&mut cell, instance, last_good)
            .and_then(|()| ask(&self.plugin, &mut cell, instance))
            .map_err(|(Failed::Said(error) | Failed::Instance(error) | Failed::Store(error))| error)
    }

    fn make(&self) -> Result<(Cell, ResourceAny), CallError<ConfigError>> {
        let mut cell = Cell::open(&self.plugin, self.recipe.grants, self.now)?;
        let instance = cell.create(&self.plugin, &self.recipe.config, &self.recipe.metrics, self.now)?;
        Ok((cell, instance))
    }

    /// Makes sure that there is an instance, with the last good state.
    pub(crate) fn be_live(&mut self, last_good: &mut LastGood) -> Result<(), EvaluateError> {
        if self.live.as_ref().is_some_and(|live| !live.place.is_broken()) {
            return Ok(());
        }
        self.live = None;
        self.live = Some(self.settle(last_good).map_err(|error| self.refused_again(error))?);
        Ok(())
    }

    /// The instance, while it has one.
    pub(crate) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    /// Drops the instance: the next call makes a new one.
    pub(crate) fn leave(&mut self) {
        if let Some(live) = self.live.take() {
            self.plugin.evict(&mut live.place.enter(), &live, self.now);
        }
    }

    /// A new instance in a store with others, or alone, that goes on from the last good state.
    fn settle(&mut self, last_good: &mut LastGood) -> Result<Live, CallError<ConfigError>> {
        loop {
            let apart = self.alone || self.recipe.mode != Mode::Warm;
            let grants = self.recipe.grants;
            let place = if apart { Place::alone(grants) } else { self.plugin.cells.shared(grants) };
            let mut entered = place.enter();
            let Some(cell) = entered.cell(&self.plugin, self.now)? else { continue };
            let instance = match cell.create(&self.plugin, &self.recipe.config, &self.recipe.metrics, self.now) {
                Ok(instance) => instance,
                Err(CallError::Broken(error)) => {
                    if self.broke(&mut entered, &place, &error) {
                        continue;
                    }
                    return Err(CallError::Broken(error));
                }
                refused @ Err(CallError::Refused(_)) => refused?,
            };
            let went_on = self.go_on(cell, instance, last_good);
            drop(entered);
            let live = Live { place, instance };
            match went_on {
                Ok(()) => return Ok(live),
                Err(Failed::Said(error) | Failed::Instance(error)) => {
                    self.plugin.evict(&mut live.place.enter(), &live, self.now);
                    return Err(CallError::Broken(error));
                }
                Err(Failed::Store(error)) => {
                    if !self.broke(&mut live.place.enter(), &live.place, &error) {
                        return Err(CallError::Broken(error));
                    }
                }
            }
        }
    }

    /// Puts the last good state into a new instance.
    ///
    /// A state that it will not or can not take back is dropped with the error: the instance after this begins anew,
    /// for a workload must not be stuck with it.
    fn go_on(&self, cell: &mut Cell, instance: ResourceAny, last_good: &mut LastGood) -> Result<(), Failed> {
        let Some(state) = last_good.take() else {
            return Ok(());
        };
        match cell.restore(&self.plugin, instance, self.now, &state) {
            Ok(()) => {
                *last_good = Some(state);
                count(&self.plugin.identity.counting.restores, 1);
                Ok(())
            }
            Err(CallError::Broken(error)) => {
                // Memory may be what others have used up: then it is tried again without them.
                *last_good = (error.kind == FailureKind::Resources).then_some(state);
                Err(Failed::Store(error))
            }
            Err(CallError::Refused(message)) => Err(Failed::Instance(
                self.plugin.nonsense(&format_args!("refused its own state: {}", printable(&message))),
            )),
        }
    }

    /// Drops a store that a call of this workload broke. True where neighbours may be to blame, so that the call is to be
    /// made once more without them.
    fn broke(&mut self, entered: &mut Entered<'_>, place: &Place, error: &EvaluateError) -> bool {
        let crowded = place.has_neighbours() && error.kind == FailureKind::Resources;
        self.alone = self.recipe.mode == Mode::Warm;
        if crowded {
            self.plugin.outgrown(entered, place);
        } else {
            self.plugin.break_up(entered, error);
        }
        crowded
    }

    fn refused_again(&self, error: CallError<ConfigError>) -> EvaluateError {
        match error {
            // It accepted this configuration before.
            CallError::Refused(error) => self.plugin.nonsense(&format_args!(
                "refused its configuration when it was replaced: {}",
                printable(&error.message)
            )),
            CallError::Broken(error) => error,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Inner {
    /// Drops a workload's instance, and no more of its store than it shares with others.
    pub(crate) fn evict(&self, entered: &mut Entered<'_>, live: &Live, now: Timestamp) {
        let Some(cell) = entered.open() else { return };
        if !live.place.is_shared() {
            entered.break_up();
        } else if let Err(error) = cell.drop_instance(self, live.instance, now) {
            self.break_up(entered, &error);
        }
    }

    pub(crate) fn break_up(&self, entered: &mut Entered<'_>, error: &EvaluateError) {
        tracing::warn!(plugin = self.name(), kind = %error.kind, "dropped a plugin's store: {error}");
        entered.break_up();
    }

    /// Drops a store that is worn, while all is well: its workloads go on in another from their last states.
    pub(crate) fn renew(&self, entered: &mut Entered<'_>) {
        tracing::debug!(plugin = self.name(), "renewed a plugin's store that was nearly out of memory");
        count(&self.identity.counting.renewals, 1);
        entered.break_up();
    }

    /// Drops a store that is too small for those who share it.
    pub(crate) fn outgrown(&self, entered: &mut Entered<'_>, place: &Place) {
        let capacity = if place.has_neighbours() { self.cells.halve() } else { 1 };
        tracing::warn!(plugin = self.name(), capacity, "dropped a plugin's store that was out of memory");
        entered.break_up();
    }

    pub(crate) fn nonsense(&self, what: &dyn std::fmt::Display) -> EvaluateError {
        EvaluateError::nonsense(format!("plugin {} {what}", self.name()))
    }
}
