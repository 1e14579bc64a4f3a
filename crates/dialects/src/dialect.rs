//! Whose document it is.

use serde_json::Value;
use setpoint::{ConfigError, Policy, ScalingGroup, near_miss};

use crate::conversion::Conversion;
use crate::{cpa, elastic_scaler, hpa, keda, kubeai, storage};

/// Whose documents can be read as policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// This project's own `ScalingPolicy`.
    Native,
    /// A HorizontalPodAutoscaler, autoscaling/v2.
    Hpa,
    /// KubeAI Autoscaler's `AIInferenceAutoscalerPolicy`.
    Kubeai,
    /// openFuyao's `ElasticScaler`.
    ElasticScaler,
    /// KEDA's `ScaledObject`.
    Keda,
    /// A Custom Pod Autoscaler's configuration.
    Cpa,
    /// AI Storage Orchestrator's request for an autoscaler.
    Storage,
}

/// The kind that each dialect with kinds has, and the group of its API.
const KINDS: [(&str, &str, Dialect); 5] = [
    ("ScalingPolicy", "setpoint.dev", Dialect::Native),
    (hpa::KIND, "autoscaling", Dialect::Hpa),
    (kubeai::KIND, "kubeai.io", Dialect::Kubeai),
    (elastic_scaler::KIND, "elasticscaler.io", Dialect::ElasticScaler),
    (keda::KIND, "keda.sh", Dialect::Keda),
];

impl Dialect {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "setpoint",
            Self::Hpa => "hpa",
            Self::Kubeai => "kubeai",
            Self::ElasticScaler => "elastic-scaler",
            Self::Keda => "keda",
            Self::Cpa => "cpa",
            Self::Storage => "storage",
        }
    }

    /// Whose it is, for people.
    #[must_use]
    pub const fn owner(self) -> &'static str {
        match self {
            Self::Native => "Setpoint",
            Self::Hpa => "Kubernetes",
            Self::Kubeai => "KubeAI Autoscaler",
            Self::ElasticScaler => "Elastic Scaler",
            Self::Keda => "KEDA",
            Self::Cpa => "Custom Pod Autoscaler",
            Self::Storage => "AI Storage Orchestrator",
        }
    }

    /// Whose document `document` is: by its `kind`, else by the group of its `apiVersion`, else by its fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a document that is nobody's, with the kinds that are known.
    pub fn of(document: &Value) -> Result<Self, ConfigError> {
        let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, group) = (text("kind"), text("apiVersion").split('/').next().unwrap_or_default());
        if let Some((.., dialect)) = KINDS.iter().find(|(known, ..)| *known == kind) {
            return Ok(*dialect);
        }
        if ScalingGroup::is_one(document) {
            return Err(ConfigError::new(
                "kind",
                "a ScalingGroup is several policies, and here one is needed; `decide` and `lint` take groups",
            ));
        }
        // A kind that is misspelt, or forgotten: whoever owns the group says so.
        if let Some((.., dialect)) = KINDS.iter().find(|(_, known, _)| *known == group && *known != "setpoint.dev") {
            return Ok(*dialect);
        }
        let has = |field: &str| document.get(field).is_some();
        if kind.is_empty() && group.is_empty() {
            if has("workload_name") || has("workload_type") {
                return Ok(Self::Storage);
            }
            if has("evaluate") || has("metric") && has("runMode") {
                return Ok(Self::Cpa);
            }
        }
        if kind.is_empty() {
            // A policy that forgot it: its own reader says what is missing.
            return Ok(Self::Native);
        }
        let known = KINDS.map(|(kind, ..)| kind);
        Err(ConfigError::new("kind", format!("unknown value `{kind}`; {}", near_miss(kind, &known))))
    }
}

/// Reads a document, already parsed into a JSON value, of whomever it is.
///
/// ```
/// use serde_json::json;
/// use setpoint_dialects::{Dialect, read};
///
/// let conversion = read(&json!({
///     "workload_name": "web-frontend",
///     "workload_namespace": "production",
///     "workload_type": "Deployment",
///     "min_replicas": 2,
///     "max_replicas": 10,
///     "target_cpu_percent": 70,
/// }))?;
/// assert_eq!(conversion.dialect, Dialect::Storage);
/// assert_eq!(conversion.policy.spec.metrics[0].name, "cpu");
/// assert!(conversion.is_complete());
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
///
/// # Errors
///
/// [`ConfigError`] with the field's path in `document`: nobody's document, or what the dialect refuses.
pub fn read(document: &Value) -> Result<Conversion, ConfigError> {
    read_as(Dialect::of(document)?, document)
}

/// Reads a document as one of `dialect`.
///
/// # Errors
///
/// As for [`read`].
pub fn read_as(dialect: Dialect, document: &Value) -> Result<Conversion, ConfigError> {
    let conversion = match dialect {
        Dialect::Native => return Ok(Conversion::new(Policy::from_value(document)?, dialect)),
        Dialect::Hpa => hpa::read(document),
        Dialect::Kubeai => kubeai::read(document),
        Dialect::ElasticScaler => elastic_scaler::read(document),
        Dialect::Keda => keda::read(document),
        Dialect::Cpa => cpa::read(document),
        Dialect::Storage => storage::read(document),
    };
    conversion.map(Conversion::tidied)
}
