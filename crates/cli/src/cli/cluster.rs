//! The command line of what runs on Kubernetes.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{PluginArguments, PrometheusArguments};

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
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArguments,
    /// Where states and the lease are kept [default: $POD_NAMESPACE, else `default`]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) own_namespace: Option<String>,
    /// Act only while leading, among all that have the same lease
    #[arg(long)]
    pub(crate) leader_elect: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
}
