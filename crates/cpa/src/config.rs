//! A configuration file: what is called, when, and what happens to the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint::hpa::StartRules;
use setpoint::{ConfigError, Metric, MetricKind, PolicySpec, TargetRef, parse_config};
use setpoint_dialects::Dialect;
use setpoint_process::Limits;

/// How long a method may take that doesn't say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The namespace of a configuration that names none.
const NAMESPACE: &str = "default";

/// A whole configuration, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bounds, interval and window, as a policy whose reading is the evaluate program's answer.
    pub policy: PolicySpec,
    /// What is scaled, where the configuration says so.
    pub target: Option<TargetRef>,
    /// Where that is.
    pub namespace: String,
    /// What the metric program is run for.
    pub run_mode: RunMode,
    /// The first interval begins at a multiple of this; zero: at once.
    pub start_time: Duration,
    /// Where the REST API is served.
    pub api: ApiConfig,
    /// What gathers metrics.
    pub metric: Method,
    /// What makes a count of them.
    pub evaluate: Method,
    /// What the metric program is handed besides the resource.
    pub kubernetes: KubernetesMetrics,
    /// What is called around the two and around the change, by when.
    pub hooks: BTreeMap<Hook, Method>,
    /// What the configuration asks for and doesn't get, a line each.
    pub notes: Vec<String>,
}

/// Metrics of Kubernetes that are handed to the metric program.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KubernetesMetrics {
    /// Which.
    pub specs: Vec<KubernetesMetricSpec>,
    /// Whether a cycle ends where one of them can't be had. Default false.
    pub required: bool,
    /// When the use of the processor of a pod that starts counts.
    pub start_rules: StartRules,
}

/// One of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KubernetesMetricSpec {
    /// As it is written: programs are told so.
    pub written: Value,
    /// As it is asked for.
    pub metric: Metric,
}

/// What the metric program is run for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    /// For each pod of the resource.
    #[default]
    PerPod,
    /// Once, for the resource.
    PerResource,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Before metrics are gathered.
    PreMetric,
    /// After that, with the metrics.
    PostMetric,
    /// Before they are evaluated.
    PreEvaluate,
    /// After that, with the evaluation.
    PostEvaluate,
    /// Before the count is written, with the count.
    PreScale,
    /// After that.
    PostScale,
}

impl Hook {
    /// As the configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreMetric => "preMetric",
            Self::PostMetric => "postMetric",
            Self::PreEvaluate => "preEvaluate",
            Self::PostEvaluate => "postEvaluate",
            Self::PreScale => "preScale",
            Self::PostScale => "postScale",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the REST API is served. Unlike there, on this machine alone unless told otherwise: whoever reaches it may scale.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Whether it is. Default true.
    pub enabled: bool,
    /// Whether by HTTPS, which is refused. Default false.
    #[serde(rename = "useHTTPS")]
    use_https: bool,
    /// The port. Default 5000.
    pub port: u16,
    /// The address. Default `127.0.0.1`.
    pub host: IpAddr,
    #[serde(rename = "certFile")]
    _cert_file: String,
    #[serde(rename = "keyFile")]
    _key_file: String,
}

impl ApiConfig {
    /// Host and port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            use_https: false,
            port: 5000,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            _cert_file: String::new(),
            _key_file: String::new(),
        }
    }
}

/// Something that is called with JSON, and answers with text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// How long it may take.
    pub timeout: Duration,
    /// What it is.
    pub call: MethodCall,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MethodCall {
    /// A program.
    Shell(ShellCall),
    /// An address.
    Http(HttpCall),
}

/// A program: JSON on its standard input, the answer on its standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCall {
    /// The program.
    pub entrypoint: String,
    /// Its arguments.
    pub command: Vec<String>,
    /// Whether its standard error is logged when it ends well.
    pub log_stderr: bool,
    /// Whether it was written as one plain text, as programs were before they were handed an object.
    pub plain: bool,
}

/// An address: JSON in the body or in the query, the answer in the body.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCall {
    /// The request's method: `GET`.
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The statuses of an answer. None: each from 200 to 299.
    #[serde(default)]
    pub success_codes: Vec<u16>,
    /// Where the JSON is put.
    pub parameter_mode: ParameterMode,
    /// A file of certificates of authorities, trusted in place of the machine's own.
    pub ca_cert: Option<PathBuf>,
    /// A file with the certificate that this client shows.
    pub client_cert: Option<PathBuf>,
    /// A file with its key.
    pub client_key: Option<PathBuf>,
}

/// Where a request has its JSON.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ParameterMode {
    /// As `value` in the query.
    Query,
    /// In the body.
    Body,
}

/// The fields that are about programs and the API; the dialect has the others, and refuses unknown ones.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    namespace: Option<String>,
    #[serde(default)]
    run_mode: RunMode,
    #[serde(default = "one")]
    start_time: u64,
    #[serde(default)]
    log_verbosity: i64,
    #[serde(default)]
    api_config: Option<ApiConfig>,
    kubernetes_metric_specs: Option<Vec<Value>>,
    #[serde(default)]
    require_kubernetes_metrics: bool,
    #[serde(default = "three_hundred")]
    cpu_initialization_period: u64,
    #[serde(default = "thirty")]
    initial_readiness_delay: u64,
    metric: Value,
    evaluate: Value,
    #[serde(default)]
    pre_metric: Value,
    #[serde(default)]
    post_metric: Value,
    #[serde(default)]
    pre_evaluate: Value,
    #[serde(default)]
    post_evaluate: Value,
    #[serde(default)]
    pre_scale: Value,
    #[serde(default)]
    post_scale: Value,
}

const fn one() -> u64 {
    1
}

const fn thirty() -> u64 {
    30
}

const fn three_hundred() -> u64 {
    300
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMethod {
    #[serde(rename = "type")]
    kind: Kind,
    timeout: Option<u64>,
    #[serde(default)]
    shell: Value,
    #[serde(default)]
    http: Value,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Shell,
    Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenShell {
    #[serde(default = "shell")]
    entrypoint: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    log_stderr: Option<bool>,
}

fn shell() -> String {
    "/bin/sh".to_owned()
}

impl Config {
    /// Reads a configuration that was parsed into a JSON value, with what the environment overrides already put in: see
    /// [`with_environment`](crate::with_environment).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field's path: an unknown field, a method without what it needs, bounds that exclude each
    /// other, a metric that no API of Kubernetes has, and what this doesn't do: HTTPS.
    pub fn read(document: &Value) -> Result<Self, ConfigError> {
        let policy = setpoint_dialects::read_as(Dialect::Cpa, document)?.policy.spec;
        let written: Written = parse_config(document)?;
        let api = written.api_config.clone().unwrap_or_default();
        if api.use_https {
            return Err(ConfigError::new("apiConfig.useHTTPS", "only HTTP is served; TLS is for a proxy in front"));
        }
        let namespace = written.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        let target = policy.target_ref.clone();
        let target = target
            .map(|target| TargetRef { namespace: target.namespace.or_else(|| Some(namespace.clone())), ..target });
        Ok(Self {
            policy,
            target,
            namespace,
            run_mode: written.run_mode,
            start_time: Duration::from_millis(written.start_time),
            api,
            metric: method("metric", &written.metric)?,
            evaluate: method("evaluate", &written.evaluate)?,
            kubernetes: written.kubernetes()?,
            hooks: written.hooks()?,
            notes: written.notes(),
        })
    }
}

impl Written {
    fn hooks(&self) -> Result<BTreeMap<Hook, Method>, ConfigError> {
        let all = [
            (Hook::PreMetric, &self.pre_metric),
            (Hook::PostMetric, &self.post_metric),
            (Hook::PreEvaluate, &self.pre_evaluate),
            (Hook::PostEvaluate, &self.post_evaluate),
            (Hook::PreScale, &self.pre_scale),
            (Hook::PostScale, &self.post_scale),
        ];
        let given = all.into_iter().filter(|(_, written)| !written.is_null());
        given.map(|(hook, written)| Ok((hook, method(hook.name(), written)?))).collect()
    }

    fn kubernetes(&self) -> Result<KubernetesMetrics, ConfigError> {
        let written = self.kubernetes_metric_specs.as_deref().unwrap_or_default();
        let metrics = kubernetes_metrics(written)?;
        let specs = written.iter().cloned().zip(metrics);
        Ok(KubernetesMetrics {
            specs: specs.map(|(written, metric)| KubernetesMetricSpec { written, metric }).collect(),
            required: self.require_kubernetes_metrics,
            start_rules: StartRules {
                initialization_period: Duration::from_secs(self.cpu_initialization_period),
                readiness_delay: Duration::from_secs(self.initial_readiness_delay),
            },
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.log_verbosity != 0 {
            notes.push("logVerbosity: `--verbose` says how much is logged".to_owned());
        }
        notes
    }
}

/// The metrics that `written` asks for: those of an HPA, whose own reader knows them. Only their targets may be without a
/// value, for nothing is compared with it.
fn kubernetes_metrics(written: &[Value]) -> Result<Vec<Metric>, ConfigError> {
    const FIELD: &str = "kubernetesMetricSpecs";
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "metrics" },
        "spec": {
            "scaleTargetRef": { "kind": "any", "name": "any" },
            "maxReplicas": 1,
            "metrics": written.iter().map(with_value).collect::<Vec<_>>(),
        },
    });
    let conversion = setpoint_dialects::read_as(Dialect::Hpa, &manifest).map_err(|error| {
        let place = error.path.strip_prefix("spec.metrics").unwrap_or_default();
        ConfigError::new(format!("{FIELD}{place}"), error.message)
    })?;
    let metrics = conversion.policy.spec.metrics;
    for (index, metric) in metrics.iter().enumerate() {
        if metric.kind == MetricKind::ContainerResource {
            let message = "must be one of Resource, Pods, Object, External";
            return Err(ConfigError::new(format!("{FIELD}[{index}].type"), message));
        }
        if metric.source.is_none() {
            let message = "must be cpu or memory: metrics.k8s.io measures nothing else";
            return Err(ConfigError::new(format!("{FIELD}[{index}].resource.name"), message));
        }
    }
    Ok(metrics)
}

/// The same, with some value for a target that has a type alone.
fn with_value(written: &Value) -> Value {
    let mut filled = written.clone();
    for part in ["resource", "pods", "object", "external"] {
        let target = filled.pointer_mut(&format!("/{part}/target")).and_then(Value::as_object_mut);
        let Some(target) = target else { continue };
        let (field, value) = match target.get("type").and_then(Value::as_str) {
            Some("Utilization") => ("averageUtilization", json!(1)),
            Some("AverageValue") => ("averageValue", json!("1")),
            Some("Value") => ("value", json!("1")),
            _ => continue,
        };
        target.entry(field).or_insert(value);
    }
    filled
}

fn method(field: &str, written: &Value) -> Result<Method, ConfigError> {
    let read = || {
        let WrittenMethod { kind, timeout, shell, http } = parse_config(written)?;
        if timeout == Some(0) {
            return Err(ConfigError::new("timeout", "must be at least 1 ms: within none nothing can answer"));
        }
        let timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
        let call = match kind {
            Kind::Shell => MethodCall::Shell(shell_call(&shell).map_err(|error| error.under("shell"))?),
            Kind::Http => MethodCall::Http(http_call(&http).map_err(|error| error.under("http"))?),
        };
        Ok(Method { timeout, call })
    };
    read().map_err(|error: ConfigError| error.under(field))
}

fn shell_call(written: &Value) -> Result<ShellCall, ConfigError> {
    if let Some(command) = written.as_str() {
        let command = vec!["-c".to_owned(), command.to_owned()];
        return Ok(ShellCall { entrypoint: shell(), command, log_stderr: false, plain: true });
    }
    let WrittenShell { entrypoint, command, log_stderr } = parse_config(written)?;
    if entrypoint.trim().is_empty() {
        return Err(ConfigError::new("entrypoint", "must not be empty: it is the program"));
    }
    Ok(ShellCall { entrypoint, command, log_stderr: log_stderr.unwrap_or(false), plain: false })
}

fn http_call(written: &Value) -> Result<HttpCall, ConfigError> {
    let call: HttpCall = parse_config(written)?;
    if call.client_cert.is_some() != call.client_key.is_some() {
        let (missing, given) =
            if call.client_key.is_none() { ("clientKey", "clientCert") } else { ("clientCert", "clientKey") };
        return Err(ConfigError::new(missing, format!("must be given: {given} is of no use without it")));
    }
    Ok(call)
}

impl Method {
    /// Whether it is a program of the time when metric programs were handed the bare resource, and evaluate programs the
    /// bare list of metrics.
    #[must_use]
    pub const fn takes_bare(&self) -> bool {
        matches!(self.call, MethodCall::Shell(ShellCall { plain: true, .. }))
    }

    /// The bounds of a call.
    pub(crate) fn limits(&self, output: usize, memory: Option<u64>) -> Limits {
        Limits::default().with_time(self.timeout).with_output(output).with_memory(memory)
    }
}
