//! What a plugin may use, and the meter that holds it to that.

use std::time::Duration;

use wasmtime::{ResourceLimiter, Result};

use crate::builder::PluginHostBuilder;

/// What the builder of a host sets, with its defaults. Each is documented there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) deadline: Duration,
    pub(crate) init_deadline: Duration,
    pub(crate) fuel: u64,
    pub(crate) memory: usize,
    pub(crate) host_copies: usize,
    pub(crate) snapshot: usize,
    pub(crate) component: usize,
    pub(crate) compile_time: Duration,
    pub(crate) compilations: usize,
    pub(crate) items: usize,
    pub(crate) handles: usize,
    pub(crate) log_lines: u32,
    pub(crate) log_bytes: usize,
    pub(crate) workloads_per_store: usize,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        deadline: PluginHostBuilder::DEADLINE,
        init_deadline: Duration::from_secs(1),
        fuel: 100_000_000,
        memory: 64 << 20,
        host_copies: 2 << 20,
        snapshot: 1 << 20,
        component: PluginHostBuilder::COMPONENT_BYTES,
        compile_time: PluginHostBuilder::COMPILE_TIME,
        compilations: 4,
        items: 64,
        handles: 1_000,
        log_lines: 32,
        log_bytes: 4 << 10,
        workloads_per_store: 1_000,
    };
}

/// Adds up what all memories and tables of a store hold. wasmtime's own limits are for each of them alone.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: usize,
    left: usize,
    items: usize,
    /// Whether there is more than when anybody last looked.
    grown: bool,
    /// Whether anything was refused: it explains the trap that usually follows.
    pub(crate) refused: bool,
}

/// A table's element, on a 64-bit host.
const ELEMENT: usize = 8;

impl Meter {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory, left: limits.memory, items: limits.items, grown: false, refused: false }
    }

    /// The bytes that are held, where they are more than at the last call of this.
    pub(crate) fn growth(&mut self) -> Option<usize> {
        std::mem::take(&mut self.grown).then(|| self.limit - self.left)
    }

    /// Whether three quarters of what may be held are.
    pub(crate) const fn is_nearly_full(&self) -> bool {
        self.left < self.limit / 4
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                self.grown = true;
                true
            }
            None => {
                self.refused = true;
                false
            }
        }
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT)))
    }

    fn instances(&self) -> usize {
        self.items
    }

    fn tables(&self) -> usize {
        self.items
    }

    fn memories(&self) -> usize {
        self.items
    }
}
