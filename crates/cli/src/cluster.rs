//! `setpoint crd`, `setpoint controller` and `setpoint cluster`: Kubernetes.
#![doc = include_str!("../docs/kubectl.md")]

pub(crate) mod complete;
mod diff;
mod explain;
mod found;
mod recording;
mod replay;
mod simulate;

use std::path::Path;
use std::sync::Arc;

use setpoint_kube::{Client, ConfigMapStore, Controller, ControllerError, Lease, LeaseConfig, connect_in};
use setpoint_telemetry::Telemetry;
use setpoint_wasm::LivePlugin;

use crate::catalog::Catalog;
use crate::check::Check;
use crate::cli::cluster::{ClusterCommand, ControllerArguments, CrdArguments, LeadershipArguments};
use crate::convert::yaml;
use crate::error::{BadInput, chain};
use crate::live::{self, Followed, PluginCounters, terminated};
use crate::output;

/// What ConfigMaps of states are called after, and the lease.
const NAME: &str = "setpoint";

pub(crate) fn crd(arguments: &CrdArguments) -> Result<(), BadInput> {
    let crd = setpoint_kube::crd(arguments.kind.into());
    if arguments.json {
        return output::print_json(&crd);
    }
    output::print_raw(yaml::write(&crd, &[], &yaml::Comments::new()).as_bytes())
}

/// What is asked of a cluster.
pub(crate) fn run(command: &ClusterCommand) -> Result<Check, BadInput> {
    match command {
        ClusterCommand::Explain(arguments) => explain::run(arguments).map(|()| Check::Passed),
        ClusterCommand::Simulate(arguments) => simulate::run(arguments).map(|()| Check::Passed),
        ClusterCommand::Diff(arguments) => diff::run(arguments),
    }
}

pub(crate) fn controller(arguments: &ControllerArguments) -> Result<Check, BadInput> {
    let mut catalog = Catalog::of_the_library(&arguments.plugins);
    live::runtime()?.block_on(async {
        let client = client(arguments.kubeconfig.as_deref(), None).await?;
        let own = arguments.own_namespace.clone().or_else(|| std::env::var("POD_NAMESPACE").ok());
        let own = own.unwrap_or_else(|| "default".to_owned());
        let counters = PluginCounters::default();
        // Compiled before it leads: whoever leads has a lease to renew.
        let followed = Followed::begin(&mut catalog, &arguments.plugins, counters.clone())?;
        let mut engine = live::engine(catalog.registry(), &arguments.prometheus)?.store(Arc::new(ConfigMapStore::new(
            client.clone(),
            &own,
            NAME,
        )));
        let lease = match &arguments.leadership {
            leadership if leadership.leader_elect => {
                let lease = Lease::new(client.clone(), lease_config(own, leadership));
                Some(lease.map_err(|error| BadInput::at("--leader-elect", error))?)
            }
            _ => None,
        };
        if let Some(lease) = &lease {
            engine = engine.permit(Arc::new(lease.clone()));
        }
        let telemetry = Arc::new(Telemetry::with_collectors(vec![Box::new(counters)]));
        let engine = engine.listener(Arc::<Telemetry>::clone(&telemetry));
        let controller = Controller::new(client, arguments.namespace.clone(), engine);
        let controller = controller.map_err(|error| BadInput::at("the controller", chain(&error)))?;
        let algorithms = controller.algorithms();
        let register = move |name: &str, plugin: LivePlugin| algorithms.register(name, plugin);
        let _watch = followed.map(|followed| followed.watch(register)).transpose()?;
        if let Some(address) = arguments.metrics_address {
            let (is_synced, lease) = (controller.is_synced(), lease.clone());
            // One that waits to lead is ready to.
            let ready = move || match &lease {
                Some(lease) if !lease.is_leading() => Ok(()),
                _ if is_synced() => Ok(()),
                _ => Err("the policies were not listed yet".to_owned()),
            };
            live::tell(address, telemetry, controller.engine().clone(), ready).await?;
        }
        match lease {
            None => ended(controller.run(terminated()?).await),
            Some(lease) => lead(controller, lease).await,
        }
    })
}

/// Waits until it leads, and runs until it doesn't any more.
async fn lead(controller: Controller, lease: Lease) -> Result<Check, BadInput> {
    tokio::select! {
        () = lease.acquire() => tracing::info!("leading"),
        () = terminated()? => return Ok(Check::Passed),
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut running = tokio::spawn(controller.run(async { drop(stopped.await) }));
    let shutdown = terminated()?;
    // Given back only when nothing is written any more.
    let (looks_ended, all_ended) = tokio::sync::oneshot::channel::<()>();
    let held = tokio::spawn(async move { lease.hold(async { drop(all_ended.await) }).await });
    let mut held = std::pin::pin!(held);
    let (mut lost, mut early) = (false, None);
    tokio::select! {
        () = shutdown => {}
        _ = &mut held => lost = true,
        done = &mut running => early = Some(done),
    }
    drop(stop);
    let done = match early {
        Some(done) => done,
        None => running.await,
    };
    drop(looks_ended);
    if lost {
        tracing::error!("leadership was lost");
        return Ok(Check::Failed);
    }
    held.await.map_err(|error| BadInput::at("the lease", error))?;
    ended(done.map_err(|error| BadInput::at("the controller", error))?)
}

/// A client of the cluster that `kubeconfig` and `context` name, or of the one around.
pub(crate) async fn client(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, BadInput> {
    let place = || kubeconfig.map_or_else(|| "a cluster".to_owned(), |file| file.display().to_string());
    connect_in(kubeconfig, context).await.map_err(|error| BadInput::at(place(), error))
}

fn ended(done: Result<(), ControllerError>) -> Result<Check, BadInput> {
    done.map(|()| Check::Passed).map_err(|error| BadInput::at("the controller", error))
}

fn lease_config(namespace: String, arguments: &LeadershipArguments) -> LeaseConfig {
    let mut config = LeaseConfig::new(namespace, NAME, identity());
    config.duration = arguments.leader_elect_lease_duration;
    config.renew_deadline = arguments.leader_elect_renew_deadline;
    config.retry_period = arguments.leader_elect_retry_period;
    config
}

/// Another one in each process.
fn identity() -> String {
    let host =
        std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "setpoint".to_owned());
    let began = jiff::Timestamp::now().as_nanosecond();
    format!("{host}_{}_{began}", std::process::id())
}
