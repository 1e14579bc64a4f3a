//! Prometheus, and webhooks.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use setpoint_testkit::http::{Answer, Asked, Server};

use crate::support::{Served, file, quick, until};

#[test]
fn readings_are_prometheus_or_missing() {
    let prometheus = Server::start(|asked| {
        let query = &asked.form()["query"];
        Answer::instant(match query {
            cpu if cpu.contains("container_cpu_usage_seconds_total") => Some("105"),
            memory if memory.contains("DCGM_FI_DEV_FB_USED") => Some("40.4"),
            // No GPU's exporter knows these pods.
            _ => None,
        })
    });
    let (_folder, path) = file();
    let server = Served::with_prometheus(&path, &prometheus.url());
    let mut request = quick();
    request["target_gpu_percent"] = 50.into();
    request["target_gpu_memory_percent"] = 80.into();
    let id = server.create(&request);
    let details = server.until(&id, "a change", |details| details["scale_up_count"].as_u64() >= Some(1));
    assert_eq!(details["current_cpu_percent"], 105, "{details}");
    assert_eq!(details["current_gpu_memory_percent"], 40, "{details}");
    assert_eq!(details["current_gpu_percent"], Value::Null, "missing, and no zero: {details}");
    let asked: Vec<String> = prometheus.asked().iter().map(|asked| asked.form()["query"].clone()).collect();
    let pods =
        r#"{namespace="default",pod=~"nginx-deployment-[b-df-hj-np-tv-xz24-9]{1,10}-[b-df-hj-np-tv-xz24-9]{5}"}"#;
    assert!(asked.contains(&format!("avg(DCGM_FI_DEV_GPU_UTIL{pods})")), "{asked:?}");
    // It has no query for what no autoscaler asks, and nothing sent takes its place.
    assert!(!asked.iter().any(|query| query.contains("container_fs")), "{asked:?}");
}

const SECRET: &str = "known to the two of them";

/// As OpenSSL has it.
fn signature(body: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    std::io::Write::write_all(&mut openssl.stdin.take().expect("piped"), body.as_bytes()).expect("it reads");
    let output = openssl.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn changes_are_told_and_no_look_waits_for_it() {
    // One is down at first, and one never answers.
    let is_first = AtomicBool::new(true);
    let first_not =
        move |_: &Asked| Answer::Body(if is_first.swap(false, Ordering::Relaxed) { 503 } else { 204 }, String::new());
    let well = Server::start(first_not);
    let deaf = Server::start(|_| Answer::Silence);
    let (_folder, path) = file();
    let urls = format!("http://{}/deaf http://me:secret@{}/hook?key=k", deaf.address(), well.address());
    let server = Served::with_webhooks(&path, &urls, SECRET);
    let id = server.create(&quick());
    let send = |cpu: u32| {
        let readings = "/api/v1/readings/default/Deployment/nginx-deployment";
        let (status, body) = server.ask("PUT", readings, Some(&json!({ "cpu": cpu })));
        assert_eq!(status, 204, "{body}");
    };
    send(105);
    let all = |count: u64| move |details: &Value| details["current_replicas"].as_u64() == Some(count);
    server.until(&id, "the most", all(10));
    // Each of these looks is after one whose change nobody was told yet.
    send(7);
    server.until(&id, "the fewest", all(2));

    let told = until("the last change", || {
        let told = well.asked();
        let last = told.last().map(|last| serde_json::from_str::<Value>(&last.body).expect("JSON"));
        last.is_some_and(|last| last["to"] == 2).then_some(told)
    });
    let first = &told[0];
    assert_eq!([&*first.method, &first.target, &first.version], ["POST", "/hook?key=k", "HTTP/1.1"]);
    assert_eq!(
        (&told[0].body, told[0].header("x-setpoint-delivery")),
        (&told[1].body, told[1].header("x-setpoint-delivery"))
    );
    for one in &told {
        let signed = format!("sha256={}", signature(&one.body));
        assert_eq!(one.header("x-setpoint-signature"), Some(signed.as_str()), "{:?}", one.headers);
    }
    let changes: Vec<Value> = told[1..].iter().map(|one| serde_json::from_str(&one.body).expect("JSON")).collect();
    let first = &changes[0];
    assert_eq!((&first["event"], &first["from"], &first["to"]), (&"scaled".into(), &2.into(), &3.into()), "{first}");
    assert_eq!(
        (&first["autoscaling_id"], &first["workload_name"]),
        (&id.into(), &"nginx-deployment".into()),
        "{first}"
    );
    assert_eq!(first["readings"], json!({ "cpu": 105.0 }), "{first}");
    assert!(first["reasons"][0]["text"].as_str().is_some_and(|text| text.contains("cpu")), "{first}");
    for pair in changes.windows(2) {
        assert_eq!(pair[1]["from"], pair[0]["to"], "each change is told, in order: {changes:?}");
    }
    assert!(!deaf.asked().is_empty(), "it was tried");
}
