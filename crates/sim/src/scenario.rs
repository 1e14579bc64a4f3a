//! A scenario: what load meets what service, as a document.
//!
//! ```yaml
//! apiVersion: setpoint.dev/v1alpha1
//! kind: Scenario
//! metadata: { name: day-of-chat }
//! spec:
//!   duration: 24h
//!   load:
//!     sum:
//!       - diurnal: { low: 2, high: 18, period: 24h, peakAt: 14h }
//!       - burst: { at: 9h, every: 6h, length: 10m, rate: 15 }
//!       - noise: { amplitude: 0.2, every: 1m }
//!   service: { time: { mean: 800ms }, concurrency: 8 }
//!   replicas: { initial: 3, startup: 60s }
//!   slo: { latency: 2s }
//! ```
//!
//! Only `spec.load` must be there, and `spec.duration` unless the load is a trace. Every default
//! stands beside its field.
//!
//! The members of a group all meet this load, each with a service of its own: this one, but for what
//! `spec.members` says of it by its name.
//!
//! ```yaml
//!   members:
//!     prefill: { service: { time: { mean: 200ms }, concurrency: 2 } }
//!     decode: { readings: { kv: utilization } }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use setpoint::{ConfigError, parse_config};

use crate::load::LoadSpec;
use crate::readings::Source;
use crate::units::{Concurrency, Period, QueueLimit, ReplicaCount, Seed, Span, Variation};

mod builtin;
mod check;
mod member;

use member::MemberSpec;

/// A checked scenario: every value in range, every pair of values consistent.
///
/// It comes out of a document, by [`Scenario::from_value`] or any serde format, or is the one that is
/// built in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Document", into = "Document")]
pub struct Scenario(Document);

/// The document as written, before the checks that look at more than one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ScenarioDocument")]
struct Document {
    api_version: ApiVersion,
    kind: Kind,
    metadata: Metadata,
    spec: Spec,
}

/// What a document says of itself, whatever else is in it.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum ApiVersion {
    #[serde(rename = "setpoint.dev/v1alpha1")]
    V1Alpha1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Kind {
    Scenario,
}

/// What a scenario is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    /// 1 to 253 characters.
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Spec {
    /// How long the simulated time is, 1s to 400 days. Default for a trace: the trace's length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<Period>,
    /// Where all randomness starts. Default 1.
    #[serde(default = "default_seed")]
    pub(crate) seed: Seed,
    /// The requests.
    pub(crate) load: LoadSpec,
    /// How requests of a rate are placed in time. Default `even`.
    #[serde(default)]
    pub(crate) arrivals: Arrivals,
    /// What serves them.
    #[serde(default)]
    pub(crate) service: ServiceSpec,
    /// How replicas come and go.
    #[serde(default)]
    pub(crate) replicas: ReplicaSpec,
    /// What monitoring shows, and how late.
    #[serde(default)]
    pub(crate) metrics: MetricSpec,
    /// Other names for readings: `{ cpu: utilization }`. At most 64; none may be a source's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) readings: BTreeMap<String, Source>,
    /// What is promised to the user of the service.
    #[serde(default)]
    pub(crate) slo: Slo,
    /// What serves each member of a group, by its name; a member that isn't here is refused. Default: each is served as
    /// `service` and `replicas` say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) members: BTreeMap<String, MemberSpec>,
}

fn default_seed() -> Seed {
    Seed::try_from(1.0).expect("1 is a seed")
}

/// How the requests of a rate are placed in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Arrivals {
    /// One request for each whole unit of the rate's integral: the k-th arrives when the integral
    /// passes `k + u`, with one `u` in `[0, 1)` from the seed.
    #[default]
    Even,
    /// A Poisson process with that rate.
    Poisson,
}

/// What serves the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ServiceSpec {
    /// How long a request of a rate is served.
    pub(crate) time: ServiceTime,
    /// How long a request of a token trace is served.
    pub(crate) tokens: TokenCost,
    /// Requests a replica serves at once, 1 to 1000. Default 8.
    pub(crate) concurrency: Concurrency,
    /// Requests that may wait; one more is refused. 0 to 10,000,000. Default 1,000,000.
    pub(crate) max_queue: QueueLimit,
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self {
            time: ServiceTime::default(),
            tokens: TokenCost::default(),
            concurrency: Concurrency::try_from(8.0).expect("8 is in range"),
            max_queue: QueueLimit::try_from(1_000_000.0).expect("a million is in range"),
        }
    }
}

/// How long a request of a rate is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ServiceTime {
    /// The mean, 1ms to 24h. Default 800ms.
    pub(crate) mean: Period,
    /// How single requests differ from the mean. Default `exponential`.
    pub(crate) distribution: Distribution,
    /// Standard deviation over mean, 0.01 to 10; only for `lognormal`, where the default is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cv: Option<Variation>,
}

impl Default for ServiceTime {
    fn default() -> Self {
        let mean = period(800);
        Self { mean, distribution: Distribution::Exponential, cv: None }
    }
}

/// How the service times of single requests differ from their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Distribution {
    /// All the same.
    Constant,
    /// Memoryless: the deviation equals the mean.
    Exponential,
    /// Many short, a few very long; `cv` says how much.
    Lognormal,
}

/// How long a request of a token trace is served:
/// `base + perPromptToken · prompt + perOutputToken · output`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct TokenCost {
    /// For the request itself, 0s to 1h. Default 50ms.
    pub(crate) base: Span,
    /// For each token read, 0s to 1h, fractions allowed. Default 0.2ms.
    pub(crate) per_prompt_token: Span,
    /// For each token written, 0s to 1h, fractions allowed. Default 20ms.
    pub(crate) per_output_token: Span,
}

impl Default for TokenCost {
    fn default() -> Self {
        Self { base: micros(50_000), per_prompt_token: micros(200), per_output_token: micros(20_000) }
    }
}

/// How replicas come and go. One that is told to go takes no new requests and finishes those it
/// serves, and costs until then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ReplicaSpec {
    /// Ready replicas at the start, 0 to 10,000. Default 3.
    pub(crate) initial: ReplicaCount,
    /// From asked for to ready, 0s to 24h. Default 60s.
    pub(crate) startup: Span,
    /// Up to this much is added to each start, evenly spread, 0s to 24h. Default 0s.
    pub(crate) startup_jitter: Span,
}

impl Default for ReplicaSpec {
    fn default() -> Self {
        let initial = ReplicaCount::try_from(3.0).expect("3 is in range");
        Self { initial, startup: micros(60_000_000), startup_jitter: micros(0) }
    }
}

/// What monitoring shows, and how late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct MetricSpec {
    /// From one scrape to the next, 1s to 1h; the first is one interval after the start. Also the
    /// grid on which demand and supply are compared. Default 15s.
    pub(crate) scrape_interval: Period,
    /// From a scrape to when it can be read, 0s to 1h. Default 5s.
    pub(crate) delay: Span,
    /// How far back from its scrape a reading looks, 1s to 24h. Default 60s.
    pub(crate) window: Period,
}

impl Default for MetricSpec {
    fn default() -> Self {
        Self { scrape_interval: period(15_000), delay: micros(5_000_000), window: period(60_000) }
    }
}

/// What is promised to the user of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Slo {
    /// A request slower than this, from arrival to completion, violates the promise; so does one
    /// that is refused or not served by the end. 1ms to 400 days. Default 2s.
    pub(crate) latency: Period,
}

impl Default for Slo {
    fn default() -> Self {
        Self { latency: period(2_000) }
    }
}

fn micros(n: u64) -> Span {
    Span::try_from(std::time::Duration::from_micros(n)).expect("a default is in range")
}

fn period(millis: u64) -> Period {
    Period::try_from(std::time::Duration::from_millis(millis)).expect("a default is in range")
}

/// What policies look at most: how busy replicas are, by what they are busy on.
const BUSY: [&str; 2] = ["cpu", "gpu"];

impl Scenario {
    /// Read a scenario document, already parsed into a JSON value.
    ///
    /// ```
    /// # use setpoint_sim::Scenario;
    /// let error = Scenario::from_value(&serde_json::json!({
    ///     "apiVersion": "setpoint.dev/v1alpha1", "kind": "Scenario", "metadata": { "name": "flat" },
    ///     "spec": { "duration": "10m", "load": { "constant": { "rate": -1 } } }
    /// })).unwrap_err();
    /// assert_eq!(error.path, "spec.load.constant.rate");
    /// assert!(error.message.starts_with("expected a number of requests/s from 0 to 1000000, found -1"));
    /// ```
    ///
    /// # Errors
    ///
    /// When a field is unknown, missing, of another type, out of range, or at odds with another.
    pub fn from_value(document: &serde_json::Value) -> Result<Self, ConfigError> {
        // Before the rest, which makes sense only in a document of this kind and version.
        let _: Header = parse_config(document)?;
        Self::try_from(parse_config::<Document>(document)?)
    }

    /// The JSON Schema of a scenario document.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Document).to_value()
    }

    /// A scenario around a trace file, with a default for everything else.
    ///
    /// # Errors
    ///
    /// When the file's name is empty or longer than 4096 characters.
    pub fn for_trace(file: &Path) -> Result<Self, ConfigError> {
        let name = file.file_stem().map_or_else(|| "trace".into(), |stem| stem.to_string_lossy());
        let name = name.chars().take(check::LONGEST_NAME).collect();
        let load = LoadSpec::trace(PathBuf::from(file));
        Self::try_from(Document::new(name, Spec::new(load)))
    }

    /// What the scenario is called.
    pub fn name(&self) -> &str {
        &self.0.metadata.name
    }

    /// The document's seed. Default 1.
    pub fn seed(&self) -> u64 {
        self.spec().seed.get()
    }

    /// The same scenario for another length of time.
    ///
    /// # Errors
    ///
    /// When a document with that duration would be refused: for less than a second, or more bursts
    /// than a run may have.
    pub fn with_duration(mut self, duration: Period) -> Result<Self, ConfigError> {
        self.0.spec.duration = Some(duration);
        Self::try_from(self.0)
    }

    /// Latency promised to the service's users. Default 2s.
    pub fn slo_latency(&self) -> std::time::Duration {
        self.spec().slo.latency.duration()
    }

    /// The trace file the load is read from, as written.
    pub fn trace_file(&self) -> Option<&Path> {
        match &self.spec().load {
            LoadSpec::Trace(trace) => Some(&trace.file),
            _ => None,
        }
    }

    /// What a metric name reads: a source's own name, one given under `spec.readings`, or `cpu` and `gpu`, which are a
    /// service's utilization where nothing else is said.
    pub fn source(&self, name: &str) -> Option<Source> {
        let given = || self.spec().readings.get(name).copied();
        name.parse().ok().or_else(given).or_else(|| BUSY.contains(&name).then_some(Source::Utilization))
    }

    /// Every name [`source`](Self::source) knows: the sources' own, `cpu` and `gpu`, then the scenario's.
    pub fn metric_names(&self) -> impl Iterator<Item = &str> {
        let own = Source::ALL.iter().map(|source| source.name()).chain(BUSY);
        own.chain(self.spec().readings.keys().map(String::as_str).filter(|name| !BUSY.contains(name)))
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.0.spec
    }
}

impl From<Scenario> for Document {
    fn from(scenario: Scenario) -> Self {
        scenario.0
    }
}

impl Document {
    fn new(name: String, spec: Spec) -> Self {
        let metadata = Metadata { name };
        Self { api_version: ApiVersion::V1Alpha1, kind: Kind::Scenario, metadata, spec }
    }
}

impl Spec {
    fn new(load: LoadSpec) -> Self {
        Self {
            duration: None,
            seed: default_seed(),
            load,
            arrivals: Arrivals::default(),
            service: ServiceSpec::default(),
            replicas: ReplicaSpec::default(),
            metrics: MetricSpec::default(),
            readings: BTreeMap::new(),
            slo: Slo::default(),
            members: BTreeMap::new(),
        }
    }
}
