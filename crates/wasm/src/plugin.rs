//! A component file becomes an algorithm factory.

mod trial;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use setpoint::{
    AlgorithmFactory, Capability, ConfigError, Description, Metric, MetricNeed, Needs, ScalingAlgorithm, Setup,
};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::cache::{CacheUse, is_entry};
use crate::cells::Cells;
use crate::compile::compile;
use crate::contract::{self, ALGORITHM, CONTRACTS, Exports, Version};
use crate::counters::Counters;
use crate::error::LoadError;
use crate::host::{Mode, PluginHost};
use crate::instance::PluginAlgorithm;
use crate::sandbox::wasi::{self, Linked};
use crate::sandbox::{Identity, Sandbox, printable};
use crate::seat::Recipe;

use self::trial::Note;

/// A plugin, compiled and checked. Register it under a name, and each workload gets an instance of its own.
///
/// ```no_run
/// use setpoint::AlgorithmManager;
/// use setpoint_wasm::{Plugin, PluginHost};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = PluginHost::new()?;
/// let plugin = Plugin::load(&host, &std::fs::read("per_replica.wasm")?)?;
/// let mut manager = AlgorithmManager::new();
/// manager.registry_mut().register_algorithm(plugin.name().to_owned(), plugin)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
    mode: Mode,
}

pub(crate) struct Inner {
    pub(crate) host: PluginHost,
    pub(crate) pre: InstancePre<Sandbox>,
    exports: Arc<Exports>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) cells: Cells,
    about: Arc<About>,
}

/// What a plugin's file says, and where its code came from.
struct About {
    version: String,
    fingerprint: blake3::Hash,
    contract: Version,
    description: Description,
    metrics: Vec<MetricNeed>,
    imports: Vec<String>,
    requires: Vec<(Capability, String)>,
    deterministic: bool,
    cache_use: CacheUse,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name()).field("version", &self.version()).finish()
    }
}

impl Plugin {
    /// Compiles `bytes`, links what it imports to an inert WASI, makes a trial instance and asks it who it is.
    ///
    /// Compiling takes some tenths of a second a megabyte; a host with a [cache](crate::PluginHostBuilder::cache) compiles
    /// what it has not compiled before.
    ///
    /// # Errors
    ///
    /// [`LoadError`], in the order of these steps.
    pub fn load(host: &PluginHost, bytes: &[u8]) -> Result<Self, LoadError> {
        let limit = host.component_limit();
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { bytes: bytes.len(), limit });
        }
        if let Some(found) = something_else(bytes) {
            return Err(LoadError::NotAComponent { found });
        }
        let fingerprint = blake3::hash(bytes);
        let Found { component, note, cache_use } = find(host, bytes, fingerprint)?;
        let Linked { linker, requires, imports } = wasi::link(host, &component)?;
        let version = version(host, &component)?;
        let wrong_types = |error: wasmtime::Error| LoadError::WrongTypes {
            speaks: version.contract(),
            message: printable(&format!("{error:#}")),
        };
        let pre = linker.instantiate_pre(&component).map_err(wrong_types)?;
        let exports = Exports::find(version, &pre).map_err(wrong_types)?;
        let noted = note.and_then(|note| Note::read(&note, host));
        let described = match noted {
            Some(described) => described,
            None => {
                let described = trial::describe(host, &pre, &exports, version)?;
                keep(host, fingerprint, &component, &Note::new(host, &described));
                described
            }
        };
        let (name, about) = checked(described, version, (imports, requires), fingerprint, cache_use)?;
        tracing::debug!(name, version = about.version, contract = version.contract(), "loaded a plugin");
        let identity = Arc::new(Identity { name, ..Identity::default() });
        let cells = Cells::new(host.limits().workloads_per_store);
        let (host, exports, about) = (host.clone(), Arc::new(exports), Arc::new(about));
        let mode = host.mode();
        Ok(Self { inner: Arc::new(Inner { host, pre, exports, identity, cells, about }), mode })
    }

    /// The same plugin, whose workloads' instances live in another way than the host's own.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self { inner: Arc::clone(&self.inner), mode }
    }

    /// The name it gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// The version it gives itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.about.version
    }

    /// The BLAKE3 hash of its file, in 64 hexadecimal digits: the same as `b3sum` prints.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.inner.about.fingerprint.to_hex().to_string()
    }

    /// The version of the contract that it was built for, of [`CONTRACTS`].
    #[must_use]
    pub fn contract(&self) -> &'static str {
        self.inner.about.contract.contract()
    }

    /// Whether it says of itself that the same looks always give the same answers.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.inner.about.deterministic
    }

    /// Whether it answers for many workloads in one call: see [`Fleet`](crate::Fleet).
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.inner.exports().has_batch()
    }

    /// Whether its native code came from the host's cache, and if not, why.
    #[must_use]
    pub fn cache_use(&self) -> &CacheUse {
        &self.inner.about.cache_use
    }

    /// The interfaces that it imports, of which most are inert: see [`wants`](Self::wants).
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.inner.about.imports
    }

    /// What a policy may grant it that makes a difference to it, and whether it must.
    pub fn wants(&self) -> impl Iterator<Item = (Capability, bool)> {
        let imports = |prefix: &str| self.inner.about.imports.iter().any(|import| import.starts_with(prefix));
        let optional = wasi::OPTIONAL.into_iter().filter(move |(prefix, _)| imports(prefix));
        let required = self.inner.about.requires.iter().map(|(capability, _)| (*capability, true));
        optional.map(|(_, capability)| (capability, false)).chain(required)
    }

    /// What it has done so far, over all its workloads and clones of this.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.identity.counting.read()
    }

    /// The same, with counters and stores of its own.
    pub(crate) fn aside(&self) -> Self {
        let identity = Identity { name: self.name().to_owned(), ..Identity::default() };
        Self { inner: Arc::new(self.inner.counted_by(&Arc::new(identity))), mode: self.mode }
    }

    /// The same in place of `running`, going on with its counters and its mode, in stores of its own.
    pub(crate) fn in_place_of(&self, running: &Self) -> Self {
        Self { inner: Arc::new(self.inner.counted_by(&running.inner.identity)), mode: running.mode }
    }

    pub(crate) const fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn recipe(
        &self,
        config: &Value,
        metrics: &[Metric],
        capabilities: &BTreeSet<Capability>,
    ) -> Arc<Recipe> {
        Arc::new(Recipe::new(&self.inner, self.mode, config, metrics, capabilities))
    }
}

impl Inner {
    fn counted_by(&self, identity: &Arc<Identity>) -> Self {
        Self {
            host: self.host.clone(),
            pre: self.pre.clone(),
            exports: Arc::clone(&self.exports),
            identity: Arc::clone(identity),
            cells: Cells::new(self.host.limits().workloads_per_store),
            about: Arc::clone(&self.about),
        }
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }
}

impl AlgorithmFactory for Plugin {
    fn describe(&self) -> Description {
        self.inner.about.description.clone()
    }

    fn needs(&self) -> Needs<'_> {
        Needs::new(&self.inner.about.metrics, &Capability::ALL, &self.inner.about.requires)
    }

    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        let recipe = self.recipe(setup.config, setup.metrics, setup.capabilities);
        Ok(Box::new(PluginAlgorithm::new(Arc::clone(&self.inner), recipe)?))
    }
}

/// More metrics than anybody's algorithm needs by name.
const NEEDED_METRICS: usize = 256;

/// What a plugin says of itself, where that can be.
fn checked(
    described: contract::Description,
    contract: Version,
    (imports, requires): (Vec<String>, Vec<(Capability, String)>),
    fingerprint: blake3::Hash,
    cache_use: CacheUse,
) -> Result<(String, About), LoadError> {
    let wrong = |message: String| LoadError::Description { message };
    let name = described.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
        return Err(wrong(format!(
            "the name {:?} must be 1 to 63 lower case letters, digits and hyphens",
            printable(&name)
        )));
    }
    let config_schema = serde_json::from_str::<Value>(&described.config_schema)
        .map_err(|error| wrong(format!("the configuration's schema is not JSON: {error}")))?;
    if !config_schema.is_object() && !config_schema.is_boolean() {
        return Err(wrong("the configuration's schema is no JSON Schema".to_owned()));
    }
    let needed = described.metrics.len();
    if needed > NEEDED_METRICS {
        return Err(wrong(format!("it needs {needed} metrics, at most {NEEDED_METRICS} can be")));
    }
    let mut metrics: Vec<MetricNeed> = Vec::with_capacity(needed);
    for need in described.metrics {
        let (name, meaning) = (printable(&need.name), printable(&need.meaning));
        if name.is_empty() || name != need.name {
            return Err(wrong(format!("it needs a metric whose name {name:?} no policy could write")));
        }
        if metrics.iter().any(|other| other.name == name) {
            return Err(wrong(format!("it needs the metric `{name}` twice")));
        }
        metrics.push(MetricNeed { name, meaning });
    }
    let description = Description::new(printable(&described.summary), config_schema);
    let version = printable(&described.version);
    let deterministic = described.deterministic;
    Ok((
        name,
        About { version, fingerprint, contract, description, metrics, imports, requires, deterministic, cache_use },
    ))
}

/// A component, compiled now or before.
struct Found {
    component: Component,
    /// What the cache has noted of its trial.
    note: Option<Vec<u8>>,
    cache_use: CacheUse,
}

/// The component that `bytes` are compiled to.
fn find(host: &PluginHost, bytes: &[u8], fingerprint: blake3::Hash) -> Result<Found, LoadError> {
    let Some(cache) = host.cache() else {
        return Ok(Found { component: compile(host, bytes)?, note: None, cache_use: CacheUse::Off });
    };
    match cache.get(host.engine(), &cache.names(fingerprint)) {
        Ok((component, note)) => Ok(Found { component, note: Some(note), cache_use: CacheUse::Hit }),
        Err(cache_use) => Ok(Found { component: compile(host, bytes)?, note: None, cache_use }),
    }
}

/// Keeps a component that was tried, where there is a cache.
fn keep(host: &PluginHost, fingerprint: blake3::Hash, component: &Component, note: &Note) {
    if let Some(cache) = host.cache() {
        cache.keep(&cache.names(fingerprint), &note.write(), component);
    }
}

/// What `bytes` look like, where that is certainly no component.
fn something_else(bytes: &[u8]) -> Option<&'static str> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    if bytes.starts_with(COMPONENT) {
        return None;
    }
    Some(if bytes.is_empty() {
        "empty"
    } else if bytes.starts_with(MODULE) {
        "a core WebAssembly module"
    } else if Engine::detect_precompiled(bytes).is_some() {
        "a precompiled .cwasm, which could hold any native code"
    } else if is_entry(bytes) {
        "an entry of a plugin cache, which could hold any native code"
    } else if bytes.starts_with(b"\x7fELF") {
        "a native program"
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        "WebAssembly text"
    } else if COMPONENT.starts_with(bytes) {
        "cut off within its first bytes"
    } else {
        "something else"
    })
}

/// The version of the contract by which `component` is called.
fn version(host: &PluginHost, component: &Component) -> Result<Version, LoadError> {
    let ty = component.component_type();
    let names: Vec<String> = ty.exports(host.engine()).map(|(name, _)| printable(name)).collect();
    let found = names.iter().filter_map(|name| name.strip_prefix(ALGORITHM));
    // One that exports several is called by the newest of those that the host speaks.
    match found.clone().filter_map(Version::find).max_by_key(|version| version.contract()) {
        Some(version) => Ok(version),
        None => match found.max() {
            Some(other) => {
                Err(LoadError::WrongVersion { wants: format!("setpoint:scaling@{other}"), speaks: &CONTRACTS })
            }
            None if names.is_empty() => Err(LoadError::NoAlgorithm { exports: "nothing".to_owned() }),
            None => Err(LoadError::NoAlgorithm { exports: printable(&names.join(", ")) }),
        },
    }
}
