//! A real Kubernetes control plane, built from Go modules: `kube-env/` holds the program.
//!
//! One program is all of etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok (fake nodes) and Helm,
//! each under its own name as a link, in one folder: what `KUBEBUILDER_ASSETS` means to envtest. Needs Go and a module proxy;
//! no container, no root, no download of binaries. A cold build takes about a quarter of an hour of one core's time, so what was
//! built is kept for as long as its sources stay the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, bail};
use setpoint_testkit::guests::{hash_of, root};

/// What it is built from.
const SOURCES: &str = "crates/xtask/kube-env";

/// Builds what isn't built yet, and prints the folder.
pub(crate) fn run() -> anyhow::Result<()> {
    let sources = root().join(SOURCES);
    // Enough of it to tell versions apart.
    let folder = cache()?.join(&hash_of(&root(), &[SOURCES])?[..16]);
    if !folder.join("kubectl").exists() {
        build(&sources, &folder)?;
    }
    println!("{}", folder.display());
    Ok(())
}

fn cache() -> anyhow::Result<PathBuf> {
    let folder = |variable| env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Ok(caches
        .context("neither XDG_CACHE_HOME nor HOME is set: there is no folder to keep the control plane in")?
        .join("setpoint-kube-env"))
}

fn build(sources: &Path, folder: &Path) -> anyhow::Result<()> {
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        go.current_dir(sources).env("CGO_ENABLED", "0").args(arguments);
        go
    };
    let version = match go(&["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"]).output() {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout)?.trim().to_owned(),
        Ok(listed) => bail!("go can't read kube-env/go.mod: {}", String::from_utf8_lossy(&listed.stderr)),
        Err(error) => bail!("the control plane is built by Go 1.26 or newer, which can't be run here: {error}"),
    };
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let flags = [("gitVersion", version.as_str()), ("gitMajor", major), ("gitMinor", minor), ("gitTreeState", "clean")];
    let flags: String =
        flags.iter().map(|(name, value)| format!(" -X k8s.io/component-base/version.{name}={value}")).collect();
    // Beside its place: a build that is interrupted leaves nothing that looks built.
    let unfinished = folder.with_extension("unfinished");
    fs::create_dir_all(&unfinished)?;
    let program = unfinished.join("kubeenv");
    eprintln!("building Kubernetes {version}: some ten minutes, once");
    crate::run(
        go(&["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(&program)
            .arg(format!("-ldflags=-s -w{flags}"))
            .arg("."),
    )?;
    let programs = Command::new(&program).arg("programs").output().context("what was built can't be run")?;
    for name in String::from_utf8(programs.stdout)?.lines() {
        let link = unfinished.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink("kubeenv", link)?;
        }
    }
    // Earlier versions are of no use to anybody.
    let kept = folder.parent().context("it is in the cache")?;
    for entry in fs::read_dir(kept)? {
        let path = entry?.path();
        if path != unfinished && path != folder {
            fs::remove_dir_all(&path)?;
        }
    }
    fs::rename(&unfinished, folder).with_context(|| format!("{} can't be put in its place", unfinished.display()))
}
