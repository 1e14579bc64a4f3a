//! Scenarios for the tests of this crate.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Load, Period, Scenario};

/// A scenario with this spec.
pub(crate) fn scenario(spec: Value) -> Scenario {
    Scenario::from_value(&document(spec)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn document(spec: Value) -> Value {
    json!({
        "apiVersion": "setpoint.dev/v1alpha1",
        "kind": "Scenario",
        "metadata": { "name": "test" },
        "spec": spec,
    })
}

pub(crate) fn generated(spec: Value) -> (Scenario, Load) {
    let scenario = scenario(spec);
    let load = Load::generated(&scenario).unwrap_or_else(|error| panic!("{error}"));
    (scenario, load)
}

pub(crate) fn seconds(n: u64) -> Period {
    Period::try_from(Duration::from_secs(n)).expect("a test's period is in range")
}
