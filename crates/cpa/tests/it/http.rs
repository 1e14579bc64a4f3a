//! Methods that are addresses.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::any;
use serde_json::{Value, json};
use setpoint_cpa::{Config, CustomPodAutoscaler, ProgramLimits, RunType, Setup};
use setpoint_runtime::in_one_line;

use crate::{Scripted, autoscaler, autoscaler_with, target, workload};

/// What a request had.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    headers: HeaderMap,
    query: Option<String>,
    body: Bytes,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Asked>>>);

/// A server that answers by the path, and remembers what it was asked. It ends with the test's runtime.
async fn server() -> (String, Heard) {
    let heard = Heard::default();
    let router = Router::new()
        .route("/three", any(async || r#"{"targetReplicas": 3}"#))
        .route("/accepted", any(async || (StatusCode::ACCEPTED, "7")))
        .route("/broken", any(async || (StatusCode::INTERNAL_SERVER_ERROR, "no luck")))
        .route("/moved", any(async || Redirect::temporary("/three")))
        .route("/long", any(async || "x".repeat(5000)))
        .route("/never", any(std::future::pending::<Response>))
        .route("/bytes", any(async || vec![0xff_u8, 0xfe].into_response()))
        .layer(axum::middleware::from_fn_with_state(heard.clone(), hear));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it has one"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, heard)
}

async fn hear(
    State(heard): State<Heard>,
    RawQuery(query): RawQuery,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a short body");
    let asked = Asked { method: parts.method.clone(), headers: parts.headers.clone(), query, body: body.clone() };
    heard.0.lock().expect("one at a time").push(asked);
    next.run(Request::from_parts(parts, body.into())).await
}

fn http(url: &str, more: &Value) -> Value {
    let mut http = json!({ "method": "GET", "url": url, "successCodes": [200], "parameterMode": "query" });
    http.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "type": "http", "timeout": 20_000, "http": http })
}

#[tokio::test]
async fn json_goes_into_the_query_or_the_body_and_the_answer_is_the_body() {
    let (address, heard) = server().await;
    let scripted = Scripted::new("");
    let mut config = scripted.config(&json!({}));
    config["metric"] = http(
        &format!("{address}/accepted?kept=1"),
        &json!({ "successCodes": [200, 202], "headers": { "X-Token": "secret" } }),
    );
    config["evaluate"] = http(&format!("{address}/three"), &json!({ "method": "post", "parameterMode": "body" }));
    config["postScale"] = http(&format!("{address}/moved"), &json!({ "method": "PUT", "parameterMode": "body" }));
    let handler = workload(1, "7");
    let cycle = autoscaler(&config, &handler).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!((cycle.metrics[0].value.as_str(), cycle.written), ("7", Some((1, 3))));
    let asked = heard.0.lock().expect("all ended").clone();
    let methods: Vec<&str> = asked.iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["GET", "POST", "PUT", "PUT"], "and a redirection is followed");
    let url =
        reqwest::Url::parse(&format!("http://a/?{}", asked[0].query.as_deref().expect("a query"))).expect("an address");
    let pairs: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(pairs[0], ("kept".into(), "1".into()));
    let value: Value = serde_json::from_str(&pairs[1].1).expect("JSON");
    assert_eq!((pairs[1].0.as_str(), &value["runType"]), ("value", &"scaler".into()));
    assert!(asked[0].headers["X-Token"] == "secret" && asked[0].body.is_empty());
    let body: Value = serde_json::from_slice(&asked[1].body).expect("JSON");
    assert_eq!(body["metrics"], json!([{ "resource": "hello-kubernetes", "value": "7" }]));
    assert!(asked[1].query.is_none() && asked[1].headers["content-type"] == "application/json");
    assert_eq!(serde_json::from_slice::<Value>(&asked[3].body).expect("JSON")["targetReplicas"], 3);
}

#[tokio::test]
async fn an_address_that_fails_is_told_apart_and_changes_nothing() {
    let (address, _) = server().await;
    let scripted = Scripted::new("");
    let cases = [
        ("another status", "/broken", json!({}), "/broken: 500 Internal Server Error: no luck"),
        ("one that isn't wanted", "/three", json!({ "successCodes": [201] }), "/three: 200 OK"),
        ("without codes each of 2xx is well", "/broken", json!({ "successCodes": [] }), "500"),
        ("too long", "/long", json!({}), "more than 4096 bytes"),
        ("never", "/never", json!({}), "did not answer in time"),
        ("no text", "/bytes", json!({}), "not UTF-8"),
    ];
    for (name, path, more, says) in cases {
        let handler = workload(4, "7");
        let mut config = scripted.config(&json!({}));
        config["evaluate"] = http(&format!("{address}{path}"), &more);
        if path == "/never" {
            config["evaluate"]["timeout"] = json!(200);
        }
        let scaler =
            autoscaler_with(&config, &handler, |setup| setup.limits = ProgramLimits::default().with_output(4096));
        let error = in_one_line(&scaler.scale(RunType::Scaler).await.expect_err(name));
        assert!(error.starts_with("no evaluation: ") && error.contains(says), "{name}: {error}");
        assert_eq!(handler.replicas(&target()), Some(4), "{name}");
    }
}

#[test]
fn what_an_address_needs_is_looked_at_before_anything_runs() {
    let scripted = Scripted::new("");
    let nothing = scripted.path("nothing.pem").display().to_string();
    let empty = scripted.path("answer").display().to_string();
    let cases = [
        ("no address", json!({ "url": "nowhere" }), "evaluate.http.url: "),
        ("not HTTP", json!({ "url": "file:///etc/passwd" }), "must begin with http://"),
        ("no method", json!({ "method": "G E T" }), "evaluate.http.method: "),
        ("no header", json!({ "headers": { "a b": "c" } }), "evaluate.http.headers.a b: "),
        ("no file", json!({ "caCert": nothing }), "nothing.pem: No such file"),
        ("no certificate in it", json!({ "caCert": empty }), "it holds no certificate"),
        ("no key in it", json!({ "clientCert": empty, "clientKey": empty }), "evaluate.http.clientCert: "),
    ];
    for (name, more, says) in cases {
        let mut config = scripted.config(&json!({}));
        config["evaluate"] = http("http://127.0.0.1:1/", &more);
        let config = Config::read(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = CustomPodAutoscaler::new(&config, Setup::new(target(), workload(1, "7"))).expect_err(name);
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}
