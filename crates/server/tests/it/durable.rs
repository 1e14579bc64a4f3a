//! What was acknowledged outlives a crash, in both databases.

use serde_json::json;

use crate::support::{Postgres, Served, file, quick};

fn nothing_acknowledged_is_lost(database: &str) {
    let server = Served::start(database);
    let (kept, gone) = (server.create(&quick()), {
        let mut other = quick();
        other["workload_name"] = "web-frontend".into();
        other["workload_namespace"] = "production".into();
        server.create(&other)
    });
    let (status, body) =
        server.ask("PUT", "/api/v1/readings/default/Deployment/nginx-deployment", Some(&json!({ "cpu": 105 })));
    assert_eq!(status, 204, "{body}");
    server.until(&kept, "a change", |details| details["scale_up_count"] == 1);
    let (status, body) = server.ask("DELETE", &format!("/api/v1/autoscaling/{gone}"), None);
    assert_eq!((status, body), (200, json!({ "message": "Autoscaler deleted successfully", "autoscaler_id": gone })));
    let before = server.details(&kept);
    server.kill();

    let server = Served::start(database);
    let after = server.details(&kept);
    for field in ["created_at", "hpa_name"] {
        assert_eq!(after[field], before[field], "{field}: {before} became {after}");
    }
    // It may have acted again since, and never less.
    assert!(after["scale_up_count"].as_u64() >= before["scale_up_count"].as_u64(), "{before} became {after}");
    assert!(after["last_scale_time"].as_str() >= before["last_scale_time"].as_str(), "{before} became {after}");
    let (status, _) = server.ask("GET", &format!("/api/v1/autoscaling/{gone}"), None);
    assert_eq!(status, 404, "what was deleted stays so");
    // The memory with the workloads began anew: it acts again, on the reading that was sent before.
    server.until(&kept, "another change", |details| details["scale_up_count"].as_u64() >= Some(2));
}

#[test]
fn nothing_acknowledged_is_lost_in_a_file() {
    let (_folder, path) = file();
    nothing_acknowledged_is_lost(&path);
}

#[test]
fn nothing_acknowledged_is_lost_in_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    nothing_acknowledged_is_lost(&postgres.url());
}
