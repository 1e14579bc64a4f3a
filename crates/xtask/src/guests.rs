//! Builds `guest-plugins/`: the workspace in Rust for wasm32-wasip2 here, other languages one a file below.
//!
//! With a toolchain that has the target's standard library (`rustup target add wasm32-wasip2`), or with Debian's
//! rustc-web, whose library is built from source.

mod c;
mod component;
mod go;
mod js;
pub(crate) mod language;
mod python;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::json;
use setpoint_testkit::guests::{NAMES, Prebuilt, root};

use crate::run;

const TARGET: &str = "wasm32-wasip2";
/// Debian's own compiler, beside whatever rustup brings.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_WASI: &str = "/usr/lib/wasm32-wasi";

/// Builds all guests, and returns the folder they are in: NAME.wasm each.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let root = root();
    let target = target_folder(&root);
    let mut cargo = toolchain(TARGET)?;
    run(cargo
        .args(["build", "--release", "--locked", "--target", TARGET])
        .current_dir(root.join("guest-plugins"))
        .env("CARGO_TARGET_DIR", target.join("guest-build")))?;
    let guests = target.join("guests");
    fs::create_dir_all(&guests)?;
    for name in NAMES {
        let built = target.join(format!("guest-build/{TARGET}/release/{}.wasm", name.replace('-', "_")));
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

/// A cargo that can build for `target`, of which the standard library may have to be built too.
pub(crate) fn toolchain(target: &str) -> anyhow::Result<Command> {
    let ours = sysroot("rustc")?;
    if ours.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(Command::new("cargo"));
    }
    let debian = Path::new(DEBIAN_RUSTC).exists()
        && Path::new(DEBIAN_WASI).is_dir()
        && sysroot(DEBIAN_RUSTC)?.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists();
    if !debian {
        bail!(
            "no standard library for {target}: run `rustup target add {target}`, or on Debian \
             `apt-get install rustc-web cargo-web rust-web-src wasi-libc`"
        );
    }
    // The linkers come with rustup's toolchain; Debian packages one of the two.
    let tools = ours.join("lib/rustlib").join(host()?).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [tools.clone(), tools.join("gcc-ld")].into_iter().chain(std::env::split_paths(&path));
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .env("PATH", std::env::join_paths(path)?)
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

fn sysroot(rustc: &str) -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(output(Command::new(rustc).args(["--print", "sysroot"]))?))
}

fn host() -> anyhow::Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("can't start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
