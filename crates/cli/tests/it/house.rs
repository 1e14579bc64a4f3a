//! Who may know whom: the invariants that no other test would notice.

use std::fs;
use std::path::Path;

use setpoint_testkit::guests::root;

/// Every source file below `folder`, and what it holds.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("text")));
        }
    }
    found
}

#[test]
fn core_reads_no_clock_and_does_no_io() {
    let files = sources(&root().join("crates/core/src"));
    assert!(files.len() > 20, "the files moved: {}", files.len());
    for (file, text) in files {
        for banned in
            ["std::fs", "std::net", "std::process", "std::env", "Instant", "SystemTime", "println!", "std::thread"]
        {
            assert!(!text.contains(banned), "{file} uses {banned}");
        }
    }
}

#[test]
fn only_the_host_names_wasmtime() {
    for crate_ in ["core", "cpa", "dialects", "sim", "cli", "guest", "kube", "runtime", "testkit"] {
        let folder = root().join("crates").join(crate_);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        assert!(!manifest.lines().any(|line| line.starts_with("wasmtime")), "{crate_} depends on wasmtime");
        for (file, text) in sources(&folder.join("src")) {
            assert!(!text.contains("wasmtime::"), "{file} names wasmtime");
        }
    }
}

#[test]
fn only_the_adapter_names_kubernetes() {
    for crate_ in ["core", "cpa", "dialects", "sim", "cli", "guest", "runtime", "testkit", "wasm"] {
        let folder = root().join("crates").join(crate_);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let named = |line: &str| line.starts_with("kube") || line.starts_with("k8s-openapi");
        assert!(!manifest.lines().any(named), "{crate_} depends on kube");
        for (file, text) in sources(&folder.join("src")) {
            assert!(!text.contains("kube::") || text.contains("setpoint_kube::"), "{file} names kube");
        }
    }
}

#[test]
fn core_depends_on_nothing_heavy_and_nothing_above_it() {
    let manifest = fs::read_to_string(root().join("crates/core/Cargo.toml")).expect("a manifest");
    let (_, after) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let own: Vec<&str> = after.split("\n\n").next().into_iter().flat_map(str::lines).collect();
    let names: Vec<&str> = own.iter().filter_map(|line| line.split('.').next()).collect();
    assert_eq!(names, ["humantime", "schemars", "serde", "serde_json", "serde_path_to_error", "strsim", "thiserror"]);
}

#[test]
fn dialects_know_core_and_nobody_else() {
    let manifest = fs::read_to_string(root().join("crates/dialects/Cargo.toml")).expect("a manifest");
    let (_, after) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let own: Vec<&str> = after.split("\n\n").next().into_iter().flat_map(str::lines).collect();
    let names: Vec<&str> = own.iter().filter_map(|line| line.split('.').next()).collect();
    assert_eq!(names, ["serde", "serde_json", "setpoint"]);
}
