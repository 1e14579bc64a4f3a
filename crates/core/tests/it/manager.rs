//! Dispatch, lifetimes, failures and state.

use serde_json::json;
use setpoint::{
    AlgorithmFactory, AlgorithmManager, AlgorithmSpec, Capability, ConfigError, Description, EvaluateError,
    FailureKind, FailureSpec, HoldOutsideBounds, MaxRatioConfig, MetricNeed, Need, Needs, Observation, Outcome, Pause,
    Proposal, Reading, Reconfigured, RegisterError, ScalingAlgorithm, Setup, StateError, Timestamp, Trace,
    WorkloadError, algorithm_factory, algorithm_fn,
};

/// Says what it was built to say.
struct Says(Result<Proposal, EvaluateError>);

impl ScalingAlgorithm for Says {
    fn evaluate(&mut self, _: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.0.clone()
    }
}

fn says(
    answer: impl Fn() -> Result<Proposal, EvaluateError> + Send + Sync + 'static,
) -> impl setpoint::AlgorithmFactory + 'static {
    algorithm_factory("says what it was built to say", move |_, _: MaxRatioConfig| Ok(Says(answer())))
}

fn look(current: u32, readings: &'static [Reading<'static>]) -> Observation<'static> {
    Observation::new(Timestamp::default(), current, readings)
}

const BUSY: &[Reading<'static>] = &[Reading::Value(2.0)];

#[test]
fn names_are_registered_once_and_found_or_guessed() {
    let mut manager = AlgorithmManager::new();
    let registry = manager.registry_mut();
    let three = || says(|| Ok(Need::replicas(3.0)?.into()));
    for blank in ["", "  "] {
        assert_eq!(registry.register_algorithm(blank, three()), Err(RegisterError::EmptyName));
    }
    let taken = |name: &str| Err(RegisterError::Taken { name: name.to_owned() });
    assert_eq!(registry.register_algorithm("max-ratio", three()), taken("max-ratio"));
    assert_eq!(registry.register_algorithm("custom", three()), Ok(()));
    assert_eq!(registry.register_algorithm("custom", three()), taken("custom"));

    let error = |manager: &mut AlgorithmManager, name: &str| -> ConfigError {
        manager.add(&crate::policy(name, json!({}), 1, (1, 40))).expect_err("unknown")
    };
    let found = error(&mut manager, "MaxRatio");
    assert_eq!(found.path, "algorithm.name");
    assert!(found.message.contains("did you mean `max-ratio`?"), "{found}");
    assert!(found.message.contains("`average-ratio`, `capped-smooth-ratio`, `custom`"), "{found}");
    let stage = crate::policy("max-ratio", json!({}), 1, (1, 40)).with_stage("smooth", json!({}));
    let found = manager.add(&stage).expect_err("unknown");
    assert_eq!(found.path, "stages[0].smooth");
    assert!(found.message.contains("did you mean `smoothed`?"), "{found}");
}

#[test]
fn what_is_registered_is_really_asked() {
    let mut manager = AlgorithmManager::new();
    manager.registry_mut().register_algorithm("seven", says(|| Ok(Need::replicas(6.2)?.into()))).expect("free");
    let seven = manager.add(&crate::policy("seven", json!({}), 1, (1, 40))).expect("known");
    let other = manager.add(&crate::policy("max-ratio", json!({}), 1, (1, 40))).expect("known");
    assert_eq!(manager.decide(seven, &look(4, BUSY), &mut Trace::off()).map(|d| d.desired), Ok(7));
    assert_eq!(manager.decide(other, &look(4, BUSY), &mut Trace::off()).map(|d| d.desired), Ok(8));
}

#[test]
fn each_workload_has_an_instance_of_its_own() {
    let policy = crate::policy("capped-smooth-ratio", json!({}), 1, (1, 40));
    let mut manager = AlgorithmManager::new();
    let (one, two) = (manager.add(&policy).expect("good"), manager.add(&policy).expect("good"));
    for _ in 0..5 {
        manager.decide(one, &look(4, BUSY), &mut Trace::off()).expect("a decision");
    }
    let fresh = manager.add(&policy).expect("good");
    assert_eq!(manager.snapshot(two), manager.snapshot(fresh));
    assert_ne!(manager.snapshot(one), manager.snapshot(fresh));
}

#[test]
fn a_dropped_workload_is_gone_and_its_id_never_names_another() {
    let policy = crate::policy("max-ratio", json!({}), 1, (1, 40));
    let mut manager = AlgorithmManager::new();
    let gone = manager.add(&policy).expect("good");
    assert_eq!(manager.len(), 1);
    assert!(manager.remove(gone) && !manager.remove(gone));
    assert!(manager.is_empty());
    let next = manager.add(&policy).expect("good");
    assert_ne!(gone, next);
    assert_eq!(manager.decide(gone, &look(4, BUSY), &mut Trace::off()), Err(WorkloadError::Unknown(gone)));
    assert!(manager.decide(next, &look(4, BUSY), &mut Trace::off()).is_ok());
}

#[test]
fn answers_become_decisions_as_the_contract_says() {
    type Answer = fn() -> Result<Proposal, EvaluateError>;
    let hold: Answer = || Ok(Proposal::Hold(setpoint::Hold::Said));
    let cases: [(&str, Answer, u32, u32, Outcome); 9] = [
        ("a need is rounded up", || Ok(Need::replicas(4.01)?.into()), 4, 5, Outcome::Need),
        ("and clamped to the maximum", || Ok(Need::replicas(1e12)?.into()), 4, 40, Outcome::Need),
        ("and to the minimum", || Ok(Need::replicas(0.0)?.into()), 4, 2, Outcome::Need),
        ("a hold keeps", hold, 4, 4, Outcome::Hold),
        ("a hold outside the bounds is corrected", hold, 50, 40, Outcome::Hold),
        ("no opinion keeps", || Ok(Proposal::NoOpinion), 4, 4, Outcome::NoOpinion),
        ("a suspend is never touched", || Ok(Proposal::Suspend), 50, 50, Outcome::Suspend),
        ("a NaN is nonsense", || Ok(Need::replicas(f64::NAN)?.into()), 4, 4, Outcome::Fallback),
        ("so is less than none", || Ok(Need::replicas(-0.5)?.into()), 4, 4, Outcome::Fallback),
    ];
    for (name, answer, current, want, outcome) in cases {
        let mut manager = AlgorithmManager::new();
        manager.registry_mut().register_algorithm("says", says(answer)).expect("free");
        let workload = manager.add(&crate::policy("says", json!({}), 1, (2, 40))).expect("known");
        let decision = manager.decide(workload, &look(current, BUSY), &mut Trace::new()).expect(name);
        assert_eq!((decision.desired, decision.outcome), (want, outcome), "{name}");
    }
    let mut manager = AlgorithmManager::new();
    manager.registry_mut().register_algorithm("says", says(hold)).expect("free");
    let mut policy = crate::policy("says", json!({}), 1, (2, 40));
    policy.hold_outside_bounds = HoldOutsideBounds::Leave;
    let workload = manager.add(&policy).expect("known");
    assert_eq!(manager.decide(workload, &look(50, BUSY), &mut Trace::off()).map(|d| d.desired), Ok(50));
}

#[test]
fn a_pause_keeps_the_count_from_going_where_it_says_and_says_so() {
    let up: fn() -> Result<Proposal, EvaluateError> = || Ok(Need::replicas(9.0)?.into());
    let down: fn() -> Result<Proposal, EvaluateError> = || Ok(Need::replicas(3.0)?.into());
    let cases = [
        ("nothing is paused", Pause::None, up, 4, 9),
        ("up", Pause::Up, up, 4, 4),
        ("up doesn't pause down", Pause::Up, down, 4, 3),
        ("down", Pause::Down, down, 4, 4),
        ("down doesn't pause up", Pause::Down, up, 4, 9),
        ("all", Pause::All, up, 4, 4),
        ("all, outside the bounds too", Pause::All, up, 50, 50),
    ];
    for (name, pause, answer, current, want) in cases {
        let mut manager = AlgorithmManager::new();
        manager.registry_mut().register_algorithm("says", says(answer)).expect("free");
        let mut policy = crate::policy("says", json!({}), 1, (2, 40));
        policy.pause = pause;
        let workload = manager.add(&policy).expect("known");
        let mut trace = Trace::new();
        let decision = manager.decide(workload, &look(current, BUSY), &mut trace).expect(name);
        assert_eq!(decision.desired, want, "{name}");
        let paused = trace.reasons().iter().any(|reason| reason.stage == "pause");
        assert_eq!(paused, pause != Pause::None && want == current, "{name}");
    }
}

#[test]
fn a_failure_is_answered_by_the_declared_fallback_inside_the_bounds() {
    let fails = || says(|| Err(EvaluateError::new(FailureKind::Refused, "the oracle is silent")));
    let named = |name: &str| FailureSpec::Algorithm(AlgorithmSpec::named(name, json!({})));
    let cases = [
        (FailureSpec::Hold, 4, "hold"),
        (FailureSpec::Replicas(6), 6, "6 replicas"),
        (FailureSpec::Replicas(100), 40, "100 replicas"),
        (named("max-ratio"), 8, "max-ratio"),
        (named("fails"), 4, "fails"),
    ];
    for (fallback, want, words) in cases {
        let mut manager = AlgorithmManager::new();
        manager.registry_mut().register_algorithm("fails", fails()).expect("free");
        // Its stages are not asked: a quarter more would be 5.
        let policy = crate::policy("fails", json!({}), 1, (2, 40))
            .with_stage("capped", json!({ "maxScaleUp": "25%" }))
            .with_on_failure(fallback);
        let workload = manager.add(&policy).expect("known");
        let mut trace = Trace::new();
        let decision = manager.decide(workload, &look(4, BUSY), &mut trace).expect("a decision");
        assert_eq!((decision.desired, decision.outcome), (want, Outcome::Fallback), "{words}");
        let reasons = trace.records(&policy.metrics);
        assert_eq!(reasons[0].text, "the algorithm failed: the oracle is silent");
        assert_eq!(reasons[1].text, format!("the declared fallback answers: {words}"));
        // The same as data, for programs.
        let details = trace.details(&policy.metrics);
        let message = details[0].effect["message"].as_str().expect("text");
        assert_eq!(reasons[0].text, format!("the algorithm failed: {message}"));
        assert_eq!(details[1].effect["fallback"], words);
    }
}

#[test]
fn state_goes_on_elsewhere_and_not_into_another_algorithm() {
    let policy = crate::policy("max-ratio", json!({}), 1, (1, 40))
        .with_stage("smoothed", json!({}))
        .with_stage("stabilized", json!({ "scaleDownWindow": "3m" }))
        .with_on_failure(FailureSpec::Algorithm(AlgorithmSpec::named("capped-smooth-ratio", json!({}))));
    let looks: Vec<[Reading<'_>; 1]> = (0..20).map(|look| [Reading::Value(f64::from(look % 7) / 3.0)]).collect();
    let look = |index: usize| {
        let now = Timestamp::from_millis(i64::try_from(index).expect("few") * 30_000);
        Observation::new(now, 5, &looks[index])
    };
    let mut steady = AlgorithmManager::new();
    let at_home = steady.add(&policy).expect("good");
    let mut moving = AlgorithmManager::new();
    let mut abroad = moving.add(&policy).expect("good");
    for index in 0..looks.len() {
        let state = moving.snapshot(abroad).expect("a state");
        moving = AlgorithmManager::new();
        abroad = moving.add(&policy).expect("good");
        moving.restore(abroad, &state).expect("its own state");
        let trace = &mut Trace::off();
        assert_eq!(steady.decide(at_home, &look(index), trace), moving.decide(abroad, &look(index), trace));
    }

    let state = moving.snapshot(abroad).expect("a state");
    let other = moving.add(&crate::policy("max-ratio", json!({}), 1, (1, 40))).expect("good");
    let error = moving.restore(other, &state).expect_err("another algorithm's");
    assert_eq!(
        error.to_string(),
        "the state belongs to max-ratio > smoothed > stabilized, this workload runs max-ratio"
    );
    for cut in 0..state.len() {
        assert!(moving.restore(abroad, &state[..cut]).is_err(), "cut at {cut}");
        assert_eq!(moving.snapshot(abroad).as_ref(), Ok(&state), "cut at {cut} changed something");
    }
}

#[test]
fn a_new_policy_keeps_the_state_where_it_fits() {
    let smooth = |factor: f64| crate::policy("capped-smooth-ratio", json!({ "smoothingFactor": factor }), 1, (1, 40));
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&smooth(0.3)).expect("good");
    manager.decide(workload, &look(4, BUSY), &mut Trace::off()).expect("a decision");
    let state = manager.snapshot(workload).expect("a state");

    assert_eq!(manager.reconfigure(workload, &smooth(0.5)), Ok(Reconfigured::StateKept));
    assert_eq!(manager.snapshot(workload).as_ref(), Ok(&state));
    assert!(matches!(manager.reconfigure(workload, &smooth(7.0)), Err(WorkloadError::Failed(_))));
    assert_eq!(manager.snapshot(workload).as_ref(), Ok(&state), "a refused policy changed something");

    let reset = manager.reconfigure(workload, &crate::policy("max-ratio", json!({}), 1, (1, 40)));
    assert!(matches!(reset, Ok(Reconfigured::StateReset(StateError::Foreign { .. }))), "{reset:?}");
}

#[test]
fn a_reading_for_each_metric_is_required() {
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&crate::policy("max-ratio", json!({}), 2, (1, 40))).expect("good");
    let error = manager.decide(workload, &look(4, BUSY), &mut Trace::off()).expect_err("one of two");
    assert_eq!(error.to_string(), "the policy has 2 metrics, the observation 1 readings");
}

#[test]
fn a_closure_in_any_stage_is_an_algorithm() {
    let mut looks = 0;
    let mut algorithm = setpoint::Capped::new(
        algorithm_fn(|look: &Observation<'_>, _: &mut Trace| {
            looks += 1;
            Ok(Need::replicas(f64::from(look.current) * 10.0)?.into())
        }),
        &setpoint::CappedConfig { max_scale_up: setpoint::StepUp::new(0.5).ok(), ..Default::default() },
    );
    let answer = algorithm.evaluate(&look(4, BUSY), &mut Trace::off()).expect("an answer");
    assert_eq!(answer, Need::replicas(6.0).expect("a need").into());
    drop(algorithm);
    assert_eq!(looks, 1);
}

#[test]
fn a_change_that_was_not_made_is_not_seen_in_what_somebody_does_later() {
    let policy = crate::policy("hpa", json!({}), 1, (0, 20));
    let idle = [Reading::Value(0.0)];
    let busy = [Reading::Value(3.0)];
    // Zero is asked for. The next look finds that made, and wakes up; or finds three as before, and later a zero that
    // somebody set by hand, and leaves it.
    assert_eq!(crate::decide(&policy, &[(0, 3, &idle), (15, 0, &busy)]), [0, 3]);
    assert_eq!(crate::decide(&policy, &[(0, 3, &idle), (15, 3, &[Reading::Value(1.0)]), (30, 0, &busy)]), [0, 3, 0]);
}

#[test]
fn a_change_that_comes_about_step_by_step_counts_as_far_as_it_has_come() {
    let behavior = json!({ "scaleUp": { "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 60 }] } });
    let policy = crate::policy("max-ratio", json!({}), 1, (1, 100)).with_stage("behavior", behavior);
    let busy = [Reading::Value(5.0)];
    // Ten may become 14. The handler counts pods as they come: what has come uses the minute up, what hasn't is open.
    let looks = [(0, 10, &busy[..]), (15, 12, &busy[..]), (30, 14, &busy[..]), (45, 14, &busy[..])];
    assert_eq!(crate::decide(&policy, &looks), [14, 14, 14, 14]);
}

#[test]
fn a_count_outside_the_bounds_is_corrected_by_hpa_where_holds_are_left_alone() {
    let mut policy = crate::policy("hpa", json!({}), 1, (2, 10));
    policy.hold_outside_bounds = HoldOutsideBounds::Leave;
    let at_target = [Reading::Value(1.0)];
    assert_eq!(crate::decide(&policy, &[(0, 50, &at_target), (15, 1, &at_target)]), [10, 2]);
    let nothing = [Reading::Missing("scrape failed")];
    assert_eq!(crate::decide(&policy, &[(0, 50, &nothing)]), [10]);
}

#[test]
fn what_hpa_s_rules_stand_around_goes_on_when_they_come_and_go() {
    let bare = || crate::policy("hpa", json!({}), 1, (0, 20));
    let behavior = || bare().with_stage("behavior", json!({ "scaleDown": { "stabilizationWindowSeconds": 0 } }));
    let legacy = || bare().with_stage("legacy-behavior", json!({ "downscaleStabilization": "0s" }));
    let policies = [("bare", bare()), ("behavior", behavior()), ("legacy-behavior", legacy())];
    for (before, one) in &policies {
        for (after, other) in &policies {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(one).expect("good");
            let look =
                |secs: i64, current, readings| Observation::new(Timestamp::from_millis(secs * 1000), current, readings);
            let trace = &mut Trace::off();
            // It goes to zero by itself; only because it knows that, it wakes up again.
            let busy = manager.decide(workload, &look(-15, 3, &[Reading::Value(1.0)]), trace).expect("a decision");
            assert_eq!(busy.desired, 3, "{before}");
            let asleep = manager.decide(workload, &look(0, 3, &[Reading::Value(0.0)]), trace).expect("a decision");
            assert_eq!(asleep.desired, 0, "{before}");
            manager.decide(workload, &look(15, 0, &[Reading::Value(0.0)]), trace).expect("a decision");
            assert_eq!(manager.reconfigure(workload, other), Ok(Reconfigured::StateKept), "{before} to {after}");
            let awake = manager.decide(workload, &look(30, 0, &[Reading::Value(3.0)]), trace).expect("a decision");
            assert_eq!(awake.desired, 3, "{before} to {after}");
        }
    }
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&behavior()).expect("good");
    let other = crate::policy("max-ratio", json!({}), 1, (0, 20));
    assert!(matches!(manager.reconfigure(workload, &other), Ok(Reconfigured::StateReset(_))));
}

#[test]
fn a_fallback_that_comes_or_goes_leaves_the_algorithm_its_state() {
    let with = |fallback| crate::policy("capped-smooth-ratio", json!({}), 1, (1, 40)).with_on_failure(fallback);
    let named = |name: &str| FailureSpec::Algorithm(AlgorithmSpec::named(name, json!({})));
    let fallbacks = || [FailureSpec::Hold, named("max-ratio"), named("capped-smooth-ratio")];
    for before in fallbacks() {
        for after in fallbacks() {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(&with(before.clone())).expect("good");
            manager.decide(workload, &look(4, BUSY), &mut Trace::off()).expect("a decision");
            let kept = manager.reconfigure(workload, &with(after.clone()));
            assert_eq!(kept, Ok(Reconfigured::StateKept), "{before:?} to {after:?}");
            let mut long = manager.snapshot(workload).expect("a state");
            long.push(0);
            assert!(manager.restore(workload, &long).is_err(), "a byte too many was accepted");
            long[0] = 99;
            let version = StateError::Version { part: "the workload", found: 99, known: 2 };
            assert_eq!(manager.restore(workload, &long), Err(WorkloadError::Failed(version)));
        }
    }
}

/// Needs what it was built to need.
struct Needy {
    metrics: Vec<MetricNeed>,
    takes: Vec<Capability>,
    requires: Vec<(Capability, String)>,
}

impl AlgorithmFactory for Needy {
    fn describe(&self) -> Description {
        Description::new("needs what it was built to need", json!({}))
    }

    fn needs(&self) -> Needs<'_> {
        Needs::new(&self.metrics, &self.takes, &self.requires)
    }

    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        assert!(setup.capabilities.contains(&Capability::Log), "checked before");
        Ok(Box::new(Says(Ok(Proposal::NoOpinion))))
    }
}

#[test]
fn what_an_algorithm_needs_is_checked_before_it_is_made() {
    let mut manager = AlgorithmManager::new();
    let needy = Needy {
        metrics: vec![MetricNeed { name: "m0".to_owned(), meaning: "requests/s".to_owned() }],
        takes: vec![Capability::Log, Capability::Clock],
        requires: vec![(Capability::Log, "tells stories".to_owned())],
    };
    manager.registry_mut().register_algorithm("needy", needy).expect("a free name");
    let cases: [(&str, usize, &[Capability], &str); 4] = [
        ("needy", 1, &[Capability::Log], ""),
        ("needy", 1, &[], "needy tells stories, and the policy does not grant it: write `capabilities: [log]`"),
        ("needy", 1, &[Capability::Random], "needy does not take `random`; it takes `log`, `clock`"),
        ("max-ratio", 1, &[Capability::Log], "max-ratio takes no capabilities"),
    ];
    for (name, metrics, granted, want) in cases {
        let mut policy = crate::policy(name, json!({}), metrics, (1, 10));
        policy.algorithm.capabilities = granted.iter().copied().collect();
        let found = manager.add(&policy).map_or_else(|error| error.to_string(), |_| String::new());
        let want = if want.is_empty() { String::new() } else { format!("algorithm.capabilities: {want}") };
        assert_eq!(found, want);
    }
    let mut policy = crate::policy("needy", json!({}), 1, (1, 10));
    policy.metrics[0].name = "m1".to_owned();
    policy.algorithm.capabilities = [Capability::Log].into();
    let error = manager.add(&policy).expect_err("a metric is missing").to_string();
    assert!(error.starts_with("algorithm: needy needs a metric called `m0` (requests/s); "), "{error}");
}

#[test]
fn capabilities_are_written_by_name_and_come_back() {
    let document = json!({ "name": "x", "capabilities": ["log", "clock"] });
    let spec: AlgorithmSpec = setpoint::parse_config(&document).expect("a good document");
    assert_eq!(spec.capabilities, [Capability::Clock, Capability::Log].into());
    assert_eq!(serde_json::to_value(&spec).expect("JSON"), json!({ "name": "x", "capabilities": ["clock", "log"] }));
    assert_eq!(serde_json::to_value(AlgorithmSpec::named("x", json!(null))).expect("JSON"), json!({ "name": "x" }));
    let error = setpoint::parse_config::<AlgorithmSpec>(&json!({ "capabilities": ["netwrok"] })).expect_err("unknown");
    assert_eq!(error.to_string(), "capabilities[0]: unknown value `netwrok`; known: `clock`, `random`, `log`");
}
