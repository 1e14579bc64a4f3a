//! What a plugin has done so far, for those who watch.

use std::sync::atomic::{AtomicU64, Ordering};

use setpoint::FailureKind;

/// What a plugin has done since it was loaded, over all its workloads. Numbers only grow.
///
/// ```no_run
/// # fn show(plugin: &setpoint_wasm::Plugin) {
/// let counters = plugin.counters();
/// println!("setpoint_plugin_failures_total{{kind=\"deadline\"}} {}", counters.deadlines);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Looks it was asked about, in batches or alone.
    pub calls: u64,
    /// Calls that answered for many workloads at once.
    pub batches: u64,
    /// Answers that it refused to give.
    pub refused: u64,
    /// Answers that made no sense.
    pub nonsense: u64,
    /// Calls that took longer than their deadline.
    pub deadlines: u64,
    /// Calls that wanted more than they may have.
    pub resources: u64,
    /// Calls that crashed.
    pub traps: u64,
    /// Instances made for workloads.
    pub instances: u64,
    /// Stores made for them.
    pub stores: u64,
    /// States put back into a new instance.
    pub restores: u64,
    /// Stores dropped because they were nearly out of memory after long service: it leaks, or collects too late.
    pub renewals: u64,
    /// Log lines beyond what a call may log.
    pub log_lines_dropped: u64,
    /// The most bytes that memories and tables of one of its stores have held.
    pub memory: u64,
}

impl Counters {
    /// All failures.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.refused + self.nonsense + self.deadlines + self.resources + self.traps
    }
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) calls: AtomicU64,
    pub(crate) batches: AtomicU64,
    refused: AtomicU64,
    nonsense: AtomicU64,
    deadlines: AtomicU64,
    resources: AtomicU64,
    traps: AtomicU64,
    pub(crate) instances: AtomicU64,
    pub(crate) stores: AtomicU64,
    pub(crate) restores: AtomicU64,
    pub(crate) renewals: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    memory: AtomicU64,
}

/// Adds to a counter. Nothing is ordered by it.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counting {
    pub(crate) fn failed(&self, kind: FailureKind) {
        let counter = match kind {
            FailureKind::Refused => &self.refused,
            FailureKind::Nonsense => &self.nonsense,
            FailureKind::Deadline => &self.deadlines,
            FailureKind::Resources => &self.resources,
            // And what a later library may tell apart.
            _ => &self.traps,
        };
        count(counter, 1);
    }

    /// A store holds so many bytes.
    pub(crate) fn held(&self, bytes: usize) {
        self.memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            calls: read(&self.calls),
            batches: read(&self.batches),
            refused: read(&self.refused),
            nonsense: read(&self.nonsense),
            deadlines: read(&self.deadlines),
            resources: read(&self.resources),
            traps: read(&self.traps),
            instances: read(&self.instances),
            stores: read(&self.stores),
            restores: read(&self.restores),
            renewals: read(&self.renewals),
            log_lines_dropped: read(&self.log_lines_dropped),
            memory: read(&self.memory),
        }
    }
}
