//! The command line of what runs on Kubernetes.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use setpoint_kube::Kind;

use super::PluginArguments;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint crd | kubectl apply -f -
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
    /// KubeAI Autoscaler's `AIInferenceAutoscalerPolicy`
    AiInference,
    /// openFuyao's `ElasticScaler`
    ElasticScaler,
}

impl From<CrdKind> for Kind {
    fn from(kind: CrdKind) -> Self {
        match kind {
            CrdKind::ScalingPolicy => Self::ScalingPolicy,
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
  setpoint controller --leader-elect --own-namespace setpoint-system
      As one of several: the others take over when it is gone.

It watches ScalingPolicies, and AIInferenceAutoscalerPolicies and ElasticScalers where the cluster has
these kinds (setpoint crd --kind). It ends on Ctrl-C or SIGTERM, after the looks under way, with exit code 0; with 1 when leadership is
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
    /// Act only while leading, among all that have the same lease
    #[arg(long)]
    pub(crate) leader_elect: bool,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
}
