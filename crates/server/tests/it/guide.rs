//! The guide's calls, as they are written. Two things are put in: the port, and the ids, for its own are examples.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Served, answer, file};

const CREATE: &str = r#"curl -X POST http://localhost:8080/api/v1/autoscaling \
  -H "Content-Type: application/json" \
  -d '{
    "workload_name": "ai-training-job",
    "workload_namespace": "ml-workloads",
    "workload_type": "Deployment",
    "min_replicas": 1,
    "max_replicas": 5,
    "target_cpu_percent": 70,
    "target_gpu_percent": 80,
    "scale_up_policy": {
      "stabilization_window_seconds": 60,
      "max_scale_change": 2
    },
    "scale_down_policy": {
      "stabilization_window_seconds": 300,
      "max_scale_change": 1
    }
  }'"#;
const GET: &str = "curl http://localhost:8080/api/v1/autoscaling/autoscaler-a1b2c3d4";
const LIST: &str = "curl http://localhost:8080/api/v1/autoscaling";
const DELETE: &str = "curl -X DELETE http://localhost:8080/api/v1/autoscaling/autoscaler-a1b2c3d4";
const METRICS: &str = "curl http://localhost:8080/api/v1/autoscaling/metrics";

/// Runs one of the guide's calls, about the autoscaler `id`.
fn call(server: &Served, text: &str, id: &str) -> (u16, Value) {
    let text = text.replace("localhost:8080", &server.address).replace("autoscaler-a1b2c3d4", id);
    // `-w` comes behind, as an argument of the shell.
    answer(Command::new("sh").args(["-c", &format!("{text} -sS \"$@\""), "sh"]))
}

/// The fields that the guide shows; more of them are fine.
#[track_caller]
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "no `{field}` in {value}");
    }
}

#[test]
fn the_calls_run_as_they_are_written() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let (status, created) = call(&server, CREATE, "");
    assert_eq!(
        (status, &created["status"], &created["message"]),
        (201, &json!("active"), &json!("Autoscaler created successfully"))
    );
    let id = created["autoscaling_id"].as_str().expect("an id");
    assert!(id.strip_prefix("autoscaler-").is_some_and(|rest| rest.len() == 8), "{id}");
    let details = &created["details"];
    has(details, &["created_at", "scale_up_count", "scale_down_count"]);
    assert_eq!((&details["current_replicas"], &details["desired_replicas"]), (&json!(1), &json!(1)));
    assert_eq!(details["hpa_name"], "ai-training-job");
    for unmeasured in ["current_cpu_percent", "current_memory_percent", "current_gpu_percent"] {
        assert_eq!(details.get(unmeasured), Some(&Value::Null), "{unmeasured}: never a 0");
    }

    server.until(id, "a look", |details| details.get("updated_at").is_some());
    let (status, got) = call(&server, GET, id);
    assert_eq!(
        (status, &got["autoscaling_id"], &got["status"], &got["message"]),
        (200, &json!(id), &json!("active"), &json!("Autoscaler is active"))
    );
    let (status, list) = call(&server, LIST, id);
    assert_eq!((status, &list["count"], &list["autoscalers"][0]["autoscaling_id"]), (200, &json!(1), &json!(id)));
    let (status, totals) = call(&server, METRICS, id);
    assert_eq!(
        (status, totals),
        (
            200,
            json!({ "total_autoscalers": 1, "active_autoscalers": 1, "total_scale_ups": 0, "total_scale_downs": 0,
                "average_cpu_utilization": null })
        )
    );
    let (status, deleted) = call(&server, DELETE, id);
    assert_eq!((status, deleted), (200, json!({ "message": "Autoscaler deleted successfully", "autoscaler_id": id })));
    let (status, missing) = call(&server, GET, id);
    assert_eq!(
        (status, missing),
        (404, json!({ "error": "Autoscaler not found", "details": format!("autoscaler {id} not found") }))
    );
}

#[test]
fn its_requests_are_taken() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let requests = [
        (
            "the first request",
            json!({
                "workload_name": "nginx-deployment", "workload_namespace": "default", "workload_type": "Deployment",
                "min_replicas": 2, "max_replicas": 10,
                "target_cpu_percent": 70, "target_memory_percent": 80, "target_gpu_percent": 75,
                "scale_up_policy": { "stabilization_window_seconds": 60, "max_scale_change": 3 },
                "scale_down_policy": { "stabilization_window_seconds": 300, "max_scale_change": 2 },
            }),
        ),
        (
            "CPU only",
            json!({
                "workload_name": "web-frontend", "workload_namespace": "production", "workload_type": "Deployment",
                "min_replicas": 2, "max_replicas": 10, "target_cpu_percent": 70,
            }),
        ),
        (
            "several metrics, with policies",
            json!({
                "workload_name": "ai-inference", "workload_namespace": "ml", "workload_type": "Deployment",
                "min_replicas": 1, "max_replicas": 8,
                "target_cpu_percent": 60, "target_memory_percent": 75, "target_gpu_percent": 80,
                "scale_up_policy": { "stabilization_window_seconds": 30, "max_scale_change": 3 },
                "scale_down_policy": { "stabilization_window_seconds": 600, "max_scale_change": 1 },
            }),
        ),
        (
            "GPU only",
            json!({
                "workload_name": "model-training", "workload_namespace": "research", "workload_type": "StatefulSet",
                "min_replicas": 1, "max_replicas": 4, "target_gpu_percent": 85,
                "scale_down_policy": { "stabilization_window_seconds": 900, "max_scale_change": 1 },
            }),
        ),
    ];
    for (name, request) in &requests {
        let (status, body) = server.ask("POST", "/api/v1/autoscaling", Some(request));
        assert_eq!(status, 201, "{name}: {body}");
    }
    assert_eq!(server.ask("GET", "/api/v1/autoscaling", None).1["count"], requests.len());
}

#[test]
fn its_errors_are_answered() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let request = |change: &dyn Fn(&mut Value)| {
        let mut request = crate::support::quick();
        change(&mut request);
        server.ask("POST", "/api/v1/autoscaling", Some(&request))
    };
    let (invalid, failed) = ("Validation failed", "Failed to create autoscaler");
    type Row<'a> = (&'a str, (u16, Value), u16, &'a str, &'a str);
    let cases: [Row<'_>; 9] = [
        ("no minimum", request(&|it| it["min_replicas"] = 0.into()), 400, invalid, "min_replicas must be at least 1"),
        (
            "bounds crossed",
            request(&|it| it["max_replicas"] = 1.into()),
            400,
            invalid,
            "max_replicas must be greater than or equal to min_replicas",
        ),
        (
            "no target",
            request(&|it| it["target_cpu_percent"] = Value::Null),
            400,
            invalid,
            "at least one target is required",
        ),
        ("another kind", request(&|it| it["workload_type"] = "DaemonSet".into()), 400, invalid, "DaemonSet"),
        ("a field misspelt", request(&|it| it["target_cpu"] = 70.into()), 400, invalid, "target_cpu"),
        ("no name", request(&|it| it["workload_name"] = "".into()), 400, invalid, "workload_name is required"),
        ("no object", server.ask("POST", "/api/v1/autoscaling", Some(&json!([]))), 400, invalid, ""),
        (
            "no such workload",
            request(&|it| it["workload_name"] = "nginx".into()),
            500,
            failed,
            "failed to get workload: deployment \"nginx\" not found",
        ),
        (
            "none of this id",
            server.ask("GET", "/api/v1/autoscaling/autoscaler-xyz123", None),
            404,
            "Autoscaler not found",
            "autoscaler autoscaler-xyz123 not found",
        ),
    ];
    for (name, (status, body), expected, error, details) in cases {
        assert_eq!((status, &body["error"]), (expected, &json!(error)), "{name}: {body}");
        assert!(body["details"].as_str().is_some_and(|text| text.contains(details)), "{name}: {body}");
    }
}
