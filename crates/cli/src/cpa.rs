//! `setpoint cpa run`: Custom Pod Autoscaler.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use setpoint::{ConfigError, InMemoryHandler, TargetRef, parse_config};
use setpoint_cpa::{
    Config, CustomPodAutoscaler, Cycle, CycleError, Listener, ProgramLimits, RunType, Served, Setup, SetupError,
    with_environment,
};

use crate::cli::cpa::CpaRunArguments;
use crate::document::Document;
use crate::error::{BadInput, chain};
use crate::live::{self, terminated};
use crate::output::{self, BOLD};

/// The variable that says where the configuration is, and where it is else.
const CONFIG_PATH: (&str, &str) = ("configPath", "/config.yaml");

/// A configuration, and where errors about its fields are.
struct Loaded {
    document: Document,
    value: Value,
    from_environment: Vec<&'static str>,
}

impl Loaded {
    fn open(path: &Path) -> Result<Self, BadInput> {
        let document = Document::open(path)?;
        let parse = |text: &str| {
            let parsed = Document::read("its text", text).map_err(|error| error.to_string())?;
            Ok(parsed.value().clone())
        };
        let overridden = with_environment(document.value().clone(), |name| std::env::var(name).ok(), parse);
        let overridden = overridden.map_err(|error| match error.path.as_str() {
            "" => document.error(&error),
            _ => BadInput::at(&error.path, &error.message),
        })?;
        Ok(Self { document, value: overridden.document, from_environment: overridden.fields })
    }

    /// An error about a field, with its place in the file or the name of its variable.
    fn error(&self, error: &ConfigError) -> BadInput {
        let first = error.path.split(['.', '[']).next().unwrap_or_default();
        if self.from_environment.contains(&first) {
            BadInput::at(format_args!("the environment's {first}"), error)
        } else {
            self.document.error(error)
        }
    }
}

pub(crate) fn run(arguments: &CpaRunArguments) -> Result<(), BadInput> {
    let (variable, usual) = CONFIG_PATH;
    let path = arguments.config.clone().or_else(|| std::env::var_os(variable).map(PathBuf::from));
    let loaded = Loaded::open(&path.unwrap_or_else(|| usual.into()))?;
    let config = Config::read(&loaded.value).map_err(|error| loaded.error(&error))?;
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    live::runtime()?.block_on(async {
        let mut setup = place(arguments, &config, &loaded).await?;
        if setup.sources.is_empty() && !config.kubernetes.specs.is_empty() {
            tracing::warn!("kubernetesMetricSpecs: nothing measures them here, but in a cluster");
        }
        let output = usize::try_from(arguments.program_output).unwrap_or(usize::MAX);
        setup.limits = ProgramLimits::default().with_output(output).with_memory(arguments.program_memory.0);
        setup.listener = listener(arguments.json);
        let autoscaler = CustomPodAutoscaler::new(&config, setup).map_err(|error| match error {
            SetupError::Method { field, problem } => loaded.error(&ConfigError::new(field, problem)),
            SetupError::Policy(error) => loaded.error(&error),
            other => BadInput::at("the configuration", chain(&other)),
        })?;
        let ended = terminated()?;
        let served = Served::start(autoscaler, address(arguments, &config)).await;
        let served = served.map_err(|error| BadInput::at("the API", chain(&error)))?;
        if let Some(address) = served.address().map_err(|error| BadInput::at("the API", chain(&error)))? {
            anstream::eprintln!("listening on http://{address}");
        }
        served.run(ended).await.map_err(|error| BadInput::at("cpa", chain(&error)))
    })
}

fn address(arguments: &CpaRunArguments, config: &Config) -> Option<SocketAddr> {
    arguments.listen.or_else(|| config.api.enabled.then(|| config.api.address()))
}

/// What is scaled, and who has it.
async fn place(arguments: &CpaRunArguments, config: &Config, loaded: &Loaded) -> Result<Setup, BadInput> {
    let (target, handler) = if let Some(path) = &arguments.manifest {
        manifest(path, &config.namespace)?
    } else if let Some(workload) = &arguments.workload {
        let target = workload.target.clone();
        (target.clone(), InMemoryHandler::new([(target, workload.replicas)]))
    } else {
        return cluster(arguments, config, loaded).await;
    };
    let named = |target: &TargetRef| (target.api_version.clone(), target.kind.clone(), target.name.clone());
    if let Some(other) = config.target.as_ref().filter(|other| named(other) != named(&target)) {
        let message = format!("it is {other}, and what is in memory {target}");
        return Err(loaded.error(&ConfigError::new("scaleTargetRef", message)));
    }
    Ok(Setup::new(target, Arc::new(handler)))
}

#[cfg(feature = "cluster")]
async fn cluster(arguments: &CpaRunArguments, config: &Config, loaded: &Loaded) -> Result<Setup, BadInput> {
    let target = config.target.clone().ok_or_else(|| {
        let message = "must be given, here or in the environment, to scale it in a cluster; --workload and --manifest scale \
                       what is in memory";
        loaded.error(&ConfigError::new("scaleTargetRef", message))
    })?;
    let client = crate::cluster::client(arguments.kubeconfig.as_deref(), None).await?;
    let handler = setpoint_kube::ScaleHandler::new(client);
    let sources = handler.sources().map_err(|error| BadInput::at("the cluster's metrics", chain(&error)))?;
    let mut setup = Setup::new(target, Arc::new(handler));
    setup.sources = sources;
    Ok(setup)
}

#[cfg(not(feature = "cluster"))]
async fn cluster(_: &CpaRunArguments, _: &Config, _: &Loaded) -> Result<Setup, BadInput> {
    let problem = "--workload or --manifest is needed: this command was built without the feature `cluster`";
    Err(BadInput::at("what is scaled", problem))
}

/// The workload that a manifest describes.
fn manifest(path: &Path, namespace: &str) -> Result<(TargetRef, InMemoryHandler), BadInput> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        api_version: String,
        kind: String,
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        name: String,
        namespace: Option<String>,
    }
    #[derive(serde::Deserialize, Default)]
    struct Spec {
        replicas: Option<u32>,
    }
    let document = Document::open(path)?;
    let head: Head = parse_config(document.value()).map_err(|error| document.error(&error))?;
    let Head { api_version, kind, metadata: Metadata { name, namespace: own }, spec } = head;
    let target = TargetRef { api_version, kind, name, namespace: own.or_else(|| Some(namespace.to_owned())) };
    let fields: Map<String, Value> = document.value().as_object().cloned().unwrap_or_default();
    // As the API server fills it in.
    let replicas = spec.replicas.unwrap_or(1);
    Ok((target.clone(), InMemoryHandler::new([(target.clone(), replicas)]).with_manifest(target, fields)))
}

/// Tells of cycles on standard output: each as JSON, or those that changed something in a line.
fn listener(json: bool) -> Listener {
    Arc::new(move |run_type, ended| {
        let told = if json {
            output::print_json(&as_json(run_type, ended))
        } else {
            in_words(ended).map_or(Ok(()), |line| output::print(&line))
        };
        // Whoever read it has seen enough; the autoscaler goes on.
        if let Err(error) = told {
            tracing::debug!("nobody reads what is told: {error}");
        }
    })
}

fn in_words(ended: &Result<Cycle, CycleError>) -> Option<String> {
    let cycle = ended.as_ref().ok()?;
    let (from, to) = cycle.written?;
    let at = jiff::Timestamp::from_millisecond(cycle.at().as_millis()).unwrap_or_default();
    let at = at.strftime("%H:%M:%S");
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let because: Vec<&str> = cycle.reasons.iter().map(|reason| reason.text.as_str()).collect();
    Some(format!("{at}  {bold}{from} -> {to}{reset}  {}\n", because.join("; ")))
}

fn as_json(run_type: RunType, ended: &Result<Cycle, CycleError>) -> Value {
    match ended {
        Err(error) => json!({ "runType": run_type.name(), "failure": chain(error) }),
        Ok(cycle) => json!({
            "runType": run_type.name(),
            "at_ms": cycle.at().as_millis(),
            "current": cycle.decision.current,
            "metrics": cycle.metrics,
            "answer": cycle.answer,
            "desired": cycle.decision.desired,
            "reasons": cycle.reasons,
            "written": cycle.written.map(|(from, to)| json!({ "from": from, "to": to })),
            "failure": Value::Null,
        }),
    }
}
