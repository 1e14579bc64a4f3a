//! Go: its own toolchain, for WASI's first preview, with the adapter that makes a component of that.

use std::fs;
use std::process::Command;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as WASI, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::component::world;
use super::language::{Tool, Workshop};
use crate::run;

pub(super) fn build(workshop: &Workshop) -> anyhow::Result<()> {
    Tool { program: "go", version: "version", remedy: "install Go 1.24 or newer" }.check()?;
    let folder = &workshop.folder;
    run(Command::new("go")
        .args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", "core.wasm", "."])
        .current_dir(folder)
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOTOOLCHAIN", "local"), ("GOWORK", "off")]))?;
    let mut core = fs::read(folder.join("core.wasm"))?;
    let (resolve, world) = world(folder)?;
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&core)?.adapter(WASI, ADAPTER)?.encode()?;
    fs::write(&workshop.component, component)?;
    Ok(())
}
