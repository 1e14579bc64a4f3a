//! `setpoint plugin new` and `setpoint plugin build`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};
use setpoint_testkit::guests::{TOOLCHAINS, root};

use crate::{Folder, Ran, cached, setpoint};

/// Each language as `--lang` has it, and how a project's own tests are run.
const LANGUAGES: [(&str, &str); 5] = [
    ("rust", "cargo test"),
    ("python", "python3 -m unittest"),
    ("js", "node --test"),
    ("go", "go test ./..."),
    ("c", "make test"),
];

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("standard output holds JSON alone: {error}: {ran:?}"))
}

/// What a project's folder holds, by path.
fn files(folder: &Path) -> BTreeMap<String, String> {
    fn collect(folder: &Path, below: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(below).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(folder, &path, found);
            } else {
                let name = path.strip_prefix(folder).expect("inside").to_string_lossy().replace('\\', "/");
                found.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}

#[test]
fn a_project_is_whole_and_says_how_to_go_on() {
    let contract = fs::read_to_string(root().join("wit/0.2/scaling.wit")).expect("the contract");
    for (language, test) in LANGUAGES {
        let folder = Folder::new();
        let ran = folder.run(&["plugin", "new", "per-load", "--lang", language, "--json"]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{language}");
        let made = json(&ran);
        let next = ["cd per-load", test, "setpoint plugin build", "setpoint plugin check per-load.wasm"];
        assert_eq!(
            (&made["folder"], &made["name"], &made["language"], &made["next"]),
            (&json!("per-load"), &json!("per-load"), &json!(language), &json!(next))
        );
        assert_eq!(made["algorithm"], "algorithm: { plugin: ./per-load.wasm, config: { headroom: 0.2 } }");
        assert_eq!(made["sdk"].is_string(), language == "rust", "{made}");
        assert_eq!(folder.files(), ["per-load"], "nothing else");

        let files = files(&folder.path().join("per-load"));
        let mut listed: Vec<&str> =
            made["files"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        listed.sort_unstable();
        assert_eq!(listed, files.keys().map(String::as_str).collect::<Vec<_>>());
        for (file, text) in &files {
            assert!(
                !text.contains("{{name}}") && !text.contains("{{sdk}}") && !text.contains("capped-smooth-ratio"),
                "{language}: {file}: {text}"
            );
        }
        for command in &next[1..] {
            assert!(files["README.md"].contains(&format!("\n{command}\n")), "{language}: README lacks {command}");
        }
        assert!(files[".gitignore"].contains("*.wasm\n"), "{language}");
        assert!(files.values().any(|text| text.contains("\"per-load\"")), "{language}: it does not say its name");
        if language != "rust" {
            assert_eq!(files["wit/deps/scaling/scaling.wit"], contract, "{language}");
        }
    }
}

#[test]
fn a_person_is_told_the_same() {
    let folder = Folder::new();
    let ran = folder.run(&["plugin", "new", "per-load", "--lang", "go"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let want = "\
per-load: a plugin in Go, 14 files

next
  cd per-load
  go test ./...
  setpoint plugin build
  setpoint plugin check per-load.wasm

in a policy beside it
  algorithm: { plugin: ./per-load.wasm, config: { headroom: 0.2 } }
";
    assert_eq!(ran.out, want);
}

#[test]
fn a_rust_project_stands_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("my plugins")).expect("a folder");
    let ran = folder.run(&["plugin", "new", "per-load", "--in", "my plugins"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let sdk = root().join("crates/guest").canonicalize().expect("a folder");
    let said =
        format!("takes setpoint-guest from {}, where this setpoint was built; `--sdk` names another", sdk.display());
    assert!(ran.out.contains(&said), "{}", ran.out);
    assert!(ran.out.contains("\n  cd 'my plugins/per-load'\n"), "{}", ran.out);
    let manifest = &files(&folder.path().join("my plugins/per-load"))["Cargo.toml"];
    assert!(manifest.contains("\n[workspace]\n"), "{manifest}");
    let profile = |manifest: &str| {
        let (_, profile) = manifest.split_once("[profile.release]\n").expect("a profile");
        profile.to_owned()
    };
    let guests = fs::read_to_string(root().join("guest-plugins/Cargo.toml")).expect("a manifest");
    assert_eq!(profile(manifest), profile(&guests), "plugins of this tree are built otherwise");
    assert!(
        manifest.contains(&format!("\nsetpoint-guest = {{ path = {:?} }}\n", sdk.display().to_string())),
        "{manifest}"
    );
}

#[test]
fn the_sdk_can_be_named() {
    let folder = Folder::new();
    folder.write("a \"copy\"/Cargo.toml", "[package]\nname = \"setpoint-guest\"\n");
    folder.write("other/Cargo.toml", "[package]\nname = \"other\"\n");
    let ran = folder.run(&["plugin", "new", "per-load", "--sdk", "a \"copy\""]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("a \"copy\"\n"), "{}", ran.out);
    let manifest = &files(&folder.path().join("per-load"))["Cargo.toml"];
    assert!(manifest.contains(r#"/a \"copy\"" }"#), "{manifest}");
    for (arguments, want) in [
        (["--lang", "rust", "--sdk", "other"], "--sdk: other is not the folder of the crate setpoint-guest"),
        (["--lang", "rust", "--sdk", "absent"], "--sdk: absent is not the folder of the crate setpoint-guest"),
        (["--lang", "go", "--sdk", "a \"copy\""], "--sdk: is for plugins in Rust"),
    ] {
        let ran = folder.run(&[&["plugin", "new", "second"][..], &arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(want), "{}", ran.err);
    }
    assert_eq!(folder.files(), ["a \"copy\"", "other", "per-load"]);
}

#[test]
fn what_exists_is_left_as_it_is() {
    let folder = Folder::new();
    folder.write("per-load/mine.txt", "mine");
    folder.write("a-file", "mine");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    for name in ["per-load", "a-file", "empty"] {
        let ran = folder.run(&["plugin", "new", name]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(&format!("{name}: exists already, and is left as it is")), "{}", ran.err);
    }
    assert_eq!(folder.files(), ["a-file", "empty", "per-load"]);
    assert_eq!(files(&folder.path().join("per-load")).keys().collect::<Vec<_>>(), ["mine.txt"]);
    let ran = folder.run(&["plugin", "new", "second", "--in", "absent"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("absent: can't be written to: "), "{}", ran.err);
}

#[test]
fn a_name_must_be_one_for_every_tool() {
    let folder = Folder::new();
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    for name in ["", "1a", "-a", "Per", "per_load", "per load", "../per", "per.load", "é", &too_long] {
        // As one word: a name may begin as an option does.
        let ran = folder.run(&["plugin", "new", "--", name]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains("NAME: must be 1 to 63 of a-z, 0-9 and -, and begin with a letter"), "{}", ran.err);
    }
    for (name, language) in [("struct", "rust"), ("test", "rust"), ("setpoint-guest", "rust"), ("log", "go")] {
        let ran = folder.run(&["plugin", "new", name, "--lang", language]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains(" means something else to "), "{}", ran.err);
    }
    assert_eq!(folder.files(), [""; 0]);
    for name in [&longest, "struct", "my-capped-smooth-ratio-python"] {
        assert_eq!(folder.run(&["plugin", "new", name, "--lang", "python"]).code, 0, "{name}");
        let scaling = &files(&folder.path().join(name))["scaling.py"];
        assert!(scaling.contains(&format!("NAME = \"{name}\"\n")), "{scaling}");
    }
}

#[test]
fn what_is_no_project_can_t_be_built() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    folder.write("two/go.mod", "module two\n");
    folder.write("two/package.json", "{}");
    for (name, want) in [
        ("empty", "empty: no plugin's project: a project has one of Cargo.toml (Rust), "),
        ("two", "two: a project has one language, and here are package.json and go.mod: leave one"),
        ("absent", "absent: can't be read: "),
    ] {
        let ran = folder.run(&["plugin", "build", name, "--json"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(want), "{}", ran.err);
    }
}

#[test]
fn a_tool_that_is_absent_is_named_with_how_to_get_it() {
    for (language, want) in [
        ("rust", "cargo is missing: install stable Rust"),
        (
            "python",
            "python3 is missing: install Python 3.10 or newer, on Debian with `apt-get install python3 python3-venv`",
        ),
        ("js", "node is missing: install Node.js 20 or newer, with npm"),
        ("go", "go is missing: install Go 1.24 or newer"),
        ("c", "clang is missing: on Debian `apt-get install clang lld wasi-libc libclang-rt-dev-wasm32`"),
    ] {
        let folder = Folder::new();
        assert_eq!(folder.run(&["plugin", "new", "per-load", "--lang", language]).code, 0);
        let before = files(folder.path());
        let mut build = setpoint();
        build.args(["plugin", "build", "per-load"]).env("PATH", folder.path()).current_dir(folder.path());
        let output = build.output().expect("the command runs");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{language}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(want), "{said}");
        assert_eq!(files(folder.path()), before, "{language}: something was left behind");
    }
}

/// Looks at 10 replicas with a queue that should have 4 a replica and a p99 that should be 500: up, at the target, a little
/// below it, far below it, with a reading missing at a low and a high load, with none, and idle; and from no replicas.
const LOOKS: &str = r#"{"now_ms": 0, "current": 10, "readings": {"queue": 61, "p99": 300}}
{"now_ms": 15000, "current": 10, "readings": {"queue": 40, "p99": 500}}
{"now_ms": 30000, "current": 10, "readings": {"queue": 30, "p99": 451}}
{"now_ms": 45000, "current": 10, "readings": {"queue": 7, "p99": 130}}
{"now_ms": 60000, "current": 10, "readings": {"queue": 7, "p99": {"missing": "scrape failed"}}}
{"now_ms": 75000, "current": 10, "readings": {"queue": {"stale": "90 s old"}, "p99": 1234.5}}
{"now_ms": 90000, "current": 10, "readings": {"queue": {"missing": "no"}, "p99": {"invalid": "NaN"}}}
{"now_ms": 105000, "current": 10, "readings": {"queue": 0, "p99": 0}}
{"now_ms": 120000, "current": 7, "readings": {"queue": 3, "p99": 100}}
"#;

/// What came of the looks, in each language.
const DECIDED: [u32; 9] = [16, 10, 10, 4, 10, 25, 10, 1, 2];

/// Runs what `plugin new` says one should, and gives what the plugin then decides.
fn decided(toolchains: &Path, language: &str) -> String {
    let folder = Folder::new();
    let ran = folder.run(&["plugin", "new", "per-load", "--lang", language, "--json"]);
    assert_eq!(ran.code, 0, "{language}: {}", ran.err);
    let project = folder.path().join("per-load");
    // Hundreds of megabytes that xtask has fetched for its own guests, and the versions of crates that it has.
    for tools in ["js/node_modules", "python/.venv"] {
        let fetched = toolchains.join(tools);
        #[cfg(unix)]
        if tools.starts_with(language) && fetched.is_dir() {
            let name = fetched.file_name().expect("a name");
            std::os::unix::fs::symlink(&fetched, project.join(name)).expect("a link");
        }
    }
    if language == "rust" {
        fs::copy(root().join("guest-plugins/Cargo.lock"), project.join("Cargo.lock")).expect("a copy");
    }
    let command = setpoint();
    let bin = Path::new(command.get_program()).parent().expect("a folder");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([bin.to_owned()].into_iter().chain(env::split_paths(&path))).expect("a path");
    let made = json(&ran);
    let next: Vec<&str> = made["next"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let (check, build) = next.split_last().expect("commands");
    let run = |script: &str, folder: &Path| {
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder)
            .env("PATH", &path)
            .env("CARGO_TARGET_DIR", toolchains)
            .env("XDG_CACHE_HOME", cached())
            .output()
            .expect("a shell");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), format!("{language}: {script}\n{said}"))
    };
    let (code, said) = run(&format!("set -e\n{}", build.join("\n")), folder.path());
    assert!(code == Some(0) && said.contains("bytes, for setpoint:scaling@0.2.0\n"), "{said}");
    let (code, said) = run(check, &project);
    assert!(said.contains("per-load.wasm: per-load 0.1.0\n") && !said.contains("  broken "), "{said}");
    assert!(code == Some(0) && !said.contains("  beyond "), "{said}");
    if language == "rust" {
        let (code, said) = run("cargo fmt --check", &project);
        assert_eq!(code, Some(0), "{said}");
    }

    let policy = format!(
        "apiVersion: setpoint.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: {{ name: {language} }}\nspec:\n  minReplicas: 1\n  \
         maxReplicas: 100\n  interval: 15s\n  metrics:\n    - {{ name: queue, target: {{ averageValue: 4 }} }}\n    \
         - {{ name: p99, target: {{ value: 500 }} }}\n  {}\n  onFailure: hold\n",
        made["algorithm"].as_str().expect("text"),
    );
    folder.write("per-load/policy.yaml", policy);
    let ran = folder.run_with(&["decide", "--policy", "per-load/policy.yaml", "--json"], LOOKS);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{language}");
    ran.out
}

/// With the tools of all languages: CI names where it has fetched some of them.
#[test]
fn in_every_language_a_new_project_passes_and_decides_alike() {
    let Some(toolchains) = env::var_os(TOOLCHAINS).map(PathBuf::from) else {
        eprintln!("{TOOLCHAINS} is not set: nothing is built");
        return;
    };
    // One after another: a host gives an engine or an interpreter a minute to compile, of which others would take.
    let all = LANGUAGES.map(|(language, _)| (language, decided(&toolchains, language)));
    let (_, rust) = &all[0];
    let desired = rust.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["desired"].clone());
    assert_eq!(Value::from_iter(desired), json!(DECIDED), "{rust}");
    // Words and numbers.
    for (language, decided) in &all {
        let lines = rust.lines().zip(decided.lines());
        for (want, got) in lines {
            assert_eq!(got, want, "{language}");
        }
        assert_eq!(decided.lines().count(), DECIDED.len(), "{language}");
    }
}
