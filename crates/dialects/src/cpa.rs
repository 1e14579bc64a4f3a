#![doc = include_str!("../docs/cpa.md")]

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::{
    AlgorithmSpec, ConfigError, Hpa, Metadata, Metric, Policy, PolicySpec, Span, Target, TargetRef, parse_config,
};

use crate::conversion::Conversion;
use crate::dialect::Dialect;

/// The reading that the evaluate program's answer is.
const METRIC: &str = "targetReplicas";

/// A configuration file. Fields for programs are not looked into here: whoever runs them does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    scale_target_ref: Option<TargetRef>,
    interval: Option<u64>,
    namespace: Option<String>,
    min_replicas: Option<u32>,
    max_replicas: Option<u32>,
    run_mode: Option<RunMode>,
    start_time: Option<i64>,
    log_verbosity: Option<i64>,
    downscale_stabilization: Option<u64>,
    initial_readiness_delay: Option<u64>,
    cpu_initialization_period: Option<u64>,
    api_config: Option<Value>,
    kubernetes_metric_specs: Option<Value>,
    require_kubernetes_metrics: Option<bool>,
    metric: Option<Method>,
    evaluate: Option<Method>,
    pre_metric: Option<Method>,
    post_metric: Option<Method>,
    pre_evaluate: Option<Method>,
    post_evaluate: Option<Method>,
    pre_scale: Option<Method>,
    post_scale: Option<Method>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum RunMode {
    PerPod,
    PerResource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Method {
    #[serde(rename = "type")]
    kind: MethodKind,
    #[serde(default, rename = "timeout")]
    _timeout: Value,
    #[serde(default)]
    shell: Value,
    #[serde(default)]
    http: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum MethodKind {
    Shell,
    Http,
}

/// Reads a configuration file: YAML or JSON, of the tutorial's age or of v2.
///
/// # Errors
///
/// [`ConfigError`] with the field's path: an unknown field or method, a missing `metric` or `evaluate`, a method without
/// its part, an interval below a second, bounds that exclude each other.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    let config: Config = parse_config(document)?;
    for (name, method) in [("metric", &config.metric), ("evaluate", &config.evaluate)] {
        if method.is_none() {
            return Err(ConfigError::new(name, "must be given: it is the program or address that is asked"));
        }
    }
    for (name, method) in config.methods() {
        method.check().map_err(|error| error.under(name))?;
    }
    let interval = config.interval.unwrap_or(15_000);
    let span = Span::try_from(std::time::Duration::from_millis(interval))
        .map_err(|error| ConfigError::new("interval", error))?;
    // One replica for each of the answer's: HPA's own arithmetic, which leaves a workload alone that was stopped by hand.
    let target = Target::average_value(1.0).expect("1 is above 0");
    let (min, max) = (config.min_replicas.unwrap_or(1), config.max_replicas.unwrap_or(10));
    let algorithm = AlgorithmSpec::named(Hpa::NAME, json!({ "tolerance": 0 }));
    let mut native = PolicySpec::new(min, max, vec![Metric::new(METRIC, target)], algorithm)?;
    if span < Span::from_secs(1) {
        return Err(ConfigError::new("interval", format!("must be at least 1000 ms, got {interval}")));
    }
    native.interval = span;
    let window = config.downscale_stabilization.unwrap_or(0);
    if window > 0 {
        let stage = json!({ "scaleUpWindow": "0s", "scaleDownWindow": Span::from_secs(window) });
        native = native.with_stage("stabilized", stage);
    }
    let mut metadata = Metadata::default();
    "custom-pod-autoscaler".clone_into(&mut metadata.name);
    metadata.namespace.clone_from(&config.namespace);
    native.target_ref = config.scale_target_ref.clone().map(|target| {
        let namespace = target.namespace.or_else(|| config.namespace.clone());
        TargetRef { namespace, ..target }
    });
    let mut conversion = Conversion::new(Policy::new(metadata, native), Dialect::Cpa);
    config.say_what_changed(&mut conversion);
    conversion.made_of("spec.stages", "downscaleStabilization");
    conversion.came_from("spec.targetRef", "scaleTargetRef");
    for field in ["interval", "minReplicas", "maxReplicas"] {
        conversion.made_of(format!("spec.{field}"), field);
    }
    Ok(conversion)
}

impl Method {
    fn check(&self) -> Result<(), ConfigError> {
        let (field, part) = match self.kind {
            MethodKind::Shell => ("shell", &self.shell),
            MethodKind::Http => ("http", &self.http),
        };
        let is_command =
            self.kind == MethodKind::Shell && part.as_str().is_some_and(|command| !command.trim().is_empty());
        if is_command || part.is_object() {
            return Ok(());
        }
        Err(ConfigError::new(field, format!("a method of type {field} needs it")))
    }
}

impl Config {
    fn methods(&self) -> impl Iterator<Item = (&'static str, &Method)> {
        [
            ("preMetric", &self.pre_metric),
            ("metric", &self.metric),
            ("postMetric", &self.post_metric),
            ("preEvaluate", &self.pre_evaluate),
            ("evaluate", &self.evaluate),
            ("postEvaluate", &self.post_evaluate),
            ("preScale", &self.pre_scale),
            ("postScale", &self.post_scale),
        ]
        .into_iter()
        .filter_map(|(name, method)| Some((name, method.as_ref()?)))
    }

    fn say_what_changed(&self, conversion: &mut Conversion) {
        conversion.changed(
            "evaluate",
            "spec.metrics[0]",
            "the program's answer is this policy's reading. One without a count is no answer, and keeps the count; there it is \
             0, and goes to the minimum",
        );
        if self.downscale_stabilization.is_some_and(|window| window > 0) {
            conversion.changed(
                "downscaleStabilization",
                "spec.stages[0]",
                "the window begins with the current count, and survives a restart; there it begins empty",
            );
        }
        if self.min_replicas == Some(0) {
            conversion.changed(
                "minReplicas",
                "spec.minReplicas",
                "a workload that was stopped by hand is left alone, and one that the answers stopped is started again; there \
                 with 0 both are started",
            );
        }
        for (name, _) in self.methods() {
            conversion.lost(
                name,
                "a policy runs no programs and calls no addresses: whoever runs them hands it their answer",
            );
        }
        let run_mode = self.run_mode.map(|mode| match mode {
            RunMode::PerPod => "the metric program is run for each pod by whoever runs it",
            RunMode::PerResource => "the metric program is run once for the resource by whoever runs it",
        });
        let others: [(&str, bool, &str); 8] = [
            ("runMode", run_mode.is_some(), run_mode.unwrap_or_default()),
            ("startTime", self.start_time.is_some(), "looks are not aligned to a time"),
            ("logVerbosity", self.log_verbosity.is_some(), "a policy says nothing about logs"),
            ("initialReadinessDelay", self.initial_readiness_delay.is_some(), "it is about metrics handed to programs"),
            (
                "cpuInitializationPeriod",
                self.cpu_initialization_period.is_some(),
                "it is about metrics handed to programs",
            ),
            ("apiConfig", self.api_config.is_some(), "a policy serves no API"),
            (
                "kubernetesMetricSpecs",
                self.kubernetes_metric_specs.is_some(),
                "they are handed to programs, and decide nothing",
            ),
            (
                "requireKubernetesMetrics",
                self.require_kubernetes_metrics.is_some(),
                "they are handed to programs, and decide nothing",
            ),
        ];
        for (field, _, text) in others.into_iter().filter(|(_, given, _)| *given) {
            conversion.lost(field, text);
        }
    }
}
