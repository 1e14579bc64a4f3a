//! The command line of `setpoint plugin`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use setpoint_guest_build::Language;
use setpoint_testkit::laws;
use setpoint_wasm::PluginHostBuilder;

use super::PluginCompileTime;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make a plugin's project, which builds as it is
    New(NewArguments),
    /// Build a plugin's project, whatever its language
    Build(BuildArguments),
    /// Say what a plugin is, what it needs and what it wants
    Inspect(InspectArguments),
    /// Find out whether plugins keep the laws of algorithms, within the limits of their host
    Check(CheckArguments),
    /// Time a plugin on this machine, beside an algorithm of the library
    Bench(BenchArguments),
}

/// In which language.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProjectLanguage {
    /// cargo, and the target wasm32-wasip2
    Rust,
    /// Python 3.10 or newer
    Python,
    /// Node.js 20 or newer, with npm
    Js,
    /// Go 1.24 or newer
    Go,
    /// clang, and the C library for WASI
    C,
}

impl From<ProjectLanguage> for Language {
    fn from(language: ProjectLanguage) -> Self {
        match language {
            ProjectLanguage::Rust => Self::Rust,
            ProjectLanguage::Python => Self::Python,
            ProjectLanguage::Js => Self::JavaScript,
            ProjectLanguage::Go => Self::Go,
            ProjectLanguage::C => Self::C,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint plugin new per-replica
      In Rust. It says how to go on.
  setpoint plugin new per-replica --lang go --in plugins
  cd $(setpoint plugin new per-replica --lang python --json | jq -r .folder)

The project holds a small algorithm with a configuration, tests that need no WebAssembly, and a
README. A folder that exists is left as it is: exit code 2.")]
pub(crate) struct NewArguments {
    /// Its name: 1 to 63 of a-z, 0-9 and -, beginning with a letter
    pub(crate) name: String,
    /// In which language
    #[arg(long, value_enum, default_value = "rust")]
    pub(crate) lang: ProjectLanguage,
    /// Where the project's folder goes
    #[arg(long = "in", value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) parent: PathBuf,
    /// The folder of the crate setpoint-guest, for a plugin in Rust [default: of the checkout in which this program was
    /// built, where that is still there; else cargo's registry]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) sdk: Option<PathBuf>,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint plugin build
  setpoint plugin build plugins/per-replica -o deployed/per-replica.wasm
  setpoint plugin build --json 2>build.log | jq -r .file

Its files say which language it is in. Standard error has the commands that are run, and what they
print. A tool that is missing is named, with how to get it: exit code 2.")]
pub(crate) struct BuildArguments {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Write the plugin here [default: NAME.wasm in the project's folder]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint plugin inspect per-replica.wasm
  setpoint plugin inspect per-replica.wasm --json | jq .config_schema

It is loaded as for a policy, and asked who it is. What isn't a plugin is bad input: exit code 2.")]
pub(crate) struct InspectArguments {
    /// The plugin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) compile_time: PluginCompileTime,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint plugin check plugins/*.wasm
  setpoint plugin check per-replica.wasm --config '{\"perReplica\": 100}' --monotone
  setpoint plugin check fixed.wasm --except 'what is at its target stays'
      For an algorithm that breaks a law by design.
  setpoint plugin check untrusted.wasm --json | jq '.files[].laws[] | select(.verdict == \"broken\")'

Each law is tried on random sequences of looks, the same ones each time; a plugin gets the metrics
that it needs beside three others, and the capabilities that it can't do without. Exit code 1 means
that a file was refused, a law broken or a limit passed.")]
pub(crate) struct CheckArguments {
    /// Plugins
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The configuration of all of them, as JSON [default: none]
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// Check also that more load never means fewer replicas
    #[arg(long)]
    pub(crate) monotone: bool,
    /// Leave out a law that is broken by design; can be repeated
    #[arg(long, value_name = "LAW", value_parser = PossibleValuesParser::new(laws::names()))]
    pub(crate) except: Vec<String>,
    /// On how many sequences each law is tried
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) cases: u32,
    /// How long a call may take, in milliseconds: more for a machine slower than those it is meant for
    #[arg(long, value_name = "MS", default_value_t = PluginHostBuilder::DEADLINE.as_millis() as u64,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) deadline: u64,
    #[command(flatten)]
    pub(crate) compile_time: PluginCompileTime,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  setpoint plugin bench per-replica.wasm
  setpoint plugin bench per-replica.wasm --config '{\"perReplica\": 100}' --metrics 3,64
  setpoint plugin bench per-replica.wasm --json | jq '.decisions[] | {what, times_native}'

Each decision is timed in turn with one of the library's own `max-ratio`: compare the ratios of two
machines, not their microseconds. Figures of a build without optimizations say nothing.")]
pub(crate) struct BenchArguments {
    /// The plugin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Its configuration, as JSON [default: none]
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// How many metrics a look has; at least as many as the plugin needs
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 3, 8, 64],
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) metrics: Vec<u16>,
    /// How long each figure is measured, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) millis: u64,
    #[command(flatten)]
    pub(crate) compile_time: PluginCompileTime,
    /// Print everything as JSON, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}
