//! What this workspace's tests share. Unpublished.

pub mod allocations;
pub mod guests;
pub mod laws;
pub mod looks;
