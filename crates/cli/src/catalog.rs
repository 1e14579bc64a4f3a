//! What policies can name: the library's own algorithms, the plugins of a folder, and those that policies bring.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use setpoint::{AlgorithmSpec, ConfigError, Policy, PolicySpec, RegisterError, Registry, ScalingGroup};
use setpoint_dialects::Conversion;
use setpoint_wasm::{CacheUse, LoadError, Plugin, PluginHost, PluginHostBuilder};

use crate::cli::{PluginArguments, PluginCache};
use crate::document::Document;
use crate::error::BadInput;
use crate::output;

/// Algorithms by name, and the plugins loaded so far.
pub(crate) struct Catalog {
    registry: Registry,
    // Made when the first plugin is: most commands need none.
    host: Option<PluginHost>,
    cache: Option<PluginCache>,
    compile_time: Duration,
    /// The registered name of each file that a policy brought.
    files: BTreeMap<PathBuf, String>,
}

/// A policy, ready to run, and the document that errors about it point into.
pub(crate) struct LoadedPolicy {
    conversion: Conversion,
    document: Document,
}

impl LoadedPolicy {
    pub(crate) const fn policy(&self) -> &Policy {
        &self.conversion.policy
    }

    /// An error about a field of the policy, with the place in the file of what the field came from.
    pub(crate) fn error(&self, error: &ConfigError) -> BadInput {
        self.document.error(&ConfigError::new(self.conversion.origin(&error.path), error.message.clone()))
    }
}

/// A group, ready to run, and the document that errors about it point into.
pub(crate) struct LoadedGroup {
    group: ScalingGroup,
    document: Document,
}

impl LoadedGroup {
    pub(crate) const fn group(&self) -> &ScalingGroup {
        &self.group
    }

    /// An error about a field of the group, with its place in the file.
    pub(crate) fn error(&self, error: &ConfigError) -> BadInput {
        self.document.error(error)
    }
}

/// What a file holds that can be tried: a policy, or several that scale together.
pub(crate) enum Loaded {
    Policy(Box<LoadedPolicy>),
    Group(LoadedGroup),
}

/// The policies of `examples/policies/` by name, and what they say.
macro_rules! examples {
    ($($name:literal),+ $(,)?) => {
        [$((concat!($name, ".yaml"), include_str!(concat!("../../../examples/policies/", $name, ".yaml")))),+]
    };
}

/// What `simulate` compares when nothing is given, and the plugin that one of them names.
const BUILTIN: [(&str, &str); 4] = examples!["utilization", "stabilized", "capped-smooth", "plugin"];
/// What `simulate --compare` sets beside each other: each school of algorithms by one policy or more.
const SCHOOLS: [(&str, &str); 16] = examples![
    "utilization",
    "stabilized",
    "capped-smooth",
    "all-agree-down",
    "formula",
    "hpa",
    "knative-kpa",
    "knative-under-hpa",
    "aibrix-apa",
    "aibrix-kpa",
    "nomad",
    "nomad-target-value",
    "nomad-threshold",
    "nomad-pass-through",
    "nomad-fixed-value",
    "watermark",
];
const BUILTIN_PLUGIN: &[u8] = include_bytes!("../../../guest-plugins/prebuilt/capped-smooth-ratio.wasm");

/// A component's bytes, or one more than the host would take: a huge file is not read to its end.
pub(crate) fn read_component(file: &Path) -> io::Result<Vec<u8>> {
    let most = PluginHostBuilder::COMPONENT_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a plugin that a policy names: the file it is, and what it holds.
trait ReadPlugin: Fn(&Path) -> Result<(PathBuf, Vec<u8>), String> {}

impl<F: Fn(&Path) -> Result<(PathBuf, Vec<u8>), String>> ReadPlugin for F {}

/// Reads plugins relative to the folder of the document at `path`.
fn beside(path: &Path) -> impl ReadPlugin {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    move |plugin: &Path| {
        let file = folder.join(plugin);
        read_component(&file).map(|bytes| (file, bytes)).map_err(|error| error.to_string())
    }
}

impl Catalog {
    /// The library's own, and the plugins of a folder where `arguments` have one.
    pub(crate) fn new(arguments: &PluginArguments) -> Result<Self, BadInput> {
        let mut catalog = Self::of_the_library(arguments);
        if let Some(folder) = &arguments.plugins {
            catalog.load_folder(folder)?;
        }
        Ok(catalog)
    }

    /// The library's own alone. Plugins run as `arguments` have it.
    pub(crate) fn of_the_library(arguments: &PluginArguments) -> Self {
        let cache = arguments.plugin_cache.clone();
        let compile_time = arguments.compile_time.duration();
        Self { registry: Registry::builtin(), host: None, cache, compile_time, files: BTreeMap::new() }
    }

    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    #[cfg(any(feature = "cluster", feature = "live"))]
    pub(crate) const fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// What the file at `path` holds, with the plugins it names by file.
    pub(crate) fn open(&mut self, path: &Path) -> Result<Loaded, BadInput> {
        let document = Document::open(path)?;
        if ScalingGroup::is_one(document.value()) {
            return self.load_group(document, path).map(Loaded::Group);
        }
        self.load_policy(document, path).map(Box::new).map(Loaded::Policy)
    }

    /// The policy in the file at `path`, with the plugins it names by file.
    #[cfg(any(feature = "cluster", feature = "live"))]
    pub(crate) fn open_policy(&mut self, path: &Path) -> Result<LoadedPolicy, BadInput> {
        self.load_policy(Document::open(path)?, path)
    }

    /// The policy that `document`, the file at `path`, holds, with the plugins it names by file.
    fn load_policy(&mut self, document: Document, path: &Path) -> Result<LoadedPolicy, BadInput> {
        match self.read_policy(&document, path) {
            Ok(conversion) => Ok(LoadedPolicy { conversion, document }),
            Err(error) => Err(document.error(&error)),
        }
    }

    /// The policy that `document`, the file at `path`, holds, and what it was read from.
    pub(crate) fn read_policy(&mut self, document: &Document, path: &Path) -> Result<Conversion, ConfigError> {
        self.policy(document, beside(path))
    }

    /// The group that `document`, the file at `path`, holds, with the plugins its members name by file.
    fn load_group(&mut self, document: Document, path: &Path) -> Result<LoadedGroup, BadInput> {
        match self.read_group(&document, path) {
            Ok(group) => Ok(LoadedGroup { group, document }),
            Err(error) => Err(document.error(&error)),
        }
    }

    /// The group that `document`, the file at `path`, holds, and where it is at odds with itself.
    pub(crate) fn read_group(&mut self, document: &Document, path: &Path) -> Result<ScalingGroup, ConfigError> {
        let mut group = ScalingGroup::from_value(document.value())?;
        let read = beside(path);
        for (index, member) in group.spec.members.iter_mut().enumerate() {
            self.resolve(&mut member.policy, &format!("spec.members[{index}].policy"), &read)?;
        }
        Ok(group)
    }

    /// The policies that are compared where none are given.
    pub(crate) fn builtin_policies(&mut self) -> Result<Vec<LoadedPolicy>, BadInput> {
        self.examples(&BUILTIN)
    }

    /// The policies that show each school of algorithms.
    pub(crate) fn schools(&mut self) -> Result<Vec<LoadedPolicy>, BadInput> {
        self.examples(&SCHOOLS)
    }

    fn examples(&mut self, examples: &[(&str, &str)]) -> Result<Vec<LoadedPolicy>, BadInput> {
        let mut policies = Vec::new();
        for &(file, text) in examples {
            let document = Document::read(file, text)?;
            let conversion = self
                .policy(&document, |plugin| Ok((plugin.to_owned(), BUILTIN_PLUGIN.to_vec())))
                .map_err(|error| document.error(&error))?;
            policies.push(LoadedPolicy { conversion, document });
        }
        Ok(policies)
    }

    fn policy(&mut self, document: &Document, read: impl ReadPlugin) -> Result<Conversion, ConfigError> {
        let mut conversion = setpoint_dialects::read(document.value())?;
        self.resolve(&mut conversion.policy.spec, "spec", &read)?;
        Ok(conversion)
    }

    /// Loads the plugins that the policy at `path` names by file.
    fn resolve(&mut self, policy: &mut PolicySpec, path: &str, read: &impl ReadPlugin) -> Result<(), ConfigError> {
        let mut resolve = |algorithm: &mut AlgorithmSpec, path: &str| match &algorithm.plugin {
            None => Ok(()),
            Some(plugin) => match self.plugin_file(Path::new(plugin), read) {
                Ok(name) => {
                    (algorithm.name, algorithm.plugin) = (Some(name), None);
                    Ok(())
                }
                Err(problem) => Err(ConfigError::new(format!("{path}.plugin"), format!("{plugin}: {problem}"))),
            },
        };
        policy.algorithm.each_mut(&format!("{path}.algorithm"), &mut resolve)?;
        if let Some((field, algorithm)) = policy.on_failure.algorithm_mut() {
            algorithm.each_mut(&format!("{path}.onFailure.{field}"), &mut resolve)?;
        }
        Ok(())
    }

    /// Loads a plugin that a policy names by file, and says under which name it is registered.
    fn plugin_file(&mut self, plugin: &Path, read: &impl ReadPlugin) -> Result<String, String> {
        let (file, bytes) = read(plugin)?;
        let file = file.canonicalize().unwrap_or(file);
        if let Some(name) = self.files.get(&file) {
            return Ok(name.clone());
        }
        let plugin = load(self.host()?, &bytes).map_err(|error| error.to_string())?;
        // Beside, not among, the names that policies can write; and two files may well call themselves alike.
        let own = format!("plugin {}", plugin.name());
        let mut name = own.clone();
        let mut copies = 1;
        while let Err(RegisterError::Taken { .. }) = self.registry.register_algorithm(name.clone(), plugin.clone()) {
            copies += 1;
            name = format!("{own} ({copies})");
        }
        self.files.insert(file, name.clone());
        Ok(name)
    }

    fn load_folder(&mut self, folder: &Path) -> Result<(), BadInput> {
        let failed = |error| BadInput::file(folder, "read", &error);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                files.push(path);
            }
        }
        files.sort();
        for file in files {
            let bytes = read_component(&file).map_err(|error| BadInput::file(&file, "read", &error))?;
            let host = self.host().map_err(|problem| BadInput::at(file.display(), problem))?;
            let plugin = load(host, &bytes).map_err(|error| BadInput::at(file.display(), error))?;
            self.registry
                .register_algorithm(plugin.name().to_owned(), plugin)
                .map_err(|error| BadInput::at(file.display(), error))?;
        }
        Ok(())
    }

    /// What plugins run on.
    pub(crate) fn host(&mut self) -> Result<&PluginHost, String> {
        if self.host.is_none() {
            let host = start(self.cache.as_ref(), self.compile_time)
                .map_err(|error| format!("no plugin can run here: {error}"))?;
            self.host = Some(host);
        }
        Ok(self.host.as_ref().expect("it was just made"))
    }
}

/// A host with the cache that was asked for. The usual one is a convenience: where it can't be had, plugins are compiled.
fn start(cache: Option<&PluginCache>, compile_time: Duration) -> io::Result<PluginHost> {
    let host = || PluginHost::builder().compile_time(compile_time);
    match cache {
        Some(PluginCache::Off) => host().build(),
        Some(PluginCache::Folder(folder)) => host().cache(folder).build(),
        None => match usual_cache() {
            Some(folder) => host().cache(folder).build().or_else(|error| {
                tracing::warn!("plugins are compiled each time: {error}");
                host().build()
            }),
            None => host().build(),
        },
    }
}

/// As the XDG Base Directory Specification has it, which ignores relative folders.
fn usual_cache() -> Option<PathBuf> {
    let folder = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("setpoint/plugins"))
}

/// Loads a plugin, and says where the cache had something that it should not have.
fn load(host: &PluginHost, component: &[u8]) -> Result<Plugin, LoadError> {
    let plugin = Plugin::load(host, component)?;
    if let CacheUse::Rejected(bad) = plugin.cache_use() {
        let (yellow, reset) = (output::YELLOW.render(), output::YELLOW.render_reset());
        anstream::eprintln!(
            "{yellow}warning:{reset} plugin {}: its entry in the cache was not used, {bad}; it was compiled anew",
            plugin.name()
        );
    }
    Ok(plugin)
}
