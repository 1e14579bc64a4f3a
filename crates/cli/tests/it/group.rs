//! A ScalingGroup, decided for and simulated.

use serde_json::{Value, json};

use crate::Folder;

/// The example of the documentation.
const CHAT: &str = include_str!("../../../../examples/groups/prefill-decode.yaml");

fn look(secs: u32, prefill: (u32, u32), decode: (u32, u32)) -> String {
    let line = json!({ "now_ms": secs * 1000, "members": {
        "prefill": { "current": prefill.0, "readings": { "queue": prefill.1 } },
        "decode": { "current": decode.0, "readings": { "kv": decode.1 } },
    } });
    format!("{line}\n")
}

#[test]
fn all_members_are_decided_at_once_with_their_reasons() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let input = [look(0, (1, 12), (2, 80)), look(15, (3, 12), (6, 120)), look(30, (1, 0), (9, 80))].concat();
    let ran = folder.run_with(&["decide", "--policy", "chat.yaml", "--json"], &input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let decided: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let counts: Vec<(u64, u64)> = decided
        .iter()
        .map(|it| [0, 1].map(|member| it["members"][member]["desired"].as_u64().expect("a count")))
        .map(|[prefill, decode]| (prefill, decode))
        .collect();
    assert_eq!(counts, [(3, 6), (1, 9), (1, 9)]);
    let reason = |look: usize, member: usize| {
        let reasons = decided[look]["members"][member]["reasons"].as_array().expect("a list");
        reasons
            .iter()
            .filter(|it| it["stage"] == "group")
            .map(|it| it["text"].as_str().expect("text"))
            .collect::<Vec<_>>()
    };
    assert_eq!(reason(0, 1), ["at its ratio to prefill, which needs the most"]);
    assert_eq!(
        reason(1, 0),
        ["at its ratio to decode, which needs the most", "prefill has priority 0, and all together may have 10"]
    );
    let told = folder.run_with(&["decide", "--policy", "chat.yaml"], &look(0, (1, 12), (2, 80))).out;
    assert!(told.starts_with("prefill t=0 ms: 1 -> 3, 2 more\n"), "{told}");
    assert!(told.contains("\ndecode t=0 ms: 2 -> 6, 4 more\n"), "{told}");
}

#[test]
fn a_state_file_goes_on_where_the_last_call_ended() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let looks: Vec<String> = (0..8).map(|at| look(at * 15, (2, 30 - 4 * at), (4, 130 - 15 * at))).collect();
    let whole = folder.run_with(&["decide", "--policy", "chat.yaml", "--json"], &looks.concat()).out;
    let parts: String = looks
        .iter()
        .map(|look| folder.run_with(&["decide", "--policy", "chat.yaml", "--json", "--state", "chat.state"], look).out)
        .collect();
    assert_eq!(parts, whole);
}

#[test]
fn a_line_tells_of_every_member_and_of_no_other() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let cases = [
        (json!({ "now_ms": 0, "members": {} }), "nothing is told of `prefill`"),
        (json!({ "members": {} }), "missing field `now_ms`"),
        (
            json!({ "now_ms": 0, "members": { "prefill": { "now_ms": 0, "current": 1, "readings": {} } } }),
            "members.prefill.now_ms: all members are observed at once",
        ),
        (
            json!({ "now_ms": 0, "members": { "prefill": { "readings": {} } } }),
            "standard input:1: members.prefill: missing field `current`",
        ),
        (
            json!({ "now_ms": 0, "members": {
                "prefill": { "current": 1, "readings": {} }, "decode": { "current": 1, "readings": {} },
                "router": { "current": 1, "readings": {} },
            } }),
            "members.router: the group has no such member",
        ),
    ];
    let repeated = "{\"now_ms\": 0, \"members\": {\"prefill\": {\"current\": 1, \"readings\": {}}, \
                    \"prefill\": {\"current\": 9, \"readings\": {}}}}";
    let lines = cases.map(|(line, want)| (line.to_string(), want));
    for (line, want) in lines.into_iter().chain([(repeated.to_owned(), "`prefill` is given twice")]) {
        let ran = folder.run_with(&["decide", "--policy", "chat.yaml"], &line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}");
        assert!(ran.err.contains(want), "{line}: {}", ran.err);
    }
    folder.write("chat.yaml", CHAT.replacen("max-ratio", "max-ration", 1));
    let ran = folder.run_with(&["decide", "--policy", "chat.yaml"], "");
    assert!(ran.err.contains("chat.yaml:16:22: spec.members[0].policy.algorithm.name"), "{}", ran.err);
}

#[test]
fn its_schema_knows_the_names_that_a_member_s_policy_can_use() {
    let ran = Folder::new().run(&["schema", "group"]);
    let schema: Value = serde_json::from_str(&ran.out).expect("JSON");
    let names = schema.pointer("/$defs/AlgorithmSpec/oneOf/0/properties/name/enum").expect("names");
    assert!(names.as_array().expect("a list").contains(&json!("formula")), "{names}");
    assert!(schema.pointer("/$defs/StageSpec/properties/activation").is_some());
}

#[test]
fn a_lint_looks_at_each_member_and_a_conversion_says_that_it_can_t() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    let fine = folder.run(&["lint", "chat.yaml"]);
    assert_eq!((fine.code, fine.err.as_str()), (0, ""), "{}", fine.out);
    // The second member's.
    let (before, after) = CHAT.rsplit_once("maxReplicas: 16").expect("a bound");
    folder.write("stuck.yaml", format!("{before}maxReplicas: 1{after}"));
    let report: Value = serde_json::from_str(&folder.run(&["lint", "stuck.yaml", "--json"]).out).expect("JSON");
    let found = report["findings"].as_array().expect("a list").iter().map(|it| (&it["rule"], &it["field"]));
    let want = (&json!("nothing-to-decide"), &json!("spec.members[1].policy.maxReplicas"));
    assert!(found.clone().any(|it| it == want), "{report}");
    let ran = folder.run(&["convert", "chat.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("kind: a ScalingGroup is several policies, and here one is needed"), "{}", ran.err);
}

/// The two examples that belong together.
const SCENARIO: &str = include_str!("../../../../examples/scenarios/prefill-decode.yaml");

#[test]
fn a_simulation_runs_all_members_in_lockstep_and_says_why() {
    let folder = Folder::new();
    folder.write("chat.yaml", CHAT);
    folder.write("service.yaml", SCENARIO);
    folder.write("alone.yaml", crate::CHAT.replace("name: chat", "name: alone"));
    let arguments = ["simulate", "--policy", "chat.yaml", "--policy", "alone.yaml", "--scenario", "service.yaml"];
    let ran = folder.run(&[&arguments[..], &["--json", "--report", "chat.html"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let again = folder.run(&[&arguments[..], &["--json", "--report", "again.html"]].concat());
    assert_eq!(ran.out, again.out, "the same inputs");
    let report = std::fs::read_to_string(folder.path().join("chat.html")).expect("a report");
    assert_eq!(report, std::fs::read_to_string(folder.path().join("again.html")).expect("a report"));

    let comparison: Value = serde_json::from_str(&ran.out).expect("JSON");
    let [prefill, decode, alone] = &comparison["runs"].as_array().expect("runs")[..] else { panic!("three runs") };
    assert_eq!((&prefill["policy"], &prefill["member"]), (&json!("chat"), &json!({ "name": "prefill", "index": 0 })));
    assert_eq!(decode["member"], json!({ "name": "decode", "index": 1 }));
    assert_eq!(alone.get("member"), None);
    // Each change until the burst is over, and what the group did to each member's count.
    let grouped = |decision: &Value| -> String {
        let reasons = decision["reasons"].as_array().expect("reasons").iter();
        let texts = reasons.filter(|it| it["stage"] == "group").map(|it| it["text"].as_str().expect("text"));
        // "at its ratio to MEMBER, …", or "MEMBER has priority …".
        let short = |text: &str| {
            let text = text.strip_prefix("at its ratio to ").unwrap_or(text);
            text.split([',', ' ']).next().expect("a name").to_owned()
        };
        texts.map(short).collect::<Vec<_>>().join("+")
    };
    let (mut changes, mut before) = (Vec::new(), (json!(1), json!(2)));
    let decisions = |run: &Value| run["decisions"].as_array().expect("decisions").clone();
    for (one, other) in decisions(prefill).iter().zip(&decisions(decode)) {
        assert_eq!(one["t_ms"], other["t_ms"]);
        let now = (one["to"].clone(), other["to"].clone());
        if now != before && one["t_ms"].as_u64() < Some(2_300_000) {
            let seconds = one["t_ms"].as_u64().expect("a time") / 1000;
            changes.push(format!("{seconds} {} {} [{}] [{}]", now.0, now.1, grouped(one), grouped(other)));
        }
        before = now;
    }
    let want = [
        "1845 3 6 [] [prefill]",
        "1860 2 8 [prefill] [prefill]",
        "1875 1 9 [prefill] [decode]",
        "2070 3 6 [] [prefill]",
        "2115 2 8 [prefill] [prefill]",
        "2130 1 9 [prefill] [prefill+decode]",
        "2145 2 8 [prefill] [prefill]",
        "2160 3 6 [] [prefill]",
        "2220 2 3 [decode] []",
        "2280 1 2 [] []",
    ];
    assert_eq!(changes, want);

    for name in ["chat/prefill", "chat/decode", "at its ratio to prefill, which needs the most"] {
        assert!(report.contains(name), "{name}");
    }
    let told = folder.run(&arguments).out;
    let rows: Vec<&str> = told.lines().filter(|line| line.starts_with("chat/") && line.contains('%')).collect();
    assert_eq!(rows.len(), 2, "{told}");
    assert!(told.contains("alone serves 100 % of requests within 12 s"), "{told}");
    assert!(told.contains("chat costs") && told.contains("breaks the promise for 3.74 %"), "{told}");
    let told = folder.run(&[&arguments[..3], &arguments[5..]].concat()).out;
    assert!(told.contains("chat's members serve 96.3 % of requests within 12 s"), "{told}");
}

#[test]
fn a_simulation_says_what_of_a_group_it_can_t_simulate() {
    let folder = Folder::new();
    folder.write("service.yaml", SCENARIO);
    let rows = [
        (
            "a member of another name",
            CHAT.replace("name: decode", "name: decoder"),
            "chat.yaml:18:7: spec.members[1].name: the scenario \"prefill-decode\" tells of no member called `decoder`; \
             did you mean `decode`?",
        ),
        (
            "a metric of another member",
            CHAT.replace("name: queue", "name: kv"),
            "chat.yaml:15:22: spec.members[0].policy.metrics[0].name: the scenario \"prefill-decode\" gives no reading \
             called `kv`",
        ),
        (
            "too many",
            CHAT.replace("maxReplicas: 16", "maxReplicas: 20000"),
            "spec.members[1].policy.maxReplicas: at most 10000 replicas can be simulated, got 20000",
        ),
    ];
    for (name, group, want) in rows {
        folder.write("chat.yaml", group);
        let ran = folder.run(&["simulate", "--policy", "chat.yaml", "--scenario", "service.yaml"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains(want), "{name}: {}", ran.err);
    }
}
