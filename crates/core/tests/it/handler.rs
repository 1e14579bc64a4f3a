//! The handler contract, used as a trait object, on the one handler that needs nothing real.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::json;
use setpoint::{BoxFuture, HandlerError, Handlers, InMemoryHandler, ReplicaCount, ResourceHandler, TargetRef, Update};

fn ready<T>(mut future: BoxFuture<'_, T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing in memory waits"),
    }
}

fn target(kind: &str, name: &str) -> TargetRef {
    TargetRef { api_version: "v1".into(), kind: kind.into(), name: name.into(), namespace: Some("pools".into()) }
}

#[test]
fn counts_are_read_written_once_and_told() {
    let workers = target("Pool", "workers");
    let handler: Box<dyn ResourceHandler> = Box::new(InMemoryHandler::new([(workers.clone(), 2)]));
    assert!(handler.supports(&target("Pool", "another")) && !handler.supports(&target("Deployment", "workers")));
    let all_there = ReplicaCount::asked(2).with_existing(Some(2));
    assert_eq!(ready(handler.current_replicas(&workers)).expect("known"), all_there);
    assert_eq!(ready(handler.update_replicas(&workers, 5)).expect("known"), Update::Written { from: 2, to: 5 });
    assert_eq!(ready(handler.update_replicas(&workers, 5)).expect("known"), Update::Unchanged);
    let instances = ready(handler.instances(&workers)).expect("known");
    assert!(instances.len() == 5 && instances.iter().all(|instance| instance.ready()), "{instances:?}");
    assert_eq!(ready(handler.describe(&workers)).expect("known")["spec"]["replicas"], 5);
}

#[test]
fn what_is_described_is_the_manifest_with_the_count_put_in() {
    let workers = target("Pool", "workers");
    let manifest = json!({
        "metadata": { "labels": { "numPods": "3" }, "name": "another" }, "spec": { "replicas": 9, "paused": false }, "status": null,
    });
    let manifest = manifest.as_object().expect("an object").clone();
    let handler = InMemoryHandler::new([(workers.clone(), 1)]).with_manifest(workers.clone(), manifest);
    let head = json!({ "labels": { "numPods": "3" }, "name": "workers", "namespace": "pools" });
    let want = json!({
        "apiVersion": "v1", "kind": "Pool", "metadata": head, "spec": { "replicas": 1, "paused": false }, "status": { "replicas": 1 },
    });
    assert_eq!(ready(handler.describe(&workers)).expect("known"), want);
    let pod = json!({
        "metadata": { "name": "workers-0", "namespace": "pools" },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    assert_eq!(ready(handler.describe_instances(&workers)).expect("known"), [pod]);
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    let handler = InMemoryHandler::default();
    let nobody = target("Pool", "nobody");
    let error = ready(handler.update_replicas(&nobody, 3)).expect_err("unknown");
    assert!(matches!(error, HandlerError::NotFound { .. }));
    assert_eq!(error.to_string(), "v1 Pool pools/nobody does not exist");
    assert!(ready(handler.current_replicas(&nobody)).is_err() && ready(handler.instances(&nobody)).is_err());
}

#[test]
fn each_kind_has_one_handler_and_the_rest_another() {
    let (mine, rest) = (target("Mine", "a"), target("Pool", "b"));
    let own: Arc<dyn ResourceHandler> = Arc::new(InMemoryHandler::new([(mine.clone(), 1)]));
    let other: Arc<dyn ResourceHandler> = Arc::new(InMemoryHandler::new([(rest.clone(), 2)]));
    let mut handlers = Handlers::new().with_fallback(Arc::clone(&other));
    handlers.register("v1", "Mine", Arc::clone(&own)).expect("the first");
    let taken = handlers.register("v1", "Mine", Arc::clone(&other)).expect_err("the second");
    assert_eq!(taken.to_string(), "there is a handler for v1 Mine already; each kind has one");
    assert!(Arc::ptr_eq(handlers.find(&mine).expect("registered"), &own));
    assert!(Arc::ptr_eq(handlers.find(&rest).expect("the fallback's"), &other));
    let nobodys = handlers.find(&target("Nothing", "c")).map(drop).expect_err("nobody's");
    assert_eq!(nobodys.to_string(), "no handler for v1 Nothing pools/c");
}
