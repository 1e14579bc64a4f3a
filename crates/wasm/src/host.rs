//! The engine that all plugins of a process share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
    WasmBacktraceDetails, WasmFeatures,
};

use crate::builder::PluginHostBuilder;
use crate::cache::{Cache, CacheCounters};
use crate::compile::Compilations;
use crate::limits::Limits;
use crate::sandbox::{DeadlinePassed, Sandbox};
use crate::watchdog::{self, Watchdog, Watched};

/// How workloads' instances live, and what one workload's failure costs the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Many workloads' instances share a store, each a resource in it. The fastest, and the fewest bytes a workload.
    ///
    /// What breaks a store (a trap, a deadline, memory) makes each of its workloads begin a new one at its next call, from
    /// its last good state; no decision of theirs is lost. The workload whose call it was has a store of its own from then
    /// on. Calls into one store wait for each other.
    #[default]
    Warm,
    /// Each workload has a store of its own. Costs a memory a workload.
    Isolated,
    /// Each call has a store of its own, made from the component's first bytes and the workload's last state. Nothing but
    /// that state can reach from one call to the next. With [`slots`](PluginHostBuilder::slots) some 25 µs a call.
    Fresh,
}

/// Compiles and runs plugins. Cheap to clone; make one a process. It can be used from any thread, and needs no async
/// runtime.
///
/// Calls block, for at most the deadline and usually for a microsecond: within an async runtime call them directly, and
/// [`Plugin::load`](crate::Plugin::load), which compiles, through its `spawn_blocking`. Threads that call plugins need
/// 1 MiB of stack: a plugin runs on its caller's, and may use 256 KiB of it.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let host = setpoint_wasm::PluginHost::builder().workloads_per_store(100).build()?;
/// # fn shared<T: Send + Sync + Clone>(_: &T) {}
/// # shared(&host);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PluginHost {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    limits: Limits,
    mode: Mode,
    replay: bool,
    cache: Option<Cache>,
    compilations: Arc<Compilations>,
    /// What the clocks of plugins that may see them count from.
    started: Instant,
    watchdog: Watchdog,
}

/// How long a call may run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    /// A call's.
    Call,
    /// That of making an instance.
    Init,
}

/// The largest stack of one plugin call, taken from the caller's own.
const STACK: usize = 256 << 10;
/// How much more a component's start may take than a call, where work is counted.
const INIT_FUEL: u64 = 10;
/// How many deadlines a call may run where work is counted, for what the counter hardly sees.
const REPLAY_DEADLINES: u32 = 100;

impl PluginHost {
    /// Sets up a host.
    pub const fn builder() -> PluginHostBuilder {
        PluginHostBuilder::new()
    }

    /// A host with all defaults.
    ///
    /// # Errors
    ///
    /// As for [`PluginHostBuilder::build`].
    pub fn new() -> std::io::Result<Self> {
        Self::builder().build()
    }

    pub(crate) fn start(builder: &PluginHostBuilder) -> std::io::Result<Self> {
        let config = engine_config(builder);
        let engine = Engine::new(&config).map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        let cache = match &builder.cache {
            Some(folder) => Some(Cache::open(folder, builder.cache_bytes, &engine)?),
            None => None,
        };
        let watchdog = Watchdog::start(&engine)?;
        let mode = builder.mode.unwrap_or(if builder.replay { Mode::Isolated } else { Mode::default() });
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                limits: builder.limits,
                mode,
                replay: builder.replay,
                cache,
                compilations: Arc::default(),
                started: Instant::now(),
                watchdog,
            }),
        })
    }

    /// The largest component that it compiles, in bytes: who reads files need read no further.
    #[must_use]
    pub fn component_limit(&self) -> usize {
        self.shared.limits.component
    }

    /// The bytes that all memories and tables of one store may have.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.shared.limits.memory
    }

    /// The bytes that one workload's state may have.
    #[must_use]
    pub fn snapshot_limit(&self) -> usize {
        self.shared.limits.snapshot
    }

    /// Whether answers depend on nothing but what plugins are asked.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.shared.replay
    }

    /// What its cache of compiled plugins has done so far; None where it has none.
    #[must_use]
    pub fn cache_counters(&self) -> Option<CacheCounters> {
        self.cache().map(Cache::counters)
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.shared.cache.as_ref()
    }

    pub(crate) fn compilations(&self) -> &Arc<Compilations> {
        &self.shared.compilations
    }

    /// Whether both are the same host.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.shared.mode
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn linker(&self) -> Linker<Sandbox> {
        Linker::new(self.engine())
    }

    pub(crate) fn started(&self) -> Instant {
        self.shared.started
    }

    /// A store that holds its plugin to the limits.
    pub(crate) fn store(&self, sandbox: Sandbox) -> Store<Sandbox> {
        let limits = self.limits();
        let mut store = Store::new(self.engine(), sandbox);
        store.limiter(|sandbox| &mut sandbox.meter);
        store.set_hostcall_fuel(limits.host_copies);
        store.set_max_component_handles(limits.handles.saturating_add(limits.workloads_per_store));
        store.epoch_deadline_callback(|mut store| match store.data_mut().ticks_left.checked_sub(1) {
            Some(left) => {
                store.data_mut().ticks_left = left;
                Ok(UpdateDeadline::Continue(1))
            }
            None => Err(DeadlinePassed.into()),
        });
        store
    }

    /// Starts the clock for one call into `store`.
    pub(crate) fn watch(&self, store: &mut Store<Sandbox>, deadline: Deadline) -> wasmtime::Result<Watched<'_>> {
        let time = self.time(deadline);
        if self.shared.replay {
            store.set_fuel(self.fuel(deadline))?;
        }
        store.data_mut().ticks_left = watchdog::ticks(time);
        store.set_epoch_deadline(1);
        Ok(self.shared.watchdog.watch())
    }

    /// After how much work a call is ended, where that is counted.
    pub(crate) fn fuel(&self, deadline: Deadline) -> u64 {
        match deadline {
            Deadline::Call => self.limits().fuel,
            Deadline::Init => self.limits().fuel.saturating_mul(INIT_FUEL),
        }
    }

    /// After how long a call is ended.
    pub(crate) fn time(&self, deadline: Deadline) -> Duration {
        let time = match deadline {
            Deadline::Call => self.limits().deadline,
            Deadline::Init => self.limits().init_deadline,
        };
        if self.shared.replay { time.saturating_mul(REPLAY_DEADLINES) } else { time }
    }
}

fn engine_config(builder: &PluginHostBuilder) -> Config {
    let mut engine = Config::new();
    engine
        // Sync calls only: more than halves the cost of one.
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(builder.replay)
        .cranelift_nan_canonicalization(builder.replay)
        .max_wasm_stack(STACK)
        .wasm_features(
            WasmFeatures::THREADS
                | WasmFeatures::MEMORY64
                | WasmFeatures::RELAXED_SIMD
                | WasmFeatures::GC
                | WasmFeatures::EXCEPTIONS,
            false,
        )
        // Not from an environment variable.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Nobody is shown where in its code a plugin trapped, and the map is a ninth of what is kept of it.
        .generate_address_map(false)
        .native_unwind_info(false);
    if let Some(slots) = builder.slots {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            // A component's adapters are core instances and have tables of their own.
            .total_core_instances(slots.saturating_mul(8))
            .total_tables(slots.saturating_mul(8))
            .total_memories(slots.saturating_mul(2))
            .max_memories_per_component(2)
            .max_tables_per_component(8)
            .max_core_instances_per_component(8)
            .max_memory_size(builder.limits.memory)
            // Where the kernel can tell which pages were written (Linux 6.7), only those are reset, and most of a
            // Rust guest's memory is a stack that nothing touches.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(2 << 20)
            .table_keep_resident(4 << 10);
        engine.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    engine
}
