//! The engine that all plugins of a process share.

use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
    WasmBacktraceDetails, WasmFeatures,
};

use crate::limits::Limits;
use crate::sandbox::{DeadlinePassed, Sandbox};
use crate::watchdog::{self, Watchdog, Watched};

/// How instances get their memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instances {
    /// Mapped when an instance is made: any number of them.
    #[default]
    OnDemand,
    /// Taken from slots reserved at the start: faster to make, and at most so many at a time.
    Pooled {
        /// The number of slots.
        slots: u32,
    },
}

/// How a [`Host`] is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostConfig {
    /// What each plugin instance may use.
    pub limits: Limits,
    /// How instances get their memory.
    pub instances: Instances,
}

impl HostConfig {
    /// The same with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with instances made another way.
    #[must_use]
    pub const fn with_instances(mut self, instances: Instances) -> Self {
        self.instances = instances;
        self
    }
}

/// Compiles and runs plugins. Cheap to clone; make one a process.
///
/// Threads that call plugins need 1 MiB of stack: a plugin runs on its caller's, and may use 256 KiB of it.
#[derive(Clone, Debug)]
pub struct Host {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Engine,
    limits: Limits,
    /// The deadline of a call.
    ticks: u32,
    watchdog: Watchdog,
}

/// The largest stack of one plugin call, taken from the caller's own.
const STACK: usize = 256 << 10;

impl Host {
    /// A host with `config`.
    ///
    /// # Errors
    ///
    /// When this machine can't run wasmtime as configured, or no thread can be started.
    pub fn new(config: &HostConfig) -> std::io::Result<Self> {
        let engine =
            Engine::new(&engine_config(config)).map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        let watchdog = Watchdog::start(&engine)?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                limits: config.limits,
                ticks: watchdog::ticks(config.limits.deadline),
                watchdog,
            }),
        })
    }

    /// What each plugin instance may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn linker(&self) -> Linker<Sandbox> {
        Linker::new(self.engine())
    }

    /// A store that holds its plugin to the limits.
    pub(crate) fn store(&self) -> Store<Sandbox> {
        let limits = self.limits();
        let mut store = Store::new(self.engine(), Sandbox::new(limits));
        store.limiter(|sandbox| &mut sandbox.meter);
        store.set_hostcall_fuel(limits.host_copies);
        store.set_max_component_handles(1_000);
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
    pub(crate) fn watch(&self, store: &mut Store<Sandbox>) -> Watched<'_> {
        store.data_mut().ticks_left = self.shared.ticks;
        store.set_epoch_deadline(1);
        self.shared.watchdog.watch()
    }
}

fn engine_config(config: &HostConfig) -> Config {
    let mut engine = Config::new();
    engine
        // Sync calls only: more than halves the cost of one.
        .concurrency_support(false)
        .epoch_interruption(true)
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
        .native_unwind_info(false);
    if let Instances::Pooled { slots } = config.instances {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            // A component's adapters are core instances and have tables of their own.
            .total_core_instances(slots.saturating_mul(8))
            .total_tables(slots.saturating_mul(8))
            .total_memories(slots.saturating_mul(2))
            .max_memories_per_component(2)
            .max_tables_per_component(8)
            .max_core_instances_per_component(8)
            .max_memory_size(config.limits.memory)
            // Where the kernel can tell which pages were written (Linux 6.7), only those are reset, and most of a
            // Rust guest's memory is a stack that nothing touches.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(2 << 20)
            .table_keep_resident(4 << 10);
        engine.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    engine
}
