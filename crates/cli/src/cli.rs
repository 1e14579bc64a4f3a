//! The command line.

#[cfg(feature = "cluster")]
pub(crate) mod cluster;
#[cfg(feature = "cpa")]
pub(crate) mod cpa;
pub(crate) mod plugin;
#[cfg(feature = "live")]
pub(crate) mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use setpoint_wasm::PluginHostBuilder;
use tracing::Level;

use self::plugin::PluginCommand;
use crate::error::BadInput;
use crate::output;

/// From what was measured to how many replicas, and why.
#[derive(Debug, Parser)]
#[command(name = "setpoint", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 a check failed, 2 bad input.")]
pub(crate) struct Cli {
    /// Say on standard error what is being done
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// How what is said there is written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// An object a line
    Json,
}

impl Cli {
    /// What was asked for, by whatever name the command has. Where that can't be told, it ends with what clap says.
    pub(crate) fn read() -> Self {
        #[cfg(feature = "cluster")]
        if cluster::is_kubectl_plugin() {
            return cluster::KubectlPlugin::parse().into();
        }
        Self::parse()
    }

    /// Where traces are sent. An empty address is none, as OpenTelemetry has it.
    #[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
    pub(crate) fn otlp_endpoint(&self) -> Option<&str> {
        let traces = match &self.command {
            #[cfg(feature = "cluster")]
            Command::Controller(arguments) => &arguments.traces,
            #[cfg(feature = "server")]
            Command::Serve(arguments) => &arguments.traces,
            #[cfg(feature = "live")]
            Command::Run(arguments) => &arguments.traces,
            _ => return None,
        };
        traces.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())
    }

    /// How much is logged: nothing but errors by what ends by itself, and what happens by what goes on.
    pub(crate) fn log_level(&self) -> Level {
        match &self.command {
            _ if self.verbose => Level::DEBUG,
            #[cfg(feature = "cluster")]
            Command::Controller(_) => Level::INFO,
            #[cfg(feature = "server")]
            Command::Serve(_) => Level::INFO,
            #[cfg(feature = "cpa")]
            Command::Cpa(_) => Level::INFO,
            _ => Level::ERROR,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay a load against policies, and compare what came of it
    Simulate(SimulateArguments),
    /// Decide for what was observed
    Decide(DecideArguments),
    /// Find what policies say and can't do
    Lint(LintArguments),
    /// Write other autoscalers' documents as policies
    Convert(ConvertArguments),
    /// Replay what other projects' own code decided, and compare
    Conformance(ConformanceArguments),
    /// List the algorithms and stages that policies can name
    Algorithms(AlgorithmsArguments),
    /// Make plugins, look into them, and put them to the test
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the custom resource definition of policies
    #[cfg(feature = "cluster")]
    Crd(cluster::CrdArguments),
    /// Keep a cluster's workloads as its policies say
    #[cfg(feature = "cluster")]
    Controller(cluster::ControllerArguments),
    /// Ask a cluster: why so many, and what would another policy have done? Also as `kubectl setpoint`
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Serve autoscalers over HTTP: AI Storage Orchestrator's API
    #[cfg(feature = "server")]
    Serve(ServeArguments),
    /// Run as many processes on this machine as a policy says
    #[cfg(feature = "live")]
    Run(run::RunArguments),
    /// Serve Custom Pod Autoscaler's configurations
    #[cfg(feature = "cpa")]
    #[command(subcommand)]
    Cpa(cpa::CpaCommand),
    /// Print the JSON Schema of a document
    Schema(SchemaArguments),
    /// Print a completion script
    Completions {
        /// For this shell
        shell: Shell,
    },
}

/// A time as policies write it.
#[cfg(any(feature = "cluster", feature = "live"))]
fn parse_time(text: &str) -> Result<Duration, String> {
    let span: setpoint::Span = serde_json::from_value(text.into()).map_err(|error| error.to_string())?;
    Ok(span.as_duration())
}

/// Where plugins are found by name.
#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    /// A folder of plugins (*.wasm), known by the names they give themselves
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) plugins: Option<PathBuf>,
    /// Keep compiled plugins in a folder that is yours alone, or `off` [default: setpoint/plugins in $XDG_CACHE_HOME or
    /// ~/.cache]
    #[arg(long, value_name = "DIR|off", value_hint = ValueHint::DirPath)]
    pub(crate) plugin_cache: Option<PluginCache>,
    #[command(flatten)]
    pub(crate) compile_time: PluginCompileTime,
}

/// Where looks are told as traces.
#[cfg(any(feature = "cluster", feature = "live", feature = "server"))]
#[derive(Args, Debug)]
pub(crate) struct TracesArguments {
    /// Send a trace of each look to this OpenTelemetry collector, as http://collector:4318, by OTLP over HTTP
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp_endpoint: Option<String>,
}

/// Which Prometheus is asked where a metric names none, and how it is spoken to.
#[cfg(any(feature = "cluster", feature = "live"))]
#[derive(Args, Debug)]
pub(crate) struct PrometheusArguments {
    /// The Prometheus that is asked where a metric names none
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) prometheus: Option<String>,
    /// Give that Prometheus, and no other server, the bearer token in this file, read anew for each look
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "prometheus")]
    pub(crate) prometheus_token_file: Option<PathBuf>,
    /// Trust that Prometheus by the certificates in this PEM file, in place of the machine's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "prometheus")]
    pub(crate) prometheus_ca_file: Option<PathBuf>,
}

/// How patient a host is with its compiler.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PluginCompileTime {
    /// How many seconds a plugin may take to compile: more for scripting languages on a slow machine
    #[arg(long = "plugin-compile-time", value_name = "SECONDS",
          default_value_t = PluginHostBuilder::COMPILE_TIME.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

impl PluginCompileTime {
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Where compiled plugins are kept.
#[derive(Clone, Debug)]
pub(crate) enum PluginCache {
    Off,
    Folder(PathBuf),
}

impl From<OsString> for PluginCache {
    fn from(argument: OsString) -> Self {
        if argument == "off" { Self::Off } else { Self::Folder(argument.into()) }
    }
}

const SIMULATE_EXAMPLES: &str = "Examples:
  setpoint simulate
      A built-in day of a chat service, four built-in policies.
  setpoint simulate --policy a.yaml --policy b.yaml --trace last-week.csv --report out.html
      Two policies over a trace: a column `time` and a column `rate` in requests/s, or one
      request a row (TIMESTAMP,ContextTokens,GeneratedTokens).
  setpoint simulate --compare --policy mine.yaml --trace last-week.csv --report out.html
      Yours beside one of each school of algorithms.
  setpoint simulate --scenario service.yaml --json | jq '.runs[].summary'

  setpoint simulate --policy group.yaml --scenario service.yaml
      A ScalingGroup: its members meet the same requests, each with its own service, which the
      scenario's `members` tells by their names.

A policy's metrics are found by name: utilization, queue, p95, p99, rate, inflight, and cpu, which
is the utilization. Others, as memory or an External metric of a HorizontalPodAutoscaler manifest,
are to be named in the scenario: `spec: { readings: { my_queue: inflight } }`.";

#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub(crate) struct SimulateArguments {
    /// A policy or a ScalingGroup to try; repeat it to compare [default: four built-in ones]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Vec<PathBuf>,
    /// Set a policy of each school of algorithms beside them: HPA, Knative, Nomad, Watermark, AIBrix and this library's
    #[arg(long)]
    pub(crate) compare: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// A CSV of rates or requests, as the load of a service with default values
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "scenario")]
    pub(crate) trace: Option<PathBuf>,
    /// A document that describes load and service [default: a built-in day]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) scenario: Option<PathBuf>,
    /// Where all randomness starts [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write a report to open in a browser
    #[arg(long, value_name = "OUT.html", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

const DECIDE_EXAMPLES: &str = "Examples:
  echo '{\"now_ms\": 0, \"current\": 4, \"readings\": {\"p99\": 620}}' | setpoint decide --policy chat.yaml
  setpoint decide --policy hpa.yaml --observations night.jsonl --explain
      Why so many? Documents of other autoscalers are policies as they are: see `convert`.
  setpoint decide --policy chat.yaml --observations - --state chat.state
      Goes on where the last call with this state ended.

An observation is one JSON object a line:
  {\"now_ms\": 0, \"current\": 4, \"ready\": 4,
   \"readings\": {\"p99\": 620.0, \"gpu\": {\"missing\": \"scrape failed\"}}}
A reading is a number, {missing|stale|invalid: why}, or {series: [1, 2]}.
`ready` counts the replicas that serve, `existing` those in any state. Both default to `current`;
with `instances`, to how many of those serve and how many there are.
Where single instances are known, a reading can be a sample each:
  {\"now_ms\": 60000, \"current\": 2, \"instances\": [{\"name\": \"a\"},
    {\"name\": \"b\", \"ready\": false, \"ready_since_ms\": 50000, \"started_ms\": 50000}],
   \"readings\": {\"cpu\": {\"requests\": \"500m\", \"samples\": {\"a\": \"250m\",
    \"b\": {\"value\": \"1\", \"at_ms\": 55000, \"window_ms\": 15000}}}}}
An instance that says no more than its name runs, is ready, and has been for long.
  phase        Pending, Running (default), Succeeded, Failed or Unknown, as a pod's
  ready        true (default), false, \"unknown\", or null: nobody has said yet
  started_ms   when it was started; null: not known. Default: long ago
  terminating  whether it is being taken away. Default false
`requests` of a metric is what each instance requests, or {instance: amount}: all of them for a
utilization. A sample can be of an instance that isn't among `instances`: it is gone since.
`last_action` ({at_ms, from, to, applied}) tells of the last change, which is
else taken from the counts.
Of a ScalingGroup, a line tells of each member:
  {\"now_ms\": 0, \"members\": {\"prefill\": {\"current\": 1, \"readings\": {\"queue\": 12}},
    \"decode\": {\"current\": 2, \"readings\": {\"queue\": 8}}}}";

#[derive(Debug, Args)]
#[command(after_help = DECIDE_EXAMPLES)]
pub(crate) struct DecideArguments {
    /// The policy that decides, or the group of them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: PathBuf,
    /// What was observed, one JSON object a line; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) observations: PathBuf,
    /// Go on from this state, and write it when all went well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Print what was measured, every step, and until when something holds the count
    #[arg(long, conflicts_with = "json")]
    pub(crate) explain: bool,
    /// Print one JSON object a decision, with its whole path, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint lint policies/*.yaml
  setpoint lint chat.yaml --trace last-week.csv
      Also: is it down again before the load is up again?
  setpoint lint hpa.yaml --json | jq -r '.findings[] | select(.level == \"error\") | .field'

Exit code 1 means that a finding is an error: the policy can't do what it says.")]
pub(crate) struct LintArguments {
    /// Policies, or documents of other autoscalers that are read as such
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// A CSV of rates or requests: the load that the policies are meant for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose documents.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SourceFormat {
    /// Whose it says it is
    Auto,
    /// KubeAI Autoscaler: AIInferenceAutoscalerPolicy
    Kubeai,
    /// openFuyao Elastic Scaler: ElasticScaler
    ElasticScaler,
    /// Custom Pod Autoscaler: its config.yaml
    Cpa,
    /// AI Storage Orchestrator: a request for an autoscaler
    Storage,
    /// Kubernetes: HorizontalPodAutoscaler
    Hpa,
    /// KEDA: ScaledObject
    Keda,
}

const CONVERT_EXAMPLES: &str = "Examples:
  setpoint convert policy.yaml > chat.yaml
      What changed its meaning stands beside the field as a comment, and what is lost at the top.
  setpoint convert *.yaml -o policies.yaml
      One stream of documents.
  kubectl get scaledobject orders -o yaml | setpoint convert - --check > orders.yaml
      Exit code 1 when something could not be carried over; standard error says what.
  setpoint convert request.json --json | jq '.[].notes'

simulate, decide and lint take such documents as they are.";

#[derive(Debug, Args)]
#[command(after_help = CONVERT_EXAMPLES)]
pub(crate) struct ConvertArguments {
    /// Documents of other autoscalers, YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Whose documents they are
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) from: SourceFormat,
    /// Write the policies here [default: standard output]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Exit with 1 when something could not be carried over
    #[arg(long)]
    pub(crate) check: bool,
    /// Print everything as JSON, and nothing else
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
}

/// Whose decisions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConformanceSuite {
    /// Kubernetes' HorizontalPodAutoscaler, v2
    Hpa,
    /// AIBrix' pod autoscaler: APA and KPA
    Aibrix,
    /// DataDog's WatermarkPodAutoscaler
    Watermark,
    /// Nomad Autoscaler's strategies and policy handler
    Nomad,
    /// Knative's pod autoscaler
    KnativeKpa,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint conformance hpa edges.jsonl f*.jsonl.gz
  setpoint conformance hpa edges.jsonl --show 1 --json | jq '.failures[0]'

A file holds one scenario a line, as JSON; one that ends in .gz is compressed. The last line
of the output is `N passed, N failed`, in scenarios; exit code 1 means that one failed.")]
pub(crate) struct ConformanceArguments {
    /// Whose decisions the files hold
    #[arg(value_enum)]
    pub(crate) suite: ConformanceSuite,
    /// Files of scenarios (*.jsonl, *.jsonl.gz)
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Show this many of the scenarios that failed
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) show: usize,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint algorithms
  setpoint algorithms --plugins ./plugins --json | jq '.algorithms[].name'")]
pub(crate) struct AlgorithmsArguments {
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Print everything as JSON, configuration schemas included
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "server")]
const SERVE_EXAMPLES: &str = "Examples:
  setpoint serve --workload Deployment/default/nginx-deployment=2
      Then open http://127.0.0.1:8080/, create an autoscaler with POST /api/v1/autoscaling, and
      send what it reads:
      curl -X PUT http://127.0.0.1:8080/api/v1/readings/default/Deployment/nginx-deployment \\
        -H 'Content-Type: application/json' -d '{\"cpu\": 95}'
  setpoint serve --database postgres://setpoint@db/setpoint --listen 0.0.0.0:8080 --token-file token
      One of several instances behind a balancer. Exactly one acts on each workload.
  setpoint serve --prometheus http://prometheus:9090 --query 'gpu=avg(gpu_busy{pod=~\"$pods\"})'
      Readings come from cAdvisor's, kube-state-metrics' and DCGM exporter's series unless a query
      says otherwise; METRIC= leaves one to what is sent. Metrics are cpu, memory, gpu, gpuMemory,
      storageReadThroughputMbps, storageWriteThroughputMbps and storageIops; in a query
      $namespace, $name, $kind and $pods are the workload's.
  setpoint serve --webhook https://example.org/scaled --webhook-secret-file secret
      Each change of a count is posted, signed in the header X-Setpoint-Signature.

The API is described at /openapi.json. A token is taken from --token-file, else from
$SETPOINT_TOKEN, and is required where the address can be reached from elsewhere.";

/// What is served, where, and to whom.
#[cfg(feature = "server")]
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArguments {
    /// Listen here [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Keep everything in this file, or in PostgreSQL, for several instances
    #[arg(long, value_name = "FILE|postgres://…", default_value = "setpoint.db")]
    pub(crate) database: String,
    /// A file with the token that clients have to show
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    /// A workload in memory to scale, and its count; repeat it for more
    #[arg(long, value_name = "KIND/NAMESPACE/NAME=REPLICAS")]
    pub(crate) workload: Vec<crate::workload::Workload>,
    /// Scale the workloads of a cluster instead
    #[cfg(feature = "cluster")]
    #[arg(long, conflicts_with = "workload")]
    pub(crate) cluster: bool,
    /// How the cluster is reached [default: $KUBECONFIG, ~/.kube/config, or the cluster that this runs in]
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Read metrics from this Prometheus [default: they are what clients send]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) prometheus: Option<String>,
    /// Ask Prometheus this for a metric; repeat it for more
    #[arg(long, value_name = "METRIC=QUERY", requires = "prometheus")]
    pub(crate) query: Vec<crate::serve::MetricQuery>,
    /// Post each change of a count here; repeat it for more
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) webhook: Vec<String>,
    /// A file with the secret that what is posted is signed with [default: $SETPOINT_WEBHOOK_SECRET; else it is not signed]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "webhook")]
    pub(crate) webhook_secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) traces: TracesArguments,
    /// How often each workload is looked at
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub(crate) interval: humantime::Duration,
    /// How long an instance that fails keeps others from acting on its workloads; at least 10s
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub(crate) lease: humantime::Duration,
    /// Answer at most so many requests a second
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rate: u32,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DocumentKind {
    /// A scaling policy
    Policy,
    /// A group of workloads that scale together
    Group,
    /// A load and a service to simulate
    Scenario,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint schema > policy.schema.json
      For an editor: start a policy with `# yaml-language-server: $schema=policy.schema.json`.")]
pub(crate) struct SchemaArguments {
    /// The kind of document
    #[arg(value_enum, default_value = "policy")]
    pub(crate) kind: DocumentKind,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Print JSON; a schema is nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints a completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<(), BadInput> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "setpoint", &mut script);
    output::print_raw(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        #[cfg(feature = "cluster")]
        cluster::KubectlPlugin::command().debug_assert();
    }
}
