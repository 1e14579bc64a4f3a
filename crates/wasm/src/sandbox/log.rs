//! What plugins log: so many lines and bytes of a call, cleaned.

use super::{Identity, Sandbox, printable};
use crate::contract::log;
use crate::counters::count;
use crate::limits::Limits;

/// What a call may still log.
#[derive(Debug)]
pub(super) struct LogBook {
    limit: (u32, usize),
    left: (u32, usize),
    dropped: u64,
}

impl LogBook {
    pub(super) const fn new(limits: &Limits) -> Self {
        let limit = (limits.log_lines, limits.log_bytes);
        Self { limit, left: limit, dropped: 0 }
    }

    pub(super) const fn begin(&mut self) {
        self.left = self.limit;
    }

    pub(super) fn end(&mut self, plugin: &Identity) {
        if self.dropped > 0 {
            tracing::warn!(plugin = plugin.name, dropped = self.dropped, "a plugin logged more than it may");
            count(&plugin.counting.log_lines_dropped, self.dropped);
            self.dropped = 0;
        }
    }

    /// Whether one more line of so many bytes is kept.
    fn keeps(&mut self, bytes: usize) -> bool {
        let left = (self.left.0.checked_sub(1), self.left.1.checked_sub(bytes));
        if let (Some(lines), Some(bytes)) = left {
            self.left = (lines, bytes);
            return true;
        }
        self.dropped += 1;
        false
    }
}

impl log::Host for Sandbox {
    fn write(&mut self, level: log::Level, line: String) {
        // Only where a plugin logs while nobody could grant it anything, as it says who it is.
        if !self.grants.log {
            return;
        }
        let line = printable(&line);
        if !self.log.keeps(line.len()) {
            return;
        }
        let plugin = self.plugin.name.as_str();
        match level {
            log::Level::Debug => tracing::debug!(target: "setpoint::plugin", plugin, "{line}"),
            log::Level::Info => tracing::info!(target: "setpoint::plugin", plugin, "{line}"),
            log::Level::Warn => tracing::warn!(target: "setpoint::plugin", plugin, "{line}"),
            log::Level::Error => tracing::error!(target: "setpoint::plugin", plugin, "{line}"),
        }
    }
}
