//! A revision's way up, to zero and back.

use std::time::Duration;

use setpoint::StateReader;
use setpoint::knative::{Activity, ConfigMap, Lifecycle, Reachability, Revision, Rules, Seen, resolve};

use super::at;

fn rules() -> Rules {
    Rules {
        initial_scale: 1,
        min: 0,
        max: 0,
        reachable: true,
        scale_to_zero: true,
        stable_window: Duration::from_secs(60),
        grace_period: Duration::from_secs(30),
        pod_retention: Duration::ZERO,
        activation_timeout: Duration::from_secs(630),
    }
}

/// `ready` pods, all that are asked for, and `desired` wanted.
fn seen(desired: Option<u32>, ready: u32) -> Seen {
    Seen { desired, excess_burst_capacity: 0, current: ready, ready, behind_activator: true, proxied_since: None }
}

/// One that has been active since 0 s, or isn't needed since then.
fn revision(activity: Activity, rules: &Rules) -> Lifecycle {
    let mut it = Lifecycle::new(at(0));
    match activity {
        Activity::Activating => {}
        Activity::Active => drop(it.look(at(0), &seen(Some(1), 1), rules)),
        Activity::Inactive => {
            it.look(at(-100), &seen(Some(1), 1), rules);
            it.look(at(0), &seen(Some(0), 1), rules);
        }
    }
    assert_eq!(it.activity(), activity);
    it
}

#[test]
fn bounds_and_the_pods_to_begin_with() {
    let cases = [
        ("the minimum", Rules { min: 2, ..rules() }, Some(1), Some(2)),
        ("the maximum", Rules { max: 5, ..rules() }, Some(9), Some(5)),
        ("no maximum", rules(), Some(900), Some(900)),
        ("to begin with", Rules { initial_scale: 3, ..rules() }, Some(1), Some(3)),
        ("before anything is known too", Rules { initial_scale: 3, ..rules() }, None, Some(3)),
        ("past the maximum", Rules { initial_scale: 3, max: 2, ..rules() }, Some(1), Some(3)),
        ("not where nothing can reach it", Rules { initial_scale: 3, reachable: false, ..rules() }, Some(1), Some(1)),
    ];
    for (name, rules, desired, want) in cases {
        let mut it = Lifecycle::new(at(0));
        assert_eq!(it.look(at(1), &seen(desired, 0), &rules).write, want, "{name}");
    }
    // Once as many were ready, they need not be again.
    let begins = Rules { initial_scale: 3, ..rules() };
    let mut it = Lifecycle::new(at(0));
    it.look(at(1), &seen(Some(1), 3), &begins);
    assert_eq!(it.look(at(2), &seen(Some(1), 3), &begins).write, Some(1));
}

#[test]
fn the_last_pod_goes_step_by_step() {
    let retention = Rules { pod_retention: Duration::from_secs(90), ..rules() };
    let proxied = Seen { proxied_since: Some(at(0)), ..seen(Some(0), 1) };
    let away = Seen { behind_activator: false, ..seen(Some(0), 1) };
    use Activity::{Activating, Active, Inactive};
    let cases = [
        ("still on its way", Activating, rules(), 10, seen(Some(0), 0), (None, None), Activating),
        ("given up", Activating, rules(), 631, Seen { current: 1, ..seen(Some(0), 0) }, (Some(0), Some(0)), Inactive),
        ("ready", Activating, rules(), 10, seen(Some(0), 1), (None, None), Active),
        ("active for less than a window", Active, rules(), 59, seen(Some(0), 4), (Some(1), Some(1)), Active),
        ("for a window", Active, rules(), 60, seen(Some(0), 4), (None, Some(0)), Inactive),
        ("idle, not behind the activator", Inactive, rules(), 500, away, (None, Some(0)), Inactive),
        ("idle for less than the grace period", Inactive, rules(), 29, proxied, (None, Some(0)), Inactive),
        ("for as long", Inactive, rules(), 30, proxied, (Some(0), Some(0)), Inactive),
        ("but the last pod is kept", Inactive, retention, 89, proxied, (None, Some(0)), Inactive),
        ("for its time", Inactive, retention, 90, proxied, (Some(0), Some(0)), Inactive),
        ("needed again", Inactive, rules(), 20, seen(Some(2), 1), (Some(2), Some(2)), Active),
        (
            "zero is forbidden",
            Active,
            Rules { scale_to_zero: false, ..rules() },
            99,
            seen(Some(0), 4),
            (Some(1), Some(1)),
            Active,
        ),
        ("no decision yet: as it is", Active, rules(), 99, seen(None, 4), (None, None), Active),
    ];
    for (name, activity, rules, now, seen, (write, want), after) in cases {
        let mut it = revision(activity, &rules);
        let due = it.look(at(now), &seen, &rules);
        assert_eq!((due.write, due.want, it.activity()), (write, want, after), "{name}");
    }
}

#[test]
fn it_says_when_to_look_again_and_who_is_in_the_way() {
    let rules = rules();
    assert_eq!(revision(Activity::Active, &rules).look(at(20), &seen(Some(0), 4), &rules).look_again, Some(at(60)));
    let proxied = Seen { proxied_since: Some(at(5)), ..seen(Some(0), 1) };
    assert_eq!(revision(Activity::Inactive, &rules).look(at(20), &proxied, &rules).look_again, Some(at(35)));
    assert_eq!(Lifecycle::new(at(0)).look(at(1), &seen(Some(0), 0), &rules).look_again, Some(at(630)));
    let mut it = revision(Activity::Active, &rules);
    let short = Seen { excess_burst_capacity: -1, ..seen(Some(4), 4) };
    assert!(it.look(at(1), &short, &rules).through_activator);
    assert!(!it.look(at(2), &seen(Some(4), 4), &rules).through_activator);
    assert!(it.look(at(90), &seen(Some(0), 4), &rules).through_activator);
}

#[test]
fn its_state_is_read_back() {
    for activity in [Activity::Activating, Activity::Active, Activity::Inactive] {
        let it = revision(activity, &rules());
        let mut state = vec![1];
        it.write(&mut state);
        assert_eq!(Lifecycle::read(&mut StateReader::new("a test", 1, &state).expect("a version")), Ok(it));
        state[1] = 7;
        assert!(Lifecycle::read(&mut StateReader::new("a test", 1, &state).expect("a version")).is_err());
    }
}

#[test]
fn rules_come_from_annotations() {
    let annotations =
        [("autoscaling.knative.dev/scale-to-zero-pod-retention-period".to_owned(), "90s".to_owned())].into();
    let revision =
        Revision { annotations: &annotations, container_concurrency: 0, reachability: Reachability::Reachable };
    let config = ConfigMap::default();
    let resolved = resolve(&revision, &config).expect("good values");
    let rules = Rules::new(&resolved, &config, Duration::from_secs(600));
    assert_eq!((rules.pod_retention, rules.activation_timeout), (Duration::from_secs(90), Duration::from_secs(630)));
}
