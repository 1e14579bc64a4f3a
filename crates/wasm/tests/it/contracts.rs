//! Plugins of released versions of the contract run as they did.

use proptest::prelude::*;
use setpoint_testkit::{guests, looks};
use setpoint_wasm::{CONTRACTS, Plugin};

use crate::equivalence::{PLUGIN, configs, equal};

fn released() -> Plugin {
    Plugin::load(&crate::HOST, &guests::released("0.1", "capped-smooth-ratio")).expect("a released component")
}

#[test]
fn a_plugin_says_for_which_contract_it_was_built() {
    let old = released();
    assert_eq!((old.contract(), old.has_batch()), (CONTRACTS[0], false));
    assert_eq!((old.name(), old.version(), old.is_deterministic()), ("capped-smooth-ratio-plugin", "0.1.0", true));
    let new = &crate::CAPPED_SMOOTH_RATIO;
    assert_eq!((new.contract(), new.has_batch()), (CONTRACTS[1], true));
    assert!(!crate::CHATTY.is_deterministic());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plugin_of_0_1_is_still_equal_to_the_native_algorithm_bit_for_bit(
        config in configs(),
        looks in looks::sequence(60),
    ) {
        thread_local!(static REGISTRY: setpoint::Registry = crate::registry_of(&released()));
        REGISTRY.with(|registry| equal(registry, PLUGIN, &config, &looks))?;
    }
}
