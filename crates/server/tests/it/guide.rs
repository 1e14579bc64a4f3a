//! The guide's calls, requests and answers, as they are printed. One thing is put in: the ids, for its own are examples.
//!
//! `guide/` holds the answers. The requests are those that the command reads as policies.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Served, file, told, until};

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

/// What the guide prints as an answer.
fn printed(name: &str) -> Value {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/guide").join(name))
}

/// What the guide prints as a request.
fn request(name: &str) -> Value {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/it/foreign/storage").join(name))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs one of the guide's calls, about the autoscaler `id`. That `localhost:8080` is this server is curl's own
/// configuration, as is that it says the status.
fn call(server: &Served, text: &str, id: &str) -> (u16, Value) {
    let home = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "silent\nshow-error\nconnect-to = \"localhost:8080:{}\"\nwrite-out = \"\\n%{{http_code}}\"\n",
        server.address
    );
    std::fs::write(home.path().join(".curlrc"), settings).expect("written");
    let script = text.replace("autoscaler-a1b2c3d4", id);
    told(Command::new("sh").args(["-c", &script]).env("CURL_HOME", home.path()))
}

/// Whether an answer has each field that the guide prints, with a value of the same kind; more of them are fine. Of a list
/// each item is like the first that is printed. `null` is what nobody has measured.
#[track_caller]
fn is_like(printed: &Value, answer: &Value, field: &str) {
    match (printed, answer) {
        (Value::Object(fields), Value::Object(answered)) => {
            for (name, value) in fields {
                let field = format!("{field}.{name}");
                is_like(value, answered.get(name).unwrap_or_else(|| panic!("no {field} in {answer}")), &field);
            }
        }
        (Value::Array(items), Value::Array(answered)) => {
            assert!(!answered.is_empty(), "{field} is empty");
            answered.iter().for_each(|item| is_like(&items[0], item, field));
        }
        (Value::Number(_), Value::Null) => assert!(field.contains("_cpu_") || field.contains("current_"), "{field}"),
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) => {}
        _ => panic!("{field} is {answer} and not like {printed}"),
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
    is_like(&printed("created.json"), &created, "created");
    let details = &created["details"];
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

/// Its second answer: three replicas, of which each uses what the guide says.
#[test]
fn its_answers_have_the_fields_that_it_prints() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let mut wanted = request("nginx-deployment.json");
    // Three are the most; and no minute to wait.
    (wanted["max_replicas"], wanted["scale_up_policy"]["stabilization_window_seconds"]) = (3.into(), 0.into());
    let id = server.create(&wanted);
    let found = printed("found.json");
    let reading = |metric: &str| found["details"][format!("current_{metric}_percent")].clone();
    let readings = json!({ "cpu": reading("cpu"), "memory": reading("memory"), "gpu": reading("gpu") });
    let sent = server.ask("PUT", "/api/v1/readings/default/Deployment/nginx-deployment", Some(&readings));
    assert_eq!(sent.0, 204, "{}", sent.1);
    let answer = until("its third replica", || {
        let (_, answer) = call(&server, GET, &id);
        let details = &answer["details"];
        (details["current_replicas"] == 3 && details["last_scale_time"].is_string()).then_some(answer)
    });
    is_like(&found, &answer, "found");
    let same = [
        "current_replicas",
        "desired_replicas",
        "current_cpu_percent",
        "current_memory_percent",
        "current_gpu_percent",
    ];
    for field in same {
        assert_eq!(answer["details"][field], found["details"][field], "{field}");
    }
    server.create(&request("web-frontend.json"));
    let (_, list) = call(&server, LIST, "");
    is_like(&printed("list.json"), &list, "list");
    assert_eq!(list["count"], printed("list.json")["count"]);
    let (_, metrics) = call(&server, METRICS, "");
    is_like(&printed("metrics.json"), &metrics, "metrics");
    assert_eq!(metrics["average_cpu_utilization"], 75.0, "of the one that is measured");
    let (_, deleted) = call(&server, DELETE, &id);
    let mut gone = printed("deleted.json");
    gone["autoscaler_id"] = id.into();
    assert_eq!(deleted, gone);
}

#[test]
fn its_requests_are_taken() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let requests = ["nginx-deployment.json", "web-frontend.json", "ai-inference.json", "model-training.json"];
    for name in requests {
        let (status, body) = server.ask("POST", "/api/v1/autoscaling", Some(&request(name)));
        assert_eq!(status, 201, "{name}: {body}");
    }
    assert_eq!(server.ask("GET", "/api/v1/autoscaling", None).1["count"], requests.len());
}

#[test]
fn its_errors_are_the_printed_ones() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let create = |field: &str, value: Value| {
        let mut request = request("nginx-deployment.json");
        request[field] = value;
        server.ask("POST", "/api/v1/autoscaling", Some(&request))
    };
    let cases = [
        ("invalid.json", 400, create("min_replicas", 0.into())),
        ("not-found.json", 404, server.ask("GET", "/api/v1/autoscaling/autoscaler-xyz123", None)),
        ("failed.json", 500, create("workload_name", "nginx".into())),
    ];
    for (name, status, answer) in cases {
        assert_eq!(answer, (status, printed(name)), "{name}");
    }
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
