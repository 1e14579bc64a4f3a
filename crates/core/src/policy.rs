//! The policy document: what is scaled, by which metrics, how, and what happens on a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::bounds::{Bounds, BoundsError};
use crate::capability::Capability;
use crate::combinator::Role;
use crate::config::{ConfigError, parse_config};
use crate::failure::{FailureSpec, QuarantineSpec};
use crate::hpa::{Behavior, Manifest};
use crate::metric::Metric;
use crate::time::Span;
use crate::trace::Direction;

/// A whole policy document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// `setpoint.dev/v1alpha1`.
    pub api_version: ApiVersion,
    /// `ScalingPolicy`.
    pub kind: Kind,
    /// What it is called.
    pub metadata: Metadata,
    /// What it says.
    pub spec: PolicySpec,
}

/// What a document says of itself, whatever else is in it.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: Kind,
}

/// The version of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "setpoint.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A policy.
    ScalingPolicy,
}

/// What a document is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique among those of its kind that are used together.
    pub name: String,
    /// Where it lives in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels, for those who select by them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations, for tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicySpec {
    /// What is scaled. Needed only where something real is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetRef>,
    /// The smallest count. Default 1.
    #[serde(default = "one")]
    pub min_replicas: u32,
    /// The largest count, 1 to 2147483647.
    pub max_replicas: u32,
    /// How often a decision is made, at least 1s. Default 15s.
    #[serde(default = "fifteen_seconds")]
    pub interval: Span,
    /// What is looked at: at least one metric, names unique.
    pub metrics: Vec<Metric>,
    /// What decides.
    pub algorithm: AlgorithmSpec,
    /// What the number passes through after the algorithm, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSpec>,
    /// HPA's `behavior`, as in its manifest: the last stage, after those listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
    /// What answers when the algorithm fails. Default: hold.
    #[serde(default)]
    pub on_failure: FailureSpec,
    /// When an algorithm that goes on failing is left alone, and for how long. Default: after 3 failures in a row for
    /// 30s, and for twice as long after each further one, up to 10m.
    #[serde(default)]
    pub quarantine: QuarantineSpec,
    /// What a hold does to a count that is outside the bounds. Default: correct it.
    #[serde(default)]
    pub hold_outside_bounds: HoldOutsideBounds,
    /// Which changes are not made for now, bounds included. Default: none of them.
    #[serde(default, skip_serializing_if = "Pause::is_none")]
    pub pause: Pause,
    /// Whether decisions are only told, and never carried out. Default: they are carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

fn one() -> u32 {
    1
}

fn fifteen_seconds() -> Span {
    Span::from_secs(15)
}

/// A reference to what is scaled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetRef {
    /// Group and version: `apps/v1`.
    pub api_version: String,
    /// The kind: `Deployment`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.api_version, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An algorithm by name, or a plugin by file, and its configuration. Exactly one of `name` and `plugin`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlgorithmSpec {
    /// A registered name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A component's file, relative to the policy's own, or absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What the algorithm's own schema allows.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// What a combinator asks. Only for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<MemberSpec>,
    /// What a plugin is granted beyond its observations. Default: nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<Capability>,
}

/// One of the algorithms that a combinator asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct MemberSpec {
    /// What it is: a combinator too, if need be.
    pub algorithm: AlgorithmSpec,
    /// What its answer passes through before it counts, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSpec>,
    /// Which of the policy's metrics it sees, by name and in this order: at most 16. Default: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// The part it plays. Default: it takes part in the rule.
    #[serde(default)]
    pub role: Role,
}

impl MemberSpec {
    /// `algorithm`, which sees all metrics.
    #[must_use]
    pub fn new(algorithm: AlgorithmSpec) -> Self {
        Self { algorithm, stages: Vec::new(), metrics: Vec::new(), role: Role::default() }
    }
}

impl AlgorithmSpec {
    /// The algorithm registered as `name`, with `config`.
    #[must_use]
    pub fn named(name: impl Into<String>, config: Value) -> Self {
        Self { name: Some(name.into()), config, ..Self::default() }
    }

    /// The combinator registered as `name`, of `members`.
    #[must_use]
    pub fn combined(name: impl Into<String>, members: Vec<MemberSpec>) -> Self {
        Self { of: members, ..Self::named(name, Value::Null) }
    }

    /// Its name, or its file. With what is inside a combinator: `max(hpa, knative-kpa > capped)`.
    #[must_use]
    pub fn lineage(&self) -> String {
        let mut lineage = self.name.as_deref().or(self.plugin.as_deref()).unwrap_or_default().to_owned();
        if !self.of.is_empty() {
            let members: Vec<String> = self.of.iter().map(MemberSpec::lineage).collect();
            lineage.push('(');
            lineage.push_str(&members.join(", "));
            lineage.push(')');
        }
        lineage
    }

    /// Calls `each` with this and every algorithm inside, and its path from here.
    ///
    /// # Errors
    ///
    /// The first that `each` gives.
    pub fn each_mut<E>(
        &mut self,
        path: &str,
        each: &mut impl FnMut(&mut Self, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        each(self, path)?;
        let mut members = self.of.iter_mut().enumerate();
        members
            .try_for_each(|(index, member)| member.algorithm.each_mut(&format!("{path}.of[{index}].algorithm"), each))
    }
}

impl MemberSpec {
    /// Its algorithm with its stages.
    #[must_use]
    pub fn lineage(&self) -> String {
        let stages = self.stages.iter().map(|stage| format!(" > {}", stage.name));
        std::iter::once(self.algorithm.lineage()).chain(stages).collect()
    }
}

/// A stage by name and its configuration, written as a map with one entry: `capped: { maxScaleUp: 50% }`.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpec {
    /// A registered name.
    pub name: String,
    /// What the stage's own schema allows.
    pub config: Value,
}

impl<'de> Deserialize<'de> for StageSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = StageSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one stage, as in `- capped: { maxScaleUp: 50% }`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StageSpec, A::Error> {
                let one = |_: &StageSpec| de::Error::custom("a stage has one name; write one list item a stage");
                let (name, config) = map.next_entry()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let stage = StageSpec { name, config };
                match map.next_key::<String>()? {
                    None => Ok(stage),
                    Some(_) => Err(one(&stage)),
                }
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Serialize for StageSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.name, &self.config)])
    }
}

impl JsonSchema for StageSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StageSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "a stage by name and its configuration: one entry",
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// Which changes are not made for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Pause {
    /// All changes are made.
    #[default]
    None,
    /// No change is made.
    All,
    /// No replica is added.
    Up,
    /// No replica is taken away.
    Down,
}

impl Pause {
    fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether it keeps a count from going in `direction`.
    pub(crate) fn holds(self, direction: Direction) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Up => direction == Direction::Up,
            Self::Down => direction == Direction::Down,
        }
    }
}

/// What a hold does to a count that is outside the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HoldOutsideBounds {
    /// Move it to the nearest bound.
    #[default]
    Correct,
    /// Leave it.
    Leave,
}

impl Policy {
    /// The document called as `metadata` says, of a `spec` that was checked.
    #[must_use]
    pub const fn new(metadata: Metadata, spec: PolicySpec) -> Self {
        Self { api_version: ApiVersion::V1Alpha1, kind: Kind::ScalingPolicy, metadata, spec }
    }

    /// Reads a policy document, already parsed into a JSON value. A HorizontalPodAutoscaler manifest is one too:
    /// see [`Manifest`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field's path: an unknown field, a value out of range, `minReplicas` above
    /// `maxReplicas`, no metric or two of one name, no algorithm or two. What the algorithm's own
    /// configuration holds is checked when it is built.
    pub fn from_value(document: &Value) -> Result<Self, ConfigError> {
        if Manifest::is_one(document) {
            return Ok(Manifest::from_value(document)?.policy());
        }
        // Before the rest, which makes sense only in a document of this kind and version.
        let _: Header = parse_config(document)?;
        let policy: Self = parse_config(document)?;
        if policy.metadata.name.is_empty() {
            return Err(ConfigError::new("metadata.name", "a policy needs a name"));
        }
        policy.spec.check().map_err(|error| error.under("spec"))?;
        Ok(policy)
    }
}

impl PolicySpec {
    /// A policy of `metrics` and `algorithm` between `min` and `max` replicas; everything else by default.
    ///
    /// # Errors
    ///
    /// As for [`Policy::from_value`].
    pub fn new(min: u32, max: u32, metrics: Vec<Metric>, algorithm: AlgorithmSpec) -> Result<Self, ConfigError> {
        let spec = Self {
            target_ref: None,
            min_replicas: min,
            max_replicas: max,
            interval: fifteen_seconds(),
            metrics,
            algorithm,
            stages: Vec::new(),
            behavior: None,
            on_failure: FailureSpec::default(),
            quarantine: QuarantineSpec::default(),
            hold_outside_bounds: HoldOutsideBounds::default(),
            pause: Pause::None,
            dry_run: false,
        };
        spec.check()?;
        Ok(spec)
    }

    /// The same with one more stage at the end.
    #[must_use]
    pub fn with_stage(mut self, name: impl Into<String>, config: Value) -> Self {
        self.stages.push(StageSpec { name: name.into(), config });
        self
    }

    /// The same with HPA's `behavior` as the last stage.
    #[must_use]
    pub fn with_behavior(mut self, behavior: Behavior) -> Self {
        self.behavior = Some(behavior);
        self
    }

    /// The same with another answer to failures.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: FailureSpec) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// The same with another quarantine.
    #[must_use]
    pub const fn with_quarantine(mut self, quarantine: QuarantineSpec) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// The smallest and largest count.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is out of range.
    pub fn bounds(&self) -> Result<Bounds, ConfigError> {
        Bounds::new(self.min_replicas, self.max_replicas).map_err(|error| {
            let field = match error {
                BoundsError::Crossed { .. } => "minReplicas",
                BoundsError::MaxOutOfRange { .. } => "maxReplicas",
            };
            ConfigError::new(field, error.to_string())
        })
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.bounds()?;
        if self.interval < Span::from_secs(1) {
            return Err(ConfigError::new("interval", "must be at least 1s"));
        }
        if self.metrics.is_empty() {
            return Err(ConfigError::new("metrics", "at least one metric is needed"));
        }
        let mut names = BTreeSet::new();
        for (index, metric) in self.metrics.iter().enumerate() {
            let path = format!("metrics[{index}].name");
            if metric.name.is_empty() {
                return Err(ConfigError::new(path, "a metric needs a name"));
            }
            if !names.insert(&metric.name) {
                return Err(ConfigError::new(path, format!("there is another metric called {:?}", metric.name)));
            }
        }
        for (index, metric) in self.metrics.iter().enumerate() {
            metric.check().map_err(|error| error.under(&format!("metrics[{index}]")))?;
        }
        if let Some(behavior) = &self.behavior {
            behavior.check().map_err(|error| error.under("behavior"))?;
        }
        self.algorithm.check().map_err(|error| error.under("algorithm"))?;
        self.on_failure.check(self.interval).map_err(|error| error.under("onFailure"))?;
        self.quarantine.check().map_err(|error| error.under("quarantine"))
    }
}

impl AlgorithmSpec {
    /// How deep combinators can be inside each other: more than anyone follows, and far from the end of a stack.
    const DEEPEST: usize = 8;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_at(0)
    }

    fn check_at(&self, depth: usize) -> Result<(), ConfigError> {
        match (&self.name, &self.plugin) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => return Err(ConfigError::new("", "an algorithm needs a `name`, or a `plugin` file")),
            (Some(_), Some(_)) => return Err(ConfigError::new("plugin", "give either `name` or `plugin`, not both")),
        }
        if depth > Self::DEEPEST {
            let deepest = Self::DEEPEST;
            return Err(ConfigError::new("", format!("combinators can be at most {deepest} deep inside each other")));
        }
        let mut members = self.of.iter().enumerate();
        members.try_for_each(|(index, member)| {
            member.algorithm.check_at(depth + 1).map_err(|error| error.under(&format!("of[{index}].algorithm")))
        })
    }
}
