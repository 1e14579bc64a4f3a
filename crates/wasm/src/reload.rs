//! Plugins that are replaced while they run.
//!
//! A new version is tried aside, with what every workload that runs the old one has: its configuration, its state, its last
//! look. What passes takes over between two calls, a workload at a time, and each goes on from its state.

mod folder;
mod live;
mod trial;
mod watch;

use std::collections::BTreeMap;
use std::fmt;

use setpoint::{ConfigError, EvaluateError};

pub use self::folder::{PluginFolder, RefusedFile, ReloadEvent};
pub use self::live::LivePlugin;
pub(crate) use self::trial::{Sample, carry, try_out};
pub use self::watch::Watch;
use crate::plugin::Plugin;

/// Which file a plugin was, for people and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edition {
    /// The version that the plugin gives itself. Nothing makes its author change it.
    pub version: String,
    /// The BLAKE3 hash of its file, in hexadecimal digits.
    pub fingerprint: String,
}

impl Edition {
    pub(crate) fn of(plugin: &Plugin) -> Self {
        Self { version: plugin.version().to_owned(), fingerprint: plugin.fingerprint() }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.8})", self.version, self.fingerprint)
    }
}

/// A plugin was replaced: what became of its workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replacement {
    /// What ran before.
    pub from: Edition,
    /// What runs now.
    pub to: Edition,
    /// Workloads that go on from their states, or had none.
    pub kept: usize,
    /// Workloads that begin anew: why, and how many.
    pub reset: BTreeMap<String, usize>,
}

impl Replacement {
    pub(crate) fn begin(from: &Plugin, to: &Plugin) -> Self {
        Self { from: Edition::of(from), to: Edition::of(to), kept: 0, reset: BTreeMap::new() }
    }

    pub(crate) fn count(&mut self, carried: &Result<(), String>) {
        match carried {
            Ok(()) => self.kept += 1,
            Err(why) => *self.reset.entry(why.clone()).or_default() += 1,
        }
    }

    /// How many workloads begin anew.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.reset.values().sum()
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} took over from {}: {} workloads go on", self.to, self.from, self.kept)?;
        for (why, workloads) in &self.reset {
            write!(f, ", {workloads} begin anew ({why})")?;
        }
        Ok(())
    }
}

/// Whether `next` can be another version of `running` at all.
pub(crate) fn fits(running: &Plugin, next: &Plugin) -> Result<(), ReplaceError> {
    if next.name() != running.name() {
        return Err(ReplaceError::OtherPlugin { found: next.name().to_owned(), running: running.name().to_owned() });
    }
    if !next.inner().host.is(&running.inner().host) {
        return Err(ReplaceError::OtherHost);
    }
    Ok(())
}

/// Why a plugin was not replaced. What ran goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Another plugin altogether.
    #[error("it calls itself `{found}`, and what runs is `{running}`: give it a place of its own")]
    OtherPlugin {
        /// The new one's name.
        found: String,
        /// The name of what runs.
        running: String,
    },
    /// Loaded on another host, whose engine can't go on with this one's workloads.
    #[error("it was loaded on another host: load it on the one that the running version is on")]
    OtherHost,
    /// It needs what a workload's policy doesn't have.
    #[error("the policy of a workload that runs it does not do any more: {0}; change the policy first")]
    Needs(ConfigError),
    /// It doesn't take a workload's configuration, or fails to make an instance.
    #[error("it can't begin with the configuration of a workload: {0}; change the policy first, or the plugin")]
    Config(ConfigError),
    /// It breaks when it gets a workload's state. A state that it merely refuses is no obstacle: the workload begins anew.
    #[error("it breaks on a workload's state: {0}")]
    State(EvaluateError),
    /// It can't answer a look that the version before answered.
    #[error("it can't answer what the running version answered: {0}")]
    Answer(EvaluateError),
}
