//! What is called when, with what, and what a failure leaves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use setpoint::Timestamp;
use setpoint_cpa::{CycleError, RunType};
use setpoint_runtime::{Clock, in_one_line};

use crate::{Scripted, autoscaler, autoscaler_with, plain, sh, target, workload};

const HOOKS: [&str; 6] = ["preMetric", "postMetric", "preEvaluate", "postEvaluate", "preScale", "postScale"];
const ORDER: [&str; 8] =
    ["preMetric", "metric", "postMetric", "preEvaluate", "evaluate", "postEvaluate", "preScale", "postScale"];

/// A configuration all of whose programs note that they were called.
fn noting(scripted: &Scripted) -> Value {
    let mut config = scripted.config(&json!({}));
    for hook in HOOKS {
        config[hook] = scripted.noting(hook);
    }
    for (program, says) in
        [("metric", "echo -n 7".to_owned()), ("evaluate", format!("cat {}", scripted.path("answer").display()))]
    {
        let (log, file) = (scripted.path("log"), scripted.path(program));
        config[program] = sh(&format!("echo {program} >> {}; cat > {}; {says}", log.display(), file.display()));
    }
    config
}

#[tokio::test]
async fn hooks_are_called_in_order_each_with_what_is_known_by_then() {
    let scripted = Scripted::new(r#"{"targetReplicas": 40}"#);
    let handler = workload(2, "7");
    let cycle = autoscaler(&noting(&scripted), &handler).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!(scripted.called(), ORDER);
    assert_eq!((cycle.answer, cycle.decision.desired, cycle.written), (40, 10, Some((2, 10))));
    let fields =
        |name: &str| -> Vec<String> { scripted.handed(name).as_object().expect("an object").keys().cloned().collect() };
    let (info, metrics) =
        (["resource", "runType", "run_type"], json!([{ "resource": "hello-kubernetes", "value": "7" }]));
    let with = |more: &[&str]| {
        let mut all: Vec<String> = info.iter().chain(more).map(ToString::to_string).collect();
        all.sort();
        all
    };
    let scale = [
        "currentReplicas",
        "evaluation",
        "maxReplicas",
        "minReplicas",
        "namespace",
        "scaleTargetRef",
        "targetReplicas",
    ];
    let cases: [(&str, &[&str]); 8] = [
        ("preMetric", &[]),
        ("metric", &[]),
        ("postMetric", &["metrics"]),
        ("preEvaluate", &["metrics", "deployment"]),
        ("evaluate", &["metrics", "deployment"]),
        ("postEvaluate", &["metrics", "deployment", "evaluation"]),
        ("preScale", &scale),
        ("postScale", &scale),
    ];
    for (name, more) in cases {
        assert_eq!(fields(name), with(more), "{name}");
        let handed = scripted.handed(name);
        assert_eq!(handed["resource"]["metadata"]["labels"]["numPods"], "7", "{name}");
        assert_eq!(handed["runType"], "scaler", "{name}");
        if more.contains(&"metrics") {
            assert_eq!(handed["metrics"], metrics, "{name}");
        }
    }
    assert_eq!(scripted.handed("postEvaluate")["evaluation"], json!({ "targetReplicas": 40 }));
    let told = scripted.handed("preScale");
    assert_eq!(told["evaluation"], json!({ "targetReplicas": 10 }), "within the bounds");
    let reference = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-kubernetes" });
    assert_eq!(told["scaleTargetRef"], reference);
    let numbers = ["minReplicas", "maxReplicas", "currentReplicas", "targetReplicas"].map(|field| told[field].clone());
    assert_eq!(numbers, [1, 10, 2, 10].map(Value::from));
    assert_eq!(scripted.handed("postScale"), told);
}

#[tokio::test]
async fn a_cycle_ends_where_something_fails_and_says_so() {
    // What fails, what was called by then, what is said, and the count that is left.
    let cases = [
        ("preMetric", 1, "the preMetric hook failed: ", 2),
        ("metric", 2, "no metric of hello-kubernetes: ", 2),
        ("postMetric", 3, "the postMetric hook failed: ", 2),
        ("preEvaluate", 4, "the preEvaluate hook failed: ", 2),
        ("evaluate", 5, "no evaluation: ", 2),
        ("postEvaluate", 6, "the postEvaluate hook failed: ", 2),
        ("preScale", 7, "the preScale hook failed: ", 2),
        ("postScale", 8, "the postScale hook failed, after the count went from 2 to 5: ", 5),
    ];
    for (name, called, says, left) in cases {
        let scripted = Scripted::new(r#"{"targetReplicas": 5}"#);
        let handler = workload(2, "7");
        let mut config = noting(&scripted);
        let log = scripted.path("log");
        config[name] = sh(&format!("echo {name} >> {}; echo no luck >&2; exit 3", log.display()));
        let error = autoscaler(&config, &handler).scale(RunType::Scaler).await.expect_err(name);
        assert_eq!(in_one_line(&error), format!("{says}sh ended with exit code 3: no luck"), "{name}");
        assert_eq!(scripted.called(), ORDER[..called], "{name}");
        assert_eq!(handler.replicas(&target()), Some(left), "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_changes_nothing() {
    let cases = [
        ("{}", "it has no targetReplicas"),
        ("", "it is not JSON"),
        ("five", "it is not JSON"),
        (r#"{"targetReplicas": 2.5}"#, "must be a whole number"),
        (r#"{"targetReplicas": "5"}"#, "must be a whole number"),
    ];
    for (answer, says) in cases {
        let scripted = Scripted::new(answer);
        let handler = workload(4, "7");
        let error = autoscaler(&scripted.config(&json!({})), &handler).scale(RunType::Scaler).await.expect_err(answer);
        assert!(matches!(error, CycleError::Answer { .. }) && error.to_string().contains(says), "{answer}: {error}");
        assert_eq!(handler.replicas(&target()), Some(4), "{answer}");
    }
}

#[tokio::test]
async fn both_spellings_of_an_answer_and_both_ages_of_programs_are_understood() {
    for answer in [r#"{"targetReplicas": 5}"#, r#"{"target_replicas": 5}"#] {
        let scripted = Scripted::new(answer);
        for age in ["today's", "the tutorial's"] {
            let mut config = noting(&scripted);
            if age != "today's" {
                for program in ["metric", "evaluate"] {
                    let script = config[program]["shell"]["command"][1].as_str().expect("a script").to_owned();
                    config[program] = plain(&script);
                }
            }
            let handler = workload(2, "7");
            autoscaler(&config, &handler).scale(RunType::Scaler).await.expect(age);
            assert_eq!(handler.replicas(&target()), Some(5), "{answer}, {age}");
            let (metric, evaluate) = (scripted.handed("metric"), scripted.handed("evaluate"));
            let list = json!([{ "resource": "hello-kubernetes", "value": "7" }]);
            if age == "today's" {
                assert_eq!((&metric["resource"]["kind"], &evaluate["metrics"]), (&"Deployment".into(), &list));
            } else {
                assert_eq!((&metric["kind"], &evaluate), (&"Deployment".into(), &list));
            }
            // Hooks came later, and always get objects.
            assert_eq!(scripted.handed("preEvaluate")["metrics"], list, "{age}");
        }
    }
}

#[tokio::test]
async fn metrics_are_of_each_pod_in_order_or_of_none() {
    let scripted = Scripted::new(r#"{"targetReplicas": 7}"#);
    let handler = workload(6, "7");
    let mut config = noting(&scripted);
    config["runMode"] = json!("per-pod");
    // The pod's own number, by its name. The first takes longest.
    let number = r"name=$(sed 's/.*hello-kubernetes-\([0-9]*\).*/\1/'); ";
    config["metric"] = sh(&format!(r#"{number} [ "$name" = 0 ] && sleep 0.3; echo -n "$name""#));
    let per_pod = autoscaler(&config, &handler);
    let cycle = per_pod.scale(RunType::Scaler).await.expect("a cycle");
    let got: Vec<(&str, &str)> =
        cycle.metrics.iter().map(|metric| (metric.resource.as_str(), metric.value.as_str())).collect();
    let names: Vec<String> = (0..6).map(|pod| format!("hello-kubernetes-{pod}")).collect();
    let want: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), &name[17..])).collect();
    assert_eq!(got, want);
    assert_eq!(scripted.handed("evaluate")["resource"]["kind"], "Deployment", "which is of the resource");

    config["metric"] = sh(&format!(r#"{number} [ "$name" = 3 ] && exit 1; echo -n "$name""#));
    let error = autoscaler(&config, &workload(6, "7")).scale(RunType::Scaler).await.expect_err("a pod");
    assert_eq!(in_one_line(&error), "no metric of hello-kubernetes-3: sh ended with exit code 1");

    // Without pods the list is empty, and a list.
    config["minReplicas"] = json!(0);
    autoscaler(&config, &workload(0, "7")).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!(scripted.handed("evaluate")["metrics"], json!([]));
}

#[tokio::test]
async fn a_workload_that_was_stopped_is_left_alone_and_hooks_are_told_of_it() {
    let scripted = Scripted::new(r#"{"targetReplicas": 5}"#);
    let handler = workload(0, "7");
    let cycle = autoscaler(&noting(&scripted), &handler).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!((cycle.decision.desired, cycle.written, handler.replicas(&target())), (0, None, Some(0)));
    // The hook before is called, as documented; the one after only follows a change that was tried.
    assert_eq!(scripted.called(), ORDER[..7]);
    assert_eq!(scripted.handed("preScale")["targetReplicas"], 0);
    let mut config = noting(&scripted);
    config["minReplicas"] = json!(0);
    autoscaler(&config, &handler).scale(RunType::Scaler).await.expect("a cycle");
    assert_eq!(handler.replicas(&target()), Some(5), "a minimum of 0 starts it");
}

/// A clock that tests set, in seconds: programs take time of their own.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1000)
    }
}

#[tokio::test]
async fn the_window_keeps_what_was_needed_in_it() {
    let scripted = Scripted::new("");
    let handler = workload(3, "7");
    let config = scripted.config(&json!({ "downscaleStabilization": 60, "preScale": scripted.noting("preScale") }));
    let (told, clock) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Set(AtomicI64::new(0))));
    let heard = Arc::clone(&told);
    let scaler = autoscaler_with(&config, &handler, |setup| {
        setup.clock = Arc::<Set>::clone(&clock);
        setup.listener = Arc::new(move |_, cycle| {
            let desired = cycle.as_ref().map(|cycle| cycle.decision.desired).map_err(ToString::to_string);
            heard.lock().expect("one at a time").push(desired);
        });
    });
    // When, the answer, and the count after it. The window begins with the 3 there are.
    let looks = [(0, 1, 3), (20, 6, 6), (40, 2, 6), (60, 2, 6), (80, 2, 2), (100, 1, 2), (141, 1, 1)];
    for (second, answer, want) in looks {
        clock.0.store(second, Ordering::Relaxed);
        scripted.answers(&format!(r#"{{"targetReplicas": {answer}}}"#));
        // Who only asks is told the same, and changes nothing.
        let asked = scaler.scale(RunType::ApiDryRun).await.expect("a cycle");
        assert_eq!((asked.decision.desired, asked.written), (want, None), "at {second} s");
        let cycle = scaler.scale(RunType::Scaler).await.expect("a cycle");
        assert_eq!(handler.replicas(&target()), Some(want), "at {second} s: {:?}", cycle.reasons);
        assert_eq!(scripted.handed("preScale")["targetReplicas"], want, "at {second} s");
    }
    let told: Vec<_> = std::mem::take(&mut *told.lock().expect("all ended"));
    assert_eq!(told, looks.map(|(.., want)| Ok(want)));
}
