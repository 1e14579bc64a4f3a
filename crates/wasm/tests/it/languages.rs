//! The plugin in each language is the native algorithm, bit for bit.
//!
//! `cargo xtask guests --lang L` builds them; where nobody did, there is nothing to compare. CI names the folder, and there
//! each must be.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use setpoint::{AlgorithmSpec, Proposal, Registry, Trace};
use setpoint_testkit::guests::{BUILT_LANGUAGES, LANGUAGES};
use setpoint_testkit::looks;
use setpoint_wasm::{Plugin, PluginHost};

use crate::equivalence::{NATIVE, configs, equal};

/// The plugin in `language`, in a registry, under the name it gives itself.
fn guest(language: &str) -> Option<(Registry, String)> {
    assert!(LANGUAGES.contains(&language), "xtask builds no guest in {language}");
    let folder = PathBuf::from(env::var_os(BUILT_LANGUAGES)?);
    let file = folder.join(language).join("capped-smooth-ratio.wasm");
    let component = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    // An engine or an interpreter is a hundred times what a plugin is otherwise, this build's compiler is slower than a
    // released one, and other tests want the machine too.
    let patience = Duration::from_secs(600);
    let host = PluginHost::builder().compile_time(patience).init_deadline(patience).deadline(patience).build();
    let host = host.expect("a host");
    let plugin = Plugin::load(&host, &component).expect("a good component");
    let name = plugin.name().to_owned();
    assert_eq!(name, format!("capped-smooth-ratio-{language}"));
    let mut registry = Registry::builtin();
    registry.register_algorithm(name.clone(), plugin).expect("a free name");
    Some((registry, name))
}

/// One guest, loaded once: compiling an engine takes most of the time.
fn check(language: &str) {
    let Some((registry, name)) = guest(language) else {
        eprintln!("{BUILT_LANGUAGES} is not set: the guest in {language} is not checked");
        return;
    };
    same_answers(&registry, &name);
    same_errors(&registry, &name);
    collects_what_calls_leave(&registry, &name);
}

fn same_answers(registry: &Registry, name: &str) {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config)
        .run(&(configs(), looks::sequence(60)), |(config, looks)| equal(registry, name, &config, &looks));
    run.unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn same_errors(registry: &Registry, name: &str) {
    let refused = [
        json!({ "tolerence": 0.1 }),
        json!({ "tolerance": 3 }),
        json!({ "tolerance": [1] }),
        json!({ "tolerance": null }),
        json!({ "smoothingFactor": 0 }),
        json!({ "maxScaleUp": 50 }),
        json!({ "maxScaleUp": "half" }),
        json!({ "ratioFloor": "5%" }),
        json!({ "ratioFloor": -1 }),
        json!(3),
    ];
    for config in refused {
        let error = |name: &str| {
            let spec = AlgorithmSpec::named(name, config.clone());
            registry.build(&spec, &looks::metrics()).err().unwrap_or_else(|| panic!("{name} takes {config}"))
        };
        assert_eq!(error(name).path, error(NATIVE).path, "{name}: {config}");
    }
    for config in [json!(null), json!({}), json!({ "tolerance": "7%" })] {
        registry.build(&AlgorithmSpec::named(name, config), &looks::metrics()).expect("a good configuration");
    }
}

/// Half a megabyte a call is more than any of them may hold on to for long.
fn collects_what_calls_leave(registry: &Registry, name: &str) {
    let spec = AlgorithmSpec::named(name, json!({}));
    let mut plugin = registry.build(&spec, &looks::metrics()).expect("a good configuration");
    let look = looks::at_target(0, 4, false);
    let garbage = vec![1; 512 << 10];
    for _ in 0..200 {
        plugin.restore(&garbage).expect_err("no state of this algorithm");
        let mut trace = Trace::off();
        match plugin.evaluate(&look.observation(), &mut trace).expect("an answer") {
            Proposal::Need(need) => assert!((need.settle(4, &mut trace).exact() - 4.0).abs() < f64::EPSILON),
            other => panic!("{name} says {other:?} at its target"),
        }
    }
}

#[test]
fn the_guest_in_c_is_the_native_algorithm() {
    check("c");
}

#[test]
fn the_guest_in_go_is_the_native_algorithm() {
    check("go");
}

#[test]
fn the_guest_in_javascript_is_the_native_algorithm() {
    check("js");
}

#[test]
fn the_guest_in_python_is_the_native_algorithm() {
    check("python");
}
