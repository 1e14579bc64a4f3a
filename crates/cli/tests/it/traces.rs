//! Looks as traces, of the command as it is run, in a collector that is a test.

use std::fs;
use std::process::Stdio;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use setpoint_testkit::http::{Answer, Server};
use tempfile::TempDir;

use crate::running::Running;
use crate::setpoint;

/// One metric that can be read, and one that can't.
const POLICY: &str = "apiVersion: setpoint.dev/v1alpha1
kind: ScalingPolicy
metadata: { name: workers }
spec:
  maxReplicas: 4
  interval: 1s
  metrics:
    - { name: queue, target: { averageValue: 4 }, source: { command: { command: [echo, '12'] } } }
    - { name: ghost, target: { value: 1 }, source: { command: { command: [cat, nowhere] } } }
  algorithm: { name: max-ratio }
";

/// The command in a folder with the policy, told of a collector at `endpoint`.
fn started(endpoint: &str, folder: &TempDir) -> Running {
    fs::write(folder.path().join("workers.yaml"), POLICY).expect("written");
    let log = fs::File::create(folder.path().join("log")).expect("a file");
    let mut command = setpoint();
    command.current_dir(folder.path()).args(["--verbose", "run", "--policy", "workers.yaml"]);
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test").stderr(Stdio::from(log));
    command.args(["--otlp-endpoint", endpoint, "--", "sleep", "1000"]);
    Running::start(&mut command)
}

/// The spans that were sent, and who sent them.
fn spans(server: &Server) -> (Vec<Span>, Vec<KeyValue>) {
    let (mut spans, mut resource) = (Vec::new(), Vec::new());
    for asked in server.asked() {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/traces"));
        assert_eq!(asked.header("content-type"), Some("application/x-protobuf"));
        let sent = ExportTraceServiceRequest::decode(&*asked.bytes).expect("as OTLP has it");
        for of_one in sent.resource_spans {
            resource = of_one.resource.expect("somebody sent it").attributes;
            spans.extend(of_one.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    (spans, resource)
}

/// An attribute as text.
fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let value =
        attributes.iter().find(|attribute| attribute.key == key).and_then(|it| it.value.as_ref()?.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[test]
fn a_look_is_a_trace_of_its_steps_and_says_what_failed() {
    let collector = Server::start(|_| Answer::ok("{}"));
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&collector.url(), &folder);
    let line = running.line();
    assert!(line.contains("1 -> 3"), "{line}");
    assert_eq!(running.end(), Some(0), "what isn't sent yet is sent at the end");

    let (spans, resource) = spans(&collector);
    assert_eq!(attribute(&resource, "service.name"), "setpoint");
    assert_eq!(attribute(&resource, "deployment.environment.name"), "test", "as the environment says");
    let look = spans.iter().find(|span| span.name == "look").expect("a look");
    assert!(look.parent_span_id.is_empty(), "a look begins a trace");
    let said = [
        ("setpoint.workload", "workers"),
        ("setpoint.algorithm", "max-ratio"),
        ("setpoint.current", "1"),
        ("setpoint.desired", "3"),
        ("setpoint.outcome", "need"),
        ("setpoint.effect", "done"),
    ];
    for (key, value) in said {
        assert_eq!(attribute(&look.attributes, key), value, "{key}");
    }
    let reasons = attribute(&look.attributes, "setpoint.reasons");
    assert!(reasons.contains("queue is 12 against 4"), "{reasons}");
    assert!(look.status.as_ref().is_none_or(|status| status.message.is_empty()), "a missing reading fails no look");
    assert!(look.events.iter().any(|event| event.name == "scaled"), "{:?}", look.events);

    let steps: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id == look.span_id).collect();
    let named = |name: &str| steps.iter().filter(|step| step.name == name).count();
    for (name, times) in
        [("reading counts and instances", 1), ("reading command", 2), ("deciding", 1), ("changing the count", 1)]
    {
        assert_eq!(named(name), times, "{name}: {:?}", steps.iter().map(|step| &step.name).collect::<Vec<_>>());
    }
    assert!(steps.iter().all(|step| step.trace_id == look.trace_id));
    let failed: Vec<&&Span> = steps.iter().filter(|step| step.status.as_ref().is_some_and(|it| it.code == 2)).collect();
    let [ghost] = failed[..] else { panic!("one step failed, and not {}", failed.len()) };
    assert_eq!(
        (ghost.name.as_str(), attribute(&ghost.attributes, "error.type").as_str()),
        ("reading command", "missing")
    );
    assert!(ghost.status.as_ref().is_some_and(|status| status.message.contains("nowhere")), "{:?}", ghost.status);
}

#[test]
fn a_collector_that_is_away_changes_no_decision_and_is_told_of_once() {
    // A port that nobody listens at any more.
    let gone = Server::start(|_| Answer::ok("{}")).url();
    let folder = tempfile::tempdir().expect("a folder");
    let running = started(&gone, &folder);
    let line = running.line();
    assert!(line.contains("1 -> 3"), "{line}");
    // Longer than traces are gathered before they are sent: it fails more than once.
    std::thread::sleep(std::time::Duration::from_secs(11));
    assert_eq!(running.end(), Some(0));
    let log = fs::read_to_string(folder.path().join("log")).expect("a log");
    assert_eq!(log.matches("traces can't be sent").count(), 1, "{log}");
}

#[test]
fn an_endpoint_that_is_no_address_is_refused_at_the_start() {
    for endpoint in ["collector:4318", "grpc://collector:4317", "http//collector"] {
        let mut command = setpoint();
        command.args(["run", "--policy", "any.yaml", "--otlp-endpoint", endpoint, "--", "true"]);
        let ran = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains("--otlp-endpoint: must be an address like http://collector:4318"), "{said}");
        assert!(said.contains(endpoint), "{said}");
    }
}
