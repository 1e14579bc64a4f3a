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

/// Registers the plugins of the folder in `arguments`, if there is one, and from then on what comes into it, until the
/// watch is dropped. What happens to a file is logged.
///
/// Each is there under its name, and then whatever version the folder has; and under its name and digest,
/// `NAME@blake3:DIGEST`, and then this version alone. Nothing that was there goes away before the process does.
pub(crate) fn follow(
    catalog: &mut Catalog,
    arguments: &PluginArguments,
    counters: PluginCounters,
    register: impl Fn(&str, LivePlugin) -> Result<(), RegisterError> + Send + 'static,
) -> Result<Option<Watch>, BadInput> {
    let Some(path) = &arguments.plugins else { return Ok(None) };
    // A folder that can't be read later is no reason to end; one that never could be is a mistake.
    std::fs::read_dir(path).map_err(|error| BadInput::file(path, "read", &error))?;
    let host = catalog.host().map_err(|problem| BadInput::at(path.display(), problem))?;
    let mut folder = PluginFolder::new(host, path);
    let mut running = BTreeMap::new();
    let mut take = move |event: ReloadEvent| {
        let plugin = match &event {
            ReloadEvent::Added { plugin, .. } => {
                if let Err(error) = register(plugin.name(), plugin.clone()) {
                    tracing::warn!("{event}, which no policy can name: {error}");
                }
                counters.add(plugin);
                running.entry(plugin.name().to_owned()).or_insert_with(|| plugin.clone())
            }
            ReloadEvent::Replaced { name, .. } => match running.get_mut(name) {
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
    };
    // Before policies name them.
    folder.poll().into_iter().for_each(&mut take);
    folder.watch(EVERY, take).map(Some).map_err(|error| BadInput::file(path, "watch", &error))
}
