//! The `behavior` stage against a slow model of what Kubernetes documents and does.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use setpoint::hpa::{PolicyKind, SelectPolicy};
use setpoint_testkit::behavior_cases::{Case, Outcome, Step, cases, check, compare};
use setpoint_testkit::behavior_model::Model;

proptest! {
    #[test]
    fn the_stage_allows_what_the_model_allows(case in cases()) {
        prop_assert_eq!(check(&case), Ok(()));
    }

    #[test]
    fn bytes_that_are_a_case_are_a_good_one(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(case) = Case::from_bytes(&bytes) {
            prop_assert_eq!(check(&case), Ok(()));
        }
    }
}

/// Looks at `(seconds since the one before, proposal)`, each answer applied.
fn case(behavior: Value, start: u32, looks: &[(u32, u32)]) -> Case {
    let step = |&(wait, proposal)| Step { wait_ms: wait * 1000, proposal, outcome: Outcome::Applied };
    let behavior = serde_json::from_value(behavior).expect("a behavior");
    Case { behavior, start, steps: looks.iter().map(step).collect() }
}

type Mistake = fn(&mut Model);

/// That the stage and the model agree on `case`, and that the check notices it when the model makes `mistake`.
#[track_caller]
fn check_notices(case: &Case, mistake: Mistake) {
    assert_eq!(check(case), Ok(()));
    let mut model = Model::new(&case.behavior);
    mistake(&mut model);
    compare(case, model).expect_err("the case does not tell the two apart");
}

// Times are whole milliseconds: to one more than the window or period, an entry at its very edge still counts.

#[test]
fn a_proposal_as_old_as_the_window_no_longer_counts() {
    let case_down = case(json!({ "scaleDown": { "stabilizationWindowSeconds": 60 } }), 10, &[(0, 10), (60, 4)]);
    check_notices(&case_down, |model| model.down.window += 1);
    let case_up = case(json!({ "scaleUp": { "stabilizationWindowSeconds": 60 } }), 4, &[(0, 4), (60, 8)]);
    check_notices(&case_up, |model| model.up.window += 1);
}

#[test]
fn a_change_as_old_as_the_period_no_longer_counts() {
    let policies = json!([{ "type": "Pods", "value": 2, "periodSeconds": 60 }]);
    let case_up = case(json!({ "scaleUp": { "policies": policies } }), 4, &[(0, 20), (60, 20)]);
    check_notices(&case_up, |model| model.up.policies[0].period += 1);
    let rules = json!({ "stabilizationWindowSeconds": 0, "policies": policies });
    let case_down = case(json!({ "scaleDown": rules }), 20, &[(0, 4), (60, 4)]);
    check_notices(&case_down, |model| model.down.policies[0].period += 1);
}

// Kubernetes keeps an addition for the periods of additions only. From 12, five fewer than 300 s ago would be none:
// 4 was the count then, but that the first four were added is overwritten.
#[test]
fn what_the_other_direction_still_counts_may_be_forgotten() {
    let up = json!({ "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 15 }] });
    let down = json!({
        "stabilizationWindowSeconds": 0,
        "policies": [{ "type": "Pods", "value": 5, "periodSeconds": 300 }],
    });
    let case = case(json!({ "scaleUp": up, "scaleDown": down }), 4, &[(0, 20), (30, 20), (30, 0)]);
    check_notices(&case, |model| model.up.longest = 300_000);
}

// Were the random cases too tame to meet an edge, the model's agreement would say little.
#[test]
fn random_cases_notice_every_mistake() {
    let mistakes: [(&str, Mistake); 10] = [
        ("the edge of the window up", |model| model.up.window += 1),
        ("the edge of the window down", |model| model.down.window += 1),
        ("the edge of a period up", |model| model.up.policies[0].period += 1),
        ("the edge of a period down", |model| model.down.policies[0].period += 1),
        ("no addition is forgotten", |model| model.up.longest = i64::from(u32::MAX)),
        ("no removal is forgotten", |model| model.down.longest = i64::from(u32::MAX)),
        ("a holder on the edge is forgotten", |model| model.up.longest -= 1),
        ("Max is Min", |model| {
            for rules in [&mut model.up, &mut model.down] {
                if rules.select == SelectPolicy::Max {
                    rules.select = SelectPolicy::Min;
                }
            }
        }),
        ("Disabled is Max", |model| {
            for rules in [&mut model.up, &mut model.down] {
                if rules.select == SelectPolicy::Disabled {
                    rules.select = SelectPolicy::Max;
                }
            }
        }),
        ("percent are pods", |model| model.down.policies[0].kind = PolicyKind::Pods),
    ];
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> = (0..2000).map(|_| cases().new_tree(&mut runner).expect("a case").current()).collect();
    for (name, mistake) in mistakes {
        let noticed = cases.iter().any(|case| {
            let mut model = Model::new(&case.behavior);
            mistake(&mut model);
            compare(case, model).is_err()
        });
        assert!(noticed, "no case notices: {name}");
    }
}
