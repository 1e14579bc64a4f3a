//! Several algorithms, one answer: what each rule makes of needs, holds, silence and failures.

use serde_json::{Value, json};
use setpoint::combinator::Rule;
use setpoint::{
    AlgorithmManager, ConfigError, EvaluateError, FailureKind, Hold, MemberSpec, Need, Observation, Outcome,
    PolicySpec, Proposal, Reading, Registry, ScalingAlgorithm, Timestamp, Trace, algorithm_factory, algorithm_fn,
};
use setpoint_testkit::laws::{self, Subject};

/// Says the word that it is configured with, and a number where that is one.
fn said(word: &Value) -> Result<Proposal, EvaluateError> {
    match word.as_str() {
        Some("hold") => Ok(Proposal::Hold(Hold::Said)),
        Some("silent") => Ok(Proposal::NoOpinion),
        Some("suspend") => Ok(Proposal::Suspend),
        Some(_) => Err(EvaluateError::new(FailureKind::Refused, "as asked".to_owned())),
        None => Ok(Need::replicas(word.as_f64().expect("a number"))?.into()),
    }
}

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    let says = algorithm_factory("says what it is told to", |_, word: Value| {
        Ok(algorithm_fn(move |_: &Observation<'_>, _: &mut Trace| said(&word)))
    });
    registry.register_algorithm("says", says).expect("a free name");
    registry
}

fn members(words: &Value) -> Value {
    let words = words.as_array().expect("a list").iter();
    words.map(|word| json!({ "algorithm": { "name": "says", "config": word } })).collect()
}

fn spec(algorithm: Value) -> PolicySpec {
    serde_json::from_value(json!({
        "minReplicas": 0,
        "maxReplicas": 100,
        "metrics": [
            { "name": "p99", "target": { "value": 1 } },
            { "name": "queue", "target": { "value": 1 } },
        ],
        "algorithm": algorithm,
    }))
    .expect("a policy")
}

const READINGS: [Reading<'static>; 2] = [Reading::Value(1.0), Reading::Value(3.0)];

/// What `algorithm` decides for 10 replicas, and the reasons in words.
#[track_caller]
fn decide(algorithm: Value) -> (u32, Outcome, Vec<String>) {
    let spec = spec(algorithm);
    let mut manager = AlgorithmManager::with_registry(registry());
    let workload = manager.add(&spec).expect("a good policy");
    let mut trace = Trace::new();
    let look = Observation::new(Timestamp::default(), 10, &READINGS);
    let decision = manager.decide(workload, &look, &mut trace).expect("a decision");
    let reasons = trace.records(&spec.metrics).into_iter().map(|reason| reason.text).collect();
    (decision.desired, decision.outcome, reasons)
}

fn refused(algorithm: Value) -> ConfigError {
    AlgorithmManager::with_registry(registry()).add(&spec(algorithm)).expect_err("a bad policy")
}

#[test]
fn each_rule_makes_one_answer_of_several() {
    use Outcome::{Fallback, Hold, Need, NoOpinion, Suspend};
    let cases = [
        ("the largest", "max", json!([4, 12, 7]), 12, Need),
        ("a hold is what there is", "max", json!([4, "hold", 7]), 10, Need),
        ("the silent don't count", "max", json!([4, "silent", 7]), 7, Need),
        ("the failed forbid shrinking", "max", json!([4, "fail", 7]), 10, Need),
        ("the failed don't forbid growing", "max", json!([14, "fail", 7]), 14, Need),
        ("all hold", "max", json!(["hold", "silent", "hold"]), 10, Hold),
        ("all are silent", "max", json!(["silent", "silent"]), 10, NoOpinion),
        ("all fail", "max", json!(["silent", "fail"]), 10, Fallback),
        ("one suspends", "max", json!([12, "suspend"]), 10, Suspend),
        ("the smallest", "min", json!([14, 12, 17]), 12, Need),
        ("the failed might have wanted more of min too", "min", json!([14, "fail", 7]), 10, Need),
        ("the middle of three", "median", json!([14, 2, 12]), 12, Need),
        ("the mean of the middle two, exact until the end", "median", json!([14, 2, 11, 12]), 12, Need),
        ("the middle of those that answer", "median", json!([14, "silent", 2, 12]), 12, Need),
        ("any of: more wins", "any-of", json!([2, "hold", 12]), 12, Need),
        ("any of: less, where nobody wants more", "any-of", json!([7, "hold", 5]), 5, Need),
        ("any of: nothing, where nobody wants anything", "any-of", json!(["hold", 10]), 10, Need),
        ("all agree: the largest on the way down", "all-agree-down", json!([2, 7, 5]), 7, Need),
        ("all agree: one holds", "all-agree-down", json!([2, "hold", 5]), 10, Need),
        ("all agree: one is silent", "all-agree-down", json!([2, "silent", 5]), 10, Need),
        ("all agree: one fails", "all-agree-down", json!([2, "fail", 5]), 10, Need),
        ("all agree: up needs one", "all-agree-down", json!([2, "silent", 15]), 15, Need),
        ("the first", "first", json!([4, 12]), 4, Need),
        ("the first with an answer", "first", json!(["fail", "silent", 4, 12]), 4, Need),
        ("the first holds", "first", json!(["hold", 12]), 10, Need),
        ("no first", "first", json!(["silent", "fail"]), 10, Fallback),
    ];
    for (what, rule, words, desired, outcome) in cases {
        let got = decide(json!({ "name": rule, "of": members(&words) }));
        assert_eq!((got.0, got.1), (desired, outcome), "{what}: {:?}", got.2);
    }
}

#[test]
fn floors_and_ceilings_keep_the_answer_between_them() {
    let cases = [
        ("between", json!(7), json!(5), json!(9), 7),
        ("raised to the floor", json!(3), json!(5), json!(9), 5),
        ("cut to the ceiling", json!(12), json!(5), json!(9), 9),
        ("crossed: the ceiling wins", json!(3), json!(9), json!(5), 5),
        ("a floor that holds is the current count", json!(3), json!("hold"), json!(50), 10),
        ("a ceiling that holds likewise", json!(30), json!(5), json!("hold"), 10),
        ("a floor that fails: nothing is taken away", json!(3), json!("fail"), json!(50), 10),
        ("a floor that fails: more is still given", json!(13), json!("fail"), json!(50), 13),
        ("a ceiling that fails limits nothing", json!(30), json!(5), json!("fail"), 30),
        ("silence limits nothing", json!(3), json!("silent"), json!("silent"), 3),
    ];
    for (what, word, floor, ceiling, desired) in cases {
        let role = |word: &Value, role| json!({ "algorithm": { "name": "says", "config": word }, "role": role });
        let of = json!([role(&word, "vote"), role(&floor, "floor"), role(&ceiling, "ceiling")]);
        let got = decide(json!({ "name": "max", "of": of }));
        assert_eq!(got.0, desired, "{what}: {:?}", got.2);
    }
}

#[test]
fn a_decision_tells_who_was_asked_what_they_said_and_who_won() {
    let (desired, _, reasons) = decide(json!({ "name": "max", "of": [
        { "algorithm": { "name": "max-ratio" }, "metrics": ["queue"], "stages": [{ "capped": { "maxScaleUp": "50%" } }] },
        { "algorithm": { "name": "says", "config": "broken" } },
        { "algorithm": { "name": "min", "of": members(&json!([12, 11])) } },
        { "algorithm": { "name": "says", "config": 14 }, "role": "ceiling" },
    ] }));
    assert_eq!(desired, 14);
    assert_eq!(
        reasons,
        [
            "max-ratio > capped is asked",
            // The only metric it sees is the policy's second.
            "queue is 3 against 1: 3 times 10 replicas",
            "at most 5 more in one step",
            "says is asked",
            "the algorithm failed: as asked",
            "min(says, says) is asked",
            "says is asked",
            "says is asked",
            "says asks for the least of 2",
            "says is asked for a ceiling",
            "max-ratio > capped asks for the most of 3, 2 of which have an answer",
            "no more than says allows",
        ]
    );
}

#[test]
fn an_attempt_that_leads_to_nothing_leaves_others_reasons_alone() {
    // The second member is outside the policy's bounds and corrects that past its own reasons, and only those.
    let mut spec = spec(json!({ "name": "first", "of": [
        { "algorithm": { "name": "says", "config": "silent" } },
        { "algorithm": { "name": "max-ratio" }, "stages": [{ "behavior": {} }] },
    ] }));
    spec.max_replicas = 8;
    let mut manager = AlgorithmManager::with_registry(registry());
    let workload = manager.add(&spec).expect("a good policy");
    let mut trace = Trace::new();
    manager.decide(workload, &Observation::new(Timestamp::default(), 10, &READINGS), &mut trace).expect("a decision");
    let reasons: Vec<String> = trace.records(&spec.metrics).into_iter().map(|reason| reason.text).collect();
    assert_eq!(
        reasons,
        [
            "says is asked",
            "the algorithm has not enough data",
            "max-ratio > behavior is asked",
            "outside the bounds: corrected at once, past windows and rates",
            "max-ratio > behavior is the first with an answer of 2, 1 of which have an answer",
        ]
    );
}

#[test]
fn a_member_s_configuration_is_checked_where_it_stands() {
    let member = |algorithm: Value| json!({ "name": "max", "of": [{ "algorithm": algorithm }] });
    let mut deep = json!({ "name": "max-ratio" });
    for _ in 0..9 {
        deep = member(deep);
    }
    let cases = [
        ("nobody", json!({ "name": "max" }), "algorithm.of", "at least one member"),
        (
            "only a floor",
            json!({ "name": "max", "of": [{ "algorithm": { "name": "max-ratio" }, "role": "floor" }] }),
            "algorithm.of",
            "at least one member",
        ),
        (
            "a leaf that is given members",
            json!({ "name": "max-ratio", "of": members(&json!([1])) }),
            "algorithm.of",
            "those that do are all-agree-down, any-of, first, max, median, min",
        ),
        (
            "a combinator with configuration",
            json!({ "name": "max", "config": { "x": 1 }, "of": members(&json!([1])) }),
            "algorithm.config.x",
            "unknown field",
        ),
        ("an unknown name", member(json!({ "name": "max-rato" })), "algorithm.of[0].algorithm.name", "max-ratio"),
        (
            "a wrong value inside",
            member(json!({ "name": "max-ratio", "config": { "tolerance": -1 } })),
            "algorithm.of[0].algorithm.config.tolerance",
            "",
        ),
        (
            "a wrong stage",
            json!({ "name": "max", "of": [{ "algorithm": { "name": "max-ratio" }, "stages": [{ "caped": {} }] }] }),
            "algorithm.of[0].stages[0].caped",
            "capped",
        ),
        (
            "a metric that isn't there",
            json!({ "name": "max", "of": [{ "algorithm": { "name": "max-ratio" }, "metrics": ["p99", "cue"] }] }),
            "algorithm.of[0].metrics[1]",
            "no metric called `cue`",
        ),
        (
            "a metric twice",
            json!({ "name": "max", "of": [{ "algorithm": { "name": "max-ratio" }, "metrics": ["p99", "p99"] }] }),
            "algorithm.of[0].metrics[1]",
            "twice",
        ),
        ("too deep", deep, "", "at most 8 deep"),
    ];
    for (what, algorithm, path, message) in cases {
        let error = refused(algorithm);
        assert!(error.message.contains(message), "{what}: {error}");
        assert!(error.path == path || path.is_empty(), "{what}: {error}");
    }
}

#[test]
fn a_state_goes_back_only_into_the_same_members() {
    let windowed =
        |name: &str| json!({ "algorithm": { "name": name }, "stages": [{ "stabilized": {} }], "metrics": ["p99"] });
    let both = spec(json!({ "name": "max", "of": [windowed("max-ratio"), windowed("average-ratio")] }));
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&both).expect("a good policy");
    manager.decide(workload, &Observation::new(Timestamp::default(), 10, &READINGS), &mut Trace::off()).unwrap();
    let state = manager.snapshot(workload).expect("a state");
    let again = manager.add(&both).expect("a good policy");
    manager.restore(again, &state).expect("its own state");
    assert_eq!(manager.snapshot(again).expect("a state"), state);
    let swapped = spec(json!({ "name": "max", "of": [windowed("average-ratio"), windowed("max-ratio")] }));
    let swapped = manager.add(&swapped).expect("a good policy");
    let error = manager.restore(swapped, &state).expect_err("another's state").to_string();
    assert!(error.contains("max(max-ratio > stabilized, average-ratio > stabilized)"), "{error}");
}

#[test]
fn a_user_s_own_combinator_is_one_like_the_library_s() {
    use setpoint::combinator::Answer;
    use setpoint::{CombinatorFactory, Description, Member, Setup};

    /// All needs together, as of queues that share nothing.
    struct Sum(Vec<Member>);
    impl ScalingAlgorithm for Sum {
        fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
            let mut sum = 0.0;
            for member in &mut self.0 {
                match member.ask(look, trace) {
                    Answer::Failed(error) => return Err(error),
                    answer => sum += answer.need(0.0).unwrap_or(0.0),
                }
            }
            Ok(Need::replicas(sum)?.into())
        }
    }
    struct Factory;
    impl CombinatorFactory for Factory {
        fn describe(&self) -> Description {
            Description::new("all needs together", json!(true))
        }
        fn combine(&self, members: Vec<Member>, _: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
            Ok(Box::new(Sum(members)))
        }
    }
    let mut registry = registry();
    registry.register_combinator("sum", Factory).expect("a free name");
    assert!(registry.register_algorithm("sum", algorithm_factory("another", |_, (): ()| Ok(Sum(Vec::new())))).is_err());
    let mut manager = AlgorithmManager::with_registry(registry);
    let workload =
        manager.add(&spec(json!({ "name": "sum", "of": members(&json!([4, 5.5])) }))).expect("a good policy");
    let look = Observation::new(Timestamp::default(), 1, &READINGS);
    assert_eq!(manager.decide(workload, &look, &mut Trace::off()).expect("a decision").desired, 10);
}

#[test]
fn combinators_keep_the_laws() {
    let registry = Registry::builtin();
    let member = |value: Value| -> MemberSpec { serde_json::from_value(value).expect("a member") };
    for rule in Rule::ALL {
        let subject = Subject::new(&registry, rule.name()).of(vec![
            member(json!({ "algorithm": { "name": "capped-smooth-ratio" } })),
            member(json!({ "algorithm": { "name": "average-ratio" }, "metrics": ["queue"], "stages": [{ "stabilized": {} }] })),
            member(json!({ "algorithm": { "name": "max-ratio" }, "stages": [{ "behavior": {} }] })),
            member(json!({ "algorithm": { "name": "hpa" }, "role": "ceiling" })),
        ]);
        laws::check(&subject.clone().monotone(), 48);
        laws::check(&subject.in_stage("behavior", json!({})), 24);
    }
}
