//! The command line of `setpoint cpa`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use setpoint::Quantity;

use crate::workload::Workload;

#[derive(Debug, Subcommand)]
pub(crate) enum CpaCommand {
    /// Run the programs of a config.yaml, scale by their answer, and serve the REST API
    Run(CpaRunArguments),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("place").multiple(false))]
#[command(after_help = "Examples:
  setpoint cpa run --config config.yaml --manifest deployment.yaml
      On a Deployment in memory, to try programs: labels and all else are the manifest's.
  setpoint cpa run --config config.yaml --workload Deployment/default/hello-kubernetes=2
  scaleTargetRef='{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"name\": \"web\"}' \\
    setpoint cpa run
      In a container as the operator starts it: what is scaled is in the environment, and the
      configuration at $configPath or /config.yaml.
  curl -X POST 'http://127.0.0.1:5000/api/v1/evaluation?dry_run=true'
      What the next cycle would do, and why.

A variable of the environment that is called like a field goes before the file: interval=5000,
or evaluate='{\"type\": \"shell\", …}'. Programs get the whole environment. Each is ended, with all
that it started, when its method's `timeout` is over, or when it goes too far.

What scales in a cluster has to be built with the feature `cluster`. Ctrl-C and SIGTERM end the command
after the cycle under way: exit code 0.")]
pub(crate) struct CpaRunArguments {
    /// The configuration, YAML or JSON [default: $configPath, else /config.yaml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Scale a workload in memory that begins with so many replicas
    #[arg(long, value_name = "KIND/NAMESPACE/NAME=REPLICAS", group = "place")]
    pub(crate) workload: Option<Workload>,
    /// Scale what a Kubernetes manifest describes, in memory
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "place")]
    pub(crate) manifest: Option<PathBuf>,
    /// Scale the configuration's scaleTargetRef in a cluster [default, where nothing is in memory]
    #[cfg(feature = "cluster")]
    #[arg(long, group = "place")]
    pub(crate) cluster: bool,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["workload", "manifest"])]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Serve the API here [default: the configuration's apiConfig, else 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// How much a program may print, or an address answer
    #[arg(long, value_name = "BYTES", default_value = "1Mi", value_parser = parse_bytes)]
    pub(crate) program_output: u64,
    /// How much address space each process of a program may have, or `off`
    #[arg(long, value_name = "BYTES|off", default_value = "4Gi")]
    pub(crate) program_memory: Memory,
    /// Print each cycle as a line of JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much address space there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory(pub(crate) Option<u64>);

impl std::str::FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self(None)) } else { parse_bytes(text).map(|bytes| Self(Some(bytes))) }
    }
}

/// Bytes as Kubernetes writes them: `64Mi`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let quantity: Quantity = text.parse().map_err(|error: setpoint::QuantityError| error.to_string())?;
    let bytes = u64::try_from(quantity.milli() / 1000).ok().filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| format!("must be at least 1 byte, got {text}"))
}
