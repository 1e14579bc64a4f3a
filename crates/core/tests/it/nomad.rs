//! Nomad's rules that implementations of it get wrong, and where ours differ: the sound answer beside the exact one.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint::nomad::{
    Check, FixedValue, Handler, OnError, PassThrough, Query, Scaled, Spec, Step, Strategy, Tally, Target, TargetValue,
    Threshold, TickOutcome, Vote, Write, Written,
};
use setpoint::timing::Cooldown;
use setpoint::{
    Action, AlgorithmManager, AlgorithmSpec, HoldOutsideBounds, Metric, Observation, Outcome, PolicySpec, Reading,
    Registry, Timestamp, Trace,
};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn limited(up: Option<u32>, down: Option<u32>) -> TargetValue {
    let text = |limit: Option<u32>| limit.map_or_else(String::new, |limit| limit.to_string());
    let config = [("target", "1".to_owned()), ("max_scale_up", text(up)), ("max_scale_down", text(down))];
    let config = config.map(|(key, value)| (key.to_owned(), value)).into();
    match Written::new("target-value", &config).strategy() {
        Ok(Strategy::TargetValue(strategy)) => strategy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn target_value_votes_as_documented() {
    let plain = TargetValue::new(10.0);
    let cases = [
        ("from 0 the factor is the count", plain, 0, 25.0, Vote::Up(3)),
        ("from 0 there is no tolerance", plain, 0, 0.001, Vote::Up(1)),
        ("from 0 to 0", plain, 0, 0.0, Vote::Keep),
        ("rounded up", plain, 3, 10.2, Vote::Up(4)),
        ("at the threshold", plain, 100, 10.1, Vote::Keep),
        ("rounded up to where it is", plain, 3, 9.0, Vote::Keep),
        ("down", plain, 30, 5.0, Vote::Down(15)),
        ("down to nothing", plain, 30, 0.0, Vote::Down(0)),
        ("a target of 0: the value is the factor", TargetValue::new(0.0), 4, 2.0, Vote::Up(8)),
        ("a limit is a difference", limited(Some(2), None), 4, 9.0, Vote::Up(6)),
        ("a limit down", limited(None, Some(3)), 10, 0.1, Vote::Down(7)),
        ("a limit of 0 is one", limited(Some(0), None), 4, 9.0, Vote::Keep),
        ("without a limit", limited(None, None), 4, 9.0, Vote::Up(36)),
        ("negative: none", plain, 4, -5.0, Vote::Down(0)),
        ("negative in Nomad", plain.exact(), 4, -5.0, Vote::Down(-2)),
        ("a negative target in Nomad", TargetValue::new(-10.0).exact(), 4, -20.0, Vote::Up(8)),
        ("NaN in Nomad", plain.exact(), 4, f64::NAN, Vote::Keep),
        ("infinite in Nomad", plain.exact(), 4, f64::INFINITY, Vote::Up(i64::MIN)),
    ];
    for (name, strategy, count, value, want) in cases {
        assert_eq!(strategy.judge(count, strategy.factor(value)).vote, want, "{name}");
    }
}

#[test]
fn threshold_votes_as_documented() {
    let of = |step| Threshold::new(20.0, 60.0, step).with_trigger(3);
    let within = [20.0, 5.0, 59.9, 60.0, 40.0];
    let cases = [
        ("enough, not in a row", of(Step::Delta(2)), 4, &within[..], Vote::Up(6)),
        ("the upper bound is outside", of(Step::Delta(2)), 4, &within[1..], Vote::Keep),
        ("NaN is outside", of(Step::Delta(2)), 4, &[20.0, 20.0, f64::NAN], Vote::Keep),
        ("never below 0", of(Step::Delta(-9)), 4, &within, Vote::Down(0)),
        ("to a value", of(Step::Value(9)), 4, &within, Vote::Up(9)),
        ("where it is already", of(Step::Value(4)), 4, &within, Vote::Keep),
        ("10 % of 100", of(Step::Percentage(10.0)), 100, &within, Vote::Up(110)),
        ("10 % of 100 in Nomad", of(Step::Percentage(10.0)).exact(), 100, &within, Vote::Up(111)),
        ("10 % fewer of 5", of(Step::Percentage(-10.0)), 5, &within, Vote::Keep),
        ("half", of(Step::Percentage(-50.0)), 5, &within, Vote::Down(3)),
        ("no count is larger", of(Step::Delta(i64::MAX)), 5, &within, Vote::Up(i64::MAX)),
        ("crossed bounds", Threshold::new(60.0, 20.0, Step::Delta(1)).with_trigger(1).exact(), 4, &within, Vote::Keep),
        ("a trigger of 0", of(Step::Delta(1)).with_trigger(0).exact(), 4, &[99.0], Vote::Up(5)),
    ];
    for (name, strategy, count, points, want) in cases {
        let judged = Strategy::Threshold(strategy).judge(count, points).expect("there are points");
        assert_eq!(judged.vote, want, "{name}");
    }
    assert_eq!(Strategy::Threshold(of(Step::Delta(1))).judge(4, &[]), None, "without points");
}

#[test]
fn pass_through_and_fixed_value_vote_as_documented() {
    let (sound, exact) = (PassThrough::new(), PassThrough::new().exact());
    let cases = [
        ("up", sound, 5, 7.0, Vote::Up(7)),
        ("a part more", sound, 5, 5.5, Vote::Up(6)),
        ("a part more in Nomad", exact, 5, 5.5, Vote::Up(5)),
        ("a part fewer", sound, 5, 4.5, Vote::Keep),
        ("a part fewer in Nomad", exact, 5, 4.5, Vote::Down(4)),
        ("negative", sound, 5, -1.0, Vote::Down(0)),
        ("negative in Nomad", exact, 5, -1.5, Vote::Down(-1)),
        ("NaN in Nomad", exact, 5, f64::NAN, Vote::Keep),
        ("huge", sound, 5, 1e300, Vote::Up(i64::MAX)),
        ("huge in Nomad", exact, 5, 1e300, Vote::Up(i64::MIN)),
    ];
    for (name, strategy, count, value, want) in cases {
        assert_eq!(strategy.judge(count, value).vote, want, "{name}");
    }
    assert_eq!(Strategy::FixedValue(FixedValue::new(4)).judge(6, &[]).map(|it| it.vote), Some(Vote::Down(4)));
    assert_eq!(FixedValue::new(4).judge(4).vote, Vote::Keep);
}

#[test]
fn votes_are_counted_by_direction_then_count_and_by_groups() {
    use Vote::{Down, Keep, Up};
    type Votes<'a> = &'a [(Option<u32>, Vote<i64>)];
    let cases: [(&str, Votes<'_>, Option<Vote<i64>>); 12] = [
        ("nobody", &[], None),
        ("up beats down", &[(None, Down(1)), (None, Up(2))], Some(Up(2))),
        ("none beats down", &[(None, Down(1)), (None, Keep)], Some(Keep)),
        ("the highest up", &[(None, Up(7)), (None, Up(9))], Some(Up(9))),
        ("the highest down", &[(None, Down(1)), (None, Down(3)), (None, Down(2))], Some(Down(3))),
        ("up to less than down", &[(None, Down(9)), (None, Up(1))], Some(Up(1))),
        ("a group passes over none", &[(Some(1), Keep), (Some(1), Down(3)), (Some(1), Keep)], Some(Down(3))),
        ("none first or last", &[(Some(1), Down(3)), (Some(1), Keep)], Some(Down(3))),
        ("a group of none votes none", &[(Some(1), Keep), (Some(1), Keep), (Some(2), Down(3))], Some(Keep)),
        ("groups compete", &[(Some(1), Down(5)), (Some(2), Keep), (Some(2), Down(3))], Some(Down(5))),
        ("none without a group", &[(Some(1), Keep), (Some(1), Down(3)), (None, Keep)], Some(Keep)),
        ("up anywhere", &[(Some(1), Down(3)), (None, Keep), (Some(2), Up(4))], Some(Up(4))),
    ];
    for (name, votes, want) in cases {
        let mut tally = Tally::new();
        for (voter, &(group, vote)) in votes.iter().enumerate() {
            tally.add(voter, group, vote);
        }
        assert_eq!(tally.winner().map(|(_, vote)| vote), want, "{name}");
    }
    let mut tally = Tally::new();
    tally.add("first", None, Vote::Up(3));
    tally.add("second", None, Vote::Up(3));
    assert_eq!(tally.winner(), Some(("first", Vote::Up(3))), "of equals the first");
}

#[test]
fn the_last_instant_of_a_cooldown_still_holds() {
    let mut cooldown = Cooldown::new(Duration::from_secs(20), Duration::ZERO);
    assert!(!cooldown.holds(at(0)), "nothing has changed yet");
    cooldown.start(at(0), false);
    assert!(cooldown.holds(at(20)) && !cooldown.holds(Timestamp::from_millis(20_001)));
    cooldown.start(at(30), true);
    assert!(!cooldown.holds(at(31)), "a cooldown of 0 holds nothing at the next tick");
}

fn pass(query: usize) -> Check {
    Check::new(format!("c{query}"), Some(query), Strategy::PassThrough(PassThrough::new()))
}

fn broken() -> Check {
    Check::written(
        "broken",
        Some(0),
        Written::new("pass-through", &[("max_scale_up".into(), "x".into())].into()).strategy(),
    )
}

fn handler(checks: Vec<Check>, exact: bool, change: impl FnOnce(&mut Spec)) -> Handler {
    let mut spec = Spec::new(1, 20, checks);
    spec.exact = exact;
    change(&mut spec);
    Handler::new(spec)
}

fn tick(handler: &mut Handler, secs: i64, count: i64, queries: &[Query<'_>]) -> setpoint::nomad::Plan {
    handler.plan(at(secs), Target::Ready(count), queries, &mut Trace::off())
}

#[test]
fn failed_checks_neither_block_nor_free_in_silence() {
    use TickOutcome::{Error, None, Scale};
    let (down, up) = (Query::Points(&[3.0]), Query::Points(&[7.0]));
    let ignored = || broken().on_error(OnError::Ignore);
    let blocking = || broken().on_error(OnError::BlockScaleDown);
    // Name, checks, query 1, outcome here, outcome of an exact handler; at 5 replicas.
    let cases = [
        ("ignored beside a way down", vec![ignored(), pass(1)], down, Scale, None),
        ("ignored in a group", vec![ignored().in_group("g"), pass(1).in_group("g")], down, Scale, Scale),
        ("by default nothing is taken away", vec![broken(), pass(1)], down, None, None),
        ("nor in a group", vec![blocking().in_group("g"), pass(1).in_group("g")], down, None, Scale),
        ("but added", vec![blocking(), pass(1)], up, Scale, Scale),
        ("alone", vec![blocking()], up, None, None),
        ("failing", vec![broken().on_error(OnError::Fail), pass(1)], up, Error, Error),
        ("a query fails", vec![pass(0).on_error(OnError::Ignore), pass(1)], up, Scale, Error),
        ("a query fails, and takes nothing away", vec![pass(0), pass(1)], down, None, Error),
    ];
    for (name, checks, query, sound, exact) in cases {
        for (exactly, want) in [(false, sound), (true, exact)] {
            let mut handler = handler(checks.clone(), exactly, |_| ());
            // A broken strategy is asked only after its query is answered.
            let is_broken = checks.iter().any(|check| check.strategy.is_err());
            let plan = tick(&mut handler, 10, 5, &[if is_broken { down } else { Query::Failed }, query]);
            assert_eq!(plan.outcome, want, "{name}, exact: {exactly}");
        }
    }
    // A check's own word goes before the policy's.
    let mut own = handler(vec![ignored(), pass(1)], false, |spec| spec.on_check_error = Some(OnError::Fail));
    assert_eq!(tick(&mut own, 10, 5, &[down, down]).outcome, Scale);
    let mut policys = handler(vec![broken(), pass(1)], false, |spec| spec.on_check_error = Some(OnError::Fail));
    assert_eq!(tick(&mut policys, 10, 5, &[down, down]).outcome, Error);
}

#[test]
fn no_number_is_no_value_but_in_nomad() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let points = [5.0, value];
        let mut sound = handler(vec![pass(0)], false, |_| ());
        assert_eq!(tick(&mut sound, 10, 5, &[Query::Points(&points)]).outcome, TickOutcome::None, "{value}");
    }
    let mut exact =
        handler(vec![Check::new("c", Some(0), Strategy::PassThrough(PassThrough::new().exact()))], true, |_| ());
    let plan = tick(&mut exact, 10, 5, &[Query::Points(&[f64::INFINITY])]);
    assert_eq!(plan.write, Some(Write::Count(1)), "the lowest number there is, capped");
    for query in [Query::Failed, Query::Points(&[])] {
        assert_eq!(tick(&mut exact, 20, 5, &[query]).outcome, TickOutcome::Error);
    }
}

#[test]
fn a_handler_holds_back_what_is_too_early() {
    let mut handler = handler(vec![pass(0)], false, |spec| {
        (spec.cooldown, spec.cooldown_on_scale_up) = (Duration::from_secs(100), Duration::from_secs(30));
    });
    let (up, down) = ([7.0], [3.0]);
    let (up, down) = ([Query::Points(&up)], [Query::Points(&down)]);
    let first = tick(&mut handler, 10, 5, &up);
    assert_eq!((first.outcome, first.write), (TickOutcome::Scale, Some(Write::Count(7))));
    assert_eq!(tick(&mut handler, 20, 5, &up).outcome, TickOutcome::Busy);
    handler.finish(first, at(24), Scaled::Done);
    let held = tick(&mut handler, 54, 7, &down);
    assert_eq!((held.outcome, held.action.map(|action| action.count)), (TickOutcome::Cooldown, Some(3)));
    assert_eq!(tick(&mut handler, 54, 7, &up).outcome, TickOutcome::None, "nothing is wanted, so nothing is held");
    for scaled in [Scaled::Noop, Scaled::Failed] {
        let plan = tick(&mut handler, 55, 7, &down);
        assert_eq!(plan.outcome, TickOutcome::Scale, "no cooldown after {scaled:?}");
        handler.finish(plan, at(55), scaled);
    }
    let plan = tick(&mut handler, 60, 7, &down);
    handler.finish(plan, at(60), Scaled::Done);
    assert_eq!(tick(&mut handler, 160, 3, &up).outcome, TickOutcome::Cooldown);
    assert_eq!(tick(&mut handler, 161, 3, &up).outcome, TickOutcome::Scale);
    let trace = &mut Trace::off();
    assert_eq!(handler.plan(at(170), Target::Gone, &up, trace).outcome, TickOutcome::Error);
    assert_eq!(handler.plan(at(180), Target::NotReady, &up, trace).outcome, TickOutcome::NotReady);
}

#[test]
fn a_count_above_the_maximum_cools_down_as_what_it_was() {
    // 30 of at most 20, and a vote for more: capped, it takes 10 away.
    for (exact, held_until) in [(false, 110), (true, 40)] {
        let mut handler = handler(vec![pass(0)], exact, |spec| {
            (spec.cooldown, spec.cooldown_on_scale_up) = (Duration::from_secs(100), Duration::from_secs(30));
        });
        let points = [40.0];
        let plan = tick(&mut handler, 10, 30, &[Query::Points(&points)]);
        assert_eq!(plan.write, Some(Write::Count(20)));
        assert_eq!(
            plan.action.map(|it| it.reason()),
            Some("capped count from 40 to 20 to stay within limits".to_owned())
        );
        handler.finish(plan, at(10), Scaled::Done);
        let want = [(held_until, TickOutcome::Cooldown), (held_until + 1, TickOutcome::Scale)];
        for (secs, outcome) in want {
            assert_eq!(tick(&mut handler, secs, 10, &[Query::Points(&points)]).outcome, outcome, "exact: {exact}");
        }
    }
}

#[test]
fn a_negative_count_is_the_mark_of_a_dry_run_only_in_nomad() {
    for (exact, want) in [(false, Write::Count(1)), (true, Write::Count(-1))] {
        let strategy = if exact { PassThrough::new().exact() } else { PassThrough::new() };
        let mut handler = handler(vec![Check::new("c", Some(0), Strategy::PassThrough(strategy))], exact, |_| ());
        assert_eq!(tick(&mut handler, 10, 5, &[Query::Points(&[-1.0])]).write, Some(want));
    }
    let mut dry = handler(vec![pass(0)], false, |spec| spec.dry_run = true);
    let plan = tick(&mut dry, 10, 5, &[Query::Points(&[7.0])]);
    assert_eq!((plan.write, plan.action.map(|it| it.count)), (Some(Write::DryRun), Some(7)));
    dry.finish(plan, at(10), Scaled::Done);
    assert_eq!(tick(&mut dry, 20, 5, &[Query::Points(&[7.0])]).outcome, TickOutcome::Cooldown);
}

#[test]
fn a_scaling_before_the_start_cools_down_but_in_nomad() {
    let slow = |spec: &mut Spec| {
        (spec.cooldown, spec.cooldown_on_scale_up) = (Duration::from_secs(60), Duration::from_secs(60))
    };
    let up = [Query::Points(&[7.0])];
    let mut sound = handler(vec![pass(0)], false, slow).after_event(at(-10));
    assert_eq!(tick(&mut sound, 50, 5, &up).outcome, TickOutcome::Cooldown);
    assert_eq!(tick(&mut sound, 51, 5, &up).outcome, TickOutcome::Scale);
    let mut exact = handler(vec![pass(0)], true, slow).after_event(at(-10));
    let plan = tick(&mut exact, 10, 5, &up);
    assert_eq!(plan.outcome, TickOutcome::Scale, "no cooldown in effect");
    exact.finish(plan, at(10), Scaled::Done);
    assert_eq!(tick(&mut exact, 49, 5, &up).outcome, TickOutcome::Cooldown);
    let early = tick(&mut exact, 50, 5, &up);
    assert_eq!(early.outcome, TickOutcome::Scale, "its timer ends the real one, 20 s early");
    // And a scaling under way, so that a second one begins.
    let mut busy = handler(vec![pass(0)], true, slow).after_event(at(-10));
    let first = tick(&mut busy, 40, 5, &up);
    assert_eq!(tick(&mut busy, 45, 5, &up).outcome, TickOutcome::Busy);
    let second = tick(&mut busy, 55, 5, &up);
    assert_eq!((first.outcome, second.outcome), (TickOutcome::Scale, TickOutcome::Scale));
}

#[test]
fn a_handlers_state_goes_on_elsewhere() {
    let fresh = || handler(vec![pass(0)], false, |_| ());
    let mut first = fresh();
    let up = [Query::Points(&[7.0])];
    let plan = tick(&mut first, 10, 5, &up);
    first.finish(plan, at(10), Scaled::Done);
    let mut state = Vec::new();
    first.snapshot(&mut state);
    let mut second = fresh();
    second.restore(&state).expect("its own state");
    assert_eq!(tick(&mut second, 310, 5, &up).outcome, TickOutcome::Cooldown);
    assert_eq!(tick(&mut second, 311, 5, &up).outcome, TickOutcome::Scale);
    for damaged in [&state[..state.len() - 1], &[&state[..], &[0]].concat(), &[9], &[1, 2], &[]] {
        assert!(second.restore(damaged).is_err(), "{damaged:?}");
    }
    // Another policy goes on from the same cooldown.
    let mut spec = Spec::new(1, 6, vec![pass(0)]);
    spec.cooldown_on_scale_up = Duration::ZERO;
    first.set_spec(spec);
    assert_eq!(tick(&mut first, 310, 5, &up).outcome, TickOutcome::Cooldown);
    assert_eq!(tick(&mut first, 311, 5, &up).write, Some(Write::Count(6)));
}

#[test]
fn mistakes_in_strings_are_told_in_nomads_words() {
    type Strings<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Strings<'_>, &str); 12] = [
        ("target-value", &[], "missing required field `target`"),
        ("target-value", &[("target", "ten")], "invalid value for `target`: ten (string)"),
        ("target-value", &[("target", "1"), ("threshold", "+nan")], "invalid value for `threshold`: +nan (string)"),
        ("target-value", &[("target", "1e999")], "invalid value for `target`: 1e999 (string)"),
        ("pass-through", &[("max_scale_down", "all")], "invalid value for `max_scale_down`: all (string)"),
        ("fixed-value", &[("value", "")], "missing required field `value`"),
        ("fixed-value", &[("value", "1.5")], "invalid value for `value`: 1.5 (string)"),
        ("threshold", &[], "missing required field, must have either \"lower_bound\" or \"upper_bound\""),
        ("threshold", &[("lower_bound", "low")], "invalid value for \"lower_bound\": low (string)"),
        (
            "threshold",
            &[("lower_bound", "1"), ("delta", "1"), ("value", "1")],
            "only one of \"delta\", \"percentage\" or \"value\" must be provided",
        ),
        ("threshold", &[("lower_bound", "1"), ("value", "-1")], "\"value\" value -1 is negative"),
        ("threshold", &[("lower_bound", "1"), ("delta", "1.5")], "\"delta\" value 1.5 is not an interger"),
    ];
    for (name, config, want) in cases {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let written = Written::new(name, &config);
        assert_eq!(written.strategy().map_err(|error| error.to_string()), Err(want.to_owned()), "{name} {config:?}");
        // Two of them look for points first.
        let silent = matches!(name, "target-value" | "threshold");
        assert_eq!(written.judge(1, &[]).is_ok(), silent, "{name}");
        assert!(written.judge(1, &[1.0]).is_err(), "{name}");
    }
    let infinite = Written::new("target-value", &[("target".into(), "-Inf".into())].into());
    assert!(infinite.strategy().is_ok(), "Go reads infinities");
}

#[test]
fn configurations_are_refused_by_the_field() {
    let cases = [
        ("nomad-target-value", json!({ "target": -1 }), "config.target"),
        ("nomad-target-value", json!({ "threshold": -0.1 }), "config.threshold"),
        ("nomad-target-value", json!({ "metric": "m9" }), "config.metric"),
        ("nomad-target-value", json!({ "maxScaleUp": -1 }), "config.maxScaleUp"),
        ("nomad-threshold", json!({ "delta": 1 }), "config.lowerBound"),
        ("nomad-threshold", json!({ "lowerBound": 1 }), "config.delta"),
        ("nomad-threshold", json!({ "lowerBound": 1, "delta": 1, "value": 2 }), "config.delta"),
        ("nomad-threshold", json!({ "lowerBound": 2, "upperBound": 2, "delta": 1 }), "config.upperBound"),
        (
            "nomad-threshold",
            json!({ "lowerBound": 2, "delta": 1, "withinBoundsTrigger": 0 }),
            "config.withinBoundsTrigger",
        ),
        (
            "nomad-threshold",
            json!({ "lowerBound": 2, "delta": 1, "withinBoundsTrigger": 1001 }),
            "config.withinBoundsTrigger",
        ),
        ("nomad-threshold", json!({ "lowerBound": 2, "delta": 1, "queryWindow": "0s" }), "config.queryWindow"),
        ("nomad-fixed-value", json!({}), "config"),
        ("nomad-fixed-value", json!({ "value": 4_000_000_000_u32 }), "config.value"),
        ("nomad-pass-through", json!({ "maxScaleUpp": 1 }), "config.maxScaleUpp"),
        (
            "nomad",
            json!({ "checks": [{ "strategy": { "target-value": { "metric": "x" } } }] }),
            "config.checks[0].strategy.target-value.metric",
        ),
        ("nomad", json!({ "checks": [{ "strategy": { "targetvalue": {} } }] }), "config.checks[0].strategy"),
        ("nomad", json!({ "onCheckError": "fial" }), "config.onCheckError"),
    ];
    for (name, config, path) in cases {
        let built = Registry::builtin().build(&AlgorithmSpec::named(name, config.clone()), &crate::metrics(2));
        let error = built.map(|_| ()).expect_err(name);
        assert!(error.path.starts_with(path), "{name} {config}: {error}");
    }
}

type Looks<'a> = &'a [(i64, u32, &'a [Reading<'a>])];

fn looks(name: &str, config: Value, looks: Looks<'_>) -> Vec<u32> {
    let metrics = looks[0].2.len();
    crate::decide(&crate::policy(name, config, metrics, (1, 40)), looks)
}

#[test]
fn a_threshold_remembers_its_window() {
    let config = json!({ "lowerBound": 10, "withinBoundsTrigger": 3, "queryWindow": "1m", "delta": 2 });
    let (hit, miss, none) = ([Reading::Value(10.0)], [Reading::Value(9.0)], [Reading::Missing("gone")]);
    let cases: [(&str, Looks<'_>, u32); 6] = [
        ("three in the window", &[(0, 4, &hit), (15, 4, &miss), (30, 4, &hit), (60, 4, &hit)], 6),
        ("the first has left it", &[(0, 4, &hit), (30, 4, &hit), (61, 4, &hit)], 4),
        ("enough are left, and none is new", &[(0, 4, &hit), (15, 4, &hit), (30, 4, &hit), (45, 4, &miss)], 6),
        ("without a reading nothing is done", &[(0, 4, &hit), (15, 4, &hit), (30, 4, &hit), (45, 4, &none)], 4),
        ("a look at the same instant sees the same value", &[(0, 4, &hit), (0, 4, &hit), (15, 4, &hit)], 4),
        ("a clock set back", &[(900, 4, &hit), (0, 4, &hit), (15, 4, &hit), (30, 4, &hit)], 6),
    ];
    for (name, seen, want) in cases {
        assert_eq!(looks("nomad-threshold", config.clone(), seen).last(), Some(&want), "{name}");
    }
    // With other bounds what was seen says nothing.
    let mut state = Vec::new();
    let build = |lower: f64| {
        let config = json!({ "lowerBound": lower, "withinBoundsTrigger": 2, "delta": 2 });
        Registry::builtin().build(&AlgorithmSpec::named("nomad-threshold", config), &crate::metrics(1)).expect("good")
    };
    let mut first = build(10.0);
    let ask = |algorithm: &mut Box<dyn setpoint::ScalingAlgorithm>, secs| {
        let readings = [Reading::Value(20.0)];
        let look = Observation::new(at(secs), 4, &readings);
        algorithm.evaluate(&look, &mut Trace::off()).expect("an answer")
    };
    ask(&mut first, 0);
    first.snapshot(&mut state).expect("a snapshot");
    for (lower, want) in [(10.0, 6), (11.0, 4)] {
        let mut second = build(lower);
        second.restore(&state).expect("the state of a threshold");
        assert_eq!(ask(&mut second, 15), setpoint::Need::from(want).into(), "{lower}");
    }
}

#[test]
fn targets_are_the_policys_or_the_metrics_own() {
    let value = |value| [Reading::Value(value)];
    assert_eq!(looks("nomad-target-value", json!({ "target": 10 }), &[(0, 4, &value(20.0))]), [8]);
    assert_eq!(looks("nomad-target-value", json!({}), &[(0, 4, &value(2.0))]), [8]);
    // A queue of so many a replica, from none.
    let metric = Metric::new("queue", setpoint::Target::average_value(5.0).expect("in range"));
    let policy =
        PolicySpec::new(0, 40, vec![metric], AlgorithmSpec::named("nomad-target-value", json!({}))).expect("good");
    assert_eq!(crate::decide(&policy, &[(0, 0, &value(12.0)), (15, 3, &value(30.0))]), [3, 6]);
}

#[test]
fn a_policy_cools_down_after_what_was_done() {
    let policy = crate::policy("nomad", json!({ "cooldown": "100s", "cooldownOnScaleUp": "30s" }), 1, (1, 40));
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(&policy).expect("a good policy");
    let mut decide = |secs, current, ratio, action: Option<Action>| {
        let readings = [Reading::Value(ratio)];
        let look = Observation::new(at(secs), current, &readings).with_last_action(action);
        let mut trace = Trace::new();
        let desired = manager.decide(workload, &look, &mut trace).expect("a decision").desired;
        (desired, trace.records(&policy.metrics).pop().map(|reason| reason.text).unwrap_or_default())
    };
    let action = |secs, from, to, applied| Some(Action { at: at(secs), from, to, applied });
    assert_eq!(decide(0, 4, 2.0, None).0, 8);
    assert_eq!(decide(15, 4, 2.0, action(0, 4, 8, false)).0, 8, "refused: no cooldown");
    let held = decide(30, 8, 2.0, action(15, 4, 8, true));
    assert_eq!(held, (8, "cooling down from the last change for 15s more".to_owned()));
    assert_eq!(decide(46, 8, 0.5, action(15, 4, 8, true)).0, 4);
    assert_eq!(decide(146, 4, 2.0, action(46, 8, 4, true)).0, 4, "the last instant of the longer one");
    assert_eq!(decide(147, 4, 2.0, action(46, 8, 4, true)).0, 8);
    assert_eq!(decide(148, 50, 1.0, action(147, 50, 8, true)).0, 40, "bounds are corrected all the same");
}

#[test]
fn a_policy_says_what_a_missing_check_does() {
    let check = |metric: &str, more: Value| {
        let mut check = json!({ "strategy": { "target-value": { "metric": metric } } });
        check.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        check
    };
    let (down, up) = ([Reading::Missing("gone"), Reading::Value(0.5)], [Reading::Missing("gone"), Reading::Value(2.0)]);
    let nan = [Reading::Value(f64::NAN), Reading::Value(0.5)];
    let cases = [
        ("nothing is taken away", json!({}), false, &down, 4, Outcome::Hold),
        ("a NaN is a missing reading", json!({}), false, &nan, 4, Outcome::Hold),
        ("but added", json!({}), false, &up, 8, Outcome::Need),
        ("left out", json!({ "onError": "ignore" }), false, &down, 2, Outcome::Need),
        ("failed", json!({ "onError": "fail" }), false, &up, 4, Outcome::Fallback),
        ("failed in Nomad, whatever it says", json!({ "onError": "ignore" }), true, &up, 4, Outcome::Fallback),
        ("a NaN is a vote for none in Nomad", json!({}), true, &nan, 4, Outcome::Hold),
    ];
    for (name, more, exact, readings, want, outcome) in cases {
        // A target of its own: of the metric's own target Nomad knows nothing.
        let mut first = check("m0", more);
        first["strategy"]["target-value"]["target"] = 1.into();
        let config = json!({ "exact": exact, "checks": [first, check("m1", json!({}))] });
        let mut policy = crate::policy("nomad", config, 2, (1, 40));
        policy.hold_outside_bounds = HoldOutsideBounds::Leave;
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("a good policy");
        let look = Observation::new(at(0), 4, readings);
        let mut trace = Trace::new();
        let decision = manager.decide(workload, &look, &mut trace).expect("a decision");
        assert_eq!(
            (decision.desired, decision.outcome),
            (want, outcome),
            "{name}: {:?}",
            trace.records(&policy.metrics)
        );
    }
}
