//! `setpoint decide` of a ScalingGroup.

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
    assert!(ran.err.contains("chat.yaml:15:22: spec.members[0].policy.algorithm.name"), "{}", ran.err);
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
fn a_lint_looks_at_each_member_and_a_simulation_says_that_it_can_t() {
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
    for command in [&["simulate", "--policy", "chat.yaml"][..], &["convert", "chat.yaml"]] {
        let ran = folder.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{command:?}");
        assert!(ran.err.contains("kind: a ScalingGroup is several policies, and here one is needed"), "{}", ran.err);
    }
}
