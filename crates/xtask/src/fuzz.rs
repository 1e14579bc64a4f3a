//! Runs the fuzz target for a while, on stable Rust: `fuzz/.cargo/config.toml` holds what coverage needs.

use std::fs;
use std::num::NonZeroU32;
use std::process::Command;

use setpoint_testkit::guests::root;

/// For how long, where nothing else is said.
pub(crate) const SECONDS: NonZeroU32 = NonZeroU32::new(30).expect("not 0");

/// Goes on from the corpus that earlier runs left, and fails where the target does. libFuzzer takes 0 seconds for
/// no end.
pub(crate) fn run(seconds: NonZeroU32) -> anyhow::Result<()> {
    let folder = root().join("fuzz");
    for kept in ["artifacts/behavior", "corpus/behavior"] {
        fs::create_dir_all(folder.join(kept))?;
    }
    let mut cargo = Command::new("cargo");
    cargo
        // Configuration is found from the folder.
        .current_dir(&folder)
        .args(["run", "--release", "--locked", "--bin", "behavior", "--", "corpus/behavior"])
        .args(["-artifact_prefix=artifacts/behavior/", "-max_len=360", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        // A case takes microseconds: one that takes so many seconds hangs.
        .arg("-timeout=10");
    // These would take the place of the folder's own.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    crate::run(&mut cargo)
}
