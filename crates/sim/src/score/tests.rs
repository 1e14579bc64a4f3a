use serde_json::json;

use crate::Service;
use crate::testing::generated;

/// Two requests a second, a second each, one slot a replica: a demand of two.
#[test]
fn supply_is_measured_against_demand() {
    let cases = [
        ("one short", 1, (1.0, 0.0), (1.0, 0.0)),
        ("as many as needed", 2, (0.0, 0.0), (0.0, 0.0)),
        ("one too many", 3, (0.0, 1.0), (0.0, 1.0)),
        ("none", 0, (2.0, 0.0), (1.0, 0.0)),
    ];
    for (name, replicas, accuracy, share) in cases {
        let (scenario, load) = generated(json!({
            "duration": "100s", "load": { "constant": { "rate": 2 } },
            "service": { "time": { "mean": "1s", "distribution": "constant" }, "concurrency": 1 },
            "replicas": { "initial": replicas },
            "metrics": { "scrapeInterval": "15s" },
        }));
        let summary = Service::new(&scenario, &load, 1).finish().summary;
        let found = (summary.under_provision_accuracy, summary.over_provision_accuracy);
        assert_eq!(found, accuracy, "{name}");
        let found = (summary.under_provision_time_share, summary.over_provision_time_share);
        assert_eq!(found, share, "{name}");
        assert_eq!(summary.requests, 200, "{name}");
        assert_eq!(summary.mean_replicas, f64::from(replicas), "{name}");
    }
}

#[test]
fn violations_are_the_slow_the_refused_and_the_unserved() {
    // Served one each second from a queue that grows by one each second.
    let (scenario, load) = generated(json!({
        "duration": "100s", "load": { "constant": { "rate": 2 } },
        "service": { "time": { "mean": "1s", "distribution": "constant" }, "concurrency": 1, "maxQueue": 40 },
        "replicas": { "initial": 1 }, "slo": { "latency": "5s" },
    }));
    let summary = Service::new(&scenario, &load, 1).finish().summary;
    assert_eq!((summary.served, summary.queued_at_end), (99, 41));
    assert_eq!(summary.refused, 200 - 99 - 41);
    // The n-th waits n/2 s and is served in 1 s: the first nine are in time.
    assert_eq!(summary.slo_violations, 200 - 9);
    assert_eq!(summary.max_latency_ms, Some(41_000.0));
}

#[test]
fn a_run_without_requests_has_no_ratio_and_no_latency() {
    let (scenario, load) = generated(json!({ "duration": "1s", "load": { "constant": { "rate": 0 } } }));
    let report = Service::new(&scenario, &load, 1).finish();
    let summary = report.summary;
    assert_eq!((summary.requests, summary.slo_violation_ratio), (0, 0.0));
    assert_eq!((summary.p50_latency_ms, summary.mean_utilization), (None, Some(0.0)));
    assert_eq!(summary.over_provision_accuracy, 3.0);
    assert_eq!(report.samples.time_s, [0.0]);
}

#[test]
fn samples_cover_the_run() {
    let (scenario, load) = generated(json!({
        "duration": "1000s", "load": { "step": { "at": "500s", "rate": 3 } }, "service": { "concurrency": 2 },
    }));
    let samples = Service::new(&scenario, &load, 1).finish().samples;
    assert_eq!(samples.time_s.len(), 480);
    let arrived: f64 = samples.offered_rate.iter().map(|rate| rate * 1_000.0 / 480.0).sum();
    assert!((arrived - 1_500.0).abs() < 1e-6, "{arrived}");
    assert_eq!(samples.offered_rate[..240], [0.0; 240]);
    assert_eq!((samples.p95_latency_ms[0], samples.utilization[0]), (None, Some(0.0)));
    assert!(samples.ready.iter().chain(&samples.replicas).all(|replicas| *replicas == 3.0));
}
