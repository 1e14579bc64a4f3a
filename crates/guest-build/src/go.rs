//! Go: its own toolchain, for WASI's first preview, with the adapter that makes a component of that.

use std::process::Command;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as WASI, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::component::world;
use crate::error::BuildError;
use crate::workshop::{Tool, Workshop};

pub(crate) fn build(workshop: &Workshop<'_>) -> Result<(String, Vec<u8>), BuildError> {
    let remedy = "install Go 1.24 or newer, as https://go.dev/doc/install says";
    workshop.need(&Tool { program: "go", version: "version", remedy })?;
    let (resolve, world) = world(workshop)?;
    workshop.run(
        Command::new("go")
            .args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", "core.wasm", "."])
            .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOTOOLCHAIN", "local"), ("GOWORK", "off")]),
    )?;
    let mut core = workshop.take("core.wasm")?;
    let mut encode = || {
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&core)?.adapter(WASI, ADAPTER)?.encode()
    };
    let component = encode().map_err(|error| BuildError::Component(format!("{error:#}")))?;
    Ok((module_name(workshop)?, component))
}

/// The last part of the module's path, as Go itself calls what it builds.
fn module_name(workshop: &Workshop<'_>) -> Result<String, BuildError> {
    let manifest = workshop.read("go.mod")?;
    let manifest = String::from_utf8_lossy(&manifest);
    let path = manifest.lines().find_map(|line| line.trim().strip_prefix("module "));
    let name = path.and_then(|path| path.trim().trim_matches('"').rsplit('/').next()).filter(|name| !name.is_empty());
    let place = workshop.path("go.mod");
    Ok(name.ok_or_else(|| BuildError::Project { place, problem: "it names no module".to_owned() })?.to_owned())
}
