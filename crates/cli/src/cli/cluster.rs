//! The command line of what runs on Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{PluginArguments, parse_time};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint crd | kubectl apply -f -
  setpoint crd --json | jq '.spec.versions[0].schema'")]
pub(crate) struct CrdArguments {
    /// Print JSON in place of YAML
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint controller --prometheus http://prometheus.monitoring:9090
      For all namespaces, with the kubeconfig or service account that it finds.
  setpoint controller --namespace shop --plugins ./plugins
      Plugins come from a folder, a mounted ConfigMap or image: what is changed there takes over while it runs.
  setpoint controller --leader-elect --own-namespace setpoint-system
      As one of several: the others take over when it is gone.

It ends on Ctrl-C or SIGTERM, after the looks under way, with exit code 0; with 1 when leadership is
lost, to be started anew.")]
pub(crate) struct ControllerArguments {
    /// The policies of this namespace only [default: of all]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The Prometheus that is asked where a policy names none
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) prometheus: Option<String>,
    /// Where states and the lease are kept [default: $POD_NAMESPACE, else `default`]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) own_namespace: Option<String>,
    /// Serve Prometheus metrics at /metrics, and /healthz and /readyz, here [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics_address: Option<SocketAddr>,
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
