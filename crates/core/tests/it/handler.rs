//! The handler contract, used as a trait object, on the one handler that needs nothing real.

use std::task::{Context, Poll, Waker};

use setpoint::{BoxFuture, HandlerError, InMemoryHandler, ResourceHandler, TargetRef, Update};

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
    assert_eq!(ready(handler.current_replicas(&workers)).expect("known"), 2);
    assert_eq!(ready(handler.update_replicas(&workers, 5)).expect("known"), Update::Written { from: 2, to: 5 });
    assert_eq!(ready(handler.update_replicas(&workers, 5)).expect("known"), Update::Unchanged);
    let instances = ready(handler.instances(&workers)).expect("known");
    assert!(instances.len() == 5 && instances.iter().all(|instance| instance.ready), "{instances:?}");
    assert_eq!(ready(handler.describe(&workers)).expect("known")["spec"]["replicas"], 5);
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
