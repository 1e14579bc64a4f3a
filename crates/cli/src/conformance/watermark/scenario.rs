//! One line of a file of WatermarkPodAutoscaler vectors: what was given to the real controller, and what it did.
//!
//! Times are milliseconds since the object was created, fields that end in `S` are seconds; amounts, factors and the
//! tolerance are thousandths. All are whole numbers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use setpoint::watermark::{Algorithm, Mark, MetricSpec, RecommenderReadings, Rules, Source, Spec};
use setpoint::{Bounds, InstanceState, Metric, MetricKind, Phase, Quantity, Readiness, Target, Timestamp};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) id: String,
    #[serde(rename = "family")]
    _family: IgnoredAny,
    pub(super) note: Option<String>,
    pub(super) spec: Written,
    /// Fields of the spec that the user left out: what they hold is a default.
    #[serde(default)]
    pub(super) unset: Vec<Field>,
    pub(super) steps: Vec<Step>,
}

/// A field that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Field {
    Min,
    Algorithm,
    Tolerance,
    UpLimit,
    DownLimit,
    UpForbiddenS,
    DownForbiddenS,
    Modulo,
}

/// The spec after its defaults.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    min: u32,
    max: u32,
    algorithm: Algorithm,
    tolerance: i64,
    up_limit: i64,
    down_limit: i64,
    up_forbidden_s: u32,
    down_forbidden_s: u32,
    up_delay_s: u32,
    down_delay_s: u32,
    modulo: NonZeroU32,
    converge: Converge,
    tolerate_zero: bool,
    min_available_pct: u32,
    readiness_delay_s: u32,
    dry_run: bool,
    pub(super) metrics: Vec<WrittenMetric>,
    #[serde(default)]
    pub(super) recommender: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Converge {
    #[serde(rename = "")]
    Off,
    #[serde(rename = "lowwatermark")]
    Low,
    #[serde(rename = "highwatermark")]
    High,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMetric {
    #[serde(rename = "type")]
    pub(super) kind: WrittenKind,
    name: String,
    low: i64,
    high: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum WrittenKind {
    External,
    Resource,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) t: i64,
    pub(super) spec: u32,
    pub(super) status: u32,
    pub(super) pods: Option<Vec<Pod>>,
    #[serde(default)]
    pub(super) metrics: Vec<Answer>,
    pub(super) reco: Option<Recommendation>,
    pub(super) expect: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pod {
    pub(super) name: String,
    phase: PodPhase,
    ready: Option<bool>,
    ready_at: i64,
    start_at: Option<i64>,
    #[serde(default)]
    deleted: bool,
    /// Found by the selector, and somebody else's.
    #[serde(default)]
    pub(super) foreign: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum PodPhase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

/// What the metrics API answers for one metric.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) err: bool,
    pub(super) values: Option<Vec<i64>>,
    pub(super) pods: Option<BTreeMap<String, i64>>,
}

/// What the recommender answers; `value` is in units.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recommendation {
    #[serde(default)]
    pub(super) err: bool,
    pub(super) replicas: i32,
    pub(super) lower: i32,
    pub(super) upper: i32,
    pub(super) value: i32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) write: Option<u32>,
    pub(super) desired: u32,
    pub(super) current: u32,
    pub(super) last_scale: Option<i64>,
    pub(super) scalings: u32,
    pub(super) currents: Vec<i64>,
    /// Type, status, reason, last transition.
    pub(super) conds: Vec<(String, String, String, i64)>,
}

impl Written {
    /// In the controller's own numbers.
    pub(super) fn spec(&self) -> Result<Spec, String> {
        let metric = |metric: &WrittenMetric| MetricSpec {
            kind: metric.kind(),
            name: metric.name.clone(),
            low: metric.low,
            high: metric.high,
            algorithm: self.algorithm,
            of_request: false,
        };
        let source = if self.recommender {
            Source::Recommender(RecommenderReadings { replicas: 0, lower: 1, upper: 2, observed: Some(3) })
        } else {
            Source::Metrics(self.metrics.iter().map(metric).collect())
        };
        let secs = |secs: u32| Duration::from_secs(secs.into());
        let rules = Rules {
            source,
            tolerance: self.tolerance,
            up_limit: self.up_limit,
            down_limit: self.down_limit,
            up_forbidden: secs(self.up_forbidden_s),
            down_forbidden: secs(self.down_forbidden_s),
            up_delay: secs(self.up_delay_s),
            down_delay: secs(self.down_delay_s),
            modulo: self.modulo,
            converge: match self.converge {
                Converge::Off => None,
                Converge::Low => Some(Mark::Low),
                Converge::High => Some(Mark::High),
            },
            tolerate_zero: self.tolerate_zero,
            min_available: self.min_available_pct,
            readiness_delay: secs(self.readiness_delay_s),
            exact: true,
        };
        Ok(Spec { bounds: self.bounds()?, dry_run: self.dry_run, rules })
    }

    pub(super) fn bounds(&self) -> Result<Bounds, String> {
        Bounds::new(self.min, self.max).map_err(|error| error.to_string())
    }

    /// The metrics of a policy: numbered, for two can be of one name.
    pub(super) fn policy_metrics(&self) -> Vec<Metric> {
        let target = Target::value(1.0).expect("1 is above 0");
        if self.recommender {
            return ["replicas", "lower", "upper"].map(|name| Metric::new(name, target)).to_vec();
        }
        let metric = |(index, metric): (usize, &WrittenMetric)| {
            let mut made = Metric::new(format!("m{index}"), target).with_kind(metric.kind());
            if metric.kind == WrittenKind::Resource {
                made.resource = Some(metric.name.clone());
                // The marks are what counts, but a value an instance has a mean for its target.
                made.target = Target::average_value(1.0).expect("1 is above 0");
            }
            made
        };
        self.metrics.iter().enumerate().map(metric).collect()
    }

    /// The configuration of a policy's algorithm, without the fields in `unset`.
    pub(super) fn policy_config(&self, unset: &[Field]) -> Value {
        let milli = |milli: i64| Quantity::from_milli(milli).to_string();
        let mut config = Map::new();
        let mut set = |field: Option<Field>, name: &str, value: Value| {
            if field.is_none_or(|field| !unset.contains(&field)) {
                config.insert(name.to_owned(), value);
            }
        };
        set(Some(Field::Tolerance), "tolerance", json!(milli(self.tolerance)));
        set(Some(Field::UpLimit), "scaleUpLimitFactor", json!(milli(self.up_limit)));
        set(Some(Field::DownLimit), "scaleDownLimitFactor", json!(milli(self.down_limit)));
        set(Some(Field::UpForbiddenS), "upscaleForbiddenWindowSeconds", json!(self.up_forbidden_s));
        set(Some(Field::DownForbiddenS), "downscaleForbiddenWindowSeconds", json!(self.down_forbidden_s));
        set(Some(Field::Modulo), "replicaScalingAbsoluteModulo", json!(self.modulo));
        // A policy's default follows its targets, and a value an instance can't have the one that means `absolute`.
        let per_instance = self.metrics.iter().any(|metric| metric.kind == WrittenKind::Resource);
        let algorithm = (!per_instance).then_some(Field::Algorithm);
        set(algorithm, "algorithm", json!(self.algorithm));
        set(None, "upscaleDelayAboveWatermarkSeconds", json!(self.up_delay_s));
        set(None, "downscaleDelayBelowWatermarkSeconds", json!(self.down_delay_s));
        match self.converge {
            Converge::Off => {}
            Converge::Low => set(None, "convergeTowardsWatermark", json!(Mark::Low)),
            Converge::High => set(None, "convergeTowardsWatermark", json!(Mark::High)),
        }
        set(None, "tolerateZero", json!(self.tolerate_zero));
        set(None, "minAvailableReplicaPercentage", json!(self.min_available_pct));
        set(None, "readinessDelaySeconds", json!(self.readiness_delay_s));
        set(None, "exact", json!(true));
        if self.recommender {
            let bounds = json!({ "replicas": "replicas", "lowerBound": "lower", "upperBound": "upper" });
            set(None, "recommender", bounds);
        } else {
            let marks = self.metrics.iter().enumerate().map(|(index, metric)| {
                (format!("m{index}"), json!({ "low": milli(metric.low), "high": milli(metric.high) }))
            });
            set(None, "watermarks", Value::Object(marks.collect()));
        }
        Value::Object(config)
    }

    pub(super) fn dry_run(&self) -> bool {
        self.dry_run
    }
}

impl WrittenMetric {
    fn kind(&self) -> MetricKind {
        match self.kind {
            WrittenKind::External => MetricKind::External,
            WrittenKind::Resource => MetricKind::Resource,
        }
    }
}

impl Pod {
    pub(super) fn state(&self) -> InstanceState {
        let phase = match self.phase {
            PodPhase::Pending => Phase::Pending,
            PodPhase::Running => Phase::Running,
            PodPhase::Succeeded => Phase::Succeeded,
            PodPhase::Failed => Phase::Failed,
            PodPhase::Unknown => Phase::Unknown,
        };
        let readiness = match self.ready {
            Some(true) => Readiness::Ready,
            Some(false) => Readiness::NotReady,
            None => Readiness::Unreported,
        };
        InstanceState::new(phase, readiness, Timestamp::from_millis(self.ready_at))
            .with_started(self.start_at.map(Timestamp::from_millis))
            .with_terminating(self.deleted)
    }
}
