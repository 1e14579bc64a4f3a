//! `setpoint plugin inspect`.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use setpoint::AlgorithmFactory as _;
use setpoint_wasm::{Plugin, PluginHost};

use crate::catalog::read_component;
use crate::cli::plugin::InspectArguments;
use crate::error::BadInput;
use crate::output::{self, BOLD};

/// What a plugin is, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Inspected {
    file: String,
    bytes: usize,
    /// `blake3:` and the hash of the file, by which a policy can name this version alone.
    digest: String,
    name: String,
    version: String,
    summary: String,
    /// The version of the contract that it was built for: its world.
    contract: &'static str,
    /// Whether it answers for many workloads in one call.
    batch: bool,
    /// Whether it says that the same looks always give the same answers.
    deterministic: bool,
    metrics: Vec<NeededMetric>,
    capabilities: Vec<WantedCapability>,
    imports: Vec<String>,
    config_schema: Value,
}

#[derive(Debug, Serialize)]
struct NeededMetric {
    name: String,
    meaning: String,
}

#[derive(Debug, Serialize)]
struct WantedCapability {
    name: String,
    /// Whether no policy can do without. The others do nothing where they aren't granted.
    required: bool,
}

pub(crate) fn run(arguments: &InspectArguments) -> Result<(), BadInput> {
    let file = &arguments.file;
    let bytes = read_component(file).map_err(|error| BadInput::file(file, "read", &error))?;
    let plugin = Plugin::load(&super::host(PluginHost::builder(), arguments.compile_time)?, &bytes)
        .map_err(|error| BadInput::at(file.display(), error))?;
    let description = plugin.describe();
    let inspected = Inspected {
        file: file.display().to_string(),
        bytes: bytes.len(),
        digest: format!("blake3:{}", plugin.fingerprint()),
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        summary: description.summary,
        contract: plugin.contract(),
        batch: plugin.has_batch(),
        deterministic: plugin.is_deterministic(),
        metrics: plugin
            .needs()
            .metrics
            .iter()
            .map(|need| NeededMetric { name: need.name.clone(), meaning: need.meaning.clone() })
            .collect(),
        capabilities: plugin
            .wants()
            .map(|(capability, required)| WantedCapability { name: capability.to_string(), required })
            .collect(),
        imports: plugin.imports().to_vec(),
        config_schema: description.config_schema,
    };
    if arguments.json { output::print_json(&inspected) } else { output::print(&inspected.render()) }
}

impl Inspected {
    fn render(&self) -> String {
        let (bold, reset) = (BOLD.render(), BOLD.render_reset());
        let mut text = format!("{bold}{}{reset} {}\n    {}\n\n", self.name, self.version, self.summary);
        let mut say = |what: &str, lines: Vec<String>| {
            let lines = if lines.is_empty() { vec!["none".to_owned()] } else { lines };
            for (index, line) in lines.iter().enumerate() {
                let _ = writeln!(text, "{:<14}{line}", if index == 0 { what } else { "" });
            }
        };
        let batches = if self.batch { ", with batches" } else { "" };
        say("file", vec![format!("{}, {} bytes", self.file, self.bytes)]);
        say("digest", vec![self.digest.clone()]);
        say("contract", vec![format!("{}{batches}", self.contract)]);
        say("deterministic", vec![if self.deterministic { "yes, it says" } else { "no, it says" }.to_owned()]);
        say(
            "metrics",
            match self.metrics.as_slice() {
                [] => vec!["those of the policy".to_owned()],
                needed => needed.iter().map(|need| format!("{}: {}", need.name, need.meaning)).collect(),
            },
        );
        say("capabilities", self.capabilities.iter().map(WantedCapability::render).collect());
        say("imports", self.imports.clone());
        let fields = self.config_schema.get("properties").and_then(Value::as_object);
        let field = |(field, schema): (&String, &Value)| {
            let what = schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
            format!("{field}: {what}")
        };
        say("config", fields.into_iter().flatten().map(field).collect());
        text
    }
}

impl WantedCapability {
    fn render(&self) -> String {
        let Self { name, required } = self;
        if *required {
            format!("{name}: required, write `capabilities: [{name}]` in its policy")
        } else {
            format!("{name}: if it is granted; else what it sees of it does not change")
        }
    }
}
