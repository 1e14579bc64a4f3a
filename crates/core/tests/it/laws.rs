//! Every algorithm keeps every law, bare and in stages; and laws that only some can keep.

use proptest::prelude::*;
use serde_json::json;
use setpoint::combinator;
use setpoint::nomad::Fact;
use setpoint::{AlgorithmManager, AlgorithmSpec, Effect, MemberSpec, Outcome, PolicySpec, Registry, Trace};
use setpoint_testkit::laws::{self, Subject};
use setpoint_testkit::looks;

#[test]
fn every_algorithm_keeps_the_laws_bare_and_in_every_stage() {
    let registry = Registry::builtin();
    let names: Vec<String> = registry.algorithms().map(|(name, _)| name.to_owned()).collect();
    let wrappers: Vec<String> = registry.stages().map(|(name, _)| name.to_owned()).collect();
    // Some can't be made without configuration; those have a test of their own.
    for name in
        names.iter().filter(|name| !["formula", "nomad-threshold", "nomad-fixed-value"].contains(&name.as_str()))
    {
        let bare = Subject::new(&registry, name);
        let bare = match name.as_str() {
            // A zero that isn't tolerated changes nothing, by design.
            "watermark" => bare,
            // It takes the value for the count, whatever the target.
            "nomad-pass-through" => bare.monotone().except("what is at its target stays"),
            _ => bare.monotone(),
        };
        laws::check(&bare, 48);
        laws::check(&bare.clone().with_pods(), 24);
        for wrapper in &wrappers {
            let wrapped = bare.clone().in_stage(wrapper, json!({}));
            let wrapped = match wrapper.as_str() {
                // It is there to answer for what fails: with the current count, unless told otherwise.
                "substituted" => wrapped.except("nothing usable, nothing done"),
                _ => wrapped,
            };
            laws::check(&wrapped, 24);
            laws::check(&wrapped.with_pods(), 12);
        }
        let all = bare.in_stage("smoothed", json!({})).in_stage("stabilized", json!({})).in_stage("capped", json!({}));
        laws::check(&all.clone().in_stage("behavior", json!({})), 48);
        laws::check(&all.with_pods().in_stage("legacy-behavior", json!({})), 24);
    }
}

#[test]
fn a_formula_keeps_the_laws() {
    let registry = Registry::builtin();
    let config = json!({ "formula": "max(p99 / 500, queue / 20)", "target": { "value": 1 } });
    // The target that it has is its own, not the metrics'.
    let formula =
        Subject::new(&registry, "formula").with_config(config).except("what is at its target stays").monotone();
    laws::check(&formula, 48);
    for stage in ["smoothed", "behavior", "activation"] {
        laws::check(&formula.clone().in_stage(stage, json!({})), 24);
    }
    // More of one metric can choose less of another.
    let chosen =
        json!({ "formula": "count([p99, cpu], {# > 100}) > 0 ? queue / 2 : queue", "target": { "averageValue": 5 } });
    laws::check(&Subject::new(&registry, "formula").with_config(chosen).except("what is at its target stays"), 48);
}

#[test]
fn stages_for_idle_and_failing_metrics_keep_the_laws_as_they_are_used() {
    let registry = Registry::builtin();
    let activation = json!({ "thresholds": { "queue": 5 }, "cooldown": "1m", "idleReplicas": 1, "activeReplicas": 3 });
    // A count between idle and active is outside what there is: it is corrected, at its target or without any reading.
    let active = Subject::new(&registry, "hpa").in_stage("activation", activation).monotone();
    laws::check(&active.except("what is at its target stays").except("nothing usable, nothing done"), 48);
    let substituted = json!({ "failureThreshold": 1, "replicas": 6, "behavior": "currentReplicasIfHigher" });
    let substituted = Subject::new(&registry, "hpa").in_stage("substituted", substituted).monotone();
    laws::check(&substituted.except("nothing usable, nothing done"), 48);
}

#[test]
fn nomads_strategies_keep_the_laws_but_those_they_break_by_design() {
    let registry = Registry::builtin();
    let fewer = json!({ "metric": "queue", "upperBound": 20, "withinBoundsTrigger": 3, "delta": -1 });
    let more = json!({ "metric": "p99", "lowerBound": 700, "withinBoundsTrigger": 2, "percentage": 50 });
    for config in [&fewer, &more] {
        // It steps away from a target that lies within its bounds.
        laws::check(
            &Subject::new(&registry, "nomad-threshold")
                .with_config(config.clone())
                .except("what is at its target stays"),
            48,
        );
    }
    let fixed = Subject::new(&registry, "nomad-fixed-value").with_config(json!({ "value": 7 }));
    // It looks at nothing.
    laws::check(&fixed.except("nothing usable, nothing done").except("what is at its target stays"), 48);
    for exact in [false, true] {
        let checks = json!({ "exact": exact, "cooldown": "2m", "cooldownOnScaleUp": "30s", "checks": [
            { "group": "a", "strategy": { "threshold": more } },
            { "group": "a", "strategy": { "threshold": fewer } },
            { "strategy": { "target-value": { "metric": "queue" } }, "onError": "ignore" },
            { "strategy": { "pass-through": { "metric": "p99", "maxScaleUp": 5 } }, "onError": "fail" },
        ] });
        laws::check(&Subject::new(&registry, "nomad").with_config(checks).except("what is at its target stays"), 96);
        let exact = json!({ "exact": exact });
        laws::check(&Subject::new(&registry, "nomad").with_config(exact.clone()).monotone(), 48);
        laws::check(&Subject::new(&registry, "nomad").with_config(exact.clone()).monotone().with_pods(), 24);
        // A NaN is a vote for none there: nothing changes by it, and missing readings still do nothing.
        laws::check(&Subject::new(&registry, "nomad-target-value").with_config(exact), 48);
    }
}

proptest! {
    #[test]
    fn a_decision_is_within_bounds_and_says_why(
        looks in looks::sequence(30),
        min in 0_u32..20,
        more in 1_u32..40,
        name in prop::sample::select(vec![
            "max-ratio", "average-ratio", "weighted-ratio", "capped-smooth-ratio", "hpa", "nomad", "nomad-pass-through", "max", "any-of",
            "formula",
        ]),
        (stage, config) in prop::sample::select(vec![
            ("stabilized", json!({ "scaleDownWindow": "2m" })),
            ("behavior", json!({})),
            ("legacy-behavior", json!({})),
            ("activation", json!({ "thresholds": { "queue": 5 }, "cooldown": "1m", "activeReplicas": 3 })),
            ("substituted", json!({ "failureThreshold": 1, "replicas": 6 })),
            ("remembered", json!({ "for": "45s" })),
        ]),
    ) {
        let (min, max) = (min, min + more);
        let own = if name == "formula" { json!({ "formula": "max(p99 / 500, queue / 4)", "target": { "value": 1 } }) } else { json!({}) };
        let mut algorithm = AlgorithmSpec::named(name, own);
        if Registry::builtin().combinators().any(|(combinator, _)| combinator == name) {
            algorithm.of = ["max-ratio", "nomad", "hpa"].map(|name| MemberSpec::new(AlgorithmSpec::named(name, json!({})))).into();
        }
        let policy = PolicySpec::new(min, max, looks::metrics(), algorithm).unwrap().with_stage(stage, config);
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).unwrap();
        let mut trace = Trace::new();
        for look in &looks {
            let decision = manager.decide(workload, &look.observation(), &mut trace).unwrap();
            let within = (min..=max).contains(&decision.desired);
            prop_assert!(within || decision.outcome == Outcome::Suspend, "{decision:?}");
            let reasons = trace.records(&policy.metrics);
            if decision.desired != decision.current {
                prop_assert_eq!(reasons.last().map(|reason| reason.to), Some(f64::from(decision.desired)), "{:?}", reasons);
            }
            // Each reason goes on from where the one before it left the number. Proposals stand beside each other, and
            // what is made of them begins at the current count as they do.
            let mut at = f64::from(decision.current);
            for reason in trace.reasons() {
                let begins = matches!(
                    reason.effect,
                    Effect::Proposed { .. }
                        | Effect::Highest { .. }
                        | Effect::MeanRatio { .. }
                        | Effect::RatioFloor { .. }
                        | Effect::Combined { fact: combinator::Fact::Asked { .. } | combinator::Fact::Chosen { .. }, .. }
                        | Effect::Nomad(Fact::Voted { .. } | Fact::Won { .. })
                );
                // What is held is either the number so far or, among proposals, the current count.
                let held = matches!(reason.effect, Effect::Held { .. });
                let begins = begins || held && reason.from == f64::from(decision.current);
                let expected = if begins { f64::from(decision.current) } else { at };
                // A smoothed ratio is told as what it asks for before and after.
                prop_assert!(reason.from == expected || reason.stage == "smoothed" || reason.from == reason.to, "{:?}", reasons);
                at = if reason.from == reason.to && !begins { at } else { reason.to };
            }
            prop_assert_eq!(at, f64::from(decision.desired), "{:?}", reasons);
        }
    }

    #[test]
    fn a_cap_limits_every_step(
        looks in looks::sequence(30),
        up in 0_u32..200,
        down in 0_u32..=100,
        least in 0_u32..3,
    ) {
        let policy = PolicySpec::new(0, 1_000_000, looks::metrics(), AlgorithmSpec::named("max-ratio", json!({}))).unwrap()
            .with_stage("capped", json!({ "maxScaleUp": format!("{up}%"), "maxScaleDown": format!("{down}%"), "minStep": least }));
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).unwrap();
        for look in &looks {
            let decision = manager.decide(workload, &look.observation(), &mut Trace::off()).unwrap();
            let current = f64::from(look.current);
            let least = f64::from(least);
            let highest = (current + (current * f64::from(up) / 100.0).max(least)).ceil();
            let lowest = (current - (current * f64::from(down) / 100.0).max(least)).floor();
            prop_assert!(f64::from(decision.desired) <= highest, "{decision:?} above {highest}");
            prop_assert!(f64::from(decision.desired) >= lowest, "{decision:?} below {lowest}");
        }
    }
}
