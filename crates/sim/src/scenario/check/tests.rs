use serde_json::{Value, json};

use crate::testing::{document, scenario};
use crate::{Load, Scenario, Source};

/// A valid spec with one field changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut spec = json!({
        "duration": "24h", "seed": 1, "arrivals": "poisson",
        "load": { "sum": [
            { "diurnal": { "low": 2, "high": 18, "period": "24h", "peakAt": "14h" } },
            { "burst": { "at": "9h", "every": "6h", "length": "10m", "rate": 15 } },
            { "noise": { "amplitude": 0.2, "every": "1m" } },
            { "ramp": { "from": 0, "to": 1, "start": "1h", "end": "2h" } },
            { "step": { "at": "1h", "rate": 1 } },
            { "constant": { "rate": 1 } },
        ] },
        "service": {
            "time": { "mean": "800ms", "distribution": "lognormal", "cv": 0.5 },
            "tokens": { "base": "50ms", "perPromptToken": "0.2ms", "perOutputToken": "20ms" },
            "concurrency": 8, "maxQueue": 1000,
        },
        "replicas": { "initial": 3, "startup": "60s", "startupJitter": "10s" },
        "metrics": { "scrapeInterval": "15s", "delay": "5s", "window": "60s" },
        "readings": { "cpu": "utilization", "qps": "rate" },
        "slo": { "latency": "2s" },
    });
    if let Some(field) = spec.pointer_mut(pointer) {
        *field = value;
    } else if let Some((parent, name)) = pointer.rsplit_once('/') {
        spec.pointer_mut(parent).expect("a parent")[name] = value;
    }
    spec
}

#[test]
fn every_bad_value_is_named_with_its_range() {
    let cases = [
        ("/duration", json!("0s"), "spec.duration", "1ms to 400 days"),
        ("/duration", json!("500ms"), "spec.duration", "from 1s to"),
        ("/duration", json!("401days"), "spec.duration", "400 days"),
        ("/duration", json!(5), "spec.duration", "string"),
        ("/duration", Value::Null, "spec.duration", "found none"),
        ("/seed", json!(-1), "spec.seed", "from 0 to"),
        ("/arrivals", json!("odd"), "spec.arrivals", "even"),
        ("/load", json!({ "constant": { "rate": -1 } }), "spec.load.constant.rate", "from 0 to 1000000"),
        ("/load", json!({ "noise": { "amplitude": 0.1 } }), "spec.load.noise", "inside a sum"),
        ("/load", json!({ "sum": [] }), "spec.load.sum", "1 to 16 terms"),
        ("/load", json!({ "sum": [{ "noise": { "amplitude": 0.1 } }] }), "spec.load.sum", "not noise"),
        ("/load", json!({ "trace": { "file": "" } }), "spec.load.trace.file", "1 to 4096"),
        ("/load", json!({ "tide": {} }), "spec.load", "constant"),
        ("/load/sum/0", json!({ "sum": [] }), "spec.load.sum[0]", "found a sum or a trace"),
        ("/load/sum/0", json!({ "trace": { "file": "x" } }), "spec.load.sum[0]", "found a sum or a trace"),
        ("/load/sum/0/diurnal/high", json!(1), "spec.load.sum[0].diurnal.high", "at least `low` (2)"),
        ("/load/sum/0/diurnal/period", json!("2ms"), "spec.load.sum[0].diurnal.period", "at least 1s"),
        ("/load/sum/0/diurnal/low", json!(1e7), "spec.load.sum[0].diurnal.low", "from 0 to 1000000"),
        ("/load/sum/1/burst/every", json!("5m"), "spec.load.sum[1].burst.every", "at least `length` (10m)"),
        (
            "/load/sum/1/burst",
            json!({ "at": "0s", "every": "1ms", "length": "1ms", "rate": 1 }),
            "spec.load.sum[1].burst.every",
            "at most 100000 bursts",
        ),
        ("/load/sum/1/burst/length", json!("0s"), "spec.load.sum[1].burst.length", "1ms"),
        ("/load/sum/2/noise/amplitude", json!(1.5), "spec.load.sum[2].noise.amplitude", "from 0 to 1"),
        ("/load/sum/2/noise/every", json!("1ms"), "spec.load.sum[2].noise.every", "at most 100000 draws"),
        ("/load/sum/3/ramp/end", json!("1h"), "spec.load.sum[3].ramp.end", "after `start` (1h)"),
        ("/load/sum/4/step/rate", json!("fast"), "spec.load.sum[4].step.rate", "f64"),
        ("/service/time/mean", json!("2days"), "spec.service.time.mean", "to 1day"),
        ("/service/time/cv", json!(0), "spec.service.time.cv", "0.01 to 10"),
        ("/service/time/distribution", json!("constant"), "spec.service.time.cv", "lognormal"),
        ("/service/tokens/base", json!("2h"), "spec.service.tokens.base", "to 1h"),
        ("/service/concurrency", json!(0), "spec.service.concurrency", "from 1 to 1000"),
        ("/service/concurrency", json!(1.5), "spec.service.concurrency", "whole number"),
        ("/service/maxQueue", json!(1e9), "spec.service.maxQueue", "from 0 to 10000000"),
        ("/service/maxqueue", json!(1), "spec.service.maxqueue", "unknown field"),
        ("/replicas/initial", json!(10_001), "spec.replicas.initial", "from 0 to 10000"),
        ("/replicas/startup", json!("-1s"), "spec.replicas.startup", "a duration"),
        ("/replicas/startup", json!("25h"), "spec.replicas.startup", "to 1day"),
        ("/replicas/startupJitter", json!("25h"), "spec.replicas.startupJitter", "to 1day"),
        ("/metrics/scrapeInterval", json!("10ms"), "spec.metrics.scrapeInterval", "from 1s"),
        ("/metrics/delay", json!("2h"), "spec.metrics.delay", "to 1h"),
        ("/metrics/window", json!("0s"), "spec.metrics.window", "1ms"),
        ("/metrics/window", json!("25h"), "spec.metrics.window", "from 1s to 1day"),
        ("/readings/p95", json!("p99"), "spec.readings.p95", "another name"),
        ("/readings/cpu", json!("heat"), "spec.readings.cpu", "utilization"),
        ("/slo/latency", json!("0s"), "spec.slo.latency", "1ms"),
    ];
    Scenario::from_value(&document(with("/seed", json!(1)))).expect("the base is valid");
    for (pointer, value, field, problem) in cases {
        let row = format!("{pointer} = {value}");
        let error = Scenario::from_value(&document(with(pointer, value))).expect_err(&row);
        assert_eq!(error.path, field, "{row}: {error}");
        assert!(error.message.contains(problem), "{row}: {error}");
    }
}

#[test]
fn a_load_is_bounded() {
    let most = json!({ "constant": { "rate": 1_000_000 } });
    let scenario = scenario(with("/load/sum/0", most));
    let error = Load::generated(&scenario).expect_err("too many requests").to_string();
    assert!(error.contains("at most 50000000"), "{error}");
}

#[test]
fn a_name_is_neither_empty_nor_endless() {
    for name in [String::new(), "x".repeat(254)] {
        let mut document = document(with("/seed", json!(1)));
        document["metadata"]["name"] = json!(name);
        assert_eq!(Scenario::from_value(&document).expect_err("refused").path, "metadata.name");
    }
}

#[test]
fn a_scenario_survives_its_document() {
    for scenario in [Scenario::builtin(), scenario(with("/seed", json!(7)))] {
        let text = serde_json::to_string(&scenario).expect("it can be written");
        let back: Scenario = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(back, scenario);
    }
}

#[test]
fn metrics_have_their_own_names_and_the_scenarios() {
    let scenario = scenario(with("/seed", json!(1)));
    assert_eq!(scenario.source("cpu"), Some(Source::Utilization));
    assert_eq!(scenario.source("p95"), Some(Source::P95));
    assert_eq!(scenario.source("heat"), None);
    let names: Vec<_> = scenario.metric_names().collect();
    assert_eq!(names, ["utilization", "queue", "p95", "p99", "rate", "inflight", "cpu", "gpu", "qps"]);
}

#[test]
fn the_schema_names_the_fields() {
    let schema = serde_json::to_string(&schemars::schema_for!(Scenario)).expect("a schema is JSON");
    for name in ["perPromptToken", "peakAt", "scrapeInterval", "setpoint.dev/v1alpha1", "lognormal"] {
        assert!(schema.contains(name), "{name}");
    }
}
