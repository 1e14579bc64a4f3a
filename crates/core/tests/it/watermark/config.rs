//! What can be configured, and what is refused.

use serde_json::{Value, json};
use setpoint::watermark::{Algorithm, Source};
use setpoint::{Metric, MetricKind, Target, WatermarkConfig, parse_config};

fn metrics() -> Vec<Metric> {
    vec![
        Metric::new("load", Target::value(65.0).expect("in range")),
        Metric::new("queue", Target::average_value(4.0).expect("in range")),
        Metric::new("cpu", Target::utilization(70.0).expect("in range")).with_kind(MetricKind::Resource),
    ]
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let cases = [
        (json!({ "watermarks": { "lode": { "low": 1, "high": 2 } } }), "watermarks.lode", "did you mean `load`?"),
        (
            json!({ "watermarks": { "load": { "low": 3, "high": 2 } } }),
            "watermarks.load.low",
            "above the high one, 2, got 3",
        ),
        (json!({ "watermarks": { "load": { "low": -1, "high": 2 } } }), "watermarks.load.low", "at least 0, got -1"),
        (json!({ "watermarks": { "load": { "high": 0 } } }), "watermarks.load.high", "at least a thousandth"),
        (json!({ "watermarks": { "load": { "high": "8E" } } }), "watermarks.load.high", "at most"),
        (json!({ "watermarks": { "load": { "height": 8 } } }), "watermarks.load.height", "did you mean `high`?"),
        (json!({ "tolerance": 1.5 }), "tolerance", "0 to 1, got 1500m"),
        (json!({ "tolerance": -1 }), "tolerance", "0 to 1, got -1"),
        (json!({ "scaleUpLimitFactor": -1 }), "scaleUpLimitFactor", "at least 0, got -1"),
        (json!({ "scaleDownLimitFactor": 100 }), "scaleDownLimitFactor", "below 100, got 100"),
        (json!({ "minAvailableReplicaPercentage": 101 }), "minAvailableReplicaPercentage", "0 to 100, got 101"),
        (json!({ "replicaScalingAbsoluteModulo": 0 }), "replicaScalingAbsoluteModulo", "nonzero"),
        (
            json!({ "convergeTowardsWatermark": "highWatermark" }),
            "convergeTowardsWatermark",
            "did you mean `highwatermark`?",
        ),
        (json!({ "algorithm": "mean" }), "algorithm", "known: `absolute`, `average`"),
        (json!({ "recommender": { "replicas": "lod" } }), "recommender.replicas", "did you mean `load`?"),
        (
            json!({ "recommender": { "replicas": "load", "lowerBound": "x" } }),
            "recommender.lowerBound",
            "known: `load`",
        ),
        (json!({ "recommender": { "replicas": "load" } }), "recommender", "the metric `queue` is no part"),
        (
            json!({ "recommender": { "replicas": "load" }, "watermarks": { "load": { "high": 1 } } }),
            "watermarks.load",
            "brings its own bounds",
        ),
        (json!({ "dryRun": true }), "dryRun", "unknown field `dryRun`"),
    ];
    for (config, path, part) in cases {
        let error = parse_config::<WatermarkConfig>(&config)
            .and_then(|config| config.rules(&metrics()))
            .expect_err(&config.to_string());
        assert_eq!(error.path, path, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn without_marks_the_target_is_both_and_its_type_tells_the_algorithm() {
    let specs = |config: Value| {
        let config: WatermarkConfig = parse_config(&config).expect("a good configuration");
        match config.rules(&metrics()).expect("good rules").source {
            Source::Metrics(specs) => specs,
            other => panic!("{other:?}"),
        }
    };
    let marks = |config| specs(config).iter().map(|spec| (spec.low, spec.high)).collect::<Vec<_>>();
    assert_eq!(marks(json!({})), [(65_000, 65_000), (4_000, 4_000), (70_000, 70_000)]);
    let some = json!({ "watermarks": { "load": { "low": 50 }, "queue": { "low": "1", "high": "2500m" } } });
    assert_eq!(marks(some), [(50_000, 50_000), (1_000, 2_500), (70_000, 70_000)]);
    let algorithms = |config| specs(config).iter().map(|spec| spec.algorithm).collect::<Vec<_>>();
    assert_eq!(algorithms(json!({})), [Algorithm::Absolute, Algorithm::Average, Algorithm::Absolute]);
    assert_eq!(algorithms(json!({ "algorithm": "average" })), [Algorithm::Average; 3]);
}

#[test]
fn what_was_written_is_read_as_it_was() {
    let config: WatermarkConfig = parse_config(&json!({
        "watermarks": { "load": { "low": "500m", "high": 80 } },
        "tolerance": "0.01",
        "convergeTowardsWatermark": "lowwatermark",
        "downscaleDelayBelowWatermarkSeconds": 90,
        "recommender": { "replicas": "load", "upperBound": "cpu" },
    }))
    .expect("a good configuration");
    let written = serde_json::to_value(&config).expect("JSON");
    assert_eq!(parse_config::<WatermarkConfig>(&written), Ok(config));
}
