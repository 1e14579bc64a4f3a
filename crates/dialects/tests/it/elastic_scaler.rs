//! openFuyao Elastic Scaler.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, ConfigError, EvaluateError, Need, Observation, Proposal, Reading, RegisterError,
    ScalingAlgorithm, Timestamp, Trace, algorithm_factory,
};

use crate::{converted, decide, refused, with};

fn document() -> Value {
    json!({
        "apiVersion": "elasticscaler.io/v1alpha1",
        "kind": "ElasticScaler",
        "metadata": { "name": "custom-scaling-example", "namespace": "ai-inference" },
        "spec": {
            "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm-inference" },
            "minReplicas": 2,
            "maxReplicas": 10,
            "trigger": {
                "type": "MetricsTrigger",
                "metricsTrigger": {
                    "scalingAlgorithm": "custom",
                    "algorithmConfig": { "threshold": 0.8, "cooldownSeconds": 60 },
                    "metrics": [{
                        "type": "External",
                        "external": {
                            "metric": { "name": "qps" },
                            "target": { "type": "AverageValue", "averageValue": "100" },
                        },
                    }],
                },
            },
        },
    })
}

const TRIGGER: &str = "/spec/trigger/metricsTrigger";

/// The guide's configuration of its example.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CustomConfig {
    threshold: f64,
    cooldown_seconds: u32,
}

/// The guide's example, its comments carried out: one more while the load is above the threshold, and none for a while
/// after.
struct Custom {
    config: CustomConfig,
    last: Option<Timestamp>,
}

impl ScalingAlgorithm for Custom {
    fn evaluate(&mut self, look: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
        let Some(total) = look.readings.first().and_then(|reading| reading.usable()) else {
            return Ok(Proposal::NoOpinion);
        };
        let load = total / (100.0 * f64::from(look.current));
        let cooling = |last: Timestamp| look.now.since(last).as_secs() < u64::from(self.config.cooldown_seconds);
        if load <= self.config.threshold || self.last.is_some_and(cooling) {
            return Ok(Need::from(look.current).into());
        }
        self.last = Some(look.now);
        Ok(Need::from(look.current + 1).into())
    }
}

fn manager() -> AlgorithmManager {
    let mut manager = AlgorithmManager::new();
    let custom = || {
        algorithm_factory("the guide's example", |_, config: CustomConfig| -> Result<Custom, ConfigError> {
            Ok(Custom { config, last: None })
        })
    };
    manager.registry_mut().register_algorithm("custom", custom()).expect("it is free");
    // As the guide has it: a name is taken once, and an empty one never.
    let taken = RegisterError::Taken { name: "custom".to_owned() };
    assert_eq!(manager.registry_mut().register_algorithm("custom", custom()), Err(taken));
    assert_eq!(manager.registry_mut().register_algorithm("", custom()), Err(RegisterError::EmptyName));
    manager
}

#[test]
fn an_algorithm_that_is_registered_is_called_with_its_configuration() {
    let policy = converted(&document()).policy;
    let mut manager = manager();
    let workload = manager.add(&policy.spec).expect("a good policy");
    let mut at = |secs: i64, current, qps| {
        let readings = [Reading::Value(qps)];
        let look = Observation::new(Timestamp::from_millis(secs * 1000), current, &readings);
        manager.decide(workload, &look, &mut Trace::off()).expect("a decision").desired
    };
    assert_eq!(at(0, 2, 150.0), 2, "0.75 of what two can do");
    assert_eq!(at(15, 2, 170.0), 3);
    assert_eq!(at(30, 3, 290.0), 3, "the cooldown");
    assert_eq!(at(75, 3, 290.0), 4);
    assert_eq!(at(200, 10, 2000.0), 10, "the maximum");
}

#[test]
fn its_configuration_is_checked_by_its_own_schema() {
    let wrong = with(
        document(),
        &format!("{TRIGGER}/algorithmConfig"),
        Some(json!({ "thresold": 0.8, "cooldownSeconds": 60 })),
    );
    let conversion = converted(&wrong);
    let error = manager().add(&conversion.policy.spec).expect_err("misspelt").under("spec");
    assert!(error.message.contains("did you mean `threshold`?"), "{error}");
    assert_eq!(conversion.origin(&error.path), "spec.trigger.metricsTrigger.algorithmConfig.thresold");
    // Without the plugin there is nobody to ask.
    let error = AlgorithmManager::new().add(&conversion.policy.spec).expect_err("unknown").under("spec");
    assert!(error.message.contains("no algorithm is called `custom`"), "{error}");
    assert_eq!(conversion.origin(&error.path), "spec.trigger.metricsTrigger.scalingAlgorithm");
}

#[test]
fn hpa_is_kubernetes_own() {
    let cpu = json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } });
    let hpa = with(
        with(document(), &format!("{TRIGGER}/scalingAlgorithm"), Some("HPA".into())),
        &format!("{TRIGGER}/metrics"),
        Some(json!([cpu])),
    );
    let policy = converted(&with(hpa.clone(), &format!("{TRIGGER}/algorithmConfig"), None)).policy;
    // 140 % of 70 % doubles; five minutes before scaling down.
    let looks: [(i64, u32, &[Reading<'_>]); 3] =
        [(0, 2, &[Reading::Value(140.0)]), (15, 4, &[Reading::Value(10.0)]), (330, 4, &[Reading::Value(10.0)])];
    assert_eq!(decide(&policy, &looks), [4, 4, 2]);
    let conversion = converted(&hpa);
    let error = AlgorithmManager::new().add(&conversion.policy.spec).expect_err("a config of another").under("spec");
    assert_eq!(
        conversion.origin(&error.path),
        "spec.trigger.metricsTrigger.algorithmConfig.cooldownSeconds",
        "{error}"
    );
}

#[test]
fn typos_are_answered_with_what_was_meant_and_gaps_with_what_is_missing() {
    let target = format!("{TRIGGER}/metrics/0/external/target/type");
    let resource = json!([{ "type": "Resource", "resource": { "metricsName": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } }]);
    let flat = json!({
        "apiVersion": "elasticscaler.io/v1alpha1", "kind": "ElasticScaler", "metadata": null, "name": "x", "spec": null,
    });
    let at = |path: &str| format!("spec.trigger.metricsTrigger.{path}");
    let cases = [
        (
            with(document(), &target, Some("AverageValueValue".into())),
            at("metrics[0].external.target.type"),
            "unknown value `AverageValueValue`; did you mean `AverageValue`?",
        ),
        (
            with(document(), &format!("{TRIGGER}/metrics"), Some(resource)),
            at("metrics[0].resource.metricsName"),
            "unknown field `metricsName`; did you mean `name`?",
        ),
        (flat, "name".to_owned(), "stands beside `metadata`, which is empty: the indentation is lost"),
        (with(document(), "/apiVersion", Some("".into())), "apiVersion".to_owned(), "must not be empty"),
        (with(document(), "/kind", Some("".into())), "kind".to_owned(), "must not be empty: it is ElasticScaler"),
        (
            with(document(), "/spec/targetRef/apiVersion", Some("".into())),
            "spec.targetRef.apiVersion".to_owned(),
            "must not be empty",
        ),
        (
            with(document(), "/spec/targetRef/kind", Some(" ".into())),
            "spec.targetRef.kind".to_owned(),
            "must not be empty",
        ),
        (with(document(), "/spec/targetRef/kind", None), "spec.targetRef".to_owned(), "missing field `kind`"),
        (
            with(document(), &format!("{TRIGGER}/scalingAlgorithm"), Some("".into())),
            at("scalingAlgorithm"),
            "must not be empty: HPA, or",
        ),
        (with(document(), &format!("{TRIGGER}/metrics"), Some(json!([]))), at("metrics"), "at least one metric"),
        (
            with(document(), "/spec/trigger/type", Some("MetricTrigger".into())),
            "spec.trigger.type".to_owned(),
            "did you mean `MetricsTrigger`?",
        ),
        (
            with(document(), "/spec/maxReplicas", Some(1.into())),
            "spec.maxReplicas".to_owned(),
            "minReplicas 2 is above maxReplicas 1",
        ),
    ];
    for (document, path, message) in cases {
        refused(&document, &path, message);
    }
}
