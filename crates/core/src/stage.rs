//! Stages: each wraps any algorithm and changes what it proposes.

pub(crate) mod activation;
pub(crate) mod capped;
pub(crate) mod cooled;
pub(crate) mod delayed;
mod readings;
pub(crate) mod remembered;
pub(crate) mod restrained;
pub(crate) mod smoothed;
pub(crate) mod stabilized;
pub(crate) mod substituted;
