//! The command line of what runs on Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use setpoint_kube::Kind;

use super::{Cli, Command, LogFormat, PluginArguments, PrometheusArguments, TracesArguments, parse_time};

/// The name under which kubectl finds this command as `kubectl setpoint`, and that under which it asks what can follow.
const KUBECTL_PLUGIN: &str = "kubectl-setpoint";
const KUBECTL_COMPLETE: &str = "kubectl_complete-setpoint";

fn is_called(name: &str) -> bool {
    let program = std::env::args_os().next().map(PathBuf::from);
    program.is_some_and(|program| program.file_stem().is_some_and(|stem| stem == name))
}

/// Whether kubectl runs this, or somebody who wants it to look so.
pub(super) fn is_kubectl_plugin() -> bool {
    is_called(KUBECTL_PLUGIN)
}

/// What was typed so far, where kubectl asks what can follow: the last word isn't whole.
pub(crate) fn to_complete() -> Option<Vec<String>> {
    let words = || std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    is_called(KUBECTL_COMPLETE).then(|| words().collect())
}

/// The command line of `kubectl setpoint`.
pub(crate) fn kubectl_plugin() -> clap::Command {
    let mut command = KubectlPlugin::command();
    // Flags of all commands become each one's.
    command.build();
    command
}

/// The same commands as those of `setpoint cluster`.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl setpoint",
    bin_name = "kubectl setpoint",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(about = "Why a workload has as many replicas as it has, and what another policy would have done")]
#[command(after_help = "Exit codes: 0 done, 1 a check failed, 2 bad input. For all else there is `setpoint`.")]
pub(super) struct KubectlPlugin {
    /// Say on standard error what is being done
    #[arg(long, short, global = true)]
    verbose: bool,
    /// How what is said there is written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: ClusterCommand,
}

impl From<KubectlPlugin> for Cli {
    fn from(KubectlPlugin { verbose, log_format, command }: KubectlPlugin) -> Self {
        Self { verbose, log_format, command: Command::Cluster(command) }
    }
}

/// `examples` as whoever reads them has to write them.
fn examples(examples: &str) -> String {
    let program = if is_kubectl_plugin() { "kubectl setpoint" } else { "setpoint cluster" };
    examples.replace("PROGRAM", program)
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Say why a workload has as many replicas as it has
    Explain(ExplainArguments),
    /// Replay what Prometheus has recorded against a policy
    Simulate(ClusterSimulateArguments),
    /// Show when a changed policy would have decided otherwise
    Diff(DiffArguments),
}

/// Which policy of which cluster.
#[derive(Debug, Args)]
pub(crate) struct PolicyArguments {
    /// The policy, or what it scales: `chat`, `deployment/chat`
    #[arg(value_name = "NAME|KIND/NAME")]
    pub(crate) wanted: String,
    /// Where it is [default: the namespace of the kubeconfig's context]
    #[arg(long, short, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
}

const EXPLAIN_EXAMPLES: &str = "Examples:
  PROGRAM explain chat
  PROGRAM explain deployment/chat -n shop
  PROGRAM explain chat --json | jq '.decision.reasons'

It tells the last decision as it stands in the policy's status: what was measured, every step, and
what the count hung on; then conditions, and who else wants to scale the same.";

#[derive(Debug, Args)]
#[command(after_help = examples(EXPLAIN_EXAMPLES))]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which recording.
#[derive(Debug, Args)]
pub(crate) struct RecordingArguments {
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArguments,
    /// How far back to begin
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = parse_time)]
    pub(crate) since: Duration,
    /// How far apart readings are [default: the policy's interval]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) step: Option<Duration>,
    /// The count to begin with [default: what there is now]
    #[arg(long, value_name = "REPLICAS")]
    pub(crate) start: Option<u32>,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Show at most so many changes
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) show: usize,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

const SIMULATE_EXAMPLES: &str = "Examples:
  PROGRAM simulate chat --prometheus http://localhost:9090
      The last six hours, decided anew by the policy as it is.
  PROGRAM simulate chat --prometheus http://localhost:9090 --since 2d --policy changed.yaml
  PROGRAM simulate chat --prometheus http://localhost:9090 --record chat.jsonl
      A file for `setpoint decide --observations chat.jsonl --policy … --explain`.

Readings are as they were recorded: the load does not react to the count. Only metrics that come
from Prometheus have a recording; others are missing.";

#[derive(Debug, Args)]
#[command(after_help = examples(SIMULATE_EXAMPLES))]
pub(crate) struct ClusterSimulateArguments {
    #[command(flatten)]
    pub(crate) cluster: PolicyArguments,
    /// A policy in place of the cluster's, whose sources it has where it names none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recording: RecordingArguments,
    /// Write what was observed as `setpoint decide --observations` takes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) record: Option<PathBuf>,
}

const DIFF_EXAMPLES: &str = "Examples:
  PROGRAM diff chat --policy changed.yaml --prometheus http://localhost:9090
  PROGRAM diff chat --policy changed.yaml --prometheus http://localhost:9090 --exit-code

Both policies decide over the same recording, each from its own count on. Readings are as they were
recorded: the load does not react to the count. With --exit-code the exit code is 1 where the two
differ.";

#[derive(Debug, Args)]
#[command(after_help = examples(DIFF_EXAMPLES))]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    pub(crate) cluster: PolicyArguments,
    /// The changed policy, which has the cluster's sources where it names none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) recording: RecordingArguments,
    /// Exit with 1 when they differ
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint crd | kubectl apply -f -
  setpoint crd --kind scaling-group | kubectl apply -f -
  setpoint crd --kind ai-inference | kubectl apply -f -
  setpoint crd --json | jq '.spec.versions[0].schema'")]
pub(crate) struct CrdArguments {
    /// Of which kind of policies
    #[arg(long, value_enum, value_name = "KIND", default_value_t = CrdKind::ScalingPolicy)]
    pub(crate) kind: CrdKind,
    /// Print JSON in place of YAML
    #[arg(long)]
    pub(crate) json: bool,
}

/// The kinds that the controller watches where a cluster has them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CrdKind {
    /// This project's own `ScalingPolicy`
    ScalingPolicy,
    /// This project's own `ScalingGroup`
    ScalingGroup,
    /// KubeAI Autoscaler's `AIInferenceAutoscalerPolicy`
    AiInference,
    /// openFuyao's `ElasticScaler`
    ElasticScaler,
}

impl From<CrdKind> for Kind {
    fn from(kind: CrdKind) -> Self {
        match kind {
            CrdKind::ScalingPolicy => Self::ScalingPolicy,
            CrdKind::ScalingGroup => Self::ScalingGroup,
            CrdKind::AiInference => Self::AiInference,
            CrdKind::ElasticScaler => Self::ElasticScaler,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint controller --prometheus http://prometheus.monitoring:9090
      For all namespaces, with the kubeconfig or service account that it finds.
  setpoint controller --namespace shop --plugins ./plugins
      Plugins come from a folder, a mounted ConfigMap or image: what is changed there takes over while it runs.
  setpoint controller --leader-elect --own-namespace setpoint-system
      As one of several: the others take over when it is gone.

It watches ScalingPolicies, and ScalingGroups, AIInferenceAutoscalerPolicies and ElasticScalers where the
cluster has these kinds (setpoint crd --kind). It ends on Ctrl-C or SIGTERM, after the looks under way, with exit code 0; with 1 when leadership is
lost, to be started anew.")]
pub(crate) struct ControllerArguments {
    /// The policies of this namespace only [default: of all]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArguments,
    /// Where states and the lease are kept [default: $POD_NAMESPACE, else `default`]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) own_namespace: Option<String>,
    /// Serve Prometheus metrics at /metrics, and /healthz and /readyz, here [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics_address: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) traces: TracesArguments,
    #[command(flatten)]
    pub(crate) leadership: LeadershipArguments,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
}

/// Under the names that Kubernetes' own controllers have for them.
#[derive(Debug, Args)]
pub(crate) struct LeadershipArguments {
    /// Act only while leading, among all that have the same lease
    #[arg(long)]
    pub(crate) leader_elect: bool,
    /// How long the others wait for a leader that doesn't renew the lease
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_time)]
    pub(crate) leader_elect_lease_duration: Duration,
    /// How long a leader goes on that can't renew it: less than that
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_time)]
    pub(crate) leader_elect_renew_deadline: Duration,
    /// How long to wait between two tries
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_time)]
    pub(crate) leader_elect_retry_period: Duration,
}
