//! `wit/0.2`, the newest version.

use ::setpoint::{Metric, Target};
use wasmtime::component::{Instance, InstancePre, ResourceAny};
use wasmtime::{Result, Store};

use self::exports::setpoint::scaling::{algorithm, batch};
use self::setpoint::scaling::types;
use super::seen;
use crate::sandbox::Sandbox;

wasmtime::component::bindgen!({
    path: "../../wit/0.2",
    world: "batch-plugin",
    ownership: Borrowing { duplicate_if_necessary: false },
});

pub(crate) struct Exports {
    algorithm: algorithm::GuestIndices,
    batch: Option<batch::GuestIndices>,
}

pub(crate) struct Guest {
    pub(super) algorithm: algorithm::Guest,
    pub(super) batch: Option<batch::Guest>,
}

pub(super) fn find(pre: &InstancePre<Sandbox>) -> Result<Exports> {
    // A plugin may answer for one workload at a time only.
    let engine = pre.engine();
    let exports_batch =
        pre.component().component_type().exports(engine).any(|(name, _)| name.starts_with("setpoint:scaling/batch@"));
    Ok(Exports {
        algorithm: algorithm::GuestIndices::new(pre)?,
        batch: exports_batch.then(|| batch::GuestIndices::new(pre)).transpose()?,
    })
}

impl Exports {
    pub(super) fn load(&self, store: &mut Store<Sandbox>, instance: &Instance) -> Result<Guest> {
        Ok(Guest {
            algorithm: self.algorithm.load(&mut *store, instance)?,
            batch: self.batch.as_ref().map(|batch| batch.load(&mut *store, instance)).transpose()?,
        })
    }

    pub(super) const fn has_batch(&self) -> bool {
        self.batch.is_some()
    }
}

pub(super) fn create(
    guest: &Guest,
    store: &mut Store<Sandbox>,
    config: &str,
    metrics: &[Metric],
) -> Result<Result<ResourceAny, types::ConfigError>> {
    let metrics: Vec<types::Metric<'_>> = metrics.iter().map(metric).collect();
    guest.algorithm.instance().call_create(store, config, &metrics)
}

fn metric(metric: &Metric) -> types::Metric<'_> {
    let target = match seen(metric) {
        Target::Value(target) => types::Target::Value(target.get()),
        Target::AverageValue(target) => types::Target::AverageValue(target.get()),
        Target::Utilization(target) => types::Target::Utilization(target.get()),
    };
    types::Metric { name: &metric.name, target }
}
