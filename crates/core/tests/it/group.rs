//! Workloads that scale together.

use serde_json::{Value, json};
use setpoint::group::{Group, GroupError, ScalingGroup};
use setpoint::{AlgorithmManager, Observation, Reading, Timestamp, Trace};

fn member(name: &str, ratio: u32, priority: i32) -> Value {
    json!({
        "name": name, "ratio": ratio, "priority": priority,
        "policy": {
            "minReplicas": 1,
            "maxReplicas": 20,
            "metrics": [{ "name": "queue", "target": { "averageValue": 4 } }],
            "algorithm": { "name": "max-ratio" },
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } },
        },
    })
}

fn document() -> Value {
    json!({
        "apiVersion": "setpoint.dev/v1alpha1",
        "kind": "ScalingGroup",
        "metadata": { "name": "chat" },
        "spec": { "maxReplicas": 10, "members": [member("prefill", 1, 0), member("decode", 2, 10)] },
    })
}

fn group(manager: &mut AlgorithmManager) -> Group {
    let document = ScalingGroup::from_value(&document()).expect("a good document");
    Group::new(&document.spec, manager).expect("a good group")
}

fn decide(
    group: &mut Group,
    manager: &mut AlgorithmManager,
    secs: i64,
    counts: [u32; 2],
    queues: [f64; 2],
) -> [u32; 2] {
    let readings = queues.map(|queue| [Reading::Value(queue)]);
    let look = |index: usize| Observation::new(Timestamp::from_millis(secs * 1000), counts[index], &readings[index]);
    let decisions = group.decide(manager, &[look(0), look(1)], &mut [Trace::new(), Trace::new()]).expect("decisions");
    [decisions[0].desired, decisions[1].desired]
}

#[test]
fn the_neediest_leads_windows_hold_and_the_budget_takes_from_the_low_priority() {
    let mut manager = AlgorithmManager::new();
    let mut group = group(&mut manager);
    let mut at = |secs, counts, queues| decide(&mut group, &mut manager, secs, counts, queues);
    assert_eq!(at(0, [1, 2], [12.0, 8.0]), [3, 6], "prefill needs 3");
    assert_eq!(at(15, [3, 6], [12.0, 32.0]), [2, 8], "decode needs 8, and prefill would have 4");
    assert_eq!(at(30, [2, 8], [0.0, 0.0]), [2, 8], "both windows hold");
    assert_eq!(at(100, [2, 8], [0.0, 32.0]), [2, 8], "prefill alone doesn't shrink");
    assert_eq!(at(200, [2, 8], [0.0, 0.0]), [1, 2], "together they do");
}

#[test]
fn a_group_goes_on_after_a_restart_and_not_as_another() {
    let mut manager = AlgorithmManager::new();
    let (mut before, mut after) = (group(&mut manager), group(&mut manager));
    for (secs, counts, queues) in [(0, [1, 2], [12.0, 8.0]), (15, [3, 6], [12.0, 24.0])] {
        decide(&mut before, &mut manager, secs, counts, queues);
    }
    let state = before.snapshot(&mut manager).expect("a state");
    after.restore(&mut manager, &state).expect("its own state");
    for (secs, queues) in [(30, [0.0, 0.0]), (75, [0.0, 4.0]), (90, [0.0, 0.0])] {
        let want = decide(&mut before, &mut manager, secs, [3, 6], queues);
        assert_eq!(decide(&mut after, &mut manager, secs, [3, 6], queues), want, "{secs}");
    }
    let mut other = document();
    other["spec"]["members"][0]["name"] = "router".into();
    let other = ScalingGroup::from_value(&other).expect("a good document");
    let mut other = Group::new(&other.spec, &mut manager).expect("a good group");
    assert!(other.restore(&mut manager, &state).expect_err("another's").to_string().contains("other members"));
}

#[test]
fn a_member_whose_policy_pauses_is_not_moved_for_the_others_and_counts_against_the_budget() {
    type Case = (&'static str, [&'static str; 2], [u32; 2], [f64; 2], [u32; 2]);
    let cases: [Case; 8] = [
        ("none", ["none", "none"], [1, 2], [12.0, 8.0], [3, 6]),
        ("all: not to its ratio", ["none", "all"], [1, 2], [12.0, 8.0], [3, 2]),
        ("up: not to its ratio", ["none", "up"], [1, 2], [12.0, 8.0], [3, 2]),
        ("up: not from nothing", ["up", "none"], [0, 2], [12.0, 24.0], [0, 6]),
        ("up: down to its ratio", ["up", "none"], [9, 4], [4.0, 16.0], [2, 4]),
        ("down: up to its ratio", ["none", "down"], [1, 2], [12.0, 8.0], [3, 6]),
        ("down: not for the budget", ["down", "none"], [4, 2], [4.0, 32.0], [4, 6]),
        ("all: not for the budget", ["all", "none"], [4, 2], [4.0, 32.0], [4, 6]),
    ];
    for (name, pauses, counts, queues, want) in cases {
        let mut document = document();
        for (member, pause) in document["spec"]["members"].as_array_mut().expect("members").iter_mut().zip(pauses) {
            let policy = member["policy"].as_object_mut().expect("a policy");
            policy.remove("behavior");
            policy.insert("pause".to_owned(), pause.into());
        }
        let document = ScalingGroup::from_value(&document).expect(name);
        let mut manager = AlgorithmManager::new();
        let mut group = Group::new(&document.spec, &mut manager).expect(name);
        assert_eq!(decide(&mut group, &mut manager, 0, counts, queues), want, "{name}");
    }
}

#[test]
fn one_look_a_member() {
    let mut manager = AlgorithmManager::new();
    let mut group = group(&mut manager);
    let error = group.decide(&mut manager, &[], &mut []).expect_err("none");
    assert_eq!(error, GroupError::Members { members: 2, given: 0 });
    assert_eq!(group.names().collect::<Vec<_>>(), ["prefill", "decode"]);
    group.remove(&mut manager);
    assert!(manager.is_empty());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    let cases: [(&str, Value, &str, &str); 12] = [
        ("/spec/members/1/name", "de/code".into(), "spec.members[1].name", "must be 1 to 63 of the characters"),
        ("/spec/members/1/name", "decode 1".into(), "spec.members[1].name", "got \"decode 1\""),
        ("/spec/members/1/name", "décode".into(), "spec.members[1].name", "got \"décode\""),
        ("/spec/members/1/name", "decode-".into(), "spec.members[1].name", "no `-` first or last"),
        ("/spec/members/1/name", "d".repeat(64).into(), "spec.members[1].name", "must be 1 to 63 of the characters"),
        ("/spec/members/1/name", "prefill".into(), "spec.members[1].name", "another member called \"prefill\""),
        ("/spec/members/1/ratio", 0.into(), "spec.members[1].ratio", "greater than 0"),
        ("/spec/members/1/policy/minReplicas", 30.into(), "spec.members[1].policy.minReplicas", "is above maxReplicas"),
        ("/spec/members/1/policy/interval", "30s".into(), "spec.members[1].policy.interval", "looked at together"),
        ("/spec/members/0/policy/algorithm", json!({}), "spec.members[0].policy.algorithm", "needs a `name`"),
        ("/spec/maxReplicas", 1.into(), "spec.maxReplicas", "must be in 2, which the members have at least"),
        ("/spec/members", json!([member("a", 1, 0)]), "spec.members", "at least two members"),
    ];
    for (pointer, value, path, message) in cases {
        let mut document = document();
        match document.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => document["spec"]["members"][1]["policy"]["interval"] = value,
        }
        let error = ScalingGroup::from_value(&document).expect_err(path);
        assert_eq!(error.path, path, "{error}");
        assert!(error.message.contains(message), "{error}");
    }
    let mut unknown = document();
    unknown["spec"]["members"][1]["policy"]["algorithm"]["name"] = "max-ration".into();
    let unknown = ScalingGroup::from_value(&unknown).expect("a good document");
    let mut manager = AlgorithmManager::new();
    let error = Group::new(&unknown.spec, &mut manager).expect_err("unknown");
    assert_eq!(error.path, "members[1].policy.algorithm.name");
    assert!(manager.is_empty(), "the first member is gone again");
}
