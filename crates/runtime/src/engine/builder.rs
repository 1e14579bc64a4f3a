//! The parts of an engine.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use setpoint::{Handlers, Registry};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::due::Due;
use super::workload::Managers;
use super::{Engine, Shared};
use crate::clock::{Clock, SystemClock};
use crate::look::Listener;
use crate::permit::{Always, Permit};
use crate::source::Source;
use crate::store::{MemoryStore, StateStore};

/// Makes an [`Engine`] of parts, each with a default.
#[must_use]
pub struct EngineBuilder {
    handlers: Handlers,
    sources: Vec<Arc<dyn Source>>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    listeners: Vec<Arc<dyn Listener>>,
    permit: Arc<dyn Permit>,
    registry: Registry,
    concurrency: usize,
    timeout: Duration,
    tick: Duration,
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("handlers", &self.handlers).finish_non_exhaustive()
    }
}

impl EngineBuilder {
    /// How many looks can be at work at once, by default.
    pub const CONCURRENCY: usize = 64;
    /// How long a step that waits for somebody else may take, by default.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// How far apart in time looks are that share what they ask, by default.
    pub const TICK: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self {
            handlers: Handlers::new(),
            sources: Vec::new(),
            store: Arc::new(MemoryStore::default()),
            clock: Arc::new(SystemClock),
            listeners: Vec::new(),
            permit: Arc::new(Always),
            registry: Registry::builtin(),
            concurrency: Self::CONCURRENCY,
            timeout: Self::TIMEOUT,
            tick: Self::TICK,
        }
    }

    /// Handlers of what is scaled. Default: none, and each look fails.
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// One more source, asked after those before it. Default: none, and each reading is missing.
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.sources.push(source);
        self
    }

    /// Where states are kept. Default: in memory.
    pub fn store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = store;
        self
    }

    /// What tells the time of looks. Default: the machine's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// One more listener. Default: none.
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// What says whether a count may be written. Default: it may.
    pub fn permit(mut self, permit: Arc<dyn Permit>) -> Self {
        self.permit = permit;
        self
    }

    /// What policies can name. Default: the library's own.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// How many looks can be at work at once, at least 1. Default [`CONCURRENCY`](Self::CONCURRENCY).
    pub fn concurrency(mut self, looks: usize) -> Self {
        self.concurrency = looks.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long each step of a look may take that waits for somebody else: the counts and instances, a source's answers,
    /// the state, the write, each listener. Default [`TIMEOUT`](Self::TIMEOUT).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How far apart in time looks are that share what they ask, at least 1 ms. Default [`TICK`](Self::TICK).
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick.max(Duration::from_millis(1));
        self
    }

    /// The engine, with no workloads yet.
    pub fn build(self) -> Engine {
        let shared = Shared {
            handlers: self.handlers,
            sources: self.sources,
            store: self.store,
            clock: self.clock,
            listeners: self.listeners,
            permit: self.permit,
            managers: Managers::new(&self.registry),
            seats: Semaphore::new(self.concurrency),
            timeout: self.timeout,
            workloads: Mutex::new(HashMap::new()),
            groups: Mutex::new(HashMap::new()),
            due: Mutex::new(Due::new(Instant::now(), self.tick)),
            sooner: Notify::new(),
        };
        Engine { shared: Arc::new(shared) }
    }
}
