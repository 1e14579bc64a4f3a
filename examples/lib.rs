//! Programs to copy: `cargo run -p setpoint-examples --example embed`. Nothing to use from here.

/// The README's own examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
