//! Several instances over one database.

use serde_json::json;

use crate::support::{Postgres, Served, file, quick};

#[test]
fn one_acts_and_another_takes_over_when_it_crashes() {
    let Some(postgres) = Postgres::start() else { return };
    let (first, second) = (Served::start(&postgres.url()), Served::start(&postgres.url()));
    let id = first.create(&quick());
    // Sent to one, acted on by the other.
    let readings = "/api/v1/readings/default/Deployment/nginx-deployment";
    second.ask("PUT", readings, Some(&json!({ "cpu": 105 })));
    let details = second.until(&id, "a change", |details| details["scale_up_count"].as_u64() >= Some(1));
    assert!(details["current_replicas"].as_u64() > Some(2), "{details}");
    // Each instance has workloads in its own memory: from the counts one sees who acts.
    first.until(&id, "the most", |details| details["current_replicas"] == 10);
    let changes = first.details(&id)["scale_up_count"].as_u64();
    first.kill();
    let details = second.until(&id, "a change by the other", |details| details["scale_up_count"].as_u64() > changes);
    assert!(details["current_replicas"].as_u64() < Some(10), "the second one's own: {details}");
    let (status, _) = second.ask("DELETE", &format!("/api/v1/autoscaling/{id}"), None);
    assert_eq!(status, 200);
}

#[test]
fn a_file_is_one_instances() {
    let (_folder, path) = file();
    let server = Served::start(&path);
    let refused = std::panic::catch_unwind(|| Served::start(&path));
    let message = refused.err().and_then(|panic| panic.downcast::<String>().ok()).expect("a second one is refused");
    assert!(message.contains("DatabaseInUse"), "{message}");
    drop(server);
}
