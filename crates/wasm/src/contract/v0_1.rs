//! `wit/0.1`, frozen: as the newest version, without needs, log and batches.

use ::setpoint::{Metric, Target};
use wasmtime::component::{InstancePre, ResourceAny};
use wasmtime::{Result, Store};

use self::exports::setpoint::scaling::algorithm;
use self::setpoint::scaling::types;
use super::{seen, v0_2::setpoint::scaling::types as newest};
use crate::sandbox::Sandbox;

wasmtime::component::bindgen!({
    path: "../../wit/0.1",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: false },
});

pub(crate) type Exports = algorithm::GuestIndices;
pub(crate) type Guest = algorithm::Guest;

pub(super) fn find(pre: &InstancePre<Sandbox>) -> Result<Exports> {
    Exports::new(pre)
}

pub(super) fn describe(guest: &Guest, store: &mut Store<Sandbox>) -> Result<newest::Description> {
    let types::Description { name, version, summary, config_schema } = guest.call_describe(store)?;
    // Nothing of what it could have asked for was there to ask for.
    Ok(newest::Description { name, version, summary, config_schema, metrics: Vec::new(), deterministic: true })
}

pub(super) fn create(
    guest: &Guest,
    store: &mut Store<Sandbox>,
    config: &str,
    metrics: &[Metric],
) -> Result<Result<ResourceAny, newest::ConfigError>> {
    let metrics: Vec<types::Metric<'_>> = metrics.iter().map(metric).collect();
    let created = guest.instance().call_create(store, config, &metrics)?;
    Ok(created.map_err(|types::ConfigError { path, message }| newest::ConfigError { path, message }))
}

pub(super) fn evaluate(
    guest: &Guest,
    store: &mut Store<Sandbox>,
    instance: ResourceAny,
    look: newest::Observation<'_>,
) -> Result<Result<newest::Answer, newest::Failure>> {
    let newest::Observation { now_ms, current, ready, min, max, explain, values, states } = look;
    let look = types::Observation { now_ms, current, ready, min, max, explain, values, states };
    Ok(match guest.instance().call_evaluate(store, instance, look)? {
        Ok(types::Answer { proposal, reason, state }) => {
            let proposal = match proposal {
                types::Proposal::Need(need) => newest::Proposal::Need(need),
                types::Proposal::Hold => newest::Proposal::Hold,
                types::Proposal::NoOpinion => newest::Proposal::NoOpinion,
                types::Proposal::Suspend => newest::Proposal::Suspend,
            };
            Ok(newest::Answer { proposal, reason, state })
        }
        Err(types::Failure::Refused(why)) => Err(newest::Failure::Refused(why)),
        Err(types::Failure::BadObservation(why)) => Err(newest::Failure::BadObservation(why)),
    })
}

fn metric(metric: &Metric) -> types::Metric<'_> {
    let target = match seen(metric) {
        Target::Value(target) => types::Target::Value(target.get()),
        Target::AverageValue(target) => types::Target::AverageValue(target.get()),
        Target::Utilization(target) => types::Target::Utilization(target.get()),
    };
    types::Metric { name: &metric.name, target }
}
