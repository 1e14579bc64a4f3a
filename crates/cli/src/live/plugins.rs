//! A folder of plugins that can change while a command goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint::RegisterError;
use setpoint_wasm::{LivePlugin, PluginFolder, ReloadEvent, Watch};

use crate::catalog::Catalog;
use crate::cli::PluginArguments;
use crate::error::BadInput;
use crate::live::PluginCounters;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// A folder whose plugins are registered: each under its name, and then it is whatever version the folder has; and under
/// its name and digest, `NAME@blake3:DIGEST`, and then it is this version alone. Nothing that was there goes away before
/// the process does. What happens to a file is logged.
pub(crate) struct Followed {
    folder: PluginFolder,
    known: Known,
}

/// The plugins that came so far.
struct Known {
    running: BTreeMap<String, LivePlugin>,
    counters: PluginCounters,
}

impl Followed {
    /// The folder that `arguments` name, if they do. What it has is registered in `catalog`.
    pub(crate) fn begin(
        catalog: &mut Catalog,
        arguments: &PluginArguments,
        counters: PluginCounters,
    ) -> Result<Option<Self>, BadInput> {
        let Some(path) = &arguments.plugins else { return Ok(None) };
        // A folder that can't be read later is no reason to end; one that never could be is a mistake.
        std::fs::read_dir(path).map_err(|error| BadInput::file(path, "read", &error))?;
        let host = catalog.host().map_err(|problem| BadInput::at(path.display(), problem))?;
        let mut folder = PluginFolder::new(host, path);
        let mut known = Known { running: BTreeMap::new(), counters };
        for event in folder.poll() {
            known.take(&event, |name, plugin| catalog.registry_mut().register_algorithm(name, plugin));
        }
        Ok(Some(Self { folder, known }))
    }

    /// Goes on with what comes into the folder or changes there, until the watch is dropped.
    pub(crate) fn watch(
        self,
        register: impl Fn(&str, LivePlugin) -> Result<(), RegisterError> + Send + 'static,
    ) -> Result<Watch, BadInput> {
        let Self { folder, mut known } = self;
        let watch = folder.watch(EVERY, move |event| known.take(&event, &register));
        watch.map_err(|error| BadInput::at("--plugins", error))
    }
}

impl Known {
    fn take(&mut self, event: &ReloadEvent, mut register: impl FnMut(&str, LivePlugin) -> Result<(), RegisterError>) {
        let plugin = match event {
            ReloadEvent::Added { plugin, .. } => {
                if let Err(error) = register(plugin.name(), plugin.clone()) {
                    tracing::warn!("{event}, which no policy can name: {error}");
                }
                self.counters.add(plugin);
                self.running.entry(plugin.name().to_owned()).or_insert_with(|| plugin.clone())
            }
            ReloadEvent::Replaced { name, .. } => match self.running.get_mut(name) {
                Some(plugin) => plugin,
                None => return,
            },
            _ => return,
        };
        let pinned = format!("{}@blake3:{}", plugin.name(), plugin.edition().fingerprint);
        match register(&pinned, LivePlugin::new(plugin.running())) {
            // One that comes back is there still.
            Ok(()) | Err(RegisterError::Taken { .. }) => {}
            Err(error) => tracing::warn!("{event}, which no policy can name by its digest: {error}"),
        }
    }
}
