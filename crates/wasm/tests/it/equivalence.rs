//! A plugin keeps the laws of every algorithm, and the one that is also native is equal to it, bit for bit.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use setpoint::{AlgorithmSpec, Proposal, Registry, ScalingAlgorithm, Trace};
use setpoint_testkit::laws::{self, Subject};
use setpoint_testkit::looks::{self, Look};

pub(crate) const PLUGIN: &str = "capped-smooth-ratio-plugin";
pub(crate) const NATIVE: &str = "capped-smooth-ratio";

#[test]
fn a_plugin_keeps_the_laws() {
    let registry = crate::registry();
    let plugin = Subject::new(&registry, PLUGIN).monotone();
    laws::check(&plugin, 12);
    laws::check(&plugin.with_pods(), 6);
}

#[test]
fn the_custom_algorithm_of_a_guide_keeps_the_laws() {
    let registry = crate::registry_of(&crate::plugin("custom"));
    // Its threshold is below the target.
    laws::check(&Subject::new(&registry, "custom").except("what is at its target stays"), 12);
}

#[test]
fn a_plugin_inside_native_stages_keeps_the_laws() {
    let registry = crate::registry();
    let plugin = Subject::new(&registry, PLUGIN).monotone();
    let stages = plugin
        .clone()
        .in_stage("stabilized", json!({ "scaleDownWindow": "2m" }))
        .in_stage("capped", json!({ "maxScaleUp": "20%" }));
    laws::check(&stages, 8);
    let behavior = json!({ "scaleUp": { "policies": [{ "type": "Percent", "value": 20, "periodSeconds": 60 }] } });
    laws::check(&plugin.in_stage("behavior", behavior), 8);
}

pub(crate) fn configs() -> impl Strategy<Value = Value> {
    (1_u32..=100, 0_u32..=300, 0_u32..=100, 0_u32..=30, prop::bool::ANY).prop_map(
        |(factor, up, down, tolerance, floor)| {
            json!({
                "smoothingFactor": f64::from(factor) / 100.0,
                "maxScaleUp": format!("{up}%"),
                "maxScaleDown": f64::from(down) / 100.0,
                "tolerance": f64::from(tolerance) / 100.0,
                "ratioFloor": u8::from(floor),
            })
        },
    )
}

fn build(registry: &Registry, name: &str, config: &Value) -> Box<dyn ScalingAlgorithm> {
    registry.build(&AlgorithmSpec::named(name, config.clone()), &looks::metrics()).expect("both are registered")
}

/// The exact bits of what the manager would round.
fn bits(algorithm: &mut dyn ScalingAlgorithm, look: &Look) -> Option<u64> {
    let mut trace = Trace::off();
    match algorithm.evaluate(&look.observation(), &mut trace).expect("an answer") {
        Proposal::Need(need) => Some(need.settle(look.current, &mut trace).exact().to_bits()),
        Proposal::Hold(_) => None,
        other => panic!("neither says {other:?}"),
    }
}

fn state(algorithm: &mut dyn ScalingAlgorithm) -> Vec<u8> {
    let mut state = Vec::new();
    algorithm.snapshot(&mut state).expect("a state");
    state
}

/// Whether `plugin` of `registry` and the native algorithm give the same bits for `looks`, and have the same state after
/// each; and go on from each other's.
pub(crate) fn equal(registry: &Registry, plugin: &str, config: &Value, looks: &[Look]) -> Result<(), TestCaseError> {
    let (mut native, mut plugin) = (build(registry, NATIVE, config), build(registry, plugin, config));
    for look in looks {
        prop_assert_eq!(bits(&mut native, look), bits(&mut plugin, look), "{:?}", look);
        prop_assert_eq!(state(&mut native), state(&mut plugin));
    }
    let (from_native, from_plugin) = (state(&mut native), state(&mut plugin));
    native.restore(&from_plugin).expect("its own kind of state");
    plugin.restore(&from_native).expect("its own kind of state");
    prop_assert_eq!(bits(&mut native, &looks[0]), bits(&mut plugin, &looks[0]));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plugin_and_native_are_equal_bit_for_bit_state_included(
        config in configs(),
        looks in looks::sequence(60),
    ) {
        equal(&crate::registry(), PLUGIN, &config, &looks)?;
    }
}
