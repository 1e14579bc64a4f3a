#![doc = include_str!("../docs/overview.md")]

mod conversion;
pub mod cpa;
mod dialect;
pub mod elastic_scaler;
pub mod hpa;
pub mod keda;
pub mod kubeai;
mod manifest;
pub mod storage;

pub use conversion::{Conversion, Fate, Note};
pub use dialect::{Dialect, read, read_as};
