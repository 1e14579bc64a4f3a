//! Stages: each wraps any algorithm and changes what it proposes.

pub(crate) mod capped;
pub(crate) mod cooled;
pub(crate) mod delayed;
pub(crate) mod restrained;
pub(crate) mod smoothed;
pub(crate) mod stabilized;
