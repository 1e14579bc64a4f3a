//! Annotations and the cluster's config map.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint::ConfigError;
use setpoint::knative::{ConfigMap, Reachability, Resolved, Revision, ScalingMetric, resolve};
use setpoint::window::Averaging;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn map(prefix: &str, pairs: Pairs<'_>) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (format!("{prefix}{key}"), (*value).to_owned())).collect()
}

fn config(pairs: Pairs<'_>) -> Result<ConfigMap, ConfigError> {
    ConfigMap::from_data(&map("", pairs))
}

fn resolved(config: Pairs<'_>, annotations: Pairs<'_>, container_concurrency: u32) -> Result<Resolved, ConfigError> {
    let annotations = map("autoscaling.knative.dev/", annotations);
    let revision = Revision { annotations: &annotations, container_concurrency, reachability: Reachability::Reachable };
    resolve(&revision, &self::config(config)?)
}

#[test]
fn targets_are_what_people_wrote_within_what_a_pod_takes() {
    let cases: [(&str, Pairs<'_>, Pairs<'_>, u32, f64, f64); 10] = [
        ("the default", &[], &[], 0, 100.0, 70.0),
        ("what a pod takes", &[], &[], 10, 10.0, 7.0),
        ("an annotation", &[], &[("target", "50")], 0, 50.0, 35.0),
        ("no more than a pod takes", &[], &[("target", "50")], 20, 20.0, 14.0),
        ("which isn't the measure of requests a second", &[], &[("target", "50"), ("metric", "rps")], 20, 50.0, 35.0),
        ("requests a second", &[], &[("metric", "rps")], 20, 200.0, 140.0),
        ("the cluster's percentage", &[("container-concurrency-target-percentage", "80")], &[], 10, 10.0, 8.0),
        ("up to 1 it is a fraction", &[("container-concurrency-target-percentage", "1")], &[], 10, 10.0, 10.0),
        ("an annotation's never is", &[], &[("target-utilization-percentage", "1")], 10, 10.0, 0.1),
        (
            "and no less than a hundredth",
            &[],
            &[("target", "0.02"), ("target-utilization-percentage", "1")],
            0,
            0.02,
            0.01,
        ),
    ];
    for (name, config, annotations, container_concurrency, total, target) in cases {
        let spec = resolved(config, annotations, container_concurrency).expect(name).spec;
        assert_eq!((spec.total, spec.target), (total, target), "{name}");
    }
}

#[test]
fn annotations_go_before_the_config_map() {
    let cluster: Pairs<'_> = &[
        ("stable-window", "30s"),
        ("panic-window-percentage", "50"),
        ("panic-threshold-percentage", "150"),
        ("target-burst-capacity", "-1"),
        ("scale-down-delay", "10s"),
        ("initial-scale", "3"),
        ("min-scale", "1"),
        ("max-scale", "20"),
        ("max-scale-up-rate", "10"),
        ("max-scale-down-rate", "1.5"),
        ("_example", "whatever"),
    ];
    let it = resolved(cluster, &[], 0).expect("good values");
    assert_eq!((it.windows.stable, it.windows.panic), (Duration::from_secs(30), Duration::from_secs(15)));
    assert_eq!((it.spec.panic_threshold, it.spec.target_burst_capacity), (1.5, -1.0));
    assert_eq!((it.spec.max_scale_up_rate, it.spec.max_scale_down_rate), (10.0, 1.5));
    assert_eq!((it.spec.scale_down_delay, it.initial_scale, it.min, it.max), (Duration::from_secs(10), 3, 1, 20));
    assert_eq!((it.metric, it.windows.averaging), (ScalingMetric::Concurrency, Averaging::Linear));
    let own: Pairs<'_> = &[
        ("window", "1m"),
        // The older spelling of a name.
        ("panicWindowPercentage", "2.5"),
        ("panic-threshold-percentage", "300"),
        ("target-burst-capacity", "7.5"),
        ("scale-down-delay", "0s"),
        ("initial-scale", "2"),
        ("min-scale", "0"),
        ("max-scale", "0"),
        ("activation-scale", "4"),
        ("metric-aggregation-algorithm", "weighted-exponential"),
        ("class", "kpa.autoscaling.knative.dev"),
    ];
    let it = resolved(cluster, own, 0).expect("good values");
    // 1.5 s are two.
    assert_eq!((it.windows.stable, it.windows.panic), (Duration::from_secs(60), Duration::from_secs(2)));
    assert_eq!((it.spec.panic_threshold, it.spec.target_burst_capacity), (3.0, 7.5));
    assert_eq!((it.spec.scale_down_delay, it.initial_scale, it.min, it.max), (Duration::ZERO, 2, 0, 0));
    assert_eq!((it.spec.activation_scale, it.windows.averaging), (4, Averaging::WeightedExponential));
}

#[test]
fn what_can_t_be_reached_has_no_minimum() {
    let annotations = map("autoscaling.knative.dev/", &[("min-scale", "3"), ("max-scale", "5")]);
    let of = |reachability| {
        let revision = Revision { annotations: &annotations, container_concurrency: 0, reachability };
        let it = resolve(&revision, &ConfigMap::default()).expect("good values");
        (it.spec.reachable, it.min, it.max)
    };
    assert_eq!(of(Reachability::Unknown), (true, 3, 5));
    assert_eq!(of(Reachability::Unreachable), (false, 0, 5));
}

#[test]
fn zero_to_begin_with_has_to_be_allowed() {
    let initial =
        |config: Pairs<'_>| resolved(config, &[("initial-scale", "0")], 0).expect("good values").initial_scale;
    assert_eq!(initial(&[("initial-scale", "2")]), 2);
    assert_eq!(initial(&[("initial-scale", "2"), ("allow-zero-initial-scale", "true")]), 0);
}

#[test]
fn annotations_that_make_no_sense_are_named() {
    let cases = [
        ("target", "0.001", "at least 0.01"),
        ("target", "NaN", "at least 0.01"),
        ("target", "ten", "at least 0.01"),
        ("target-utilization-percentage", "0.7", "from 1 to 100"),
        ("target-burst-capacity", "-2", "-1 for any burst"),
        ("window", "5s", "from 6s to 3600s"),
        ("window", "6500ms", "whole seconds"),
        ("window", "60", "such as \"30s\""),
        ("panic-window-percentage", "0.5", "from 1 to 100"),
        ("panic-threshold-percentage", "100", "from 110 to 1000"),
        ("scale-down-delay", "-1s", "from 0ns to 3600s"),
        ("min-scale", "-1", "from 0 to 2147483647"),
        ("min-scale", "1.5", "a whole number"),
        ("max-scale", "99999999999", "from 0 to 2147483647"),
        ("metric", "cpu", "\"concurrency\" or \"rps\""),
        ("metric-aggregation-algorithm", "median", "weighted-exponential"),
        ("class", "hpa.autoscaling.knative.dev", "kpa.autoscaling.knative.dev"),
        ("windw", "60s", "did you mean `window`?"),
    ];
    for (name, value, part) in cases {
        let error = resolved(&[], &[(name, value)], 0).expect_err(name);
        assert_eq!(error.path, format!("autoscaling.knative.dev/{name}"), "{error}");
        assert!(error.message.contains(part), "{error} should hold {part}");
    }
    let error = resolved(&[], &[("min-scale", "5"), ("max-scale", "3")], 0).expect_err("the most is less");
    assert_eq!(error.path, "autoscaling.knative.dev/max-scale");
    let error =
        resolved(&[("max-scale-limit", "9"), ("max-scale", "9")], &[("max-scale", "10")], 0).expect_err("a limit");
    assert_eq!(error.path, "autoscaling.knative.dev/max-scale");
    // Others' annotations are theirs.
    let annotations = map("", &[("example.com/target", "ten")]);
    let revision =
        Revision { annotations: &annotations, container_concurrency: 0, reachability: Reachability::Unknown };
    assert!(resolve(&revision, &ConfigMap::default()).is_ok());
}

#[test]
fn config_maps_that_make_no_sense_are_named() {
    let cases = [
        ("container-concurrency-target-percentage", "101", "(0, 100]"),
        ("container-concurrency-target-default", "0.001", "at least 0.01"),
        ("requests-per-second-target-default", "0", "at least 0.01"),
        ("target-burst-capacity", "-2", "-1"),
        ("stable-window", "2h", "to 3600s"),
        ("max-scale-up-rate", "1", "more than 1"),
        ("max-scale-down-rate", "1", "more than 1"),
        ("scale-down-delay", "1.5s", "whole seconds"),
        ("scale-to-zero-grace-period", "0s", "from 1ns"),
        ("activator-capacity", "0", "at least 1"),
        ("initial-scale", "0", "allow-zero-initial-scale"),
        ("max-scale-limit", "5", "must be at most"),
        ("enable-scale-to-zero", "yes", "\"true\" or \"false\""),
        ("stable-windw", "60s", "did you mean `stable-window`?"),
    ];
    for (key, value, part) in cases {
        let error = config(&[(key, value)]).expect_err(key);
        assert!(error.path == key || key == "max-scale-limit", "{error}");
        assert!(error.message.contains(part) || key == "max-scale-limit", "{error} should hold {part}");
    }
    assert_eq!(config(&[("min-scale", "5"), ("max-scale", "3")]).expect_err("the most is less").path, "min-scale");
}
