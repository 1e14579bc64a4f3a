use std::time::Duration;

use serde_json::{Value, json};

use setpoint::Reading;

use super::{Source, nearest_rank};
use crate::Service;
use crate::testing::generated;

/// One request a second, half a second each, one slot.
fn half_busy() -> Value {
    json!({
        "duration": "1h", "load": { "burst": { "at": "0s", "length": "300s", "rate": 1 } },
        "service": { "time": { "mean": "500ms", "distribution": "constant" }, "concurrency": 1 },
        "replicas": { "initial": 1 },
        "metrics": { "scrapeInterval": "15s", "delay": "5s", "window": "60s" },
    })
}

#[test]
fn readings_are_late_averages() {
    let none = |cause| Reading::Missing(cause);
    let value = Reading::Value;
    let cases = [
        ("before the first scrape", 14, Source::Rate, none("no scrape yet")),
        ("before its delay is over", 19, Source::Queue, none("no scrape yet")),
        ("the first, over the time since the start", 20, Source::Rate, value(1.0)),
        ("utilization is in percent", 200, Source::Utilization, value(50.0)),
        ("nobody waits: zero is a value", 200, Source::Queue, value(0.0)),
        ("half a request at a time", 200, Source::Inflight, value(0.5)),
        ("p95", 200, Source::P95, value(500.0)),
        ("p99", 200, Source::P99, value(500.0)),
        ("late: the scrape of 300 is not shown", 304, Source::Rate, value(1.0)),
        ("the load ends, a quarter of the window is idle", 320, Source::Rate, value(0.75)),
        ("all of it is idle", 400, Source::Rate, value(0.0)),
        ("an idle replica", 400, Source::Utilization, value(0.0)),
        ("no request, no latency", 400, Source::P95, none("no request completed in the window")),
    ];
    let (scenario, load) = generated(half_busy());
    for (name, at, source, want) in cases {
        let mut service = Service::new(&scenario, &load, 1);
        service.advance_to(Duration::from_secs(at));
        match (service.reading(source), want) {
            // A request may lie across a window's edge.
            (Reading::Value(found), Reading::Value(want)) => {
                let within = want * 0.02 + f64::from(u8::from(at == 320)) * 0.02;
                assert!((found - want).abs() <= within, "{name}: {found}, want {want}");
            }
            (found, want) => assert_eq!(found, want, "{name}"),
        }
    }
}

#[test]
fn no_replica_is_no_utilization() {
    let mut spec = half_busy();
    spec["replicas"]["initial"] = json!(0);
    let (scenario, load) = generated(spec);
    let mut service = Service::new(&scenario, &load, 1);
    service.advance_to(Duration::from_secs(65));
    let found = service.reading(Source::Utilization);
    assert_eq!(found, Reading::Missing("no ready replica in the window"));
    let Reading::Value(queue) = service.reading(Source::Queue) else { panic!("a queue is a value") };
    assert!((29.5..=30.5).contains(&queue), "it grew from 0 to 60: {queue}");
}

#[test]
fn any_grid_shows_the_same_steady_state() {
    // Windows off the grid, shorter than it, and delays of several scrapes.
    for (scrape, delay, window) in [(15, 0, 60), (7, 30, 50), (60, 5, 10), (10, 100, 95), (1, 1, 1)] {
        let mut spec = half_busy();
        spec["metrics"] = json!({
            "scrapeInterval": format!("{scrape}s"), "delay": format!("{delay}s"), "window": format!("{window}s"),
        });
        let (scenario, load) = generated(spec);
        let mut service = Service::new(&scenario, &load, 1);
        for at in 250..300 {
            service.advance_to(Duration::from_secs(at));
            let row = format!("{scrape} {delay} {window} at {at}");
            assert_eq!(service.reading(Source::Rate), Reading::Value(1.0), "{row}");
            assert_eq!(service.reading(Source::P95), Reading::Value(500.0), "{row}");
            assert_eq!(service.reading(Source::Utilization), Reading::Value(50.0), "{row}");
        }
    }
}

#[test]
fn ranks_are_the_nearest() {
    let cases = [
        (0, 95, None),
        (1, 95, Some(1)),
        (19, 95, Some(19)),
        (20, 95, Some(19)),
        (100, 99, Some(99)),
        (101, 99, Some(100)),
    ];
    for (n, percent, want) in cases {
        let mut values: Vec<u64> = (1..=n).rev().collect();
        assert_eq!(nearest_rank(&mut values, percent), want, "{percent} % of {n}");
    }
}

#[test]
fn sources_have_one_name() {
    for source in Source::ALL {
        assert_eq!(source.name().parse(), Ok(source));
        assert_eq!(serde_json::to_value(source).expect("a name"), json!(source.name()));
    }
    let error = "cpu".parse::<Source>().expect_err("unknown").to_string();
    assert!(error.contains("\"cpu\"") && Source::ALL.iter().all(|s| error.contains(s.name())), "{error}");
}
