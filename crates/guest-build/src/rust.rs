//! Rust: cargo, for wasm32-wasip2.
//!
//! With a toolchain that has the target's standard library (`rustup target add wasm32-wasip2`), or with Debian's
//! rustc-web, whose library is built from source.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::error::BuildError;
use crate::workshop::{Tool, Workshop, answer};

/// What plugins in Rust are built for.
pub const TARGET: &str = "wasm32-wasip2";
/// Debian's own compiler, beside whatever rustup brings.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_WASI: &str = "/usr/lib/wasm32-wasi";

pub(crate) fn build(workshop: &Workshop<'_>) -> Result<(String, Vec<u8>), BuildError> {
    let remedy = "install stable Rust, as https://rustup.rs says";
    workshop.need(&Tool { program: "cargo", version: "--version", remedy })?;
    workshop.need(&Tool { program: "rustc", version: "--version", remedy })?;
    let mut cargo = cargo_for(TARGET)?;
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    let artifacts = artifacts(&workshop.run_for_output(&mut cargo)?);
    let problem = match &artifacts[..] {
        [(name, file)] => {
            let component = std::fs::read(file).map_err(|source| BuildError::File {
                path: file.clone(),
                action: "read",
                source,
            })?;
            return Ok((name.clone(), component));
        }
        [] => "nothing of it becomes a component: its library needs `crate-type = [\"cdylib\"]`".to_owned(),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            format!("a workspace of several plugins, {}: name the folder of one", names.join(", "))
        }
    };
    Err(BuildError::Project { place: workshop.path("Cargo.toml"), problem })
}

/// The plugins that cargo says it has made, each with the name that it goes by.
fn artifacts(messages: &str) -> Vec<(String, PathBuf)> {
    let made = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_plugin = message["reason"] == "compiler-artifact"
            && message["target"]["crate_types"].as_array()?.iter().any(|kind| kind == "cdylib");
        if !is_plugin {
            return None;
        }
        let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
        let file = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|it| it == "wasm"))?;
        // A library's name has underscores where a plugin's has hyphens.
        Some((message["target"]["name"].as_str()?.replace('_', "-"), file))
    });
    made.collect()
}

/// A cargo that can build for `target`, of which the standard library may have to be built too.
///
/// # Errors
///
/// [`BuildError`] where there is no Rust at all, and where neither its toolchain nor Debian's knows the target, with
/// what to install.
pub fn cargo_for(target: &str) -> Result<Command, BuildError> {
    let ours = sysroot("rustc")?;
    if ours.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(Command::new("cargo"));
    }
    let debian = Path::new(DEBIAN_RUSTC).exists()
        && Path::new(DEBIAN_WASI).is_dir()
        && sysroot(DEBIAN_RUSTC)?.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists();
    if !debian {
        return Err(BuildError::MissingTool {
            what: format!("Rust's standard library for {target}"),
            remedy: format!(
                "run `rustup target add {target}`, or on Debian \
                 `apt-get install rustc-web cargo-web rust-web-src wasi-libc`"
            ),
        });
    }
    // The linkers come with rustup's toolchain; Debian packages one of the two.
    let tools = ours.join("lib/rustlib").join(host()?).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [tools.clone(), tools.join("gcc-ld")].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).map_err(|error| BuildError::Project {
        place: tools.clone(),
        problem: format!("can't be put on the path: {error}"),
    })?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .env("PATH", path)
        // Building the standard library is unstable, and asks for this.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("CARGO_ENCODED_RUSTFLAGS", format!("-L\u{1f}{DEBIAN_WASI}"))
        .env("CARGO_TARGET_WASM32_WASIP2_LINKER", tools.join("wasm-component-ld"))
        .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
    for variable in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO", "RUSTDOC", "RUSTC_WRAPPER"] {
        cargo.env_remove(variable);
    }
    Ok(cargo)
}

fn sysroot(rustc: &str) -> Result<PathBuf, BuildError> {
    Ok(PathBuf::from(answer(Command::new(rustc).args(["--print", "sysroot"]))?))
}

fn host() -> Result<String, BuildError> {
    let version = answer(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| BuildError::CommandFailed {
        command: "rustc -vV".to_owned(),
        why: "it names no host".to_owned(),
    })?;
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_cargo_made_the_plugin_is_the_library_in_wasm() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"serde","crate_types":["lib"]},"filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","target":{"name":"macros","crate_types":["proc-macro"]},"filenames":["/t/libm.so"]}
{"reason":"compiler-artifact","target":{"name":"per_replica","crate_types":["cdylib"]},"filenames":["/t/per_replica.wasm"]}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(artifacts(messages), [("per-replica".to_owned(), PathBuf::from("/t/per_replica.wasm"))]);
    }
}
