//! What counts, and what is let in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Served, file, quick};

fn send(server: &Served, readings: &Value) {
    let (status, body) = server.ask("PUT", "/api/v1/readings/default/Deployment/nginx-deployment", Some(readings));
    assert_eq!(status, 204, "{body}");
}

/// The counts at an autoscaler's looks so far, without repetitions.
fn counts(server: &Served, id: &str) -> Vec<u64> {
    let (status, body) = server.ask("GET", &format!("/api/v1/autoscaling/{id}/history"), None);
    assert_eq!(status, 200, "{body}");
    let mut counts: Vec<u64> =
        body["history"].as_array().expect("looks").iter().filter_map(|point| point["replicas"].as_u64()).collect();
    counts.dedup();
    counts
}

#[test]
fn each_target_counts() {
    let cases = [
        ("target_cpu_percent", "cpu", 70.0, "current_cpu_percent"),
        ("target_memory_percent", "memory", 70.0, "current_memory_percent"),
        ("target_gpu_percent", "gpu", 70.0, "current_gpu_percent"),
        ("target_gpu_memory_percent", "gpuMemory", 70.0, "current_gpu_memory_percent"),
        (
            "target_storage_read_throughput_mbps",
            "storageReadThroughputMbps",
            500.0,
            "current_storage_read_throughput_mbps",
        ),
        (
            "target_storage_write_throughput_mbps",
            "storageWriteThroughputMbps",
            500.0,
            "current_storage_write_throughput_mbps",
        ),
        ("target_storage_iops", "storageIops", 1000.0, "current_storage_iops"),
    ];
    let (_folder, path) = file();
    let server = Served::start(&path);
    for (target, metric, value, current) in cases {
        let mut request = quick();
        request["target_cpu_percent"] = Value::Null;
        #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
        let whole = value as i64;
        request[target] = whole.into();
        // From wherever the case before ended to four: the count at the look, and a reading that is two or one times it.
        request["min_replicas"] = 4.into();
        let id = server.create(&request);
        server.until(&id, "the minimum", |details| details["current_replicas"] == 4);
        send(&server, &json!({ metric: value * 1.25 }));
        let details = server.until(&id, target, |details| details["current_replicas"].as_u64() >= Some(5));
        assert!(details[current].as_f64() >= Some(value), "{target}: {details}");
        assert_eq!(
            counts(&server, &id).get(..2).map(<[u64]>::to_vec).map(|first| first.contains(&5)),
            Some(true),
            "{target}"
        );
        assert_eq!(server.ask("DELETE", &format!("/api/v1/autoscaling/{id}"), None).0, 200);
        // Back to where the next case begins.
        let mut down = quick();
        down["max_replicas"] = 2.into();
        let id = server.create(&down);
        server.until(&id, "the maximum", |details| details["current_replicas"] == 2);
        assert_eq!(server.ask("DELETE", &format!("/api/v1/autoscaling/{id}"), None).0, 200);
    }
}

#[test]
fn a_change_is_limited_look_by_look_in_both_directions() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let mut request = quick();
    request["scale_up_policy"] = json!({ "max_scale_change": 3 });
    request["scale_down_policy"] = json!({ "stabilization_window_seconds": 0, "max_scale_change": 2 });
    let id = server.create(&request);
    send(&server, &json!({ "cpu": 700 }));
    server.until(&id, "the maximum", |details| details["current_replicas"] == 10);
    // As with HPA, what was added within the period of a look counts for nothing there: a fall begins below it.
    std::thread::sleep(Duration::from_secs(3));
    send(&server, &json!({ "cpu": 0 }));
    server.until(&id, "the minimum", |details| details["current_replicas"] == 2);
    let counts = counts(&server, &id);
    let begin = counts.iter().position(|count| *count > 2).expect("it went up");
    assert_eq!(counts.get(begin..), Some([5, 8, 10, 8, 6, 4, 2].as_slice()));
}

#[test]
fn the_window_up_waits_for_a_need_that_lasts() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let mut request = quick();
    request["scale_up_policy"] = json!({ "stabilization_window_seconds": 600 });
    let id = server.create(&request);
    send(&server, &json!({ "cpu": 70 }));
    server.until(&id, "a low reading", |details| details["current_cpu_percent"] == 70);
    send(&server, &json!({ "cpu": 140 }));
    server.until(&id, "a high reading", |details| details["current_cpu_percent"] == 140);
    assert_eq!(counts(&server, &id), [2], "ten minutes ago two were enough");
}

#[test]
fn the_window_down_holds_from_the_first_look_on() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let mut request = quick();
    request["scale_down_policy"] = json!({ "stabilization_window_seconds": 600 });
    let id = server.create(&request);
    send(&server, &json!({ "cpu": 140 }));
    server.until(&id, "more", |details| details["current_replicas"].as_u64() >= Some(4));
    send(&server, &json!({ "cpu": 10 }));
    let details = server.until(&id, "a low reading", |details| details["current_cpu_percent"] == 10);
    assert_eq!(details["scale_down_count"], 0);
}

#[test]
fn a_workload_has_one_autoscaler() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let id = server.create(&quick());
    let (status, body) = server.ask("POST", "/api/v1/autoscaling", Some(&quick()));
    assert_eq!((status, &body["error"]), (409, &json!("Failed to create autoscaler")), "{body}");
    server.ask("DELETE", &format!("/api/v1/autoscaling/{id}"), None);
    server.create(&quick());
}

#[test]
fn a_token_opens_the_api_and_nothing_else_does() {
    let (_folder, path) = file();
    let mut server = Served::with_token(&path, "correct-horse-battery");
    assert_eq!(server.ask("GET", "/api/v1/autoscaling", None).0, 200);
    server.forget_token();
    for (method, path) in [
        ("GET", "/api/v1/autoscaling"),
        ("POST", "/api/v1/autoscaling"),
        ("GET", "/api/v1/autoscaling/metrics"),
        ("DELETE", "/api/v1/autoscaling/autoscaler-a1b2c3d4"),
        ("PUT", "/api/v1/readings/default/Deployment/nginx-deployment"),
        ("GET", "/api/v1/elsewhere"),
    ] {
        let (status, body) = server.ask(method, path, None);
        assert_eq!((status, &body["error"]), (401, &json!("Unauthorized")), "{method} {path}");
    }
    for open in ["/", "/openapi.json", "/healthz", "/readyz"] {
        assert_eq!(server.ask("GET", open, None).0, 200, "{open}");
    }
}

#[test]
fn too_much_is_refused() {
    let (_folder, path) = file();
    let server = Served::with_rate(&path, "3");
    let mut large = quick();
    large["workload_name"] = "a".repeat(70_000).into();
    let (status, body) = server.ask("POST", "/api/v1/autoscaling", Some(&large));
    assert_eq!((status, &body["error"]), (413, &json!("Validation failed")), "{body}");
    // Faster than three a second: in one process, one connection.
    let url = format!("http://{}/api/v1/autoscaling", server.address);
    let statuses = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}\n"])
        .args(std::iter::repeat_n(url, 30).flat_map(|url| [url, "-o".to_owned(), "/dev/null".to_owned()]))
        .output()
        .expect("curl is installed");
    let statuses = String::from_utf8_lossy(&statuses.stdout).into_owned();
    assert!(statuses.contains("429"), "{statuses}");
}

#[tokio::test]
async fn an_address_that_others_reach_takes_a_token() {
    let (_folder, path) = file();
    let mut settings = setpoint_server::Settings::default();
    settings.listen = ([0, 0, 0, 0], 0).into();
    settings.database = path;
    let sources: [std::sync::Arc<dyn setpoint_runtime::Source>; 0] = [];
    let refused = setpoint_server::Server::start(settings, setpoint::Handlers::new(), sources).await;
    assert!(matches!(refused, Err(setpoint_server::ServeError::TokenRequired(_))), "{refused:?}");
}

#[test]
fn paths_that_are_served_are_those_that_are_described() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let (status, document) = server.ask("GET", "/openapi.json", None);
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let paths = document["paths"].as_object().expect("paths");
    assert!(!paths.is_empty());
    for (path, methods) in paths {
        let path = format!("/api/v1{}", path.replace(['{', '}'], ""));
        for method in ["get", "post", "put", "delete"] {
            let (status, _) = server.ask(&method.to_uppercase(), &path, None);
            assert_eq!(status != 405, methods.get(method).is_some(), "{method} {path}: {status}");
        }
    }
}
