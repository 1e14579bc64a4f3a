//! The versions of the contract that this host speaks, and one way to call them all.
//!
//! The host itself knows the newest version's types alone. Each older minor is frozen: its bindings, and what makes its
//! types the newest's, are in a file of its name.

mod v0_1;
mod v0_2;

use setpoint::{Metric, Target};
use wasmtime::component::{Instance, InstancePre, ResourceAny};
use wasmtime::{Result, Store};

pub(crate) use self::v0_2::exports::setpoint::scaling::batch::{Answers, Looks};
pub(crate) use self::v0_2::setpoint::scaling::log;
pub(crate) use self::v0_2::setpoint::scaling::types::{
    Answer, ConfigError, Description, Failure, MetricNeed, Observation, Proposal,
};
use crate::sandbox::Sandbox;

/// The versions of the contract that this host speaks, oldest first.
pub const CONTRACTS: [&str; 2] = ["setpoint:scaling@0.1.0", "setpoint:scaling@0.2.0"];

/// The interface that makes a component a plugin, without its version.
pub(crate) const ALGORITHM: &str = "setpoint:scaling/algorithm@";
/// The interface through which it logs.
pub(crate) const LOG: &str = "setpoint:scaling/log@";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V0_1,
    V0_2,
}

impl Version {
    /// The version that a plugin built for `version` is called by. Before 1.0, versions agree up to their minor number.
    pub(crate) fn find(version: &str) -> Option<Self> {
        let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        let of = |contract: &str| contract.rsplit_once('@').and_then(|(_, version)| minor(version));
        let position = CONTRACTS.iter().position(|contract| of(contract) == minor(version))?;
        [Self::V0_1, Self::V0_2].get(position).copied()
    }

    pub(crate) const fn contract(self) -> &'static str {
        match self {
            Self::V0_1 => CONTRACTS[0],
            Self::V0_2 => CONTRACTS[1],
        }
    }
}

/// Where a component's exports are: names looked up once.
pub(crate) enum Exports {
    V0_1(v0_1::Exports),
    V0_2(v0_2::Exports),
}

/// The exports of one component instance.
pub(crate) enum Guest {
    V0_1(v0_1::Guest),
    V0_2(v0_2::Guest),
}

impl Exports {
    /// Whether the names that `version` wants are there.
    pub(crate) fn find(version: Version, pre: &InstancePre<Sandbox>) -> Result<Self> {
        Ok(match version {
            Version::V0_1 => Self::V0_1(v0_1::find(pre)?),
            Version::V0_2 => Self::V0_2(v0_2::find(pre)?),
        })
    }

    /// Whether they have the types that they should, checked once for each instance.
    pub(crate) fn load(&self, store: &mut Store<Sandbox>, instance: &Instance) -> Result<Guest> {
        Ok(match self {
            Self::V0_1(exports) => Guest::V0_1(exports.load(store, instance)?),
            Self::V0_2(exports) => Guest::V0_2(exports.load(store, instance)?),
        })
    }

    /// Whether it answers for many workloads at once.
    pub(crate) const fn has_batch(&self) -> bool {
        match self {
            Self::V0_1(_) => false,
            Self::V0_2(exports) => exports.has_batch(),
        }
    }
}

impl Guest {
    pub(crate) fn describe(&self, store: &mut Store<Sandbox>) -> Result<Description> {
        match self {
            Self::V0_1(guest) => v0_1::describe(guest, store),
            Self::V0_2(guest) => guest.algorithm.call_describe(store),
        }
    }

    pub(crate) fn create(
        &self,
        store: &mut Store<Sandbox>,
        config: &str,
        metrics: &[Metric],
    ) -> Result<Result<ResourceAny, ConfigError>> {
        match self {
            Self::V0_1(guest) => v0_1::create(guest, store, config, metrics),
            Self::V0_2(guest) => v0_2::create(guest, store, config, metrics),
        }
    }

    pub(crate) fn evaluate(
        &self,
        store: &mut Store<Sandbox>,
        instance: ResourceAny,
        look: Observation<'_>,
    ) -> Result<Result<Answer, Failure>> {
        match self {
            Self::V0_1(guest) => v0_1::evaluate(guest, store, instance, look),
            Self::V0_2(guest) => guest.algorithm.instance().call_evaluate(store, instance, look),
        }
    }

    pub(crate) fn snapshot(&self, store: &mut Store<Sandbox>, instance: ResourceAny) -> Result<Vec<u8>> {
        match self {
            Self::V0_1(guest) => guest.instance().call_snapshot(store, instance),
            Self::V0_2(guest) => guest.algorithm.instance().call_snapshot(store, instance),
        }
    }

    pub(crate) fn restore(
        &self,
        store: &mut Store<Sandbox>,
        instance: ResourceAny,
        state: &[u8],
    ) -> Result<Result<(), String>> {
        match self {
            Self::V0_1(guest) => guest.instance().call_restore(store, instance, state),
            Self::V0_2(guest) => guest.algorithm.instance().call_restore(store, instance, state),
        }
    }

    /// None where the plugin answers for one workload at a time only.
    pub(crate) fn evaluate_all(
        &self,
        store: &mut Store<Sandbox>,
        instances: &[ResourceAny],
        looks: Looks<'_>,
    ) -> Option<Result<Answers>> {
        match self {
            Self::V0_1(_) => None,
            Self::V0_2(guest) => guest.batch.as_ref().map(|batch| batch.call_evaluate(store, instances, looks)),
        }
    }
}

/// Where plugins find what `log` grants.
pub(crate) fn link_log(linker: &mut wasmtime::component::Linker<Sandbox>) -> Result<()> {
    log::add_to_linker::<_, wasmtime::component::HasSelf<Sandbox>>(linker, |sandbox| sandbox)
}

/// A target as a plugin sees it.
fn seen(metric: &Metric) -> Target {
    match metric.target {
        // A mean over the instances is compared as it is, whatever their number.
        Target::AverageValue(target) if metric.kind.is_per_instance() => Target::Value(target),
        target => target,
    }
}
