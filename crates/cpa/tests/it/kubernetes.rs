//! Metrics of Kubernetes that programs are handed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{
    BoxFuture, HandlerError, Instance, Metric, MetricSource, ReplicaCount, ResourceHandler, Sample, TargetRef,
    Timestamp, Update,
};
use setpoint_cpa::{RunType, Setup};
use setpoint_runtime::{InstanceSample, Measured, Question, Source};

use crate::{Scripted, autoscaler_with, sh, workload};

/// Says of each pod what the documentation's example does, and nothing of what is outside.
struct Documented;

const AT: &str = "2021-04-05T18:10:10Z";

impl Source for Documented {
    fn name(&self) -> &'static str {
        "documented"
    }

    fn answers(&self, metric: &Metric) -> bool {
        !matches!(metric.source, Some(MetricSource::Custom(_)))
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        let at = Timestamp::from_millis(1_617_646_210_000);
        let sample = Sample { value: 4, at, window: Duration::from_secs(30) };
        let answer = move |asked: &Question| match &asked.metric.source {
            Some(MetricSource::External(query)) if query.metric.name == "jobs" => Measured::Series(vec![1500, 2000]),
            Some(MetricSource::External(_)) => Measured::Missing("no such series".to_owned()),
            _ => {
                let pods = asked.instances.iter().take(1);
                Measured::Samples(
                    pods.map(|pod| InstanceSample::new(&pod.name, Some(sample)).with_request(Some(200))).collect(),
                )
            }
        };
        Box::pin(async move { questions.iter().map(answer).collect() })
    }
}

/// The documentation's is of `cpu`, of which a pod counts once it is known when it was started: not in memory.
fn memory() -> Value {
    json!({ "type": "Resource", "resource": { "name": "memory", "target": { "type": "Utilization" } } })
}

fn external(name: &str, target: &str) -> Value {
    json!({ "type": "External", "external": { "metric": { "name": name }, "target": { "type": target } } })
}

/// What the metric program is handed of `specs` with so many pods, or what ends the cycle.
async fn handed(specs: Value, pods: u32, required: bool, with_sources: bool) -> Result<Value, String> {
    let scripted = Scripted::new(r#"{"targetReplicas": 1}"#);
    let config = scripted.config(&json!({
        "kubernetesMetricSpecs": specs, "requireKubernetesMetrics": required, "preMetric": scripted.noting("preMetric"),
        "metric": sh(&format!("cat > {}; echo 1", scripted.path("metric").display())),
    }));
    let scaler = autoscaler_with(&config, &workload(pods, "7"), |setup: &mut Setup| {
        if with_sources {
            setup.sources = vec![Arc::new(Documented)];
        }
    });
    scaler.scale(RunType::Scaler).await.map_err(|error| setpoint_runtime::in_one_line(&error))?;
    let told = scripted.handed("metric")["kubernetesMetrics"].take();
    assert_eq!(scripted.handed("preMetric")["kubernetesMetrics"], told);
    Ok(told)
}

#[tokio::test]
async fn they_are_as_the_documentation_prints_them() {
    let told = handed(json!([memory()]), 1, true, true).await.expect("a cycle");
    let want = json!([{
        "current_replicas": 1,
        "spec": memory(),
        "resource": {
            "pod_metrics_info": { "hello-kubernetes-0": { "Timestamp": AT, "Window": 30_000_000_000_u64, "Value": 4 } },
            "requests": { "hello-kubernetes-0": 200 },
            "ready_pod_count": 1,
            "ignored_pods": {},
            "missing_pods": {},
            "total_pods": 1,
            "timestamp": AT,
        },
    }]);
    assert_eq!(told, want);
    // Of three pods two aren't measured; and what is outside is one number, in thousandths.
    let jobs = [external("jobs", "Value"), external("jobs", "AverageValue")];
    let told = handed(json!([memory(), jobs[0], jobs[1]]), 3, true, true).await.expect("a cycle");
    let missing = json!({ "hello-kubernetes-1": {}, "hello-kubernetes-2": {} });
    assert_eq!((&told[0]["resource"]["missing_pods"], &told[0]["current_replicas"]), (&missing, &json!(3)));
    assert_eq!(told[1]["external"]["current"], json!({ "value": 3500 }));
    assert_eq!(told[2]["external"]["current"], json!({ "average_value": 3500 }));
    assert_eq!(told[2]["external"]["ready_pod_count"], 3);
}

#[tokio::test]
async fn what_can_t_be_had_is_left_out_or_ends_the_cycle() {
    let specs = || json!([external("nothing", "Value"), memory()]);
    let told = handed(specs(), 1, false, true).await.expect("a cycle");
    assert_eq!((told.as_array().map(Vec::len), &told[0]["spec"]), (Some(1), &memory()), "the other one goes on");
    let problem = handed(specs(), 1, true, true).await.expect_err("it is required");
    assert_eq!(problem, "no Kubernetes metric nothing: missing: no such series");
    assert_eq!(handed(specs(), 1, false, false).await, Ok(Value::Null), "where nothing measures them");
    let problem = handed(specs(), 1, true, false).await.expect_err("it is required");
    assert!(problem.contains("nothing reads it here"), "{problem}");
}

/// A workload whose pods may not be listed.
struct Unlisted(Arc<dyn ResourceHandler>);

impl ResourceHandler for Unlisted {
    fn supports(&self, target: &TargetRef) -> bool {
        self.0.supports(target)
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        self.0.current_replicas(target)
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        self.0.update_replicas(target, desired)
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        Box::pin(async move { Err(HandlerError::NotFound { target: Box::new(target.clone()) }) })
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        self.0.describe(target)
    }
}

#[tokio::test]
async fn pods_that_can_t_be_listed_end_no_cycle_where_nothing_of_them_is_required() {
    for required in [false, true] {
        let scripted = Scripted::new(r#"{"targetReplicas": 3}"#);
        let config = scripted.config(&json!({
            "kubernetesMetricSpecs": [external("jobs", "Value")], "requireKubernetesMetrics": required,
        }));
        let scaler = autoscaler_with(&config, &workload(1, "7"), |setup: &mut Setup| {
            setup.sources = vec![Arc::new(Documented)];
            setup.handler = Arc::new(Unlisted(Arc::clone(&setup.handler)));
        });
        let ended = scaler.scale(RunType::Scaler).await;
        assert_eq!(ended.as_ref().ok().and_then(|cycle| cycle.written), (!required).then_some((1, 3)), "{ended:?}");
    }
}
