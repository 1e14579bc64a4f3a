//! What a plugin finds around itself: the state of one store.

mod log;
pub(crate) mod wasi;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use setpoint::{Capability, Timestamp};
use wasmtime::Result;

use self::log::LogBook;
use crate::counters::Counting;
use crate::host::PluginHost;
use crate::limits::Meter;

/// Who a plugin is to those who watch it, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) counting: Counting,
}

/// What a policy grants, as one store sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    clock: bool,
    random: bool,
    log: bool,
}

impl Grants {
    /// In a replay clocks and random numbers are what they were, whatever is granted.
    pub(crate) fn new(host: &PluginHost, granted: &BTreeSet<Capability>) -> Self {
        let has = |capability| granted.contains(&capability);
        let real = !host.is_replay();
        Self {
            clock: real && has(Capability::Clock),
            random: real && has(Capability::Random),
            log: has(Capability::Log),
        }
    }
}

/// The state of one store.
pub(crate) struct Sandbox {
    pub(crate) meter: Meter,
    /// Until the call under way has run for its deadline.
    pub(crate) ticks_left: u32,
    stderr: Vec<u8>,
    random: u64,
    now: Timestamp,
    grants: Grants,
    started: Instant,
    log: LogBook,
    plugin: Arc<Identity>,
}

/// How much of standard error is kept of a call.
const STDERR: usize = 512;

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("meter", &self.meter).field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(crate) fn new(host: &PluginHost, plugin: Arc<Identity>, grants: Grants) -> Self {
        let limits = host.limits();
        Self {
            meter: Meter::new(limits),
            ticks_left: 0,
            stderr: Vec::new(),
            random: 0,
            now: Timestamp::default(),
            grants,
            started: host.started(),
            log: LogBook::new(limits),
            plugin,
        }
    }

    /// A call begins at `now`: nothing of the call before is left.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.meter.refused = false;
        self.stderr.clear();
        self.random = 0;
        self.now = now;
        self.log.begin();
    }

    /// A call has ended.
    pub(crate) fn end(&mut self) {
        self.log.end(&self.plugin);
        if let Some(bytes) = self.meter.growth() {
            self.plugin.counting.held(bytes);
        }
    }

    /// Without a grant SplitMix64 (Steele, Lea, Flood 2014) from a fixed seed: a runtime can seed its hash maps, and a
    /// replay sees the same numbers.
    fn random(&mut self) -> Result<u64> {
        if self.grants.random {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no random numbers: {error}"))?;
            return Ok(u64::from_le_bytes(bytes));
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    /// Time since the host's start where that is granted; else the observation's own, which does not pass. Never zero: a
    /// runtime can take that for a broken clock, and Go's does.
    fn monotonic(&self) -> Duration {
        let time = if self.grants.clock { self.started.elapsed() } else { self.logical() };
        time + Duration::from_nanos(1)
    }

    /// Time since 1970. A machine whose clock stands before that is in 1970.
    fn wall(&self) -> Duration {
        if self.grants.clock {
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
        } else {
            self.logical()
        }
    }

    fn logical(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now.as_millis()).unwrap_or(0))
    }

    fn keep_stderr(&mut self, bytes: impl Iterator<Item = u8>) {
        let room = STDERR.saturating_sub(self.stderr.len());
        self.stderr.extend(bytes.take(room));
    }

    /// What the call wrote to standard error, in one printable line.
    pub(crate) fn stderr_line(&self) -> String {
        printable(&String::from_utf8_lossy(&self.stderr))
    }
}

/// How much of a plugin's words is kept, as the contract says.
const WORDS: usize = 1 << 10;

/// The beginning of a plugin's `text`, without what could confuse a terminal or a log, its lines joined.
pub(crate) fn printable(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(WORDS)];
    let mut line = String::with_capacity(text.len());
    for part in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// A call took longer than its deadline.
#[derive(Debug)]
pub(crate) struct DeadlinePassed;

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call took longer than its deadline")
    }
}

impl std::error::Error for DeadlinePassed {}
