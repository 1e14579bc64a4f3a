//! `setpoint simulate`.

use serde_json::{Value, json};
use setpoint_testkit::guests;

use crate::{CHAT, Folder};

const SCENARIO: &str = "\
apiVersion: setpoint.dev/v1alpha1
kind: Scenario
metadata: { name: hour }
spec:
  duration: 1h
  load:
    sum:
      - diurnal: { low: 2, high: 30, period: 1h, peakAt: 30m }
      - noise: { amplitude: 0.2, every: 1m }
  service: { time: { mean: 500ms }, concurrency: 4 }
  replicas: { initial: 3, startup: 30s }
  readings: { cpu: utilization }
  slo: { latency: 2s }
";

fn simulate(folder: &Folder, arguments: &[&str]) -> Value {
    let ran = folder.run(&[&["simulate", "--json"], arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    serde_json::from_str(&ran.out).expect("standard output holds JSON alone")
}

fn adds_up(run: &Value) {
    let summary = &run["summary"];
    let count = |field: &str| summary[field].as_u64().expect(field);
    assert_eq!(count("served") + count("queued_at_end") + count("refused"), count("requests"), "{summary}");
    let decisions = run["decisions"].as_array().expect("decisions");
    let scalings = |up: bool| {
        let moved = |decision: &&Value| {
            let (from, to) = (decision["from"].as_u64(), decision["to"].as_u64());
            if up { to > from } else { to < from }
        };
        decisions.iter().filter(moved).count() as u64
    };
    assert_eq!((scalings(true), scalings(false)), (count("scale_ups"), count("scale_downs")));
    let mut current = None;
    for decision in decisions {
        assert!(current.is_none_or(|current: &Value| *current == decision["from"]), "a gap before {decision}");
        assert!(!decision["reasons"].as_array().expect("reasons").is_empty(), "{decision}");
        current = Some(&decision["to"]);
    }
}

#[test]
fn alone_it_compares_four_built_in_policies_and_writes_no_file() {
    let folder = Folder::new();
    let comparison = simulate(&folder, &[]);
    assert_eq!(comparison["scenario"]["name"], "day-of-chat");
    let runs = comparison["runs"].as_array().expect("runs");
    let names: Vec<_> = runs.iter().map(|run| run["policy"].clone()).collect();
    assert_eq!(names, ["utilization", "stabilized", "capped-smooth", "plugin-stabilized"]);
    for run in runs {
        adds_up(run);
        // Every evaluation of a day: each 15 s, or each minute.
        let every = if run["policy"].as_str().is_some_and(|name| name.contains("stabilized")) { 4 } else { 1 };
        assert_eq!(run["decisions"].as_array().map(Vec::len), Some(24 * 60 * every));
        assert_eq!(run["summary"]["requests"], runs[0]["summary"]["requests"], "all met the same load");
    }
    let plugin = serde_json::to_string(&runs[3]["decisions"]).expect("JSON");
    assert!(plugin.contains("capped-smooth-ratio-plugin: ratio "), "the plugin says why");
    assert!(!plugin.contains("onFailure"), "the plugin never failed");

    let ran = folder.run(&["simulate"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for name in names {
        assert!(ran.out.contains(name.as_str().expect("a name")), "{name} in {}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "colours where nobody looks");
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn a_plugin_and_its_native_twin_decide_alike_over_a_whole_day() {
    let folder = Folder::new();
    folder.write("smooth.wasm", guests::component("capped-smooth-ratio"));
    let native = CHAT.replace("name: p99, target: { value: 500 }", "name: utilization, target: { utilization: 65 }");
    folder.write("native.yaml", &native);
    folder.write("plugin.yaml", native.replace("name: capped-smooth-ratio", "plugin: smooth.wasm"));
    let comparison = simulate(&folder, &["--policy", "native.yaml", "--policy", "plugin.yaml", "--seed", "7"]);
    let moves = |run: &Value| -> Vec<Value> {
        let decisions = run["decisions"].as_array().expect("decisions");
        decisions.iter().map(|decision| json!([decision["t_ms"], decision["from"], decision["to"]])).collect()
    };
    let (native, plugin) = (&comparison["runs"][0], &comparison["runs"][1]);
    assert_eq!(moves(native), moves(plugin));
    assert_eq!(native["summary"], plugin["summary"]);
    assert!(native["summary"]["scale_downs"].as_u64() > Some(10), "it scaled down, too");
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_another_seed_others() {
    let folder = Folder::new();
    folder.write("hour.yaml", SCENARIO);
    folder
        .write("cpu.yaml", CHAT.replace("name: p99, target: { value: 500 }", "name: cpu, target: { utilization: 60 }"));
    let run = |seed: &str, report: &str| {
        let arguments = [
            "simulate",
            "--json",
            "--scenario",
            "hour.yaml",
            "--policy",
            "cpu.yaml",
            "--seed",
            seed,
            "--report",
            report,
        ];
        let ran = folder.run(&arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        (ran.out, std::fs::read_to_string(folder.path().join(report)).expect("a report"))
    };
    let first = run("1", "a.html");
    assert_eq!(first, run("1", "deep/er/b.html"));
    let other = run("2", "c.html");
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
    let (json, report) = first;
    for text in [&json, &report] {
        assert!(!text.contains(&*folder.path().to_string_lossy()), "a path");
    }
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!report.replace("http://www.w3.org/2000/svg", "").contains(outside), "the report asks for {outside}");
    }
    assert!(report.contains("<svg") && report.contains("cpu is "), "charts and reasons");
}

#[test]
fn traces_of_rates_and_of_requests_add_up() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let rates: String = (0..30).map(|minute| format!("{},{}\n", minute * 60, 2 + minute % 5)).collect();
    folder.write("rates.csv", format!("time,rate\n{rates}"));
    let comparison = simulate(&folder, &["--trace", "rates.csv", "--policy", "chat.yaml"]);
    let run = &comparison["runs"][0];
    adds_up(run);
    // Six times 2 to 6 requests/s, a minute each.
    assert_eq!(run["summary"]["requests"], 6 * (2 + 3 + 4 + 5 + 6) * 60);
    assert_eq!(comparison["scenario"]["duration_ms"], 30 * 60 * 1000);

    // CR LF, and no end of the last line: as downloaded files are.
    let requests: Vec<String> =
        (0..600).map(|second| format!("2023-11-16 18:{:02}:{:02}.9799600,1500,30", second / 60, second % 60)).collect();
    folder.write("requests.csv", format!("TIMESTAMP,ContextTokens,GeneratedTokens\r\n{}", requests.join("\r\n")));
    let comparison = simulate(&folder, &["--trace", "requests.csv", "--policy", "chat.yaml"]);
    adds_up(&comparison["runs"][0]);
    assert_eq!(comparison["runs"][0]["summary"]["requests"], 600);
}

#[test]
fn a_scenario_names_its_readings_and_its_trace() {
    let folder = Folder::new();
    folder.write("in/trace.csv", "time,rate\n0,5\n60,5\n120,5\n");
    let scenario = SCENARIO.replace("duration: 1h", "seed: 3");
    let (before, rest) = scenario.split_once("  load:").expect("a load");
    let (_, after) = rest.split_once("  service:").expect("a service");
    folder.write("in/traced.yaml", format!("{before}  load: {{ trace: {{ file: trace.csv }} }}\n  service:{after}"));
    folder
        .write("cpu.yaml", CHAT.replace("name: p99, target: { value: 500 }", "name: cpu, target: { utilization: 60 }"));
    let comparison = simulate(&folder, &["--scenario", "in/traced.yaml", "--policy", "cpu.yaml"]);
    assert_eq!(comparison["scenario"]["seed"], 3);
    assert_eq!(comparison["runs"][0]["summary"]["requests"], 900);
    let decisions = serde_json::to_string(&comparison["runs"][0]["decisions"]).expect("JSON");
    assert!(decisions.contains("cpu is "), "{decisions}");
}

#[test]
fn quiet_prints_nothing() {
    let folder = Folder::new();
    folder.write("hour.yaml", SCENARIO);
    let ran = folder.run(&["simulate", "--quiet", "--scenario", "hour.yaml"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

fn root() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// `setpoint simulate --compare` over one of `examples/scenarios`.
fn compare(scenario: &str) -> Value {
    let file = root().join(format!("examples/scenarios/{scenario}.yaml"));
    simulate(&Folder::new(), &["--compare", "--scenario", file.to_str().expect("a path in UTF-8")])
}

/// The other columns of the table take minutes without optimization.
#[test]
fn the_page_on_which_algorithm_when_says_what_was_measured() {
    let page = std::fs::read_to_string(root().join("crates/core/docs/choosing.md")).expect("the page");
    let (_, table) = page.split_once("<!-- measured -->\n").expect("a table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for scenario in ["ramp", "step"] {
        let column = rows[0].iter().position(|title| *title == scenario).expect("a column");
        let comparison = compare(scenario);
        let runs = comparison["runs"].as_array().expect("a list");
        assert_eq!(runs.len(), rows.len() - 2, "a row a policy");
        for (run, row) in runs.iter().zip(&rows[2..]) {
            let summary = &run["summary"];
            let number = |name: &str| summary[name].as_f64().expect("a number");
            let late = 100.0 * number("slo_violation_ratio");
            let late = if late < 10.0 { format!("{late:.2}") } else { format!("{late:.1}") };
            let changes = number("scale_ups") + number("scale_downs");
            let measured = format!("{late} / {:.1} / {changes}", number("mean_replicas"));
            assert_eq!(row[0], format!("`{}`", run["policy"].as_str().expect("a name")), "{scenario}");
            assert_eq!(row[column], measured, "{scenario}, {}", row[0]);
        }
    }
}

#[test]
fn a_comparison_has_a_policy_of_every_algorithm() {
    let folder = Folder::new();
    let algorithms: Value = serde_json::from_str(&folder.run(&["algorithms", "--json"]).out).expect("JSON alone");
    let examples: String = std::fs::read_dir(root().join("examples/policies"))
        .expect("a folder")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"))
        .collect();
    let names = algorithms["algorithms"].as_array().expect("a list");
    for name in names.iter().map(|algorithm| algorithm["name"].as_str().expect("a name")) {
        let named = examples
            .lines()
            .any(|line| line.trim().trim_start_matches("algorithm: {").contains(&format!("name: {name}")));
        assert!(named || matches!(name, "weighted-ratio" | "hpa"), "no example policy has the algorithm {name}");
    }
    folder.write("short.yaml", SCENARIO);
    let comparison = simulate(&folder, &["--compare", "--scenario", "short.yaml"]);
    let policies: Vec<&str> = comparison["runs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| run["policy"].as_str().expect("a name"))
        .collect();
    for entry in std::fs::read_dir(root().join("examples/policies")).expect("a folder") {
        let file = entry.expect("a file").file_name();
        let name = file.to_str().and_then(|name| name.strip_suffix(".yaml")).expect("a policy");
        assert!(policies.contains(&name) || name == "plugin", "{name} is not compared");
    }
}

/// The example is six lines of algorithm: a burst is met at once, and what it took goes no faster than HPA's rules allow.
#[test]
fn knatives_panic_goes_up_at_once_and_hpas_behavior_comes_down_slowly() {
    let example = include_str!("../../../../examples/policies/knative-under-hpa.yaml");
    let algorithm = &example[example.find("  algorithm:").expect("an algorithm")..];
    assert_eq!(algorithm.lines().count(), 6, "{algorithm}");
    let folder = Folder::new();
    folder.write(
        "burst.yaml",
        "\
apiVersion: setpoint.dev/v1alpha1
kind: Scenario
metadata: { name: one-burst }
spec:
  duration: 1h
  load: { sum: [ constant: { rate: 8 }, burst: { at: 10m, length: 1m, rate: 80 } ] }
  service: { time: { mean: 500ms }, concurrency: 4 }
  replicas: { initial: 2, startup: 5s }
  metrics: { scrapeInterval: 5s, delay: 0s, window: 5s }
  slo: { latency: 2s }
",
    );
    // When, from what and to what, at every decision.
    let decisions = |policy: &str| -> Vec<(u64, u64, u64)> {
        folder.write("policy.yaml", policy);
        let comparison = simulate(&folder, &["--scenario", "burst.yaml", "--policy", "policy.yaml"]);
        let number = |decision: &Value, field: &str| decision[field].as_u64().expect("a number");
        let decisions = comparison["runs"][0]["decisions"].as_array().expect("decisions").iter();
        decisions.map(|it| (number(it, "t_ms") / 1000, number(it, "from"), number(it, "to"))).collect()
    };
    let calm = decisions(example);
    // In one step, where HPA's own default allows 4 more.
    let (burst, _, most) = *calm.iter().find(|(_, from, to)| to > from).expect("a step up");
    assert!((600..=610).contains(&burst) && most > 20, "to {most} at {burst} s");
    let peak = calm.iter().map(|&(.., to)| to).max().expect("decisions");
    let needed = calm.iter().rfind(|&&(_, from, to)| to > from).expect("a step up").0;
    let down = calm.iter().find(|(_, from, to)| to < from).expect("a step down").0;
    assert!(down >= needed + 600, "down at {down} s, ten minutes after {needed} s");
    for &(now, _, to) in &calm {
        let before = calm.iter().filter(|&&(then, ..)| then <= now && then + 60 > now).map(|&(_, from, _)| from);
        let most = before.max().unwrap_or_default();
        assert!(to >= most * 3 / 4, "{most} to {to} within a minute, at {now} s");
    }
    assert_eq!(calm.last().map(|&(.., to)| to), Some(2));

    // Knative alone lets go as soon as its panic is over.
    let bare = decisions(&example[..example.find("  behavior:").expect("a behavior")]);
    let at = |now: u64| bare.iter().find(|&&(then, ..)| then == now).map(|&(.., to)| to);
    assert!(at(665) >= Some(peak) && at(720) == Some(2), "{bare:?}");
}
