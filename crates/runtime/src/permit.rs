//! Whether this process may write.

/// Asked right before a state is kept, and again before a count is written: the last moments at which a leader that no
/// longer is one can stop.
pub trait Permit: Send + Sync {
    /// Whether the state and the count of the workload called `key` may be written now.
    fn may_write(&self, key: &str) -> bool;
}

/// Always: for a process that is alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl Permit for Always {
    fn may_write(&self, _: &str) -> bool {
        true
    }
}
