//! What an engine's looks become, and what is answered over HTTP.

mod monitoring;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use setpoint::{AlgorithmSpec, Handlers, InMemoryHandler, Metric, PolicySpec, Target, TargetRef};
use setpoint_runtime::source::{Fixed, fixed};
use setpoint_runtime::{Engine, Measured};
use setpoint_telemetry::{Probes, Telemetry, serve};

fn target() -> TargetRef {
    let [api_version, kind, name] = ["apps/v1", "Deployment", "web"].map(str::to_owned);
    TargetRef { api_version, kind, name, namespace: None }
}

fn policy() -> PolicySpec {
    let metrics = ["queue", "rate"].map(|name| Metric::new(name, Target::average_value(4.0).expect("in range")));
    let algorithm = AlgorithmSpec::named("max-ratio", json!({}));
    PolicySpec::new(1, 10, metrics.to_vec(), algorithm).expect("a good policy")
}

fn engine(telemetry: &Arc<Telemetry>) -> (Engine, Arc<Fixed>) {
    let readings = Arc::new(fixed([("queue", Measured::Value(20.0)), ("rate", Measured::Missing("no data".into()))]));
    let handlers = Handlers::new().with_fallback(Arc::new(InMemoryHandler::new([(target(), 2)])));
    let builder = Engine::builder().handlers(handlers).source(Arc::<Fixed>::clone(&readings));
    (builder.listener(Arc::<Telemetry>::clone(telemetry)).build(), readings)
}

async fn run_for(engine: &Engine, seconds: u64) {
    engine.run(tokio::time::sleep(Duration::from_secs(seconds))).await;
}

/// The samples of `series`, as they are written.
fn samples(telemetry: &Telemetry, series: &str) -> Vec<String> {
    let text = telemetry.text().expect("no collector fails");
    let of = |line: &&str| line.split(['{', ' ']).next() == Some(series);
    text.lines().filter(of).map(|line| line[series.len()..].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_look_becomes_series_that_go_when_its_workload_does() {
    let telemetry = Arc::new(Telemetry::new());
    let (engine, readings) = engine(&telemetry);
    engine.add("shop/web", &policy(), target()).expect("the first");
    run_for(&engine, 1).await;
    let of = |series: &str| samples(&telemetry, series);
    let web = |value: &str| vec![format!("{{workload=\"shop/web\"}} {value}")];
    assert_eq!(of("setpoint_workloads"), [" 1"]);
    assert_eq!(of("setpoint_decisions_total"), ["{workload=\"shop/web\",outcome=\"need\"} 1"]);
    assert_eq!(of("setpoint_scalings_total"), ["{workload=\"shop/web\",direction=\"up\"} 1"]);
    // The count that the look found, and what it made of it.
    assert_eq!((of("setpoint_current_replicas"), of("setpoint_desired_replicas")), (web("2"), web("5")));
    assert_eq!(of("setpoint_reading"), ["{workload=\"shop/web\",metric=\"queue\"} 20.0"]);
    assert_eq!(of("setpoint_unusable_readings_total"), ["{workload=\"shop/web\",metric=\"rate\",state=\"missing\"} 1"]);
    assert_eq!(of("setpoint_quarantined"), web("0"));
    assert_eq!(of("setpoint_look_duration_seconds_count"), [" 1"]);
    assert_eq!(of("setpoint_look_lateness_seconds_count"), [" 1"]);
    assert_eq!(of("setpoint_source_questions_total"), ["{source=\"fixed\"} 2"]);
    assert_eq!(of("setpoint_source_duration_seconds_count"), ["{source=\"fixed\"} 1"]);

    // What is missing leaves no earlier value behind.
    readings.set("queue", Measured::Stale("90 s old".into()));
    run_for(&engine, 15).await;
    assert_eq!(of("setpoint_reading"), Vec::<String>::new());
    assert_eq!(of("setpoint_unusable_readings_total").len(), 2);
    assert_eq!(of("setpoint_desired_replicas"), web("5"));

    // Nor does a metric that the policy hasn't any more.
    let mut fewer = policy();
    fewer.metrics.truncate(1);
    engine.update("shop/web", &fewer, target()).expect("it is known");
    run_for(&engine, 1).await;
    let unusable = of("setpoint_unusable_readings_total");
    assert!(unusable.iter().all(|sample| sample.contains("\"queue\"")), "{unusable:?}");

    engine.release("shop/web").await.expect("it is known");
    let text = telemetry.text().expect("no collector fails");
    assert!(!text.contains("shop/web"), "{text}");
    assert_eq!(of("setpoint_workloads"), [" 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_counted_by_where() {
    let telemetry = Arc::new(Telemetry::new());
    let (engine, _) = engine(&telemetry);
    let nobody = TargetRef { name: "nobody".into(), ..target() };
    engine.add("shop/nobody", &policy(), nobody).expect("the first");
    run_for(&engine, 1).await;
    let failures = samples(&telemetry, "setpoint_look_failures_total");
    assert_eq!(failures, ["{workload=\"shop/nobody\",stage=\"observe\"} 1"]);
    engine.release("shop/nobody").await.expect("it is known");
    assert_eq!(samples(&telemetry, "setpoint_look_failures_total"), Vec::<String>::new());
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn series_and_probes_are_answered_over_http() {
    let telemetry = Arc::new(Telemetry::new());
    let (engine, _) = engine(&telemetry);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let ready = Arc::new(AtomicBool::new(false));
    let probes = Probes::of(engine.clone(), {
        let ready = Arc::clone(&ready);
        move || if ready.load(Ordering::Relaxed) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, telemetry, probes, async { drop(stopped.await) }));
    let (status, body) = (
        |answer: &str| answer.split(' ').nth(1).unwrap_or_default().to_owned(),
        |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned(),
    );
    let metrics = get(address, "/metrics");
    assert_eq!(status(&metrics), "200");
    assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(body(&metrics).contains("# HELP setpoint_workloads ") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(status(&get(address, "/healthz")), "200");
    let answer = get(address, "/readyz");
    assert_eq!((status(&answer), body(&answer)), ("503".to_owned(), "not yet\n".to_owned()));
    ready.store(true, Ordering::Relaxed);
    assert_eq!(status(&get(address, "/readyz")), "200");
    assert_eq!(status(&get(address, "/other")), "404");
    drop(stop);
    served.await.expect("it ends").expect("well");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_stands_is_overdue() {
    let (engine, _) = engine(&Arc::new(Telemetry::new()));
    assert_eq!(engine.overdue(), Duration::ZERO);
    engine.add("shop/web", &policy(), target()).expect("the first");
    run_for(&engine, 1).await;
    assert_eq!(engine.overdue(), Duration::ZERO);
    // Nobody runs it.
    tokio::time::advance(Duration::from_secs(100)).await;
    assert!(engine.overdue() > Probes::STALLED, "{:?}", engine.overdue());
    run_for(&engine, 1).await;
    assert_eq!(engine.overdue(), Duration::ZERO);
}
