//! What a command that checks something found.

/// Whether all was as it should be. A failed check is no bad input: it has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing to complain of.
    Passed,
    /// What the output says.
    Failed,
}
