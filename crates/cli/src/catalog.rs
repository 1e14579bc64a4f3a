//! What policies can name: the library's own algorithms, the plugins of a folder, and those that policies bring.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use setpoint::{AlgorithmSpec, ConfigError, Policy, RegisterError, Registry};
use setpoint_wasm::{Plugin, PluginHost, PluginHostBuilder};

use crate::document::Document;
use crate::error::BadInput;

/// Algorithms by name, and the plugins loaded so far.
pub(crate) struct Catalog {
    registry: Registry,
    // Made when the first plugin is: most commands need none.
    host: Option<PluginHost>,
    /// The registered name of each file that a policy brought.
    files: BTreeMap<PathBuf, String>,
}

/// A policy, ready to run, and the document that errors about it point into.
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    pub(crate) document: Document,
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
const SCHOOLS: [(&str, &str); 15] = examples![
    "utilization",
    "stabilized",
    "capped-smooth",
    "all-agree-down",
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

impl Catalog {
    /// The library's own, and the plugins of `folder`.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, BadInput> {
        let mut catalog = Self { registry: Registry::builtin(), host: None, files: BTreeMap::new() };
        if let Some(folder) = folder {
            catalog.load_folder(folder)?;
        }
        Ok(catalog)
    }

    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The policy in the file at `path`, with the plugins it names by file.
    pub(crate) fn open_policy(&mut self, path: &Path) -> Result<LoadedPolicy, BadInput> {
        let document = Document::open(path)?;
        match self.read_policy(&document, path) {
            Ok(policy) => Ok(LoadedPolicy { policy, document }),
            Err(error) => Err(document.error(&error)),
        }
    }

    /// The policy that `document`, the file at `path`, holds.
    pub(crate) fn read_policy(&mut self, document: &Document, path: &Path) -> Result<Policy, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        self.policy(document, |plugin| {
            let file = folder.join(plugin);
            read_component(&file).map(|bytes| (file, bytes)).map_err(|error| error.to_string())
        })
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
            let policy = self
                .policy(&document, |plugin| Ok((plugin.to_owned(), BUILTIN_PLUGIN.to_vec())))
                .map_err(|error| document.error(&error))?;
            policies.push(LoadedPolicy { policy, document });
        }
        Ok(policies)
    }

    fn policy(
        &mut self,
        document: &Document,
        read: impl Fn(&Path) -> Result<(PathBuf, Vec<u8>), String>,
    ) -> Result<Policy, ConfigError> {
        let mut policy = Policy::from_value(document.value())?;
        let mut resolve = |algorithm: &mut AlgorithmSpec, path: &str| match &algorithm.plugin {
            None => Ok(()),
            Some(plugin) => match self.plugin_file(Path::new(plugin), &read) {
                Ok(name) => {
                    (algorithm.name, algorithm.plugin) = (Some(name), None);
                    Ok(())
                }
                Err(problem) => Err(ConfigError::new(format!("{path}.plugin"), format!("{plugin}: {problem}"))),
            },
        };
        policy.spec.algorithm.each_mut("spec.algorithm", &mut resolve)?;
        if let Some((field, algorithm)) = policy.spec.on_failure.algorithm_mut() {
            algorithm.each_mut(&format!("spec.onFailure.{field}"), &mut resolve)?;
        }
        Ok(policy)
    }

    /// Loads a plugin that a policy names by file, and says under which name it is registered.
    fn plugin_file(
        &mut self,
        plugin: &Path,
        read: impl Fn(&Path) -> Result<(PathBuf, Vec<u8>), String>,
    ) -> Result<String, String> {
        let (file, bytes) = read(plugin)?;
        let file = file.canonicalize().unwrap_or(file);
        if let Some(name) = self.files.get(&file) {
            return Ok(name.clone());
        }
        let plugin = Plugin::load(self.host()?, &bytes).map_err(|error| error.to_string())?;
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
            let plugin = Plugin::load(host, &bytes).map_err(|error| BadInput::at(file.display(), error))?;
            self.registry
                .register_algorithm(plugin.name().to_owned(), plugin)
                .map_err(|error| BadInput::at(file.display(), error))?;
        }
        Ok(())
    }

    fn host(&mut self) -> Result<&PluginHost, String> {
        if self.host.is_none() {
            let host = PluginHost::new().map_err(|error| format!("no plugin can run here: {error}"))?;
            self.host = Some(host);
        }
        Ok(self.host.as_ref().expect("it was just made"))
    }
}
