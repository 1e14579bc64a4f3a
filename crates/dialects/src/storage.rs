#![doc = include_str!("../docs/storage.md")]

use serde::Deserialize;
use serde_json::Value;
use setpoint::hpa::{PolicyKind, ScalingPolicy, ScalingRules};
use setpoint::{
    AlgorithmSpec, Behavior, ConfigError, Metadata, Metric, MetricKind, Policy, PolicySpec, Target, TargetRef,
    parse_config,
};

use crate::conversion::{Conversion, at};
use crate::dialect::Dialect;

/// A request to create an autoscaler, as the guide has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    workload_name: String,
    workload_namespace: String,
    workload_type: WorkloadType,
    min_replicas: i32,
    max_replicas: i32,
    target_cpu_percent: Option<i32>,
    target_memory_percent: Option<i32>,
    target_gpu_percent: Option<i32>,
    /// Not theirs yet: their guide means to have it.
    target_gpu_memory_percent: Option<i32>,
    target_storage_read_throughput_mbps: Option<f64>,
    target_storage_write_throughput_mbps: Option<f64>,
    target_storage_iops: Option<f64>,
    scale_up_policy: Option<Direction>,
    scale_down_policy: Option<Direction>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum WorkloadType {
    Deployment,
    StatefulSet,
    ReplicaSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direction {
    stabilization_window_seconds: Option<u32>,
    max_scale_change: Option<i32>,
    select_policy: Option<String>,
}

/// The period in which a change is limited, in seconds. `max_scale_change` is for one look, and no two looks are closer than
/// this: so a look's limit counts from the count that it finds, whatever the one before did, and up or down.
const PERIOD: u32 = 1;

/// Reads a request to create an autoscaler.
///
/// # Errors
///
/// [`ConfigError`] with the field's path, and for what the guide documents in the guide's words: `min_replicas must be at
/// least 1`.
pub(crate) fn read(document: &Value) -> Result<Conversion, ConfigError> {
    let request: Request = parse_config(document)?;
    request.check()?;
    let metrics: Vec<Metric> = request.metrics()?;
    let (min, max) = (request.min_replicas.unsigned_abs(), request.max_replicas.unsigned_abs());
    let config = serde_json::json!({ "tolerance": 0 });
    let native = PolicySpec::new(min, max, metrics, AlgorithmSpec::named("max-ratio", config))?;
    let behavior = request.behavior();
    behavior.check().map_err(|error| ConfigError::new(their_field(&error.path), error.message))?;
    let mut native = native.with_behavior(behavior);
    native.target_ref = Some(TargetRef {
        api_version: "apps/v1".to_owned(),
        kind: format!("{:?}", request.workload_type),
        name: request.workload_name.clone(),
        namespace: Some(request.workload_namespace.clone()),
    });
    let mut metadata = Metadata::default();
    metadata.name.clone_from(&request.workload_name);
    metadata.namespace = Some(request.workload_namespace.clone());
    let mut conversion = Conversion::new(Policy::new(metadata, native), Dialect::Storage);
    request.say_what_changed(&mut conversion);
    for (native, field) in [
        ("spec.targetRef", "workload_name"),
        ("spec.minReplicas", "min_replicas"),
        ("spec.maxReplicas", "max_replicas"),
        ("spec.behavior.scaleUp", "scale_up_policy"),
        ("spec.behavior.scaleDown", "scale_down_policy"),
    ] {
        conversion.made_of(native, field);
    }
    let fields: Vec<&str> =
        request.targets().filter(|target| target.value.is_some()).map(|target| target.field).collect();
    for (index, field) in fields.into_iter().enumerate() {
        conversion.made_of(format!("spec.metrics[{index}]"), field);
    }
    Ok(conversion)
}

/// A target that a request can have.
struct Wanted {
    field: &'static str,
    name: &'static str,
    value: Option<f64>,
    kind: MetricKind,
    percent: bool,
}

impl Request {
    fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in [("workload_name", &self.workload_name), ("workload_namespace", &self.workload_namespace)]
        {
            if value.trim().is_empty() {
                return Err(ConfigError::new(field, format!("{field} is required")));
            }
        }
        if self.min_replicas < 1 {
            return Err(ConfigError::new("min_replicas", "min_replicas must be at least 1"));
        }
        if self.max_replicas < self.min_replicas {
            let message = "max_replicas must be greater than or equal to min_replicas";
            return Err(ConfigError::new("max_replicas", message));
        }
        for (field, direction) in
            [("scale_up_policy", &self.scale_up_policy), ("scale_down_policy", &self.scale_down_policy)]
        {
            if let Some(change) = direction.as_ref().and_then(|it| it.max_scale_change).filter(|change| *change < 1) {
                let message = format!("max_scale_change must be at least 1, got {change}");
                return Err(ConfigError::new(format!("{field}.max_scale_change"), message));
            }
        }
        Ok(())
    }

    fn targets(&self) -> impl Iterator<Item = Wanted> {
        let percent = |field, name, value: Option<i32>, kind| Wanted {
            field,
            name,
            value: value.map(f64::from),
            kind,
            percent: true,
        };
        let amount = |field, name, value| Wanted { field, name, value, kind: MetricKind::Pods, percent: false };
        [
            percent("target_cpu_percent", "cpu", self.target_cpu_percent, MetricKind::Resource),
            percent("target_memory_percent", "memory", self.target_memory_percent, MetricKind::Resource),
            percent("target_gpu_percent", "gpu", self.target_gpu_percent, MetricKind::Pods),
            percent("target_gpu_memory_percent", "gpuMemory", self.target_gpu_memory_percent, MetricKind::Pods),
            amount(
                "target_storage_read_throughput_mbps",
                "storageReadThroughputMbps",
                self.target_storage_read_throughput_mbps,
            ),
            amount(
                "target_storage_write_throughput_mbps",
                "storageWriteThroughputMbps",
                self.target_storage_write_throughput_mbps,
            ),
            amount("target_storage_iops", "storageIops", self.target_storage_iops),
        ]
        .into_iter()
    }

    fn metrics(&self) -> Result<Vec<Metric>, ConfigError> {
        let mut metrics = Vec::new();
        for Wanted { field, name, value, kind, percent } in self.targets() {
            let Some(value) = value else { continue };
            if percent && !(1.0..=100.0).contains(&value) {
                return Err(ConfigError::new(field, format!("{field} must be between 1 and 100, got {value}")));
            }
            // A GPU's percentage is measured, and not a part of what an instance asked for.
            let of_requests = kind == MetricKind::Resource;
            let target = if of_requests { Target::utilization(value) } else { Target::average_value(value) };
            let target = target.map_err(at(field))?;
            metrics.push(Metric::new(name, target).with_kind(kind));
        }
        if metrics.is_empty() {
            let known: Vec<&str> = self.targets().map(|target| target.field).collect();
            let message = format!("at least one target is required: {}", known.join(", "));
            return Err(ConfigError::new("", message));
        }
        Ok(metrics)
    }

    fn behavior(&self) -> Behavior {
        let limit = |most| vec![ScalingPolicy { kind: PolicyKind::Pods, value: most, period_seconds: PERIOD }];
        let rules = |given: &Option<Direction>, window: u32, otherwise: Option<i32>| {
            let given = given.as_ref();
            Some(ScalingRules {
                stabilization_window_seconds: Some(
                    given.and_then(|it| it.stabilization_window_seconds).unwrap_or(window),
                ),
                policies: given.and_then(|it| it.max_scale_change).or(otherwise).map(limit),
                ..ScalingRules::default()
            })
        };
        // Without a limit: on the way down that is the default, and on the way up as many as there can be.
        Behavior {
            scale_up: rules(&self.scale_up_policy, 0, Some(self.max_replicas)),
            scale_down: rules(&self.scale_down_policy, 300, None),
        }
    }

    fn say_what_changed(&self, conversion: &mut Conversion) {
        conversion.changed(
            "",
            "spec.algorithm",
            "counts are rounded up, as the guide says and the code doesn't; a reading of 0 counts, and one that is missing is \
             never made up: it keeps replicas from being taken away",
        );
        let up = self.scale_up_policy.as_ref();
        if up.and_then(|it| it.stabilization_window_seconds).is_some_and(|window| window > 0) {
            conversion.changed(
                "scale_up_policy.stabilization_window_seconds",
                "spec.behavior.scaleUp",
                "more replicas come when they were needed all through the window (its minimum); there at once, for the largest \
                 recommendation counts in both directions",
            );
        }
        let down = self.scale_down_policy.as_ref();
        conversion.changed(
            "scale_down_policy.stabilization_window_seconds",
            "spec.behavior.scaleDown",
            match down.and_then(|it| it.stabilization_window_seconds) {
                Some(0) => "0 is no window; there it is 300",
                _ => "the window holds from the first lower recommendation on; there that one is followed at once",
            },
        );
        for (field, native, direction) in [("scale_up_policy", "scaleUp", up), ("scale_down_policy", "scaleDown", down)]
        {
            if direction.and_then(|it| it.max_scale_change).is_some() {
                conversion.changed(
                    format!("{field}.max_scale_change"),
                    format!("spec.behavior.{native}"),
                    "so many in one look, up or down, whatever the look before did; the bounds come after it, and there before, so that \
                     it could leave them",
                );
            }
            if let Some(select) = direction.and_then(|it| it.select_policy.as_deref()) {
                conversion.changed(
                    format!("{field}.select_policy"),
                    "",
                    format!("`{select}` is not looked at, as there: of one limit there is nothing to select"),
                );
            }
        }
    }
}

/// A behavior's field in the words of a request.
fn their_field(path: &str) -> String {
    let direction = if path.starts_with("scaleUp") { "scale_up_policy" } else { "scale_down_policy" };
    let field = if path.contains("Window") { "stabilization_window_seconds" } else { "max_scale_change" };
    format!("{direction}.{field}")
}
