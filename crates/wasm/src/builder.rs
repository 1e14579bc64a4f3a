//! How a host is set up: every limit, what it bounds, and its default.

use std::path::PathBuf;
use std::time::Duration;

use crate::host::{Mode, PluginHost};
use crate::limits::Limits;

/// Sets up a [`PluginHost`]. Every limit has a default that suits a plugin of a few hundred kilobytes.
///
/// ```
/// use std::time::Duration;
/// use setpoint_wasm::{Mode, PluginHost};
/// let host = PluginHost::builder().deadline(Duration::from_millis(20)).mode(Mode::Isolated).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PluginHostBuilder {
    pub(crate) limits: Limits,
    pub(crate) mode: Option<Mode>,
    pub(crate) slots: Option<u32>,
    pub(crate) replay: bool,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) cache_bytes: u64,
}

impl PluginHostBuilder {
    /// The largest [`component`](Self::component) where nothing else is said: 32 MiB.
    pub const COMPONENT_BYTES: usize = 32 << 20;

    /// How long a [call may run](Self::deadline) where nothing else is said: 100 ms.
    pub const DEADLINE: Duration = Duration::from_millis(100);
    /// How long a component may take to compile, by default: a minute.
    pub const COMPILE_TIME: Duration = Duration::from_secs(60);

    /// The largest [cache](Self::cache_bytes) where nothing else is said: 512 MiB.
    pub const CACHE_BYTES: u64 = 512 << 20;

    pub(crate) const fn new() -> Self {
        Self {
            limits: Limits::DEFAULT,
            mode: None,
            slots: None,
            replay: false,
            cache: None,
            cache_bytes: Self::CACHE_BYTES,
        }
    }

    /// How workloads' instances live. Default [`Mode::Warm`]; with [`replay`](Self::replay) [`Mode::Isolated`].
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// How long one call may run: an evaluation, a snapshot, a restore, a batch. Counted in steps of 2 ms, at least one,
    /// and only while the machine lets it run. Default [`DEADLINE`](Self::DEADLINE).
    pub const fn deadline(mut self, each_call: Duration) -> Self {
        self.limits.deadline = each_call;
        self
    }

    /// How long a component may take to start and make one workload's instance. Default 1 s.
    pub const fn init_deadline(mut self, each_instance: Duration) -> Self {
        self.limits.init_deadline = each_instance;
        self
    }

    /// Bytes of all memories and tables of one store: of one workload's instance where it is isolated, of all that share
    /// the store where they do. Default 64 MiB.
    ///
    /// A shared store that runs out is dropped: its workloads go on in others, from their last states and without losing a
    /// decision, and new stores of that plugin take half as many.
    ///
    /// One that is three quarters full after a thousand looks and more at each of its workloads is replaced before it fails:
    /// engines of scripting languages collect late, and plugins leak.
    pub const fn memory(mut self, bytes_a_store: usize) -> Self {
        self.limits.memory = bytes_a_store;
        self
    }

    /// Bytes that one call may make the host copy out of the plugin. A batch may as often as it has workloads, and no
    /// more than [`memory`](Self::memory). Default 2 MiB.
    pub const fn host_copies(mut self, bytes_a_call: usize) -> Self {
        self.limits.host_copies = bytes_a_call;
        self
    }

    /// Bytes of one workload's state. A larger one is a failed answer. Default 1 MiB, as the contract says.
    pub const fn snapshot(mut self, bytes_a_workload: usize) -> Self {
        self.limits.snapshot = bytes_a_workload;
        self
    }

    /// Bytes of a component's file. Default [`COMPONENT_BYTES`](Self::COMPONENT_BYTES).
    pub const fn component(mut self, bytes_a_file: usize) -> Self {
        self.limits.component = bytes_a_file;
        self
    }

    /// How long a component may take to compile, on threads of its own. They can't be stopped: past the budget
    /// [`Plugin::load`](crate::Plugin::load) gives its error, and the threads end when the compiler does. Default
    /// [`COMPILE_TIME`](Self::COMPILE_TIME).
    ///
    /// A component that brings a language's runtime along is another matter than one of a few hundred kilobytes. On one
    /// core, in a release build: JavaScript some 30 s, Python 20 s, Go 7 s. Where the machine is slow, or this program is
    /// built without optimizations, allow several minutes for those.
    pub const fn compile_time(mut self, each_file: Duration) -> Self {
        self.limits.compile_time = each_file;
        self
    }

    /// How many components may be compiled at once, at least 1, those among them that were given up and go on all the same:
    /// so that files that take for ever can't gather threads. The next waits for one to end, within its own
    /// [`compile_time`](Self::compile_time). Default 4.
    pub const fn compilations(mut self, a_host: usize) -> Self {
        self.limits.compilations = if a_host == 0 { 1 } else { a_host };
        self
    }

    /// Core instances, and tables, and memories of one store: so many of each. A component made from Rust has four, two
    /// and one. Default 64.
    pub const fn items(mut self, of_each_a_store: usize) -> Self {
        self.limits.items = of_each_a_store;
        self
    }

    /// Handles to resources that one store may hold at a time, beside one for each workload. Default 1,000.
    pub const fn handles(mut self, a_store: usize) -> Self {
        self.limits.handles = a_store;
        self
    }

    /// Lines that one call may log, and their bytes together. What is beyond is dropped, counted and said. Default 32
    /// lines, 4 KiB.
    pub const fn log(mut self, lines_a_call: u32, bytes_a_call: usize) -> Self {
        self.limits.log_lines = lines_a_call;
        self.limits.log_bytes = bytes_a_call;
        self
    }

    /// How many workloads share a store in [`Mode::Warm`], at least 1. Default 1,000.
    ///
    /// A shared store costs the fewest bytes a workload and lets one call serve many; one call at a time goes into it, and
    /// what breaks it makes all its workloads begin a new one.
    pub const fn workloads_per_store(mut self, workloads: usize) -> Self {
        self.limits.workloads_per_store = if workloads == 0 { 1 } else { workloads };
        self
    }

    /// Reserves memory for so many stores at the start, so that making one is faster, and at most so many live at a time.
    /// Without it stores are mapped when they are made, any number of them. Meant for [`Mode::Fresh`], which then needs a
    /// slot for each call at the same time.
    pub const fn slots(mut self, stores: u32) -> Self {
        self.slots = Some(stores);
        self
    }

    /// Makes answers depend on nothing but what plugins are asked: the same bytes on every machine.
    ///
    /// Work is counted in place of time (see [`fuel`](Self::fuel)), NaNs have one form, clocks stand at the observation's
    /// `now` and random numbers begin anew at each call, whatever the policy grants. Calls take some percent longer.
    /// Where workloads share a store, what one makes of random numbers can depend on the others, so the mode is
    /// [`Mode::Isolated`] where none is given.
    pub const fn replay(mut self) -> Self {
        self.replay = true;
        self
    }

    /// In [`replay`](Self::replay), the work that one call may do, about one unit an instruction; ten times as much to
    /// make an instance. Default 100,000,000. Copying within its memory counts for little: as a last resort the clock ends
    /// a call after a hundred deadlines.
    pub const fn fuel(mut self, units_a_call: u64) -> Self {
        self.limits.fuel = units_a_call;
        self
    }

    /// Keeps compiled plugins in `folder`, so that one that was compiled before loads in about a millisecond. Default: none are
    /// kept.
    ///
    /// What is kept is native code, so `folder` must be this user's alone. It is made where it is missing, and a key in it
    /// that only this user can read; entries are sealed with that, for one component and one setting of a host. Entries that
    /// are damaged, changed, or another key's, engine's or component's are compiled anew and reported: by
    /// [`Plugin::cache_use`](crate::Plugin::cache_use), [`PluginHost::cache_counters`] and a warning. Many processes can
    /// share a folder. Compiled files from elsewhere are never run.
    ///
    /// Who can read the key can make this host run any code: give a folder to no other user, and put none into an image that
    /// others get.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Bytes of all entries of the [`cache`](Self::cache) together. Before more are written, those that were used least
    /// lately are removed. A plugin's native code is some two to four times as large as its file. Default
    /// [`CACHE_BYTES`](Self::CACHE_BYTES).
    pub const fn cache_bytes(mut self, of_all_entries: u64) -> Self {
        self.cache_bytes = of_all_entries;
        self
    }

    /// The host.
    ///
    /// # Errors
    ///
    /// When this machine can't run wasmtime so (with [`slots`](Self::slots), when it has no room for them), no thread can
    /// be started, or the folder of the [`cache`](Self::cache) can't be made or is not this user's alone.
    pub fn build(self) -> std::io::Result<PluginHost> {
        PluginHost::start(&self)
    }
}
