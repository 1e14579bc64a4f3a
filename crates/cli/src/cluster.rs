//! `setpoint crd` and `setpoint controller`: Kubernetes.

use std::sync::Arc;

use setpoint_kube::{ConfigMapStore, Controller, ControllerError, Lease, LeaseConfig, connect};

use crate::catalog::Catalog;
use crate::check::Check;
use crate::cli::cluster::{ControllerArguments, CrdArguments};
use crate::convert::yaml;
use crate::error::BadInput;
use crate::live::{self, terminated};
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

pub(crate) fn controller(arguments: &ControllerArguments) -> Result<Check, BadInput> {
    let catalog = Catalog::new(&arguments.plugins)?;
    live::runtime()?.block_on(async {
        let kubeconfig = arguments.kubeconfig.as_deref();
        let place = || kubeconfig.map_or_else(|| "a cluster".to_owned(), |file| file.display().to_string());
        let client = connect(kubeconfig).await.map_err(|error| BadInput::at(place(), error))?;
        let own = arguments.own_namespace.clone().or_else(|| std::env::var("POD_NAMESPACE").ok());
        let own = own.unwrap_or_else(|| "default".to_owned());
        let engine = live::engine(catalog.registry(), arguments.prometheus.clone())?
            .store(Arc::new(ConfigMapStore::new(client.clone(), &own, NAME)));
        if !arguments.leader_elect {
            let controller = Controller::new(client, arguments.namespace.clone(), engine);
            return ended(controller.run(terminated()?).await);
        }
        let lease = Lease::new(client.clone(), LeaseConfig::new(own, NAME, identity()));
        let lease = lease.map_err(|error| BadInput::at("the lease", error))?;
        tokio::select! {
            () = lease.acquire() => tracing::info!("leading"),
            () = terminated()? => return Ok(Check::Passed),
        }
        let controller = Controller::new(client, arguments.namespace.clone(), engine.permit(Arc::new(lease.clone())));
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
        let done = done.map_err(|error| BadInput::at("the controller", error))?;
        ended(done)
    })
}

fn ended(done: Result<(), ControllerError>) -> Result<Check, BadInput> {
    done.map(|()| Check::Passed).map_err(|error| BadInput::at("the controller", error))
}

/// Another one in each process.
fn identity() -> String {
    let host =
        std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "setpoint".to_owned());
    let began = jiff::Timestamp::now().as_nanosecond();
    format!("{host}_{}_{began}", std::process::id())
}
