//! C: clang and wasi-libc; bindings as `wit-bindgen c` makes them.

use std::fs;
use std::process::Command;

use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;

use crate::component::world;
use crate::error::BuildError;
use crate::workshop::{Tool, Workshop, answer};

const REMEDY: &str = "on Debian `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`";
const TARGET: &str = "--target=wasm32-wasi";

pub(crate) fn build(workshop: &Workshop<'_>) -> Result<(String, Vec<u8>), BuildError> {
    for program in ["clang", "wasm-ld"] {
        workshop.need(&Tool { program, version: "--version", remedy: REMEDY })?;
    }
    needs_libraries()?;
    let bindings = workshop.path("bindings");
    fs::create_dir_all(&bindings).map_err(|source| BuildError::File { path: bindings, action: "made", source })?;
    let (mut resolve, id) = world(workshop)?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default()
        .build()
        .generate(&mut resolve, id, &mut files)
        .map_err(|error| BuildError::Project { place: workshop.path("wit"), problem: format!("{error:#}") })?;
    for (name, contents) in files.iter() {
        workshop.write(&format!("bindings/{name}"), contents)?;
    }
    workshop.run(
        Command::new("clang")
            .args([TARGET, "-mexec-model=reactor", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-s"])
            .args(sources(workshop)?)
            .args(["bindings/plugin.c", "bindings/plugin_component_type.o", "-o", "core.wasm"]),
    )?;
    let core = workshop.take("core.wasm")?;
    let encode = || ComponentEncoder::default().validate(true).module(&core)?.encode();
    let component = encode().map_err(|error| BuildError::Component(format!("{error:#}")))?;
    Ok((workshop.folder_name()?, component))
}

/// clang itself says of what comes in packages of its own no more than which file it doesn't find.
fn needs_libraries() -> Result<(), BuildError> {
    let questions = [
        ("the C library for WASI", "-print-file-name=libc.a"),
        ("clang's own library for WebAssembly", "-print-libgcc-file-name"),
    ];
    for (what, question) in questions {
        let found = answer(Command::new("clang").args([TARGET, "-rtlib=compiler-rt", question]))?;
        if !std::path::Path::new(&found).is_file() {
            return Err(BuildError::MissingTool { what: what.to_owned(), remedy: REMEDY.to_owned() });
        }
    }
    Ok(())
}

/// The project's own files: all that lie in its folder, and nothing below it, as tests do.
fn sources(workshop: &Workshop<'_>) -> Result<Vec<String>, BuildError> {
    let unread = |source| BuildError::File { path: workshop.folder.to_owned(), action: "read", source };
    let mut names = Vec::new();
    for entry in fs::read_dir(workshop.folder).map_err(unread)? {
        let name = entry.map_err(unread)?.file_name();
        names.extend(name.to_str().filter(|name| name.ends_with(".c")).map(ToOwned::to_owned));
    }
    // What a linker is given in another order it lays out in another order.
    names.sort();
    Ok(names)
}
