//! The REST API, and an autoscaler at work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use setpoint_cpa::{CustomPodAutoscaler, ServeError, Served};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Scripted, autoscaler, sh, target, until, workload};

/// One that is asked, until it is told to end.
struct Asked {
    address: String,
    client: Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServeError>>,
}

impl Asked {
    async fn start(autoscaler: CustomPodAutoscaler) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let served = Served::start(autoscaler, Some(anywhere)).await.expect("a port");
        let address = format!("http://{}", served.address().expect("known").expect("one was asked for"));
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(served.run(async { drop(stopped.await) }));
        let client =
            setpoint_runtime::source::Fetch::client().timeout(Duration::from_secs(60)).build().expect("a client");
        Self { address, client, stop, running }
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let request = self.client.request(method.parse().expect("a method"), format!("{}{path}", self.address));
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}")))
    }

    async fn end(self) {
        drop(self.stop);
        self.running.await.expect("no panic").expect("it ends well");
    }
}

#[tokio::test]
async fn metrics_and_evaluations_are_what_a_cycle_has_and_a_dry_run_tells_the_final_count() {
    let scripted = Scripted::new(r#"{"targetReplicas": 40}"#);
    let handler = workload(4, "7");
    let config = scripted.config(&json!({
        "metric": sh("echo -n 7"),
        "postMetric": scripted.noting("postMetric"),
        "preScale": scripted.noting("preScale"),
        "downscaleStabilization": 3600,
        "interval": 3_600_000,
    }));
    let api = Asked::start(autoscaler(&config, &handler)).await;
    let metrics = json!([{ "resource": "hello-kubernetes", "value": "7" }]);
    assert_eq!(api.ask("GET", "/api/v1/metrics").await, (200, metrics.clone()));
    assert_eq!(scripted.handed("postMetric")["runType"], "api");
    assert_eq!(api.ask("GET", "/api/v1/metrics?dry_run=true").await, (200, metrics));
    assert_eq!(scripted.handed("postMetric")["runType"], "api_dry_run");

    let (status, told) = api.ask("POST", "/api/v1/evaluation?dry_run=true").await;
    let counts = ["targetReplicas", "target_replicas", "currentReplicas", "answer"].map(|field| told[field].clone());
    // 40 was answered, and 10 is the most there may be.
    assert_eq!((status, counts), (200, [10, 10, 4, 40].map(Value::from)), "{told}");
    assert_eq!(told["reasons"][0]["text"], "the evaluate program answered 40");
    assert_eq!((handler.replicas(&target()), scripted.called().contains(&"preScale".to_owned())), (Some(4), false));

    scripted.answers(r#"{"targetReplicas": 6}"#);
    let (status, told) = api.ask("POST", "/api/v1/evaluation").await;
    assert_eq!((status, &told["targetReplicas"], handler.replicas(&target())), (200, &6.into(), Some(6)), "{told}");
    assert_eq!(scripted.handed("preScale")["runType"], "api");
    // The window holds the 6; the 40 of the dry run it never saw.
    scripted.answers(r#"{"targetReplicas": 1}"#);
    for (path, want) in [("?dry_run=1", 6), ("?dry_run=false", 6), ("?dry_run=", 6)] {
        let (status, told) = api.ask("POST", &format!("/api/v1/evaluation{path}")).await;
        assert_eq!((status, &told["targetReplicas"]), (200, &want.into()), "{path}: {told}");
    }
    api.end().await;
}

#[tokio::test]
async fn errors_are_a_message_and_a_code() {
    let scripted = Scripted::new("none");
    let handler = workload(4, "7");
    let config = scripted.config(&json!({ "interval": 3_600_000 }));
    let api = Asked::start(autoscaler(&config, &handler)).await;
    let not_boolean = "Invalid format for 'dry_run' query parameter; 'invalid' is not a valid boolean value";
    let cases = [
        ("GET", "/api/v1/metrics?dry_run=invalid", 400, not_boolean),
        ("POST", "/api/v1/evaluation?dry_run=invalid", 400, not_boolean),
        ("GET", "/api/v1/nothing", 404, "Resource '/api/v1/nothing' not found"),
        ("GET", "/", 404, "Resource '/' not found"),
        ("POST", "/api/v1/metrics", 405, "Method 'POST' not allowed on resource '/api/v1/metrics'"),
        ("DELETE", "/api/v1/evaluation", 405, "Method 'DELETE' not allowed on resource '/api/v1/evaluation'"),
        ("POST", "/api/v1/evaluation", 500, "the evaluate program's answer can't be used"),
        ("POST", "/api/v1/evaluation?dry_run=true", 500, "the evaluate program's answer can't be used"),
    ];
    for (method, path, code, says) in cases {
        let (status, told) = api.ask(method, path).await;
        let message = told["message"].as_str().unwrap_or_default();
        assert!(
            (status, &told["code"]) == (code, &code.into()) && message.starts_with(says),
            "{method} {path}: {status} {told}"
        );
    }
    assert_eq!(handler.replicas(&target()), Some(4));
    api.end().await;
}

#[tokio::test]
async fn cycles_go_on_whatever_one_came_to_and_one_runs_at_a_time() {
    let scripted = Scripted::new("none");
    let handler = workload(1, "7");
    // Whoever finds the folder there runs beside another.
    let (alone, log) = (scripted.path("alone"), scripted.path("log"));
    let metric = format!("mkdir {0} || echo together >> {1}; sleep 0.05; rmdir {0}", alone.display(), log.display());
    let config = scripted.config(&json!({ "metric": sh(&metric), "interval": 1000, "startTime": 0 }));
    let api = Asked::start(autoscaler(&config, &handler)).await;
    let asks = (0..10).map(|_| api.ask("POST", "/api/v1/evaluation"));
    for (status, told) in futures::future::join_all(asks).await {
        assert_eq!(status, 500, "{told}");
    }
    scripted.answers(r#"{"targetReplicas": 3}"#);
    let waiting = Arc::clone(&handler);
    until("a cycle of its own", || waiting.replicas(&target()) == Some(3)).await;
    scripted.answers(r#"{"targetReplicas": 2}"#);
    until("and another", || waiting.replicas(&target()) == Some(2)).await;
    assert!(scripted.called().is_empty(), "two cycles ran at once");
    api.end().await;
}

#[tokio::test]
async fn a_change_has_its_last_hook_though_nobody_listens_any_more() {
    let scripted = Scripted::new(r#"{"targetReplicas": 3}"#);
    let handler = workload(1, "7");
    let config = scripted.config(&json!({
        "preScale": sh(&format!("touch {}; sleep 0.5", scripted.path("begun").display())),
        "postScale": scripted.noting("postScale"),
        "interval": 3_600_000,
    }));
    let api = Asked::start(autoscaler(&config, &handler)).await;
    {
        let asked = api.client.post(format!("{}/api/v1/evaluation", api.address)).send();
        let begun = scripted.path("begun");
        tokio::select! {
            answer = asked => panic!("it can't have ended: {answer:?}"),
            () = until("it begins", || begun.exists()) => {}
        }
    }
    until("the hook", || scripted.called() == ["postScale"]).await;
    assert_eq!(handler.replicas(&target()), Some(3));
    api.end().await;
}
