//! Builds `guest-plugins/`: the workspace in Rust here, all of it at once; other languages in `language`.

pub(crate) mod language;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;
use setpoint_guest_build::{TARGET, cargo_for};
use setpoint_testkit::guests::{NAMES, Prebuilt, root};

use crate::run;

/// Builds all guests, and returns the folder they are in: NAME.wasm each.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let root = root();
    let target = target_folder(&root);
    let mut cargo = cargo_for(TARGET)?;
    run(cargo
        .args(["build", "--release", "--locked", "--target", TARGET])
        .current_dir(root.join("guest-plugins"))
        .env("CARGO_TARGET_DIR", workshops(&root)))?;
    let guests = target.join("guests");
    fs::create_dir_all(&guests)?;
    for name in NAMES {
        let built = workshops(&root).join(format!("{TARGET}/release/{}.wasm", name.replace('-', "_")));
        fs::copy(&built, guests.join(format!("{name}.wasm"))).with_context(|| built.display().to_string())?;
    }
    eprintln!("built {} guests into {}", NAMES.len(), guests.display());
    Ok(guests)
}

/// Builds all guests, makes them the prebuilt ones, and writes down what they were built from.
pub(crate) fn bless() -> anyhow::Result<()> {
    let (root, guests) = (root(), build()?);
    let mut manifest = BTreeMap::new();
    for name in NAMES {
        let file = format!("{name}.wasm");
        let component = fs::read(guests.join(&file))?;
        let Prebuilt { source, component: hash } = Prebuilt::of(&root, name, &component)?;
        fs::write(root.join("guest-plugins/prebuilt").join(file), component)?;
        manifest.insert(name, json!({ "source": source, "component": hash }));
    }
    let manifest = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(root.join("guest-plugins/prebuilt/manifest.json"), manifest)?;
    Ok(())
}

pub(crate) fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Where guests are built: cargo's target folder, and one of each other language.
pub(crate) fn workshops(root: &Path) -> PathBuf {
    target_folder(root).join("guest-build")
}
