//! A component file becomes an algorithm factory.

use std::fmt;
use std::sync::Arc;

use setpoint::{AlgorithmFactory, ConfigError, Description, ScalingAlgorithm, Setup};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::CONTRACT;
use crate::bindings::PluginPre;
use crate::bindings::setpoint::scaling::types;
use crate::error::LoadError;
use crate::host::Host;
use crate::instance::{PluginAlgorithm, explain, is_failure};
use crate::sandbox::{self, Sandbox, printable};

/// A plugin, compiled and checked. Register it under a name, and each workload gets an instance of its own.
///
/// ```no_run
/// use setpoint::AlgorithmManager;
/// use setpoint_wasm::{Host, HostConfig, Plugin};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::new(&HostConfig::default())?;
/// let plugin = Plugin::load(&host, &std::fs::read("per_replica.wasm")?)?;
/// let mut manager = AlgorithmManager::new();
/// manager.registry_mut().register_algorithm(plugin.name().to_owned(), plugin)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) host: Host,
    pub(crate) pre: PluginPre<Sandbox>,
    pub(crate) name: String,
    version: String,
    description: Description,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.inner.name).field("version", &self.inner.version).finish()
    }
}

impl Plugin {
    /// Compiles `bytes`, links what it imports to an inert WASI, makes a trial instance and asks it who it is.
    ///
    /// # Errors
    ///
    /// [`LoadError`], in the order of these steps.
    pub fn load(host: &Host, bytes: &[u8]) -> Result<Self, LoadError> {
        let limit = host.limits().component;
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { bytes: bytes.len(), limit });
        }
        if let Some(found) = something_else(bytes) {
            return Err(LoadError::NotAComponent { found });
        }
        let component = Component::from_binary(host.engine(), bytes)
            .map_err(|error| LoadError::Invalid { message: printable(&format!("{error:#}")) })?;
        let linker = sandbox::link(host, &component)?;
        check_exports(host, &component)?;
        let wrong_types = |error: wasmtime::Error| LoadError::WrongTypes {
            speaks: CONTRACT,
            message: printable(&format!("{error:#}")),
        };
        let pre = linker.instantiate_pre(&component).and_then(PluginPre::new).map_err(wrong_types)?;
        let described = describe(host, &pre)?;
        Self::checked(host.clone(), pre, described)
    }

    fn checked(host: Host, pre: PluginPre<Sandbox>, described: types::Description) -> Result<Self, LoadError> {
        let wrong = |message: String| LoadError::Description { message };
        let name = described.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            return Err(wrong(format!(
                "the name {:?} must be 1 to 63 lower case letters, digits and hyphens",
                printable(&name)
            )));
        }
        let config_schema = serde_json::from_str::<serde_json::Value>(&described.config_schema)
            .map_err(|error| wrong(format!("the configuration's schema is not JSON: {error}")))?;
        if !config_schema.is_object() && !config_schema.is_boolean() {
            return Err(wrong("the configuration's schema is no JSON Schema".to_owned()));
        }
        let description = Description::new(printable(&described.summary), config_schema);
        let version = printable(&described.version);
        tracing::debug!(name, version, "loaded a plugin");
        Ok(Self { inner: Arc::new(Inner { host, pre, name, version, description }) })
    }

    /// The name it gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The version it gives itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.version
    }
}

impl AlgorithmFactory for Plugin {
    fn describe(&self) -> Description {
        self.inner.description.clone()
    }

    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        Ok(Box::new(PluginAlgorithm::new(Arc::clone(&self.inner), setup)?))
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

fn check_exports(host: &Host, component: &Component) -> Result<(), LoadError> {
    let (interface, version) = ("setpoint:scaling/algorithm@", CONTRACT.rsplit('@').next().unwrap_or_default());
    let ty = component.component_type();
    let names: Vec<String> = ty.exports(host.engine()).map(|(name, _)| printable(name)).collect();
    match names.iter().find_map(|name| name.strip_prefix(interface)) {
        Some(found) if minor(found) == minor(version) => Ok(()),
        Some(found) => Err(LoadError::WrongVersion { wants: format!("setpoint:scaling@{found}"), speaks: CONTRACT }),
        None if names.is_empty() => Err(LoadError::NoAlgorithm { exports: "nothing".to_owned() }),
        None => Err(LoadError::NoAlgorithm { exports: names.join(", ") }),
    }
}

/// Before 1.0, versions agree up to their minor number.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

/// Makes a trial instance and asks it who it is. Types inside an exported interface are checked only here.
fn describe(host: &Host, pre: &PluginPre<Sandbox>) -> Result<types::Description, LoadError> {
    let mut store = host.store();
    let watched = host.watch(&mut store);
    let described = match pre.instantiate(&mut store) {
        Ok(plugin) => plugin.setpoint_scaling_algorithm().call_describe(&mut store),
        Err(error) if is_failure(&error, store.data()) => Err(error),
        Err(error) => {
            return Err(LoadError::WrongTypes { speaks: CONTRACT, message: printable(&format!("{error:#}")) });
        }
    };
    drop(watched);
    described.map_err(|error| LoadError::Start { message: explain(&error, host.limits(), store.data()).message })
}
