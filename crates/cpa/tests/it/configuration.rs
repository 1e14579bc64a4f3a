//! What a configuration may say, and what the environment puts over it.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint_cpa::{Config, Hook, MethodCall, RunMode, with_environment};

use crate::{plain, sh};

fn minimal() -> Value {
    json!({ "metric": sh("true"), "evaluate": sh("true") })
}

#[test]
fn defaults_are_the_documented_ones_and_the_api_is_for_this_machine() {
    let config = Config::read(&minimal()).expect("a configuration");
    let policy = &config.policy;
    assert_eq!(
        (policy.min_replicas, policy.max_replicas, policy.interval.as_duration()),
        (1, 10, Duration::from_secs(15))
    );
    assert_eq!((config.run_mode, config.start_time), (RunMode::PerPod, Duration::from_millis(1)));
    assert_eq!((config.namespace.as_str(), &config.target), ("default", &None));
    assert!(config.api.enabled && config.api.address().to_string() == "127.0.0.1:5000");
    assert!(config.hooks.is_empty() && config.notes.is_empty() && policy.stages.is_empty());
    assert!(!config.evaluate.takes_bare());
}

#[test]
fn methods_are_read_in_either_age() {
    let mut document = minimal();
    document["evaluate"] = plain("python /evaluate.py");
    document["metric"] = json!({ "type": "shell", "shell": { "command": ["-c", "true"], "logStderr": true } });
    document["preScale"] = sh("true");
    let config = Config::read(&document).expect("a configuration");
    assert!(config.evaluate.takes_bare() && !config.metric.takes_bare());
    let MethodCall::Shell(evaluate) = &config.evaluate.call else { panic!("it is a program") };
    assert_eq!(
        (evaluate.entrypoint.as_str(), evaluate.command.join(" ").as_str()),
        ("/bin/sh", "-c python /evaluate.py")
    );
    let MethodCall::Shell(metric) = &config.metric.call else { panic!("it is a program") };
    assert_eq!((metric.entrypoint.as_str(), metric.log_stderr), ("/bin/sh", true));
    assert_eq!(config.metric.timeout, Duration::from_secs(10), "which doesn't say");
    assert_eq!(config.hooks.keys().collect::<Vec<_>>(), [&Hook::PreScale]);
}

#[test]
fn what_makes_no_sense_is_refused_at_its_field() {
    let http = |more: Value| {
        let mut http = json!({ "method": "GET", "url": "http://a/", "parameterMode": "query" });
        http.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "type": "http", "http": http })
    };
    let cases = [
        ("metric", Value::Null, "metric", "must be given"),
        ("evaluate", json!({ "type": "shel", "shell": "true" }), "evaluate.type", "did you mean `shell`?"),
        ("evaluate", json!({ "type": "shell", "shell": " " }), "evaluate.shell", "needs it"),
        ("evaluate", json!({ "type": "shell", "timeout": 0, "shell": "true" }), "evaluate.timeout", "at least 1 ms"),
        ("evaluate", json!({ "type": "shell", "timeout": -5, "shell": "true" }), "evaluate.timeout", "invalid value"),
        (
            "metric",
            json!({ "type": "shell", "shell": { "entrypoint": "" } }),
            "metric.shell.entrypoint",
            "must not be empty",
        ),
        (
            "metric",
            json!({ "type": "shell", "shell": { "comand": [] } }),
            "metric.shell.comand",
            "did you mean `command`?",
        ),
        (
            "postScale",
            http(json!({ "parameterMode": "header" })),
            "postScale.http.parameterMode",
            "known: `query`, `body`",
        ),
        ("postScale", http(json!({ "clientCert": "a" })), "postScale.http.clientKey", "of no use without it"),
        ("apiConfig", json!({ "useHTTPS": true }), "apiConfig.useHTTPS", "proxy"),
        ("apiConfig", json!({ "prot": 80 }), "apiConfig.prot", "did you mean `port`?"),
        ("startTime", json!(-1), "startTime", "invalid value"),
        ("runMode", json!("per-node"), "runMode", "known: `per-pod`, `per-resource`"),
        ("minReplicas", json!(11), "minReplicas", "above maxReplicas"),
        ("scaleTargetRef", json!({ "kind": "Deployment", "name": "a" }), "scaleTargetRef", "apiVersion"),
        ("hooks", json!({}), "hooks", "unknown field"),
    ];
    for (field, value, path, says) in cases {
        let mut document = minimal();
        document[field] = value;
        let error = Config::read(&document).expect_err(path);
        assert!(error.path == path && error.message.contains(says), "{path}: {error}");
    }
    let mut document = minimal();
    document["logVerbosity"] = json!(3);
    assert_eq!(Config::read(&document).expect("without it it goes on").notes.len(), 1);
}

#[test]
fn metrics_of_kubernetes_are_those_of_an_hpa_with_or_without_a_value_to_aim_at() {
    let read = |spec: Value| {
        let mut document = minimal();
        document["kubernetesMetricSpecs"] = json!([spec]);
        document["initialReadinessDelay"] = json!(5);
        Config::read(&document)
    };
    let resource =
        |name: &str, target: Value| json!({ "type": "Resource", "resource": { "name": name, "target": target } });
    let queue = json!({ "metric": { "name": "queue" }, "target": { "type": "AverageValue" } });
    let good = [
        resource("cpu", json!({ "type": "Utilization" })),
        resource("memory", json!({ "type": "AverageValue", "averageValue": "5Mi" })),
        json!({ "type": "Pods", "pods": queue }),
        json!({ "type": "External", "external": queue }),
    ];
    for spec in good {
        let kubernetes = read(spec.clone()).unwrap_or_else(|error| panic!("{spec}: {error}")).kubernetes;
        assert_eq!(kubernetes.specs[0].written, spec);
        assert!(kubernetes.specs[0].metric.source.is_some() && !kubernetes.required, "{spec}");
        let delays = (kubernetes.start_rules.readiness_delay, kubernetes.start_rules.initialization_period);
        assert_eq!(delays, (Duration::from_secs(5), Duration::from_secs(300)));
    }
    let bad = [
        (resource("cpu", json!({ "type": "Utilisation" })), "[0].resource.target.type"),
        (resource("ephemeral-storage", json!({ "type": "AverageValue" })), "[0].resource.name"),
        (json!({ "type": "Pods" }), "[0].pods"),
        (
            json!({ "type": "ContainerResource", "containerResource": {
                "name": "cpu", "container": "a", "target": { "type": "Utilization", "averageUtilization": 1 },
            } }),
            "[0].type",
        ),
    ];
    for (spec, place) in bad {
        let error = read(spec).expect_err(place);
        assert_eq!(error.path, format!("kubernetesMetricSpecs{place}"), "{error}");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    let variables = [
        ("interval", "5000"),
        ("minReplicas", "2"),
        ("maxReplicas", " 7 "),
        ("runMode", "per-resource"),
        ("namespace", "web"),
        ("downscaleStabilization", "30"),
        ("startTime", "60000"),
        ("apiConfig", r#"{"port": 5001}"#),
        ("evaluate", r#"{"type": "shell", "timeout": 100, "shell": "true"}"#),
        ("scaleTargetRef", r#"{"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-kubernetes"}"#),
        ("PATH", "/nowhere"),
    ];
    let mut document = minimal();
    document["interval"] = json!(60_000);
    let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let over = with_environment(document, find, parse).expect("they can be read");
    assert_eq!(over.fields.len(), variables.len() - 1);
    let config = Config::read(&over.document).expect("a configuration");
    let policy = &config.policy;
    assert_eq!(
        (policy.min_replicas, policy.max_replicas, policy.interval.as_duration()),
        (2, 7, Duration::from_secs(5))
    );
    assert_eq!(
        (config.run_mode, policy.stages.len(), config.start_time),
        (RunMode::PerResource, 1, Duration::from_secs(60))
    );
    // What an override of the API leaves out has its default: it isn't switched off by naming a port.
    assert!(config.api.enabled && config.api.address().to_string() == "127.0.0.1:5001");
    assert!(config.evaluate.takes_bare());
    assert_eq!(config.target.expect("given").to_string(), "apps/v1 Deployment web/hello-kubernetes");

    for (field, text, says) in [
        ("interval", "5s", "no whole number"),
        ("minReplicas", "", "no whole number"),
        ("metric", "{", "the environment variable: "),
    ] {
        let variable = |name: &str| (name == field).then(|| text.to_owned());
        let error = with_environment(minimal(), variable, parse).expect_err(field);
        assert!(error.path == field && error.message.contains(says), "{error}");
    }
    assert!(with_environment(json!([]), |_| None, parse).is_err());
}
