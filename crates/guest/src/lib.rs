#![doc = include_str!("../docs/overview.md")]

// The generated code names this crate by its own name, here as in a plugin.
extern crate self as setpoint_guest;

mod component;
mod log;

pub use component::Component;
pub use log::{Level, log};
pub use schemars;
pub use serde;
pub use setpoint;
pub use setpoint::{
    Bounds, ConfigError, Direction, Effect, EvaluateError, Fraction, Hold, Metric, Need, Observation, Proposal,
    Reading, Reason, ScalingAlgorithm, SmoothingFactor, StateError, StateReader, StepDown, StepUp, Target, Timestamp,
    Tolerance, Tolerances, Trace, Weight,
};

use ::setpoint::{AlgorithmFactory, algorithm_factory};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// An algorithm that can be exported as a plugin: [`ScalingAlgorithm`] does the work, this says what it is and
/// how it is made.
///
/// The same type can be registered natively, so a plugin can be tested and debugged as ordinary Rust.
pub trait Plugin: ScalingAlgorithm + Sized + 'static {
    /// The name under which policies find it: lower case letters, digits and hyphens.
    const NAME: &'static str;

    /// What it does, in a sentence.
    const SUMMARY: &'static str;

    /// The metrics it can't do without. A policy that lacks one is refused, with what the metric means. Default: none, it
    /// takes whatever the policy has.
    const METRICS: &'static [MetricNeed] = &[];

    /// Whether the same looks always give the same answers: false for an algorithm that uses a clock or random numbers,
    /// where its policy grants them. Default true.
    const DETERMINISTIC: bool = true;

    /// Its configuration. Derive `Deserialize` with `deny_unknown_fields`, and `JsonSchema` for those who
    /// write policies.
    type Config: DeserializeOwned + JsonSchema;

    /// An instance for one workload; readings will come in the order of `metrics`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field and what it may be.
    fn new(config: Self::Config, metrics: &[Metric]) -> Result<Self, ConfigError>;
}

/// A metric that a plugin can't do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricNeed {
    /// Its name in policies.
    pub name: &'static str,
    /// What it measures and in which unit, for who writes the policy: `the 99th percentile of latency, in ms`.
    pub meaning: &'static str,
}

/// `P` as a native algorithm, to be registered and tested as any other: in the plugin crate's own tests, or in a program
/// that trusts it.
///
/// ```
/// # use setpoint_guest::{ConfigError, EvaluateError, Metric, Need, Observation, Plugin, Proposal, ScalingAlgorithm, Trace};
/// # struct PerReplica(f64);
/// # impl Plugin for PerReplica {
/// #     const NAME: &'static str = "per-replica";
/// #     const SUMMARY: &'static str = "one replica for every so many of the first metric";
/// #     type Config = f64;
/// #     fn new(config: f64, _: &[Metric]) -> Result<Self, ConfigError> {
/// #         Ok(Self(config))
/// #     }
/// # }
/// # impl ScalingAlgorithm for PerReplica {
/// #     fn evaluate(&mut self, look: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
/// #         Ok(Need::replicas(look.readings[0].usable().unwrap_or(0.0) / self.0)?.into())
/// #     }
/// # }
/// use setpoint_guest::setpoint::{AlgorithmManager, AlgorithmSpec, PolicySpec, Reading, Target, Timestamp};
///
/// let mut manager = AlgorithmManager::new();
/// manager.registry_mut().register_algorithm("per-replica", setpoint_guest::native::<PerReplica>())?;
/// let metrics = vec![Metric::new("rps", Target::value(100.0)?)];
/// let policy = PolicySpec::new(1, 40, metrics, AlgorithmSpec::named("per-replica", 100.0.into()))?;
/// let workload = manager.add(&policy)?;
/// let readings = [Reading::Value(620.0)];
/// let look = Observation::new(Timestamp::from_millis(0), 4, &readings);
/// assert_eq!(manager.decide(workload, &look, &mut Trace::off())?.desired, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn native<P: Plugin>() -> impl AlgorithmFactory {
    algorithm_factory(P::SUMMARY, |metrics, config: P::Config| P::new(config, metrics))
}

/// Exports a [`Plugin`] from a `cdylib` crate. Once a crate.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        type SetpointComponent = $crate::Component<$plugin>;
        #[allow(unsafe_code)]
        const _: () = {
    $crate::bindings::export!(SetpointComponent with_types_in $crate::bindings);
        };
        impl $crate::PluginVersion for $plugin {
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
        }
    };
}

/// The version of the crate that calls [`export!`], filled in by the macro.
#[doc(hidden)]
pub trait PluginVersion {
    /// The crate's version.
    const VERSION: &'static str;
}

/// Generated from `wit/0.2`.
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations, unsafe_code, clippy::all, reason = "generated bindings")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "batch-plugin",
        path: "../../wit/0.2",
        pub_export_macro: true,
        default_bindings_module: "setpoint_guest::bindings",
        runtime_path: "setpoint_guest::rt",
    });
}

#[doc(hidden)]
pub use wit_bindgen::rt;
