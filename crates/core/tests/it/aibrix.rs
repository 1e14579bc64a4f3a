//! AIBrix's pod autoscaler: a row for each rule that copies get wrong, exact and by default.

use std::panic::AssertUnwindSafe;

use serde_json::{Value, json};
use setpoint::aibrix::{
    Apa, ApaConfig, Collected, ControlLoop, Decision, Kpa, KpaConfig, MetricSource, Spec, Strategy, read_annotations,
};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Metric, MetricKind, Observation, PolicySpec, Reading, Reconfigured, Registry,
    Samples, Target, Timestamp, Trace, algorithm_factory,
};
use setpoint_testkit::laws::{self, Subject};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(secs * 1000)
}

fn metric(name: &str, target: f64) -> MetricSource {
    MetricSource { name: name.to_owned(), target: Some(target) }
}

/// Of 1 to 100 replicas by one metric with a target of 10, windows of 1 s and no cooldown.
fn spec(strategy: Strategy) -> Spec {
    let mut spec = Spec::new(strategy, 1, 100, vec![metric("m", 10.0)]);
    (spec.observe_window_seconds, spec.panic_window_seconds) = (1, 1);
    spec.settings.scale_down_cooldown_ms = 0;
    spec
}

/// What the loop desires at looks of `(seconds, current, value)`.
#[track_caller]
fn decide(spec: &Spec, looks: &[(i64, u32, f64)]) -> Vec<u32> {
    let mut autoscaler = ControlLoop::new(spec).expect("good bounds");
    looks.iter().map(|&(secs, current, value)| look(&mut autoscaler, secs, current, Collected::Value(value))).collect()
}

#[track_caller]
fn look(autoscaler: &mut ControlLoop, secs: i64, current: u32, collected: Collected) -> u32 {
    decision(autoscaler, secs, current, collected).desired
}

#[track_caller]
fn decision(autoscaler: &mut ControlLoop, secs: i64, current: u32, collected: Collected) -> Decision {
    autoscaler.decide(at(secs), current, &[collected], &mut Trace::new()).expect("a metric")
}

mod exact {
    use super::*;

    #[test]
    fn apa_has_a_tolerance_that_excludes_its_edges_and_a_rate_each_way() {
        let apa = spec(Strategy::Apa);
        let mut slow = apa.clone();
        (slow.settings.max_scale_up_rate, slow.settings.max_scale_down_rate) = (1.5, 1.5);
        let cases = [
            ("at the upper edge", &apa, 10, 11.0, 10),
            ("above it", &apa, 10, 11.01, 12),
            ("at the lower edge", &apa, 10, 9.0, 10),
            ("below it", &apa, 10, 8.99, 9),
            ("rounded up to the rate", &slow, 5, 100.0, 8),
            ("rounded down to the rate", &slow, 5, 1.0, 3),
            ("the last one goes when the minimum says so", &slow, 1, 0.0, 1),
            ("negative", &apa, 10, -5.0, 5),
        ];
        for (name, spec, current, value, want) in cases {
            assert_eq!(decide(spec, &[(10, current, value)]), [want], "{name}");
        }
        let mut to_zero = slow;
        to_zero.min = 0;
        assert_eq!(decide(&to_zero, &[(10, 1, 0.0), (20, 0, 100.0)]), [0, 0], "and there it stays");
    }

    #[test]
    fn kpa_takes_the_mean_of_pods_for_their_total() {
        let kpa = spec(Strategy::Kpa);
        let cases = [
            ("each of 4 pods has twice its target: 2 pods are enough", 4, 20.0, 2),
            ("at one pod's target any count is right", 7, 10.5, 7),
            ("at most twice as many", 2, 1000.0, 4),
            ("at least half", 9, 1.0, 4),
        ];
        for (name, current, value, want) in cases {
            assert_eq!(decide(&kpa, &[(10, current, value)]), [want], "{name}");
        }
        let mut from_zero = kpa;
        from_zero.min = 0;
        assert_eq!(decide(&from_zero, &[(10, 0, 50.0), (20, 1, 0.0)]), [1, 0], "to one pod at most, and back");
    }

    #[test]
    fn a_window_counts_both_its_ends_and_one_value_a_second() {
        let mut apa = spec(Strategy::Apa);
        apa.observe_window_seconds = 30;
        let steady = [(10, 10, 10.0), (20, 10, 10.0), (30, 10, 10.0)];
        // Four values: 12.5 is their mean.
        assert_eq!(decide(&apa, &[&steady[..], &[(40, 10, 20.0)]].concat()).last(), Some(&13));
        // Those of 10 s to 40 s are out, and that of 60 s is not.
        assert_eq!(decide(&apa, &[&steady[..], &[(60, 10, 10.0), (90, 10, 30.0)]].concat()).last(), Some(&20));
        // Two in one second: the last one counts.
        let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
        for (millis, value) in [(10_000, 90.0), (10_999, 10.0)] {
            let desired =
                autoscaler.decide(Timestamp::from_millis(millis), 10, &[Collected::Value(value)], &mut Trace::off());
            assert_eq!(desired.map(|it| it.desired), Ok(if value == 90.0 { 20 } else { 10 }));
        }
    }

    #[test]
    fn panic_forgets_and_no_load_is_one() {
        let mut kpa = spec(Strategy::Kpa);
        (kpa.observe_window_seconds, kpa.panic_window_seconds, kpa.settings.panic_threshold) = (30, 10, 1.2);
        let up = [(10, 2, 20.0), (20, 2, 20.0), (30, 2, 90.0)];
        assert_eq!(decide(&kpa, &up), [2, 2, 4], "the short mean is 55, the long one 43.3");
        let down = [(11, 9, 10.0), (12, 9, 10.0), (13, 9, 10.0), (35, 9, 90.0), (36, 9, 50.0)];
        assert_eq!(decide(&kpa, &down), [9, 9, 9, 9, 7], "the last one panics too, at fewer than before");
        // Exactly at the threshold is none: 24 is 1.2 times 20.
        let mut edge = kpa;
        (edge.observe_window_seconds, edge.panic_window_seconds) = (9, 1);
        assert_eq!(decide(&edge, &[(1, 10, 16.0), (3, 10, 24.0)]), [5, 5]);
        edge.settings.panic_threshold = 1.19;
        assert_eq!(decide(&edge, &[(1, 10, 16.0), (3, 10, 24.0)]), [5, 5], "the rate holds in panic too");
    }

    #[test]
    fn the_cooldown_goes_farthest_and_may_turn_round() {
        let mut apa = spec(Strategy::Apa);
        apa.settings.scale_down_cooldown_ms = 60_000;
        let down = [(10, 10, 6.0), (20, 10, 8.0), (30, 10, 8.5), (80, 10, 8.5)];
        assert_eq!(decide(&apa, &down), [6, 6, 6, 9], "the lowest of a minute; one as old as that is out");
        (apa.settings.scale_up_cooldown_ms, apa.settings.scale_down_cooldown_ms) = (60_000, 0);
        let up = [(10, 10, 18.0), (20, 10, 12.0), (69, 10, 12.0), (70, 10, 12.0)];
        assert_eq!(decide(&apa, &up), [18, 18, 18, 12], "the highest of a minute");
        apa.settings.scale_down_cooldown_ms = 60_000;
        let turned = [(10, 10, 5.0), (20, 4, 20.0), (30, 12, 5.0), (40, 3, 14.0), (50, 20, 5.0), (60, 2, 30.0)];
        assert_eq!(decide(&apa, &turned), [5, 8, 5, 8, 5, 10]);
        // An up that an old down ends, and the other way round.
        let through = [(10, 10, 5.0), (20, 30, 9.5), (30, 4, 10.0), (40, 4, 8.0)];
        assert_eq!(decide(&apa, &through), [5, 30, 4, 4]);
    }

    #[test]
    fn no_pod_is_no_error_and_a_silent_one_is() {
        let mut apa = spec(Strategy::Apa);
        (apa.observe_window_seconds, apa.panic_window_seconds) = (30, 10);
        let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 10, 8, Collected::NoPods), 4, "an empty window is 0");
        assert_eq!(look(&mut autoscaler, 20, 8, Collected::Value(15.0)), 12);
        assert_eq!(look(&mut autoscaler, 3000, 8, Collected::NoPods), 12, "nothing is pruned meanwhile");
        let failed = autoscaler.decide(at(3010), 8, &[Collected::Failed], &mut Trace::new());
        assert_eq!(failed.map_err(|error| error.to_string()), Err("all 1 metrics failed".to_owned()));
        for nonsense in [f64::NAN, f64::INFINITY] {
            assert!(autoscaler.decide(at(3020), 8, &[Collected::Value(nonsense)], &mut Trace::off()).is_err());
        }
    }

    #[test]
    fn metrics_that_fail_are_left_out() {
        let mut two = spec(Strategy::Apa);
        two.metrics.push(metric("other", 10.0));
        let mut autoscaler = ControlLoop::new(&two).expect("good bounds");
        let mut both = |secs, one, other| {
            autoscaler.decide(at(secs), 10, &[one, other], &mut Trace::new()).map(|it| it.desired).ok()
        };
        assert_eq!(both(10, Collected::Value(5.0), Collected::Value(15.0)), Some(15));
        assert_eq!(both(20, Collected::Value(5.0), Collected::Failed), Some(5));
        assert_eq!(both(30, Collected::Failed, Collected::Failed), None);
    }

    #[test]
    fn bounds_come_first_and_are_not_remembered() {
        let mut apa = spec(Strategy::Apa);
        (apa.min, apa.max, apa.settings.scale_down_cooldown_ms) = (3, 6, 60_000);
        let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
        let mut at_count = |secs, current| {
            let Decision { desired, scale, reason, .. } =
                decision(&mut autoscaler, secs, current, Collected::Value(10.0));
            (desired, scale, reason.to_string())
        };
        let cases = [
            (0, 0, false, "scaling disabled: current replicas is 0"),
            (9, 6, true, "current replicas exceed maximum"),
            (2, 3, true, "current replicas below minimum"),
            (5, 5, false, "stable"),
        ];
        for (index, (current, desired, scale, reason)) in (1..).zip(cases) {
            assert_eq!(at_count(10 * index, current), (desired, scale, reason.to_owned()), "{current}");
        }
        // What was recommended under other bounds is bounded by those there are.
        assert_eq!(look(&mut autoscaler, 50, 6, Collected::Value(6.0)), 4);
        apa.min = 5;
        autoscaler.set_spec(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 60, 6, Collected::Value(8.0)), 5);
        apa.min = 7;
        assert!(autoscaler.set_spec(&apa).is_err());
    }

    #[test]
    fn a_change_of_either_window_empties_both() {
        let mut apa = spec(Strategy::Apa);
        (apa.observe_window_seconds, apa.panic_window_seconds) = (60, 10);
        let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 10, 10, Collected::Value(20.0)), 20);
        assert_eq!(look(&mut autoscaler, 20, 10, Collected::Value(10.0)), 15);
        apa.panic_window_seconds = 20;
        autoscaler.set_spec(&apa).expect("good bounds");
        // Nobody looks into windows while the count is outside the bounds; a change and back is none.
        assert_eq!(look(&mut autoscaler, 25, 101, Collected::Value(10.0)), 100);
        apa.panic_window_seconds = 10;
        autoscaler.set_spec(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 30, 10, Collected::Value(10.0)), 14);
        apa.panic_window_seconds = 20;
        autoscaler.set_spec(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 40, 10, Collected::Value(12.0)), 12);
    }

    #[test]
    fn windows_belong_to_a_name() {
        let mut apa = spec(Strategy::Apa);
        apa.observe_window_seconds = 60;
        let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
        look(&mut autoscaler, 10, 10, Collected::Value(20.0));
        apa.metrics[0].name = "another".to_owned();
        autoscaler.set_spec(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 20, 10, Collected::Value(10.0)), 10);
        apa.metrics[0].name = "m".to_owned();
        autoscaler.set_spec(&apa).expect("good bounds");
        assert_eq!(look(&mut autoscaler, 30, 10, Collected::Value(10.0)), 15, "and are found again");
        // Two of a name share: the second value of a second takes the first one's place.
        apa.metrics.push(metric("m", 10.0));
        autoscaler.set_spec(&apa).expect("good bounds");
        let both = [Collected::Value(10.0), Collected::Value(20.0)];
        let decided = autoscaler.decide(at(100), 10, &both, &mut Trace::new()).map(|it| it.desired);
        assert_eq!(decided, Ok(20));
    }

    #[test]
    fn a_bad_target_ends_the_reading() {
        let rates = [("autoscaling.aibrix.ai/max-scale-up-rate", "3"), ("unknown", "x")];
        for bad in ["0", "-1", "many", "1e999", ""] {
            let (metrics, settings) = read_annotations(&[("a", "10"), ("b", bad), ("c", "10")], rates);
            assert_eq!(
                metrics.iter().map(|metric| metric.target).collect::<Vec<_>>(),
                [Some(10.0), None, None],
                "{bad}"
            );
            assert_eq!(settings.max_scale_up_rate, 2.0, "{bad}");
            let mut apa = spec(Strategy::Apa);
            apa.metrics = metrics;
            let mut autoscaler = ControlLoop::new(&apa).expect("good bounds");
            let look = [5.0, 90.0, 90.0].map(Collected::Value);
            let decided = autoscaler.decide(at(10), 10, &look, &mut Trace::new()).map(|it| it.desired);
            assert_eq!(decided, Ok(10), "the others ask for what there is");
        }
        assert_eq!(read_annotations(&[("a", "10")], rates).1.max_scale_up_rate, 3.0);
        assert_eq!(read_annotations(&[("a", "10")], [("max-scale-up-rate", "fast")]).1.max_scale_up_rate, 2.0);
    }

    #[test]
    fn what_no_int32_holds_is_the_smallest() {
        assert_eq!(decide(&spec(Strategy::Apa), &[(10, 10, 1e12)]), [1]);
        assert_eq!(decide(&spec(Strategy::Kpa), &[(10, 10, 1e12)]), [20], "KPA limits before it converts");
    }

    #[test]
    fn a_loop_goes_on_elsewhere() {
        let mut kpa = spec(Strategy::Kpa);
        (kpa.observe_window_seconds, kpa.panic_window_seconds) = (30, 10);
        kpa.settings.scale_down_cooldown_ms = 60_000;
        let mut here = ControlLoop::new(&kpa).expect("good bounds");
        for (secs, value) in [(10, 40.0), (20, 90.0), (30, 10.0)] {
            look(&mut here, secs, 8, Collected::Value(value));
        }
        let mut state = Vec::new();
        here.snapshot(&mut state);
        let mut elsewhere = ControlLoop::new(&kpa).expect("good bounds");
        elsewhere.restore(&state).expect("its own state");
        let mut again = Vec::new();
        elsewhere.snapshot(&mut again);
        assert_eq!(state, again);
        for (secs, value) in [(40, 55.0), (50, 70.0)] {
            let want = look(&mut here, secs, 8, Collected::Value(value));
            assert_eq!(look(&mut elsewhere, secs, 8, Collected::Value(value)), want);
        }
        for length in 0..state.len() {
            assert!(elsewhere.restore(&state[..length]).is_err(), "{length} bytes");
        }
        for index in 0..state.len() {
            // No byte brings it down, whatever it holds.
            let mut damaged = state.clone();
            damaged[index] ^= 0xff;
            if ControlLoop::new(&kpa).expect("good bounds").restore(&damaged).is_ok() {
                look(&mut elsewhere, 60, 8, Collected::Value(1.0));
            }
        }
    }
}

/// A manager with a policy of one metric, 0 to 100 replicas.
struct One {
    manager: AlgorithmManager,
    workload: setpoint::WorkloadId,
    trace: Trace,
}

fn policy(name: &str, config: Value, metric: Metric) -> PolicySpec {
    PolicySpec::new(0, 100, vec![metric], AlgorithmSpec::named(name, config)).expect("a good policy")
}

impl One {
    fn new(policy: &PolicySpec) -> Self {
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(policy).expect("a good policy");
        Self { manager, workload, trace: Trace::new() }
    }

    #[track_caller]
    fn decide(&mut self, secs: i64, current: u32, reading: Reading<'_>) -> u32 {
        let readings = [reading];
        let look = Observation::new(at(secs), current, &readings);
        self.manager.decide(self.workload, &look, &mut self.trace).expect("a decision").desired
    }
}

fn queue() -> Metric {
    Metric::new("queue", Target::average_value(10.0).expect("in range"))
}

fn cache() -> Metric {
    Metric::new("cache", Target::utilization(50.0).expect("in range")).with_kind(MetricKind::Pods)
}

mod sound {
    use super::*;

    #[test]
    fn a_change_waits_until_the_window_agrees_and_does_not_turn_round() {
        let config = json!({ "observeWindow": "1s", "scaleUpCooldownWindow": "30s", "scaleDownCooldownWindow": "60s" });
        let mut one = One::new(&policy(Apa::NAME, config, queue()));
        let looks = [
            ("a start takes nothing away", 0, 10, 50.0, 10),
            ("nor adds", 10, 10, 150.0, 10),
            ("what there was is out", 60, 10, 120.0, 12),
            ("the lowest that was needed", 70, 10, 190.0, 12),
            ("the highest that is needed", 80, 18, 60.0, 18),
            ("no farther than the count", 90, 14, 60.0, 14),
        ];
        for (name, secs, current, waiting, want) in looks {
            assert_eq!(one.decide(secs, current, Reading::Value(waiting)), want, "{name}");
        }
    }

    #[test]
    fn a_window_is_one_of_needs_and_does_not_compound() {
        let apa = |exact| {
            let config = json!({ "observeWindow": "3m", "exact": exact });
            let mut one = One::new(&policy(Apa::NAME, config, cache()));
            // 4 replicas' worth, and then 8 replicas' worth, shared by as many as there are.
            let mut current = 4;
            let mut counts = Vec::new();
            for look in 0..16 {
                let load = if look < 3 { 4.0 } else { 8.0 };
                current = one.decide(look * 15, current, Reading::Value(50.0 * load / f64::from(current)));
                counts.push(current);
            }
            counts
        };
        assert_eq!(apa(false), [4, 4, 4, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 8]);
        // Twice what the load takes, and as soon as the window has moved on, the lowest of five minutes: half of it.
        assert_eq!(apa(true), [4, 4, 4, 5, 7, 10, 13, 15, 15, 15, 15, 15, 15, 4, 4, 4]);
    }

    #[test]
    fn kpa_knows_how_many_pods_a_mean_is_of() {
        let kpa = |exact| One::new(&policy(Kpa::NAME, json!({ "exact": exact }), cache()));
        assert_eq!(kpa(false).decide(0, 4, Reading::Value(100.0)), 8, "each of 4 has twice its target");
        assert_eq!(kpa(true).decide(0, 4, Reading::Value(100.0)), 2, "the mean is twice one pod's target");
    }

    #[test]
    fn replicas_that_are_not_ready_have_no_share() {
        let mut one = One::new(&policy(Apa::NAME, json!({}), cache()));
        let readings = [Reading::Value(100.0)];
        let mut decide = |ready| {
            let look = Observation::new(at(0), 4, &readings).with_ready(ready);
            one.manager.decide(one.workload, &look, &mut one.trace).expect("a decision").desired
        };
        assert_eq!(decide(2), 4, "2 of them, twice their target");
        assert_eq!(decide(3), 6);
        assert_eq!(decide(0), 4, "nobody's mean");
    }

    #[test]
    fn a_panic_lasts_and_takes_nothing_away() {
        let config = json!({
            "observeWindow": "60s", "panicWindow": "10s", "panicThreshold": 1.5, "scaleDownCooldownWindow": "0s",
        });
        let kpa = |exact: bool| {
            let mut config = config.clone();
            config["exact"] = exact.into();
            let mut one = One::new(&policy(Kpa::NAME, config, queue()));
            let mut current = 10;
            let load = |look: i64| if look == 6 { 900.0 } else { 100.0 };
            (0..16)
                .map(|look| {
                    current = one.decide(look * 10, current, Reading::Value(load(look)));
                    current
                })
                .collect::<Vec<_>>()
        };
        // The burst is the look of the first minute's end, and in the short window at the next look too.
        assert_eq!(kpa(false), [10, 10, 10, 10, 10, 10, 20, 40, 40, 40, 40, 40, 40, 20, 10, 10]);
        assert_eq!(kpa(true), [10, 10, 10, 10, 10, 10, 20, 40, 22, 22, 22, 22, 22, 11, 10, 10]);
    }

    #[test]
    fn no_load_is_no_panic() {
        let mut one = One::new(&policy(Kpa::NAME, json!({ "scaleDownCooldownWindow": "0s" }), queue()));
        assert_eq!((one.decide(0, 4, Reading::Value(0.0)), one.decide(10, 2, Reading::Value(0.0))), (2, 1));
        let panics = |one: &One| one.trace.records(&[]).iter().any(|reason| reason.text.contains("panic"));
        assert!(!panics(&one));
    }

    #[test]
    fn what_cannot_be_seen_takes_nothing_away() {
        let config = json!({ "observeWindow": "1s", "scaleDownCooldownWindow": "0s" });
        let mut policy = policy(Apa::NAME, config.clone(), queue());
        policy.metrics.push(cache());
        let decide = |policy: &PolicySpec, readings: [Reading<'_>; 2]| {
            let mut manager = AlgorithmManager::new();
            let workload = manager.add(policy).expect("a good policy");
            let look = Observation::new(at(0), 10, &readings);
            manager.decide(workload, &look, &mut Trace::new()).expect("a decision").desired
        };
        let nobody = Samples::default();
        let gone = [
            Reading::Missing("scrape failed"),
            Reading::Value(f64::NAN),
            Reading::Value(f64::INFINITY),
            Reading::Samples(&nobody),
        ];
        for missing in gone {
            assert_eq!(decide(&policy, [Reading::Value(50.0), missing]), 10, "{missing:?}");
            assert_eq!(decide(&policy, [Reading::Value(150.0), missing]), 15, "{missing:?}");
            assert_eq!(decide(&policy, [missing, missing]), 10, "{missing:?}");
        }
        policy.algorithm.config["exact"] = true.into();
        assert_eq!(decide(&policy, [Reading::Value(5.0), gone[0]]), 5, "AIBrix goes by the others");
        assert_eq!(decide(&policy, [gone[3], gone[3]]), 5, "and by 0 if there is no pod to ask");
        assert_eq!(decide(&policy, [gone[1], gone[2]]), 10, "and nobody by what is no number");
    }

    #[test]
    fn a_total_leads_away_from_zero() {
        let config = json!({ "observeWindow": "1s" });
        let mut apa = One::new(&policy(Apa::NAME, config.clone(), queue()));
        assert_eq!((apa.decide(0, 0, Reading::Value(50.0)), apa.decide(10, 0, Reading::Value(0.0))), (1, 0));
        let mut mean = One::new(&policy(Apa::NAME, config, cache()));
        assert_eq!(mean.decide(0, 0, Reading::Value(100.0)), 0, "of no replicas there is no mean");
    }

    #[test]
    fn more_than_there_can_be_is_as_many() {
        let mut one = One::new(&policy(Apa::NAME, json!({ "maxScaleUpRate": 1e300 }), queue()));
        assert_eq!(one.decide(0, 10, Reading::Value(f64::MAX)), 100);
    }

    #[test]
    fn another_configuration_keeps_what_still_means_the_same() {
        let config = |window: &str| json!({ "observeWindow": window, "scaleDownCooldownWindow": "0s" });
        let before = policy(Apa::NAME, config("60s"), queue());
        let after = |change: &dyn Fn(&mut PolicySpec)| {
            let mut one = One::new(&before);
            for secs in [0, 10, 20] {
                one.decide(secs, 10, Reading::Value(100.0));
            }
            let mut policy = before.clone();
            change(&mut policy);
            let kept = one.manager.reconfigure(one.workload, &policy).expect("a good policy");
            (kept == Reconfigured::StateKept, one.decide(30, 10, Reading::Value(200.0)))
        };
        assert_eq!(after(&|_| ()), (true, 13), "a mean of four");
        assert_eq!(after(&|policy| policy.algorithm.config = config("61s")), (true, 13), "another window goes on");
        // A replica can do half of what was thought: 20, 20, 20 and 40 replicas; at most 20 in one step.
        let other_target = |policy: &mut PolicySpec| policy.metrics[0].target = Target::average_value(5.0).unwrap();
        assert_eq!(after(&other_target), (true, 20));
        let doubled = |policy: &mut PolicySpec| policy.metrics[0].target = Target::average_value(20.0).unwrap();
        assert_eq!(after(&doubled), (true, 7), "5, 5, 5 and 10 replicas");
        assert_eq!(after(&|policy| policy.metrics[0].name = "other".into()), (true, 20), "another metric begins anew");
        let per_pod = |policy: &mut PolicySpec| policy.metrics[0].kind = MetricKind::Pods;
        assert_eq!(after(&per_pod), (true, 20), "so does one that means something else");
        let exact = |policy: &mut PolicySpec| policy.algorithm.config["exact"] = true.into();
        assert!(!after(&exact).0, "what is remembered means something else");
    }

    #[test]
    fn configurations_that_make_no_sense_are_refused_by_field() {
        let build = |name: &str, config: Value| {
            let spec = AlgorithmSpec::named(name, config);
            Registry::builtin().build(&spec, &[queue()]).err().map(|error| error.to_string())
        };
        let refused = [
            (Apa::NAME, json!({ "observeWindow": "0s" }), "config.observeWindow: a window must be 1s to 1h"),
            (Apa::NAME, json!({ "observeWindow": "1500ms" }), "config.observeWindow: a window must be 1s to 1h"),
            (Apa::NAME, json!({ "observeWindow": "61m" }), "config.observeWindow: a window must be 1s to 1h"),
            (Kpa::NAME, json!({ "panicWindow": "4m" }), "config.panicWindow: the panic window must be at most"),
            (Kpa::NAME, json!({ "panicThreshold": 0.5 }), "config.panicThreshold: a factor must be a finite number"),
            (Apa::NAME, json!({ "maxScaleUpRate": 0 }), "config.maxScaleUpRate: a factor must be a finite number"),
            (Apa::NAME, json!({ "scaleUpTolerance": 2 }), "config.scaleUpTolerance: tolerance must be"),
            (Apa::NAME, json!({ "panicWindow": "1m" }), "config.panicWindow: unknown field"),
        ];
        for (name, config, want) in refused {
            let error = build(name, config).unwrap_or_default();
            assert!(error.starts_with(want), "{error} should start with {want}");
        }
        assert_eq!(build(Kpa::NAME, json!({ "panicWindow": "4m", "exact": true })), None, "AIBrix's code takes it");
        let registry = Registry::builtin();
        let (_, kpa) = registry.algorithms().find(|(name, _)| *name == Kpa::NAME).expect("it is there");
        assert_eq!(kpa.config_schema["$defs"]["Factor"], json!({ "type": "number", "minimum": 1 }));
    }

    #[test]
    fn reasons_tell_each_step() {
        let config = json!({ "panicThreshold": 1.2, "panicWindow": "10s", "observeWindow": "30s" });
        let metrics = vec![queue(), cache()];
        let policy = PolicySpec::new(1, 14, metrics, AlgorithmSpec::named(Kpa::NAME, config)).expect("a good policy");
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).expect("a good policy");
        let mut trace = Trace::new();
        let mut why = |secs, current, readings: [Reading<'_>; 2]| {
            let look = Observation::new(at(secs), current, &readings);
            let desired = manager.decide(workload, &look, &mut trace).expect("a decision").desired;
            let text =
                trace.records(&policy.metrics).into_iter().map(|it| format!("{} -> {}: {}", it.from, it.to, it.text));
            let details = trace.details(&policy.metrics);
            (desired, text.collect::<Vec<_>>(), details.into_iter().map(|it| it.effect).collect::<Vec<_>>())
        };
        let (desired, text, effects) = why(0, 10, [Reading::Value(50.0), Reading::Value(20.0)]);
        assert_eq!(desired, 10);
        assert_eq!(
            text,
            [
                "10 -> 5: queue asks for 5",
                "10 -> 5: cache asks for 4: no fewer than 5 in one step",
                "10 -> 5: queue asks for the most of 2 metrics",
                "5 -> 10: 10 was recommended within the scale-down cooldown, and counts for 5m more",
            ]
        );
        let effect = |index: usize, field: &str| effects[index][field].clone();
        assert_eq!(
            (effect(0, "kind"), effect(0, "fact"), effect(0, "metric")),
            ("aibrix".into(), "recommended".into(), "queue".into())
        );
        assert_eq!((effect(1, "mean"), effect(1, "how")), (4.0.into(), json!({ "limited": { "direction": "down" } })));
        assert_eq!((effect(3, "until_ms"), effect(3, "left_ms")), (300_000.into(), 300_000.into()));
        let (desired, text, _) = why(20, 10, [Reading::Value(300.0), Reading::Missing("scrape failed")]);
        assert_eq!(desired, 14);
        assert_eq!(
            text,
            [
                "10 -> 18: queue asks for 17.5, the mean of 2, the newest 30",
                "18 -> 20: queue panics: the short mean is 30, and was above 1.2 times the long one; nothing is taken \
                 away until 50000 ms",
                "10 -> 10: cache is missing (scrape failed)",
                "10 -> 20: queue alone makes a proposal",
                "20 -> 14: 14 is the maximum",
            ]
        );
    }
}

/// By default both are among those of `laws.rs`. As AIBrix has them KPA keeps the laws too. APA doesn't stay at its
/// target: one of `averageValue` is no share of a total to it, so that a total which is at its target is far above it.
#[test]
fn the_exact_ones_keep_the_laws_but_apa_does_not_stay_at_a_total_s_target() {
    let mut registry = Registry::empty();
    let apa =
        algorithm_factory("APA", |metrics, config: ApaConfig| Apa::new(metrics, &ApaConfig { exact: true, ..config }));
    let kpa =
        algorithm_factory("KPA", |metrics, config: KpaConfig| Kpa::new(metrics, &KpaConfig { exact: true, ..config }));
    registry.register_algorithm("apa", apa).expect("free");
    registry.register_algorithm("kpa", kpa).expect("free");
    let kpa = Subject::new(&registry, "kpa");
    laws::check(&kpa, 48);
    laws::check(&kpa.with_pods(), 48);
    for apa in [Subject::new(&registry, "apa"), Subject::new(&registry, "apa").with_pods()] {
        let broken = std::panic::catch_unwind(AssertUnwindSafe(|| laws::check(&apa, 48))).expect_err("it is not kept");
        let message = broken.downcast_ref::<String>().expect("a message");
        // It is the last but one, and those before it have been gone through.
        assert!(message.contains("what is at its target stays"), "{message}");
    }
}
