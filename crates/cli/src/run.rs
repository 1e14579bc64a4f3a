//! `setpoint run`: a pool of processes on this machine, as large as a policy says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint::{AlgorithmManager, BoxFuture, Handlers, Registry};
use setpoint_process::{Limits, PoolSpec, ProcessPool, Program, ReadyWhen};
use setpoint_runtime::source::{Command, RunProgram};
use setpoint_runtime::{FileStore, Listener, Look, Written};
use setpoint_telemetry::Telemetry;

use crate::catalog::{Catalog, LoadedPolicy};
use crate::cli::run::{Ready, RunArguments};
use crate::error::{BadInput, chain};
use crate::live::{self, Followed, PluginCounters, terminated};
use crate::output::{self, BOLD};

/// How long a program may take that a reading comes from: less than a step of a look may.
const PATIENCE: Duration = Duration::from_secs(4);
/// How much it may print.
const BYTES: usize = 64 << 10;

pub(crate) fn run(arguments: &RunArguments) -> Result<(), BadInput> {
    let mut catalog = Catalog::of_the_library(&arguments.plugins);
    let counters = PluginCounters::default();
    let followed = Followed::begin(&mut catalog, &arguments.plugins, counters.clone())?;
    let loaded = catalog.open_policy(&arguments.policy)?;
    let store = arguments.state.as_deref().map(|path| state(path, &loaded, catalog.registry())).transpose()?;
    live::runtime()?.block_on(async {
        let policy = loaded.policy();
        let spec = spec(arguments, &policy.metadata.name);
        let target = spec.target();
        let pool = ProcessPool::new(spec).map_err(|error| BadInput::at("the pool", chain(&error)))?;
        let pool = Arc::new(pool);
        let bounds = policy.spec.bounds().map_err(|error| loaded.error(&error))?;
        let start = bounds.clamp(arguments.start.unwrap_or(policy.spec.min_replicas));
        pool.resize(start).map_err(|error| BadInput::at("the pool", error))?;
        let telemetry = Arc::new(Telemetry::with_collectors(vec![Box::new(counters)]));
        let mut engine = live::engine(catalog.registry(), &arguments.prometheus)?;
        if let Some(store) = store {
            engine = engine.store(Arc::new(store));
        }
        let engine = engine
            .handlers(Handlers::new().with_fallback(Arc::<ProcessPool>::clone(&pool)))
            .source(Arc::new(Command::new(Arc::new(Programs))))
            .listener(Arc::new(Told { json: arguments.json }))
            .listener(Arc::<Telemetry>::clone(&telemetry))
            .build();
        // The policy's are there: what comes later is nobody's, and what changes takes over by itself.
        let _watch = followed.map(|followed| followed.watch(|_, _| Ok(()))).transpose()?;
        if let Some(address) = arguments.metrics_address {
            live::tell(address, telemetry, engine.clone(), || Ok(())).await?;
        }
        let added = engine.add(&policy.metadata.name, &policy.spec, target);
        added.map_err(|error| BadInput::at(arguments.policy.display(), error))?;
        engine.run(terminated()?).await;
        pool.shut_down().await;
        Ok(())
    })
}

/// Where the state is kept. What is there has to fit, for what it holds back would no longer be held back: that is for
/// somebody to decide.
fn state(path: &Path, loaded: &LoadedPolicy, registry: &Registry) -> Result<FileStore, BadInput> {
    let policy = loaded.policy();
    let store = FileStore::new(path, &policy.metadata.name);
    let Some(state) = store.read().map_err(|error| BadInput::at("--state", chain(&error)))? else {
        return Ok(store);
    };
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let workload = manager.add(&policy.spec).map_err(|error| loaded.error(&error.under("spec")))?;
    manager.restore(workload, &state).map_err(|error| {
        let what = "it is damaged, or another policy's. Name another file, or remove it to begin without a state";
        BadInput::at(path.display(), format_args!("{}: {what}", chain(&error)))
    })?;
    Ok(store)
}

fn spec(arguments: &RunArguments, name: &str) -> PoolSpec {
    let (program, rest) = arguments.command.split_first().expect("clap wants one");
    let mut spec = PoolSpec::new(name, program);
    spec.arguments = rest.to_vec();
    spec.port = arguments.port;
    spec.grace = arguments.grace;
    spec.ready = match &arguments.ready {
        Ready::AtOnce => ReadyWhen::AtOnce,
        Ready::After(time) => ReadyWhen::After(*time),
        Ready::Tcp => ReadyWhen::Tcp,
        Ready::Http(path) => ReadyWhen::Http(path.clone()),
    };
    spec
}

/// Runs what readings come from, within bounds.
struct Programs;

impl RunProgram for Programs {
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let (program, arguments) = command.split_first().ok_or("it has no program")?;
            let limits = Limits::default().with_time(PATIENCE).with_output(BYTES);
            let ended = Program::new(program).args(arguments).limits(limits).run().await;
            ended.map(|output| output.stdout).map_err(|error| chain(&error))
        })
    }
}

/// Tells of looks on standard output: each as JSON, or those at which something happened in a line.
struct Told {
    json: bool,
}

impl Listener for Told {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        let told = if self.json {
            output::print_json(&as_json(look))
        } else {
            in_words(look).map_or(Ok(()), |line| output::print(&line))
        };
        // Whoever read it has seen enough; the processes go on.
        if let Err(error) = told {
            tracing::debug!("nobody reads what is told: {error}");
        }
        Box::pin(std::future::ready(()))
    }
}

/// What happened, if anything did.
fn in_words(look: &Look) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(look.at.as_millis()).unwrap_or_default();
    let at = at.strftime("%H:%M:%S");
    let (bold, reset) = (BOLD.render(), BOLD.render_reset());
    let because = || look.reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ");
    match (look.written, &look.failure) {
        (Written::Done { from, to }, _) => Some(format!("{at}  {bold}{from} -> {to}{reset}  {}\n", because())),
        (_, Some(failure)) => Some(format!("{at}  {bold}failed{reset}  {}\n", failure.message)),
        _ => None,
    }
}

fn as_json(look: &Look) -> Value {
    let reading = |(name, measured): &(String, setpoint_runtime::Measured)| {
        let (state, why) = measured.state();
        let told = match measured.usable() {
            Some(value) => json!(value),
            None => json!({ state: why }),
        };
        (name.clone(), told)
    };
    let written = match look.written {
        Written::Done { from, to } => json!({ "from": from, "to": to }),
        _ => Value::Null,
    };
    json!({
        "at_ms": look.at.as_millis(),
        "current": look.count.map(|count| count.asked),
        "ready": look.ready,
        "readings": look.readings.iter().map(reading).collect::<serde_json::Map<_, _>>(),
        "desired": look.decision.map(|decision| decision.desired),
        "reasons": look.reasons,
        "written": written,
        "failure": look.failure.as_ref().map(|failure| failure.message.as_str()),
    })
}
