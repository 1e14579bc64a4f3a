//! The guest components: built from source where someone did that, prebuilt elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// Names a folder of components built from source, in place of the prebuilt ones.
pub const BUILT: &str = "SETPOINT_GUESTS";

/// Names a folder with `LANGUAGE/capped-smooth-ratio.wasm` for each of [`LANGUAGES`], as `cargo xtask guests --lang`
/// builds them.
pub const BUILT_LANGUAGES: &str = "SETPOINT_LANGUAGE_GUESTS";

/// Names the folder in which `cargo xtask guests` builds, for tests that build plugins themselves, in every language: what
/// was fetched there isn't fetched again.
pub const TOOLCHAINS: &str = "SETPOINT_TOOLCHAINS";

/// The languages other than Rust in which `guest-plugins/` has `capped-smooth-ratio`.
pub const LANGUAGES: [&str; 4] = ["c", "go", "js", "python"];

/// The plugins of `guest-plugins/` in Rust.
pub const NAMES: [&str; 4] = ["capped-smooth-ratio", "chatty", "custom", "hostile"];

/// The bytes of the component of `guest-plugins/NAME`.
///
/// # Panics
///
/// When the file can't be read, naming it.
#[must_use]
pub fn component(name: &str) -> Vec<u8> {
    let folder = env::var_os(BUILT).map_or_else(|| root().join("guest-plugins/prebuilt"), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The bytes of the component of `guest-plugins/NAME` as it was released for a minor `contract`, such as `0.1`.
///
/// # Panics
///
/// When the file can't be read, naming it.
#[must_use]
pub fn released(contract: &str, name: &str) -> Vec<u8> {
    let file = root().join(format!("guest-plugins/released/{contract}/{name}.wasm"));
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The workspace's own folder.
///
/// # Panics
///
/// Never: this crate is two folders below it.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit is below the root").to_owned()
}

/// What is known of the prebuilt components: `guest-plugins/prebuilt/manifest.json`.
///
/// # Errors
///
/// When the file can't be read or is no such manifest.
pub fn manifest(root: &Path) -> io::Result<BTreeMap<String, Prebuilt>> {
    let text = fs::read_to_string(root.join("guest-plugins/prebuilt/manifest.json"))?;
    let entries: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&text)?;
    let field = |entry: &mut BTreeMap<String, String>, name: &str| entry.remove(name).unwrap_or_default();
    Ok(entries
        .into_iter()
        .map(|(name, mut entry)| {
            (name, Prebuilt { source: field(&mut entry, "source"), component: field(&mut entry, "component") })
        })
        .collect())
}

/// Hashes of one prebuilt component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prebuilt {
    /// SHA-256 over the sources it was built from.
    pub source: String,
    /// SHA-256 of the file itself.
    pub component: String,
}

impl Prebuilt {
    /// The hashes of `component` as built from the sources of `name` below `root`.
    ///
    /// # Errors
    ///
    /// When a source can't be read.
    pub fn of(root: &Path, name: &str, component: &[u8]) -> io::Result<Self> {
        Ok(Self { source: source_hash(root, name)?, component: hex(Sha256::digest(component).as_slice()) })
    }
}

/// Everything that goes into the component of `name`.
fn source_hash(root: &Path, name: &str) -> io::Result<String> {
    let files = [
        "guest-plugins/Cargo.toml",
        "guest-plugins/Cargo.lock",
        "crates/core/Cargo.toml",
        "crates/guest/Cargo.toml",
        &format!("guest-plugins/{name}"),
        "crates/core/src",
        "crates/guest/src",
        "wit/0.2",
    ];
    hash_of(root, &files)
}

/// SHA-256 over files and folders below `root`: names and contents, in order.
///
/// # Errors
///
/// When one can't be read.
pub fn hash_of(root: &Path, paths: &[&str]) -> io::Result<String> {
    let mut files = Vec::new();
    for path in paths {
        if root.join(path).is_dir() { collect(root, Path::new(path), &mut files)? } else { files.push(path.into()) }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let contents = fs::read(root.join(&file))?;
        hash.update(file.to_string_lossy().replace('\\', "/").as_bytes());
        hash.update((contents.len() as u64).to_le_bytes());
        hash.update(contents);
    }
    Ok(hex(hash.finalize().as_slice()))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() { collect(root, &path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
