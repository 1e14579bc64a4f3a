#![doc = include_str!("../docs/nomad.md")]

mod algorithm;
mod check;
mod config;
mod eye;
mod fact;
mod fixed_value;
mod handler;
mod pass_through;
mod single;
mod strategy;
mod target_value;
mod threshold;
mod vote;
mod window;
mod written;

pub use algorithm::{Nomad, NomadConfig};
pub use check::{Action, Check, OnError};
pub use config::{CheckConfig, StrategyConfig};
pub use fact::{Fact, Why};
pub use fixed_value::{FixedValue, FixedValueConfig};
pub use handler::{Handler, Plan, Query, Scaled, Spec, Target, TickOutcome, Write};
pub use pass_through::{PassThrough, PassThroughConfig};
pub use single::Single;
pub use strategy::{Judgement, Strategy};
pub use target_value::{TargetValue, TargetValueConfig};
pub use threshold::{Step, Threshold, ThresholdConfig};
pub use vote::{Direction, Tally, Vote};
pub use written::{StrategyError, Written};

use crate::registry::{RegisterError, Registry, algorithm_factory};

/// The algorithm's name in policies, and the stage name of its reasons.
const NAME: &str = "nomad";

/// All that a policy can name.
pub(crate) fn register(registry: &mut Registry) -> Result<(), RegisterError> {
    registry.register_algorithm(
        NAME,
        algorithm_factory("a Nomad policy: checks that vote, and a cooldown after each change", |m, c: NomadConfig| {
            Nomad::new(m, &c)
        }),
    )?;
    registry.register_algorithm(
        Single::TARGET_VALUE,
        algorithm_factory(
            "multiply the current replicas by the ratio of a metric to its target, as Nomad does",
            |m, c| Single::new(m, &StrategyConfig::TargetValue(c)),
        ),
    )?;
    registry.register_algorithm(
        Single::THRESHOLD,
        algorithm_factory("a step when enough of a metric's last values are within bounds, as Nomad does", |m, c| {
            Single::new(m, &StrategyConfig::Threshold(c))
        }),
    )?;
    registry.register_algorithm(
        Single::PASS_THROUGH,
        algorithm_factory("take a metric's value for the count, as Nomad does", |m, c| {
            Single::new(m, &StrategyConfig::PassThrough(c))
        }),
    )?;
    registry.register_algorithm(
        Single::FIXED_VALUE,
        algorithm_factory("the same count always, as Nomad does", |m, c| {
            Single::new(m, &StrategyConfig::FixedValue(c))
        }),
    )
}
