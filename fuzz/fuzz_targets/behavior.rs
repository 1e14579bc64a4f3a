//! The `behavior` stage against the slow model of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use setpoint_testkit::behavior_cases::{Case, check};

fuzz_target!(|bytes: &[u8]| {
    if let Some(case) = Case::from_bytes(bytes) {
        check(&case).unwrap_or_else(|difference| panic!("{difference}"));
    }
});
