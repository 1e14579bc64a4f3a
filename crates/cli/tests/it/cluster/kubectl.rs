//! `kubectl setpoint`: through a real kubectl, of a real control plane, over what a fake Prometheus recorded.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use setpoint_testkit::cluster::{Cluster, workload};
use setpoint_testkit::http::{Answer, Asked, Server, free_address};
use setpoint_testkit::prometheus::{Exporter, Prometheus};

use super::controller::{CLUSTER, Controller, eventually, policy};
use crate::{Folder, Ran, setpoint};

/// What it answers: the value of a query at a time, in steps from the beginning of a range; for now, the first.
type Answers = fn(query: &str, step: usize) -> Option<&'static str>;
type Form = BTreeMap<String, String>;

const RANGES: &str = "/api/v1/query_range";

/// A server that answers queries as Prometheus would.
fn recorded(answers: Answers) -> Server {
    Server::start(move |asked| {
        let form = asked.form();
        if asked.target != RANGES {
            return Answer::instant(answers(&form["query"], 0));
        }
        let number = |field: &str| form[field].parse::<f64>().expect("a number");
        let (start, end, step) = (number("start"), number("end"), number("step"));
        let steps = ((end - start) / step).round();
        assert!(steps < 11_000.0, "as Prometheus would refuse");
        let values: Vec<Value> = (0..=steps as usize)
            .filter_map(|at| Some(json!([start + at as f64 * step, answers(&form["query"], at)?])))
            .collect();
        let data = json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": values }] });
        Answer::ok(json!({ "status": "success", "data": data }).to_string())
    })
}

/// The forms of range queries, in order.
fn ranges(asked: &[Asked]) -> Vec<Form> {
    asked.iter().filter(|asked| asked.target == RANGES).map(Asked::form).collect()
}

/// `text` with times as seconds since the first of them, and none where they depend on when the test ran.
fn undated(text: &str) -> String {
    let mut first: Option<jiff::Timestamp> = None;
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let end = rest.find('Z').map_or(0, |end| end + 1);
        let time = rest.get(..end).filter(|time| time.len() < 32).and_then(|time| time.parse::<jiff::Timestamp>().ok());
        if let Some(time) = time {
            let since = time.duration_since(*first.get_or_insert(time));
            out.push_str(&format!("T+{}", since.as_secs()));
            rest = &rest[end..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    let aged = |line: &str| {
        let cut = |at: &str, instead: &str| line.find(at).map(|at| format!("{}{instead}\n", &line[..at]));
        let age = || [" looked at ", " scaled "].into_iter().find_map(|at| cut(at, &format!("{at}SOME TIME ago")));
        let ago = if line.ends_with(" ago") { age() } else { None };
        ago.or_else(|| cut("; since T+", "; since THEN")).unwrap_or_else(|| format!("{line}\n"))
    };
    out.lines().map(aged).collect()
}

/// `setpoint cluster` in a folder.
fn ask(cluster: &Cluster, folder: &Folder, arguments: &[&str]) -> Ran {
    let kubeconfig = cluster.kubeconfig();
    let whole = [&["cluster"], arguments, &["--kubeconfig", kubeconfig.to_str().expect("text")]].concat();
    folder.run(&whole)
}

fn json(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    serde_json::from_str(&ran.out).expect("JSON, and nothing else")
}

fn namespace(cluster: &Cluster, name: &str) {
    cluster.kubectl(&["create", "namespace", name]).expect("a new one");
}

/// The command under the names by which kubectl finds it.
fn plugin(folder: &Path) {
    for name in ["kubectl-setpoint", "kubectl_complete-setpoint"] {
        std::os::unix::fs::symlink(setpoint().get_program(), folder.join(name)).expect("a link");
    }
}

/// Runs the real kubectl, with nothing in its PATH but what is in `folder`.
fn kubectl(cluster: &Cluster, folder: &Path, arguments: &[&str]) -> Ran {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").expect("the cluster came from there");
    let output = Command::new(Path::new(&assets).join("kubectl"))
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HOME", folder)
        .env("PATH", folder)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn explain_tells_the_last_decision_and_who_else_wants_the_target() {
    let Some(cluster) = &*CLUSTER else { return };
    let ns = "explained";
    namespace(cluster, ns);
    cluster.apply(ns, &workload("Deployment", "web", 2));
    cluster.apply(ns, &policy("apps/v1", "Deployment", "web", ""));
    let folder = Folder::new();
    let explain = |wanted: &str, more: &[&str]| ask(cluster, &folder, &[&["explain", wanted, "-n", ns], more].concat());
    let unseen = explain("web", &[]);
    let head = "ScalingPolicy explained/web scales apps/v1 Deployment explained/web\n";
    assert_eq!((unseen.code, unseen.out), (0, format!("{head}  no controller has looked at it yet\n\n")));

    let prometheus = recorded(|_, _| Some("18"));
    let _controller = Controller::start(cluster, "one", ns, &prometheus.url(), &[]);
    eventually("the count", "5", || cluster.field(ns, "deployment/web", ".spec.replicas"));
    // The second look, which leaves it there.
    eventually("what is told", "5", || cluster.field(ns, "sp/web", ".status.lastDecision.from"));
    eventually("what serves", "5", || cluster.field(ns, "sp/web", ".status.readyReplicas"));
    let told = explain("deployment/web", &[]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert_eq!(
        undated(&told.out),
        format!(
            "{head}  5 asked for, 5 ready
  last looked at SOME TIME ago
  last scaled SOME TIME ago

T+0: keep 5
  because the ratio 0.9 is within 10 % of 1
  measured
    queue  18 against 20, 4 a replica, ratio 0.9
  decided
    max-ratio  5 -> 4.5       queue is 18 against 20: 0.9 times 5 replicas
    tolerance  4.5 -> 5       the ratio 0.9 is within 10 % of 1

  conditions
    Ready             True     Looked: it is looked at, and decided for; since THEN
    Scaling           True     Scaling: decisions are carried out; since THEN
    AlgorithmValid    True     AlgorithmAnswers: the algorithm answers; since THEN
    MetricsAvailable  True     AllRead: each metric has a reading; since THEN
"
        )
    );

    // Another that comes too late.
    cluster.apply(ns, &policy("apps/v1", "Deployment", "web", "").replacen("name: web", "name: late", 1));
    eventually("the late one", "TargetTaken", || {
        cluster.field(ns, "sp/late", ".status.conditions[?(@.type==\"Scaling\")].reason")
    });
    let late = json(&explain("late", &["--json"]));
    assert_eq!(late["others"], json!([{ "kind": "ScalingPolicy", "key": "explained/web", "has_target": true }]));
    assert_eq!((&late["decision"], &late["age_ms"]), (&Value::Null, &Value::Null));
    let web = json(&explain("deploy/web", &["--json"]));
    assert_eq!(web["others"], json!([{ "kind": "ScalingPolicy", "key": "explained/late", "has_target": false }]));
    assert_eq!((&web["current"], &web["decision"]["to"], &web["name"]), (&json!(5), &json!(5), &json!("web")));
    assert!(web["age_ms"].is_u64() && web["decision"]["reasons"].is_array(), "{web}");
    let in_words = explain("late", &[]);
    assert!(
        in_words.out.contains("  others for the same target\n    ScalingPolicy explained/web has it\n"),
        "{in_words:?}"
    );

    // The same through the real kubectl.
    plugin(folder.path());
    let listed = kubectl(cluster, folder.path(), &["plugin", "list"]);
    assert!(listed.out.contains("kubectl-setpoint"), "{listed:?}");
    let through = kubectl(cluster, folder.path(), &["setpoint", "explain", "late", "-n", ns]);
    assert_eq!((through.code, undated(&through.out)), (0, undated(&in_words.out)));
    let help = kubectl(cluster, folder.path(), &["setpoint", "explain", "--help"]);
    assert!(help.out.contains("Usage: kubectl setpoint explain [OPTIONS] <NAME|KIND/NAME>"), "{}", help.out);
    assert!(
        help.out.contains("\n  kubectl setpoint explain chat\n") && !help.out.contains("cluster explain"),
        "{}",
        help.out
    );
    let wrong = kubectl(cluster, folder.path(), &["setpoint", "explain", "weeb", "-n", ns]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let want = "error: weeb: in namespace explained no ScalingPolicy has that name or target; did you mean `web`?";
    assert!(wrong.err.starts_with(want), "{}", wrong.err);
    let cases: [(&[&str], &str); 6] = [
        (&["ex"], "explain\tSay why a workload has as many replicas as it has\n:4\n"),
        (&["explain", "-n", ns, ""], "late\nweb\n:4\n"),
        (&["explain", "-n", ns, "l"], "late\n:4\n"),
        (&["diff", "--exit"], "--exit-code\tExit with 1 when they differ\n:4\n"),
        (&["diff", "web", "--policy", ""], ":0\n"),
        (&["explain", "-n", ns, "--kubeconfig", "/nowhere", ""], ":4\n"),
    ];
    for (words, want) in cases {
        let completed = kubectl(cluster, folder.path(), &[&["__complete", "setpoint"], words].concat());
        assert_eq!(completed.out, want, "{words:?}: {}", completed.err);
    }
    // Of `setpoint` itself the help says so.
    let help = folder.run(&["cluster", "diff", "--help"]);
    assert!(help.out.contains("\n  setpoint cluster diff chat "), "{}", help.out);
}

/// Two minutes of a queue, a reading each 15 s.
fn two_minutes(query: &str, step: usize) -> Option<&'static str> {
    let queue = ["8", "20", "20", "8", "8", "40", "NaN", "4", "4"];
    (query == "queue_depth{queue=\"web\"}").then(|| queue.get(step).copied()).flatten()
}

const TWO_MINUTES: [&str; 4] = ["--since", "2m", "--step", "15s"];

#[test]
fn simulate_decides_anew_over_what_was_recorded() {
    let Some(cluster) = &*CLUSTER else { return };
    let ns = "simulated";
    namespace(cluster, ns);
    let text = policy("apps/v1", "Deployment", "web", "");
    cluster.apply(ns, &text);
    let folder = Folder::new();
    let prometheus = recorded(two_minutes);
    let url = prometheus.url();
    let simulate = |more: &[&str]| {
        let arguments = [&["simulate", "web", "-n", ns, "--prometheus", &url, "--start", "2"], more].concat();
        ask(cluster, &folder, &arguments)
    };
    let told = simulate(&[&TWO_MINUTES[..], &["--record", "web.jsonl"]].concat());
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert_eq!(
        undated(&told.out),
        "simulated/web from T+0 until T+120
9 readings a metric, 15s apart; the count begins at 2.
Readings are as they were recorded: the load does not react to the count.
queue: 1 of them can't be used; the first: the query gives NaN: nothing was measured

policy                       ups  downs  reversals  replica-hours  lowest  highest
ScalingPolicy simulated/web    2      2          3           0.15       1       10

T+15  2 -> 5      queue is 20 against 8: 2.5 times 2 replicas
T+45  5 -> 2      queue is 8 against 20: 0.4 times 5 replicas
T+75  2 -> 10     queue is 40 against 8: 5 times 2 replicas
T+105  10 -> 1     queue is 4 against 40: 0.1 times 10 replicas

What was observed is in web.jsonl
"
    );
    // What was recorded decides the same when it is replayed.
    let simulated = json(&simulate(&[&TWO_MINUTES[..], &["--json"]].concat()));
    folder.write("web.yaml", &text);
    let decided = folder.run(&["decide", "--policy", "web.yaml", "--observations", "web.jsonl", "--json"]);
    assert_eq!(decided.code, 0, "{decided:?}");
    let decided: Vec<Value> = decided.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(decided.len(), 9);
    let pairs = |values: &[Value], from: &str, to: &str| -> Vec<(Value, Value)> {
        values.iter().map(|one| (one[from].clone(), one[to].clone())).filter(|(from, to)| from != to).collect()
    };
    let changes = simulated["changes"].as_array().expect("a list");
    assert_eq!(pairs(&decided, "current", "desired"), pairs(changes, "from", "to"));
    assert_eq!(simulated["load_reacts"], false);
    assert_eq!(
        simulated["summary"],
        json!({ "decisions": 9, "incomplete": 1, "fallbacks": 0, "ups": 2, "downs": 2, "reversals": 3,
                "replica_hours": 37.0 * 15.0 / 3600.0, "lowest": 1, "highest": 10 })
    );

    // A changed policy has the cluster's source; one that is longer between decisions makes fewer.
    folder.write("slow.yaml", text.replace("interval: 1s", "interval: 30s").replace("    source: ", "    # "));
    let slow = json(&simulate(&[&TWO_MINUTES[..], &["--policy", "slow.yaml", "--json"]].concat()));
    assert_eq!((&slow["summary"]["decisions"], &slow["policy"]), (&json!(5), &json!("slow.yaml")));

    // A long recording comes in pages.
    let before = ranges(&prometheus.asked()).len();
    let long = json(&simulate(&["--since", "6h", "--step", "5s", "--json"]));
    assert_eq!(long["summary"]["decisions"], 4321);
    let ranges = ranges(&prometheus.asked()).split_off(before);
    let points = |range: &Form| {
        let number = |field: &str| range[field].parse::<f64>().expect("a number");
        (number("start"), (number("end") - number("start")) / number("step") + 1.0)
    };
    let pages: Vec<(f64, f64)> = ranges.iter().map(points).collect();
    let sizes: Vec<f64> = pages.iter().map(|(_, points)| *points).collect();
    assert_eq!(sizes, [2000.0, 2000.0, 321.0]);
    assert_eq!(
        (pages[1].0 - pages[0].0, pages[2].0 - pages[1].0),
        (10_000.0, 10_000.0),
        "none twice, and none left out"
    );
}

#[test]
fn a_real_prometheus_has_a_recording_of_the_last_seconds() {
    let Some(cluster) = &*CLUSTER else { return };
    let exporter = Exporter::start();
    exporter.set("queue_depth{queue=\"web\"}", 20.0);
    let Some(prometheus) = Prometheus::start(&[&exporter]) else { return };
    let ns = "recorded";
    namespace(cluster, ns);
    cluster.apply(ns, &policy("apps/v1", "Deployment", "web", ""));
    let folder = Folder::new();
    let url = prometheus.url();
    let arguments = ["simulate", "web", "-n", ns, "--prometheus", &url, "--since", "3s", "--start", "2", "--json"];
    let simulate = || ask(cluster, &folder, &arguments);
    // Before that there is nothing that could be replayed, and that is said.
    eventually("how many decisions lack a reading", "0", || {
        let ran = simulate();
        if ran.code != 0 { ran.err } else { json(&ran)["summary"]["incomplete"].to_string() }
    });
    let simulated = json(&simulate());
    assert_eq!((&simulated["summary"]["decisions"], &simulated["step_ms"]), (&json!(4), &json!(1000)));
    let changes = simulated["changes"].as_array().expect("a list");
    assert!(changes.len() == 1 && changes[0]["from"] == 2 && changes[0]["to"] == 5, "{simulated}");
}

#[test]
fn diff_shows_when_a_changed_policy_decides_otherwise() {
    let Some(cluster) = &*CLUSTER else { return };
    let ns = "differing";
    namespace(cluster, ns);
    let text = policy("apps/v1", "Deployment", "web", "");
    cluster.apply(ns, &text);
    let folder = Folder::new();
    folder.write("same.yaml", &text);
    folder.write("changed.yaml", text.replace("stages: []", "stages: [{stabilized: {scaleDownWindow: 40s}}]"));
    let prometheus = recorded(two_minutes);
    let url = prometheus.url();
    let diff = |policy: &str, more: &[&str]| {
        let own = ["diff", "web", "-n", ns, "--policy", policy, "--prometheus", &url, "--start", "2"];
        ask(cluster, &folder, &[&own[..], &TWO_MINUTES, more].concat())
    };
    let told = diff("changed.yaml", &[]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert_eq!(
        undated(&told.out),
        "differing/web from T+0 until T+120
9 readings a metric, 15s apart; the count begins at 2.
Readings are as they were recorded: the load does not react to the count.
queue: 1 of them can't be used; the first: the query gives NaN: nothing was measured

policy                       ups  downs  reversals  replica-hours  lowest  highest
ScalingPolicy differing/web    2      2          3           0.15       1       10
changed.yaml                   2      1          1           0.22       1       10

from                  until                 now  changed
T+45  T+75    2        5
T+105  T+120    1       10
They differ for 45s, the most by 9: 1 and 10 at T+105
"
    );
    let codes = [("changed.yaml", 1), ("same.yaml", 0)];
    for (policy, want) in codes {
        assert_eq!(diff(policy, &["--exit-code"]).code, want, "{policy}");
    }
    let same = diff("same.yaml", &[]);
    assert!(same.out.ends_with("\nThey never differ.\n"), "{}", same.out);
    let changed = json(&diff("changed.yaml", &["--json"]));
    assert_eq!(changed["largest"]["now"], 1, "{changed}");
    assert_eq!(changed["largest"]["changed"], 10, "{changed}");
    let all = changed["differences"].as_array().expect("a list");
    let lengths =
        all.iter().map(|one| one["until_ms"].as_i64().expect("a time") - one["from_ms"].as_i64().expect("a time"));
    assert_eq!(changed["differing_ms"], lengths.sum::<i64>());
}

#[test]
fn what_can_t_be_replayed_is_said() {
    let Some(cluster) = &*CLUSTER else { return };
    let ns = "unreplayed";
    namespace(cluster, ns);
    let text = policy("apps/v1", "Deployment", "web", "");
    cluster.apply(ns, &text);
    let source = text.find("    source: ").expect("a source");
    let end = source + text[source..].find('\n').expect("a line");
    let http = format!("{}    source: {{http: {{url: 'http://localhost/'}}}}{}", &text[..source], &text[end..]);
    cluster.apply(ns, &http.replacen("name: web", "name: http", 1));
    let folder = Folder::new();
    folder
        .write("other.yaml", format!("{}{}", &text[..source], &text[end + 1..]).replace("name: queue", "name: depth"));
    let prometheus = recorded(|_, _| None);
    let url = prometheus.url();
    let nobody = format!("http://{}", free_address().expect("a port"));
    let cases: [(&str, &[&str], &str); 7] = [
        ("no Prometheus", &["web"], "no Prometheus server is known here, and the metric names none"),
        ("one that is away", &["web", "--prometheus", &nobody], "Connection refused"),
        (
            "nothing recorded",
            &["web", "--prometheus", &url],
            "no usable reading in all this time: queue: Prometheus has no such series",
        ),
        ("nothing from Prometheus", &["http", "--prometheus", &url], "none of queue comes from Prometheus"),
        (
            "no source",
            &["web", "--prometheus", &url, "--policy", "other.yaml"],
            "the policy in the cluster has no source for a metric depth",
        ),
        ("too much", &["web", "--prometheus", &url, "--since", "30d"], "2592000 readings a metric are too many"),
        (
            "too little",
            &["web", "--prometheus", &url, "--since", "1s", "--step", "1m"],
            "must be at least one --step ago",
        ),
    ];
    for (name, arguments, want) in cases {
        let ran = ask(cluster, &folder, &[&["simulate", "-n", ns], arguments].concat());
        assert!(ran.code == 2 && ran.err.contains(want), "{name}: {ran:?}");
    }
}
