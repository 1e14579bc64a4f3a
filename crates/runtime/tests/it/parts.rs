//! Handlers, stores and listeners whose failures are ordered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{
    AlgorithmSpec, BoxFuture, HandlerError, Handlers, InMemoryHandler, Instance, Metric, PolicySpec, ReplicaCount,
    ResourceHandler, Span, Target, TargetRef, Timestamp, Update,
};
use setpoint_runtime::source::{Fixed, fixed};
use setpoint_runtime::{
    Engine, EngineBuilder, Listener, Look, Measured, Permit, Question, Source, StateStore, StoreError, TokioClock,
};

pub(crate) fn target(name: &str) -> TargetRef {
    TargetRef { api_version: "v1".into(), kind: "Pool".into(), name: name.into(), namespace: None }
}

/// 1 to 40 replicas, 4 of the queue for each, looked at every 10 s.
pub(crate) fn policy() -> PolicySpec {
    let metrics = vec![Metric::new("queue", Target::average_value(4.0).expect("above 0"))];
    let mut policy = PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("max-ratio", json!({}))).expect("a policy");
    policy.interval = Span::from_secs(10);
    policy
}

/// A handler in memory that fails, hangs or lies when told to.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) memory: InMemoryHandler,
    pub(crate) refuses: AtomicBool,
    pub(crate) hangs: AtomicBool,
    pub(crate) panics: AtomicBool,
    pub(crate) writes: AtomicUsize,
    /// What was asked for, in order.
    pub(crate) asked: Mutex<Vec<(String, u32)>>,
    /// The one pool that refuses.
    pub(crate) stubborn: Mutex<Option<String>>,
    /// The one pool that can't be seen.
    pub(crate) hidden: Mutex<Option<String>>,
}

impl Pools {
    pub(crate) fn new(pools: &[(&str, u32)]) -> Arc<Self> {
        Arc::new(Self {
            memory: InMemoryHandler::new(pools.iter().map(|(name, count)| (target(name), *count))),
            refuses: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            writes: AtomicUsize::new(0),
            asked: Mutex::default(),
            stubborn: Mutex::default(),
            hidden: Mutex::default(),
        })
    }

    pub(crate) fn replicas(&self, name: &str) -> u32 {
        self.memory.replicas(&target(name)).expect("known")
    }
}

fn failed(action: &'static str, target: &TargetRef, why: &str) -> HandlerError {
    HandlerError::Failed { action, target: Box::new(target.clone()), source: why.into() }
}

impl ResourceHandler for Pools {
    fn supports(&self, target: &TargetRef) -> bool {
        self.memory.supports(target)
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        assert!(!self.panics.load(Ordering::SeqCst), "the handler was told to panic");
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.hidden.lock().expect("whole").as_ref() == Some(&target.name) {
            return Box::pin(std::future::ready(Err(failed("reading", target, "a proxy is down"))));
        }
        self.memory.current_replicas(target)
    }

    fn update_replicas<'a>(&'a self, target: &'a TargetRef, count: u32) -> BoxFuture<'a, Result<Update, HandlerError>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().expect("whole").push((target.name.clone(), count));
        let is_stubborn = self.stubborn.lock().expect("whole").as_ref() == Some(&target.name);
        if is_stubborn || self.refuses.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(failed("scaling", target, "a webhook said no"))));
        }
        self.memory.update_replicas(target, count)
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        self.memory.instances(target)
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        self.memory.describe(target)
    }
}

/// A store in memory that fails when told to, and outlives engines.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) states: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) is_full: AtomicBool,
    pub(crate) is_locked: AtomicBool,
    /// The one state that can't be removed.
    pub(crate) stuck: Mutex<Option<String>>,
}

impl StateStore for Shelf {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let locked = self.is_locked.load(Ordering::SeqCst);
        let kept = self.states.lock().expect("whole").get(key).cloned();
        Box::pin(async move { if locked { Err(StoreError::new("the shelf is locked")) } else { Ok(kept) } })
    }

    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.is_full.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::new("the shelf is full"))));
        }
        self.states.lock().expect("whole").insert(key.to_owned(), state.to_vec());
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.stuck.lock().expect("whole").as_deref() == Some(key) {
            return Box::pin(std::future::ready(Err(StoreError::new("the shelf holds it fast"))));
        }
        self.states.lock().expect("whole").remove(key);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) looks: Mutex<Vec<Arc<Look>>>,
    pub(crate) gone: Mutex<Vec<String>>,
}

impl Diary {
    pub(crate) fn looks(&self) -> Vec<Arc<Look>> {
        self.looks.lock().expect("whole").clone()
    }
}

impl Listener for Diary {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        self.looks.lock().expect("whole").push(Arc::clone(look));
        Box::pin(std::future::ready(()))
    }

    fn gone(&self, key: &str) {
        self.gone.lock().expect("whole").push(key.to_owned());
    }
}

/// Counts how often it is asked, and how much each time.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) asked: Mutex<Vec<usize>>,
}

impl Source for Census {
    fn name(&self) -> &'static str {
        "census"
    }

    fn answers(&self, _: &Metric) -> bool {
        true
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        self.asked.lock().expect("whole").push(questions.len());
        Box::pin(std::future::ready(vec![Measured::Value(4.0); questions.len()]))
    }
}

/// A permit that can be taken away.
#[derive(Debug, Default)]
pub(crate) struct Revocable(pub(crate) AtomicBool);

impl Permit for Revocable {
    fn may_write(&self, _: &str) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

/// An engine of `pools`, and the queue that it reads.
pub(crate) fn engine(pools: &Arc<Pools>, queue: f64) -> (EngineBuilder, Arc<Fixed>) {
    let queue = Arc::new(fixed([("queue", Measured::Value(queue))]));
    let handlers = Handlers::new().with_fallback(Arc::<Pools>::clone(pools));
    let builder = Engine::builder()
        .handlers(handlers)
        .source(Arc::<Fixed>::clone(&queue))
        .clock(Arc::new(TokioClock::starting(Timestamp::from_millis(1_000_000))));
    (builder, queue)
}

pub(crate) async fn run_for(engine: &Engine, seconds: u64) {
    engine.run(tokio::time::sleep(Duration::from_secs(seconds))).await;
}
