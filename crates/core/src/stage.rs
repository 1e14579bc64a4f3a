//! Stages: each wraps any algorithm and changes what it proposes.

pub(crate) mod capped;
pub(crate) mod restrained;
pub(crate) mod smoothed;
pub(crate) mod stabilized;
