use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::Service;
use crate::testing::generated;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn replicas_start_are_cancelled_and_drain() {
    // One request at a time for 100 s each: the first three replicas are busy after three seconds.
    let (scenario, load) = generated(json!({
        "duration": "1h", "load": { "burst": { "at": "0s", "length": "3s", "rate": 1 } },
        "service": { "time": { "mean": "100s", "distribution": "constant" }, "concurrency": 1 },
        "replicas": { "initial": 3, "startup": "60s" },
    }));
    let mut service = Service::new(&scenario, &load, 1);
    let mut seen = Vec::new();
    let mut look = |service: &Service<'_>| {
        seen.push((service.current(), service.ready(), service.starting(), service.draining()));
    };
    service.advance_to(at(10));
    look(&service);
    service.scale_to(6);
    look(&service);
    service.advance_to(at(30));
    service.scale_to(4);
    look(&service);
    service.advance_to(at(70));
    look(&service);
    service.scale_to(1);
    look(&service);
    service.advance_to(at(90));
    look(&service);
    service.advance_to(at(110));
    look(&service);
    let want = [
        (3, 3, 0, 0),
        (6, 3, 3, 0),
        // The newest two that start are cancelled.
        (4, 3, 1, 0),
        (4, 4, 0, 0),
        // The newest, idle one is gone at once, two finish what they serve.
        (1, 1, 0, 2),
        (1, 1, 0, 2),
        (1, 1, 0, 0),
    ];
    assert_eq!(seen, want);

    let summary = service.finish().summary;
    assert_eq!((summary.served, summary.peak_replicas), (3, 6));
    assert_eq!((summary.scale_ups, summary.scale_downs, summary.reversals), (1, 2, 1));
    // One for the hour; two until they are done, about 100 s in; one from 10 to 70; two cancelled
    // after 20 s.
    let cost = 3_600.0 + 2.0 * 100.0 + 60.0 + 2.0 * 20.0;
    assert!((summary.replica_seconds - cost).abs() < 6.0, "{}", summary.replica_seconds);
}

#[test]
fn a_startup_of_zero_serves_at_once() {
    let (scenario, load) = generated(json!({
        "duration": "1h", "load": { "constant": { "rate": 1 } },
        "replicas": { "initial": 0, "startup": "0s" },
    }));
    let mut service = Service::new(&scenario, &load, 1);
    service.advance_to(at(10));
    assert_eq!((service.ready(), service.waiting()), (0, 10));
    service.scale_to(2);
    assert_eq!((service.ready(), service.waiting()), (2, 0));
    service.scale_to(u32::MAX);
    assert_eq!(service.current(), crate::MAX_REPLICAS);
}

#[test]
fn a_full_queue_refuses() {
    let (scenario, load) = generated(json!({
        "duration": "100s", "load": { "constant": { "rate": 1 } },
        "service": { "maxQueue": 7 }, "replicas": { "initial": 0 },
    }));
    let summary = Service::new(&scenario, &load, 1).finish().summary;
    assert_eq!((summary.requests, summary.queued_at_end, summary.refused), (100, 7, 93));
    assert_eq!((summary.slo_violations, summary.slo_violation_ratio), (100, 1.0));
    assert_eq!((summary.mean_latency_ms, summary.mean_utilization), (None, None));
}

/// The mean wait in an M/M/c queue is known: Erlang's C by the capacity that is left.
#[test]
fn the_mean_wait_is_erlangs() {
    let cases = [("M/M/1 at 70 %", 1, 1, 0.7), ("M/M/4 at 80 %", 4, 1, 3.2), ("M/M/8 as 2 · 4", 2, 4, 6.0)];
    for (name, replicas, concurrency, rate) in cases {
        let (scenario, load) = generated(json!({
            "duration": format!("{}s", (400_000.0 / rate) as u64), "arrivals": "poisson",
            "load": { "constant": { "rate": rate } },
            "service": { "time": { "mean": "1s" }, "concurrency": concurrency },
            "replicas": { "initial": replicas },
        }));
        let summary = Service::new(&scenario, &load, 1).finish().summary;
        let servers = replicas * concurrency;
        // Erlang B by its recursion, then C from B; all with a service rate of 1/s.
        let b = (1..=servers).fold(1.0, |b, n| rate * b / (f64::from(n) + rate * b));
        let load = rate / f64::from(servers);
        let c = b / (1.0 - load * (1.0 - b));
        let want = 1.0 + c / (f64::from(servers) - rate);
        let found = summary.mean_latency_ms.expect("some were served") / 1_000.0;
        assert!((found / want - 1.0).abs() < 0.03, "{name}: {found} s, want {want} s");
        let utilization = summary.mean_utilization.expect("some were ready");
        assert!((utilization - load).abs() < 0.01, "{name}: {utilization}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any service under any sequence of counts.
    #[test]
    fn laws(
        rate in 0.0..50.0_f64, mean in 1_u32..5_000, concurrency in 1_u32..70, initial in 0_u32..80,
        limit in 0_u32..200, startup in 0_u32..100, jitter in 0_u32..30, poisson: bool, seed in 0_u32..1_000,
        counts in prop::collection::vec(0_u32..80, 0..40),
    ) {
        let (scenario, load) = generated(json!({
            "duration": "601s", "arrivals": if poisson { "poisson" } else { "even" },
            "load": { "sum": [
                { "constant": { "rate": rate } }, { "burst": { "at": "100s", "length": "1m", "rate": rate } },
                { "noise": { "amplitude": 0.5, "every": "7s" } },
            ] },
            "service": {
                "time": { "mean": format!("{mean}ms") }, "concurrency": concurrency, "maxQueue": limit,
            },
            "replicas": {
                "initial": initial, "startup": format!("{startup}s"), "startupJitter": format!("{jitter}s"),
            },
        }));
        let replay = || {
            let mut service = Service::new(&scenario, &load, seed.into());
            for (count, step) in counts.iter().zip(1..) {
                service.advance_to(Duration::from_millis(step * 13_337));
                let slots = u64::from(service.ready()) * u64::from(concurrency);
                assert!(service.fleet.busy() <= slots);
                assert!(service.queue.is_empty() || service.fleet.busy() == slots, "a slot idles");
                assert!(service.queue.len() <= limit as usize);
                assert!(service.meter.billed >= service.meter.ready);
                assert!(service.meter.in_service >= service.meter.busy);
                service.scale_to(*count);
                assert_eq!(service.current(), *count);
            }
            service.finish()
        };
        let report = replay();
        let summary = &report.summary;
        prop_assert_eq!(summary.requests, load.requests(seed.into()).count() as u64);
        prop_assert_eq!(summary.served + summary.queued_at_end + summary.refused, summary.requests);
        prop_assert!(summary.slo_violations <= summary.requests);
        prop_assert!(summary.p50_latency_ms <= summary.p95_latency_ms);
        prop_assert!(summary.p99_latency_ms <= summary.max_latency_ms);
        prop_assert!(summary.under_provision_time_share + summary.over_provision_time_share <= 1.0);
        prop_assert_eq!(report.samples.time_s.len(), 480);
        prop_assert_eq!(replay(), report);
    }
}
