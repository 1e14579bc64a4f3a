//! The trial instance that a plugin's description comes from, and what the cache remembers of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint::Timestamp;
use wasmtime::component::InstancePre;

use crate::cell::{call, in_words};
use crate::contract::{self, CONTRACTS, Exports, Version};
use crate::error::LoadError;
use crate::host::{Deadline, PluginHost};
use crate::limits::Limits;
use crate::sandbox::{Grants, Sandbox, printable};

/// Makes a trial instance and asks it who it is. Types inside an exported interface are checked only here.
pub(super) fn describe(
    host: &PluginHost,
    pre: &InstancePre<Sandbox>,
    exports: &Exports,
    version: Version,
) -> Result<contract::Description, LoadError> {
    let mut store = host.store(Sandbox::new(host, Arc::default(), Grants::default()));
    let now = Timestamp::default();
    let started = call(host, &mut store, Deadline::Init, now, |store| {
        let instance = pre.instantiate(&mut *store)?;
        // Nothing of the plugin runs here: what is wrong now are its types.
        Ok(exports.load(store, &instance))
    });
    let described = match started {
        Ok(Ok(guest)) => call(host, &mut store, Deadline::Init, now, |store| guest.describe(store)),
        Ok(Err(error)) => {
            let message = printable(&format!("{error:#}"));
            return Err(LoadError::WrongTypes { speaks: version.contract(), message });
        }
        Err(error) => Err(error),
    };
    described.map_err(|error| {
        let message = in_words(host, Deadline::Init, &error, store.data()).message;
        LoadError::Start { message }
    })
}

/// What a trial showed, kept beside the code under the same seal: a plugin that was tried once, by a host like this one,
/// needn't be tried again.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    /// What the trial depended on beside component and engine.
    under: String,
    name: String,
    version: String,
    summary: String,
    config_schema: String,
    /// Names and meanings.
    metrics: Vec<(String, String)>,
    deterministic: bool,
}

impl Note {
    pub(super) fn new(host: &PluginHost, described: &contract::Description) -> Self {
        Self {
            under: conditions(host),
            name: described.name.clone(),
            version: described.version.clone(),
            summary: described.summary.clone(),
            config_schema: described.config_schema.clone(),
            metrics: described.metrics.iter().map(|need| (need.name.clone(), need.meaning.clone())).collect(),
            deterministic: described.deterministic,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and a flag are JSON")
    }

    /// What the trial showed, if this host's would show the same.
    pub(super) fn read(bytes: &[u8], host: &PluginHost) -> Option<contract::Description> {
        let note: Self = serde_json::from_slice(bytes).ok()?;
        let need = |(name, meaning)| contract::MetricNeed { name, meaning };
        (note.under == conditions(host)).then(|| contract::Description {
            name: note.name,
            version: note.version,
            summary: note.summary,
            config_schema: note.config_schema,
            metrics: note.metrics.into_iter().map(need).collect(),
            deterministic: note.deterministic,
        })
    }
}

/// The limits under which a plugin is tried, and the contracts by which it is called.
fn conditions(host: &PluginHost) -> String {
    let Limits { component, compile_time, compilations, deadline, snapshot, .. } = Limits::DEFAULT;
    // These say how it is compiled, and what a workload of it may do.
    let limits = Limits { component, compile_time, compilations, deadline, snapshot, ..*host.limits() };
    format!("setpoint-wasm {}, {CONTRACTS:?}, {limits:?}", env!("CARGO_PKG_VERSION"))
}
