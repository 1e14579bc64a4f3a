#![doc = include_str!("../docs/window.md")]

mod average;
mod maximum;
mod power;

pub use average::{Averaging, WindowAverage, WindowError};
pub use maximum::BucketedMaximum;
