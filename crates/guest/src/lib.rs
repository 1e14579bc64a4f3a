#![doc = include_str!("../docs/overview.md")]

// The generated code names this crate by its own name, here as in a plugin.
extern crate self as setpoint_guest;

mod component;

pub use component::Component;
pub use schemars;
pub use serde;
pub use setpoint::{
    Bounds, ConfigError, Direction, Effect, EvaluateError, Fraction, Hold, Metric, Need, Observation, Proposal,
    Reading, Reason, ScalingAlgorithm, SmoothingFactor, StateError, StateReader, StepDown, StepUp, Target, Timestamp,
    Tolerance, Tolerances, Trace, Weight,
};

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

/// Generated from `wit/scaling.wit`.
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations, unsafe_code, clippy::all, reason = "generated bindings")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../../wit",
        pub_export_macro: true,
        default_bindings_module: "setpoint_guest::bindings",
        runtime_path: "setpoint_guest::rt",
    });
}

#[doc(hidden)]
pub use wit_bindgen::rt;
