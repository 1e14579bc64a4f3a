//! C: clang and wasi-libc; bindings as `wit-bindgen c` makes them.

use std::fs;
use std::process::Command;

use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;

use super::component::world;
use super::language::{Tool, Workshop};
use crate::run;

const REMEDY: &str = "on Debian `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`";

pub(super) fn build(workshop: &Workshop) -> anyhow::Result<()> {
    for program in ["clang", "wasm-ld"] {
        Tool { program, version: "--version", remedy: REMEDY }.check()?;
    }
    let folder = &workshop.folder;
    let bindings = folder.join("bindings");
    fs::create_dir_all(&bindings)?;
    let (mut resolve, id) = world(folder)?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, id, &mut files)?;
    for (name, contents) in files.iter() {
        fs::write(bindings.join(name), contents)?;
    }
    run(Command::new("clang")
        .args(["--target=wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-s"])
        .args(["algorithm.c", "config.c", "no-files.c", "plugin.c"])
        .args(["bindings/plugin.c", "bindings/plugin_component_type.o", "-o", "core.wasm"])
        .current_dir(folder))?;
    let core = fs::read(folder.join("core.wasm"))?;
    let component = ComponentEncoder::default().validate(true).module(&core)?.encode()?;
    fs::write(&workshop.component, component)?;
    Ok(())
}
