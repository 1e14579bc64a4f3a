//! What is no plugin is refused at load, with words that say what to do.

use std::time::{Duration, Instant};

use setpoint::{AlgorithmFactory as _, AlgorithmSpec};
use setpoint_testkit::{guests, hostile, looks};
use setpoint_wasm::{LoadError, Plugin, PluginHost};

use crate::HOST;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("good text")
}

#[test]
fn a_plugin_says_who_it_is() {
    let plugin = &crate::CAPPED_SMOOTH_RATIO;
    assert_eq!(plugin.name(), "capped-smooth-ratio-plugin");
    assert_eq!(plugin.version(), "0.1.0");
    let description = plugin.describe();
    assert!(description.summary.contains("smoothed"), "{}", description.summary);
    assert_eq!(description.config_schema["additionalProperties"], false);
    assert!(description.config_schema["properties"]["smoothingFactor"].is_object());
}

#[test]
fn what_is_no_plugin_is_refused_with_a_way_out() {
    let good = guests::component("capped-smooth-ratio");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "is empty, not a WebAssembly component; build it with"),
        ("garbage", b"hello there".to_vec(), "is something else"),
        ("an ELF program", b"\x7fELF\x02\x01\x01".to_vec(), "is a native program"),
        ("text", b" (component)".to_vec(), "is WebAssembly text"),
        ("a core module", wat("(module)"), "is a core WebAssembly module"),
        ("five bytes", good[..5].to_vec(), "cut off within its first bytes"),
        ("only a header", good[..8].to_vec(), "exports no `setpoint:scaling/algorithm`, but nothing"),
        ("half", good[..good.len() / 2].to_vec(), "not valid (truncated or damaged?)"),
        ("less one byte", good[..good.len() - 1].to_vec(), "not valid (truncated or damaged?)"),
        ("an empty component", wat("(component)"), "but nothing"),
        (
            "another world",
            wat(
                r#"(component (component $c) (instance $i (instantiate $c)) (export "wasi:http/handler@0.2.0" (instance $i)))"#,
            ),
            "but wasi:http/handler@0.2.0; export one with",
        ),
        (
            "another version",
            wat(r#"(component (component $c) (instance $i (instantiate $c))
                    (export "setpoint:scaling/algorithm@7.1.0" (instance $i)))"#),
            "was built for `setpoint:scaling@7.1.0`, this host speaks `setpoint:scaling@0.1.0` and \
             `setpoint:scaling@0.2.0`: update the host, or build the plugin with the setpoint-guest of `setpoint:scaling@0.2.0`",
        ),
        (
            "an older version",
            wat(r#"(component (component $c) (instance $i (instantiate $c))
                    (export "setpoint:scaling/algorithm@0.0.9" (instance $i)))"#),
            "`setpoint:scaling@0.2.0`: build the plugin anew, with the setpoint-guest of `setpoint:scaling@0.2.0`",
        ),
        (
            "a log of another version",
            wat(r#"(component (import "setpoint:scaling/log@0.9.0" (instance (export "write" (func)))))"#),
            "imports `setpoint:scaling/log@0.9.0`, which",
        ),
        (
            "the right name with nothing in it",
            wat(r#"(component (component $c) (instance $i (instantiate $c))
                    (export "setpoint:scaling/algorithm@0.1.0" (instance $i)))"#),
            "does not have the types of `setpoint:scaling@0.1.0`",
        ),
        (
            "wants a socket",
            wat(
                r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "tcp-socket" (type (sub resource))))))"#,
            ),
            "imports `wasi:sockets/tcp@0.2.0`, which a plugin may not have",
        ),
        ("wants a function of the host", wat(r#"(component (import "give-me" (func)))"#), "imports `give-me`"),
    ];
    for (name, bytes, want) in cases {
        let error = Plugin::load(&HOST, &bytes).expect_err(name).to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn a_component_cut_anywhere_is_refused_without_a_panic() {
    let good = guests::component("hostile");
    // Every cut within the first sections, then samples: each costs a compilation attempt.
    let cuts = (8..200).chain((200..good.len()).step_by(good.len() / 40));
    for cut in cuts {
        assert!(Plugin::load(&HOST, &good[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_precompiled_component_is_refused() {
    // wasmtime's own artifacts are ELF files with this section.
    let good = guests::component("capped-smooth-ratio");
    let engine = wasmtime::Engine::default();
    let native = engine.precompile_component(&good).expect("a good component");
    let error = Plugin::load(&HOST, &native).expect_err("native code");
    assert!(matches!(error, LoadError::NotAComponent { found } if found.contains(".cwasm")), "{error}");
}

#[test]
fn a_file_beyond_the_limit_is_refused_before_it_is_looked_at() {
    let host = PluginHost::builder().component(1000).build().expect("a host");
    let error = Plugin::load(&host, &guests::component("hostile")).expect_err("too large");
    assert!(matches!(error, LoadError::TooLarge { limit: 1000, .. }), "{error}");
}

#[test]
fn a_component_that_compiles_for_too_long_is_given_up() {
    let host = PluginHost::builder().compile_time(Duration::ZERO).build().expect("a host");
    let error = Plugin::load(&host, &guests::component("hostile")).expect_err("no time");
    assert_eq!(error, LoadError::CompileTime { budget: Duration::ZERO });
    assert!(error.to_string().contains("did not compile within 0ns"), "{error}");
}

#[test]
fn what_was_given_up_takes_a_compiler_until_it_ends() {
    // Seconds are not enough for such a function.
    let budget = Duration::from_millis(2);
    let host = PluginHost::builder().compilations(1).compile_time(budget).build().expect("a host");
    let slow = hostile::slow_to_compile(500_000);
    let error = Plugin::load(&host, &slow).expect_err("no time");
    assert_eq!(error, LoadError::CompileTime { budget });
    let good = guests::component("hostile");
    let error = Plugin::load(&host, &good).expect_err("no compiler");
    assert_eq!(error, LoadError::CompilersBusy { limit: 1, budget });
    assert!(error.to_string().contains("compile"), "{error}");
    let patience = Instant::now() + Duration::from_secs(120);
    while Plugin::load(&host, &good).is_err_and(|error| matches!(error, LoadError::CompilersBusy { .. })) {
        assert!(Instant::now() < patience, "it is never given back");
    }
}

#[test]
fn a_plugin_s_config_error_comes_through_whole() {
    let registry = crate::registry();
    let cases = [
        (serde_json::json!({"tolerence": 0.1}), "config.tolerence", "did you mean `tolerance`?"),
        (serde_json::json!({"tolerance": 7}), "config.tolerance", "[0, 1], got 7"),
    ];
    for (config, path, want) in cases {
        let spec = AlgorithmSpec::named("capped-smooth-ratio-plugin", config);
        let error = registry.build(&spec, &looks::metrics()).err().expect("a bad configuration");
        assert_eq!(error.path, path);
        assert!(error.message.contains(want), "{error}");
    }
}
