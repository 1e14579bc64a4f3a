//! What a plugin may use, and the meter that holds it to that.

use std::time::Duration;

use wasmtime::{ResourceLimiter, Result};

/// What one workload's plugin instance may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long one call may run, instantiation included; counted in steps of 2 ms, and only while the machine lets it
    /// run. Default 100 ms.
    pub deadline: Duration,
    /// Bytes of all its memories and tables together. Default 64 MiB.
    pub memory: usize,
    /// Bytes that one call may make the host copy. Default 1 MiB.
    pub host_copies: usize,
    /// Bytes of the component file. Default 32 MiB.
    pub component: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_millis(100), memory: 64 << 20, host_copies: 1 << 20, component: 32 << 20 }
    }
}

impl Limits {
    /// The same with another deadline a call.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same with another cap on memory, in bytes.
    #[must_use]
    pub const fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }
}

/// Adds up what all memories and tables of a store hold. wasmtime's own limits are for each of them alone.
#[derive(Debug)]
pub(crate) struct Meter {
    left: usize,
    /// Whether anything was refused: it explains the trap that usually follows.
    pub(crate) refused: bool,
}

/// A table's element, on a 64-bit host.
const ELEMENT: usize = 8;
/// Of each kind of item in one store. A Rust component has four core instances, one memory, two tables.
const ITEMS: usize = 64;

impl Meter {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { left: limit, refused: false }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
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
        ITEMS
    }

    fn tables(&self) -> usize {
        ITEMS
    }

    fn memories(&self) -> usize {
        ITEMS
    }
}
