//! What a policy grants, and what a plugin has without it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Capability, ConfigError, Metric, Observation, PolicySpec, Reading, Target,
    Timestamp, Trace, WorkloadId,
};
use setpoint_testkit::guests;
use setpoint_wasm::{Mode, Plugin};

use crate::registry_of;

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];

fn look(millis: i64) -> Observation<'static> {
    Observation::new(Timestamp::from_millis(millis), 4, &READINGS)
}

fn policy(metric: &str, algorithm: &str, config: Value, capabilities: &[Capability]) -> PolicySpec {
    let metrics = vec![Metric::new(metric, Target::value(500.0).expect("in range"))];
    let mut algorithm = AlgorithmSpec::named(algorithm, config);
    algorithm.capabilities = capabilities.iter().copied().collect();
    PolicySpec::new(0, 1_000_000, metrics, algorithm).expect("a good policy")
}

fn chatty(
    plugin: &Plugin,
    config: Value,
    grants: &[Capability],
) -> Result<(AlgorithmManager, WorkloadId), ConfigError> {
    let mut manager = AlgorithmManager::with_registry(registry_of(plugin));
    let workload = manager.add(&policy("p99", "chatty", config, grants))?;
    Ok((manager, workload))
}

/// What it tells at a look at `millis`.
fn told(plugin: &Plugin, tell: &str, grants: &[Capability], millis: i64) -> u32 {
    let (mut manager, workload) = chatty(plugin, json!({ "tell": tell }), grants).expect("a workload");
    manager.decide(workload, &look(millis), &mut Trace::off()).expect("a decision").desired
}

#[test]
fn what_a_plugin_needs_is_asked_for_when_its_policy_is_added() {
    let cases = [
        (
            policy("p99", "chatty", json!({}), &[]),
            "algorithm.capabilities",
            "chatty imports `setpoint:scaling/log@0.2.0`, and the policy does not grant it: write `capabilities: [log]`",
        ),
        (
            policy("p95", "chatty", json!({}), &[Capability::Log]),
            "algorithm",
            "chatty needs a metric called `p99` (the 99th percentile of latency, in ms); known: `p95`",
        ),
        (
            policy("p99", "max-ratio", json!({}), &[Capability::Log]),
            "algorithm.capabilities",
            "max-ratio takes no capabilities",
        ),
        (policy("p99", "max", json!({}), &[Capability::Log]), "algorithm.capabilities", "max takes no capabilities"),
    ];
    let mut manager = AlgorithmManager::with_registry(registry_of(&crate::CHATTY));
    for (policy, path, message) in cases {
        let error = manager.add(&policy).expect_err(message);
        assert_eq!((error.path.as_str(), error.message.as_str()), (path, message));
    }
}

#[test]
fn without_a_grant_time_is_the_look_s_and_stands_still() {
    let plugin = &crate::CHATTY;
    for millis in [0, 86_399_000, 2 * 86_400_000 + 3_600_000] {
        let want = u32::try_from(millis / 1000 % 86_400).expect("seconds of a day");
        assert_eq!(told(plugin, "clock", &[Capability::Log], millis), want);
        assert_eq!(told(plugin, "passing", &[Capability::Log], millis), 1000);
    }
    // Before 1970 there is no time in WASI.
    assert_eq!(told(plugin, "clock", &[Capability::Log], -5000), 0);
}

#[test]
fn with_a_grant_time_passes_and_is_the_machine_s() {
    let plugin = &crate::CHATTY;
    let grants = [Capability::Log, Capability::Clock];
    assert!(told(plugin, "passing", &grants, 0) < 1000);
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let before = now();
    let told = f64::from(told(plugin, "clock", &grants, 0));
    // Modulo a day, and rounded up.
    let since = (told - before % 86_400.0).rem_euclid(86_400.0);
    assert!(since <= now() - before + 1.0, "{told} at {before}");
}

#[test]
fn without_a_grant_random_numbers_are_always_the_same() {
    let plugin = crate::CHATTY.in_mode(Mode::Isolated);
    let some =
        |grants: &[Capability]| -> BTreeSet<u32> { (0..8).map(|_| told(&plugin, "random", grants, 0)).collect() };
    assert_eq!(some(&[Capability::Log]).len(), 1);
    assert!(some(&[Capability::Log, Capability::Random]).len() > 1);
}

#[test]
fn workloads_with_different_grants_share_no_store() {
    let plugin = Plugin::load(&crate::HOST, &guests::component("chatty")).expect("a good component");
    let mut manager = AlgorithmManager::with_registry(registry_of(&plugin));
    let with_clock = [Capability::Log, Capability::Clock];
    for grants in [&with_clock[..1], &with_clock, &with_clock[..1], &with_clock] {
        manager.add(&policy("p99", "chatty", json!({}), grants)).expect("a workload");
    }
    assert_eq!((plugin.counters().instances, plugin.counters().stores), (4, 2));
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged while `run` runs.
fn logged(run: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .without_time()
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = written.0.lock().expect("nobody panicked").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_a_plugin_logs_arrives_with_its_name_cleaned() {
    let text = logged(|| {
        let (mut manager, workload) =
            chatty(&crate::CHATTY, json!({ "lines": 4, "width": 2 }), &[Capability::Log]).expect("a workload");
        manager.decide(workload, &look(0), &mut Trace::off()).expect("a decision");
    });
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("setpoint::plugin")).collect();
    let want = ["DEBUG", " INFO", " WARN", "ERROR"].into_iter().enumerate();
    let want: Vec<String> =
        want.map(|(line, level)| format!("{level} setpoint::plugin: line {line} [31mxx plugin=\"chatty\"")).collect();
    assert_eq!(lines, want);
}

#[test]
fn what_a_call_logs_beyond_its_share_is_dropped_counted_and_said() {
    for (lines, width, kept) in [(50, 0, 32), (10, 1000, 4)] {
        let plugin = Plugin::load(&crate::HOST, &guests::component("chatty")).expect("a good component");
        let text = logged(|| {
            let config = json!({ "lines": lines, "width": width });
            let (mut manager, workload) = chatty(&plugin, config, &[Capability::Log]).expect("a workload");
            for at in 0..2 {
                manager.decide(workload, &look(at), &mut Trace::off()).expect("a decision");
            }
        });
        assert_eq!(text.lines().filter(|line| line.contains("setpoint::plugin: line")).count(), 2 * kept);
        let dropped = u64::try_from(lines - kept).expect("a few");
        assert!(
            text.contains(&format!("a plugin logged more than it may plugin=\"chatty\" dropped={dropped}")),
            "{text}"
        );
        assert_eq!(plugin.counters().log_lines_dropped, 2 * dropped);
    }
}
