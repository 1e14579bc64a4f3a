#![doc = include_str!("../docs/window.md")]

mod average;
mod extremes;
mod maximum;
mod power;
mod seconds;

pub use average::{Averaging, WindowAverage, WindowError};
pub use extremes::{Extremes, Keep};
pub use maximum::BucketedMaximum;
pub use seconds::SecondsMean;
