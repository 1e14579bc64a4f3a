//! The command line of `setpoint run`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::{PluginArguments, PrometheusArguments, TracesArguments, parse_time};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint run --policy workers.yaml -- ./worker --queue jobs
  setpoint run --policy web.yaml --port 9000 --ready http:/healthz -- ./server
      Each process has its own port in $PORT: 9000, 9001 and so on.
  setpoint run --policy workers.yaml --state workers.state -- ./worker
      Started again, it goes on where it was: windows, cooldowns and averages go on too.
  setpoint run --policy workers.yaml --json -- ./worker | jq 'select(.written) | .reasons'

Each process has its number in $SETPOINT_INSTANCE, from 0. The policy's metrics say where their
readings come from: `source: { http: { url: …, pointer: /queue/depth } }`, `source: { command:
{ command: [./depth] } }` or `source: { prometheus: { query: … } }`. A program of a `command` source
runs as you, for at most 4 s. What processes write goes to standard error.

Ctrl-C and SIGTERM ask all processes to end, and wait for them: exit code 0. Should this program be
killed, they are ended all the same.")]
pub(crate) struct RunArguments {
    /// The policy that decides how many there are
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: PathBuf,
    /// How many there are to begin with [default: the policy's minimum]
    #[arg(long, value_name = "N")]
    pub(crate) start: Option<u32>,
    /// The port of the first process; that of each other is one higher
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// When a process serves: `at-once`, `tcp` or `http:/PATH` of its port, or a time, as 5s, after its start
    #[arg(long, value_name = "WHEN", default_value = "at-once")]
    pub(crate) ready: Ready,
    /// How long a process may take to end once it was asked to
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArguments,
    /// Serve Prometheus metrics at /metrics, and /healthz and /readyz, here [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics_address: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) traces: TracesArguments,
    /// Keep the algorithm's state in this file from look to look, and go on from what it holds
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Print each look as a line of JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// The program of each process, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// When a process serves.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    AtOnce,
    After(Duration),
    Tcp,
    Http(String),
}

impl FromStr for Ready {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "at-once" => Ok(Self::AtOnce),
            "tcp" => Ok(Self::Tcp),
            _ => match text.strip_prefix("http:") {
                Some(path) if path.starts_with('/') => Ok(Self::Http(path.to_owned())),
                Some(path) => Err(format!("the path {path:?} must begin with `/`")),
                None => parse_time(text)
                    .map(Self::After)
                    .map_err(|error| format!("{text:?} is none of at-once, tcp, http:/PATH and a time: {error}")),
            },
        }
    }
}
