//! From a core module to a component, for the languages whose tools end at the module.

use std::path::Path;

use anyhow::Context as _;
use wit_parser::{Resolve, WorldId};

/// The world `plugin` of the guest in `folder`.
pub(super) fn world(folder: &Path) -> anyhow::Result<(Resolve, WorldId)> {
    let mut resolve = Resolve::default();
    let wit = folder.join("wit");
    let (package, _) = resolve.push_dir(&wit).with_context(|| wit.display().to_string())?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    Ok((resolve, world))
}
