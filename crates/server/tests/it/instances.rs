//! Several instances over one database.

use serde_json::json;

use crate::support::{Postgres, Served, file, quick, until};
use crate::workload::{Workloads, signal};

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
fn two_live_instances_never_both_write_to_one_workload() {
    const OLD: &str = "nginx-deployment";
    const NEW: &str = "web-frontend";
    let Some(postgres) = Postgres::start() else { return };
    let workloads = Workloads::start();
    let first = Served::with_workloads(&postgres.url(), &workloads);
    let second = Served::with_workloads(&postgres.url(), &workloads);
    let (one, two) = (first.pid(), second.pid());
    let create = |server: &Served, name: &str| {
        let mut request = quick();
        request["workload_name"] = name.into();
        let id = server.create(&request);
        let readings = format!("/api/v1/readings/default/Deployment/{name}");
        let (status, body) = server.ask("PUT", &readings, Some(&json!({ "cpu": 105 })));
        assert_eq!(status, 204, "{body}");
        id
    };
    let id = create(&first, OLD);
    create(&second, NEW);
    let wrote = |writer: u32, name: &'static str, more: usize| {
        let wanted = workloads.count(writer, name) + more;
        until("a write", || (workloads.count(writer, name) >= wanted).then_some(()));
    };
    // Both live: each on its own, look after look, and longer than a lease lasts.
    wrote(one, OLD, 12);
    wrote(two, NEW, 3);
    assert_eq!((workloads.count(two, OLD), workloads.count(one, NEW)), (0, 0), "{:?}", workloads.writes());

    // One that is stopped, as a machine that is paused, notices nothing: when it goes on its lease is another's.
    workloads.stop_in_its_next_write(one);
    wrote(two, OLD, 3);
    let before = workloads.count(one, OLD);
    signal(one, "CONT");
    let (status, body) = first.ask("GET", &format!("/api/v1/autoscaling/{id}"), None);
    assert_eq!(status, 200, "it is back: {body}");
    wrote(two, OLD, 5);
    assert_eq!(workloads.count(one, OLD), before, "it wrote under a lease that it lost");
    assert_eq!(workloads.count(one, NEW), 0);

    // One that is dead leaves all that it had.
    second.kill();
    wrote(one, OLD, 2);
    wrote(one, NEW, 2);
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
