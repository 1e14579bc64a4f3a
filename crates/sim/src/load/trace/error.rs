//! What can be wrong with a trace.

/// A trace that cannot be read: where, what was expected, what was found.
///
/// Lines are those of the file, counted from 1; the header is the first that is not blank.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The input failed.
    #[error("{file}:{line}: cannot be read")]
    Read {
        /// The trace's name.
        file: String,
        /// The line at which it failed.
        line: u64,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no header, or it names neither format.
    #[error(
        "{file}:{line}: expected the header `time,rate` or `TIMESTAMP,ContextTokens,GeneratedTokens`, found {found}"
    )]
    Header {
        /// The trace's name.
        file: String,
        /// The header's line.
        line: u64,
        /// The header.
        found: String,
    },
    /// The header names one format, but not all it needs, or one column twice.
    #[error("{file}:{line}: column {column:?}: expected once in the header, found {found} times")]
    Column {
        /// The trace's name.
        file: String,
        /// The header's line.
        line: u64,
        /// The column.
        column: &'static str,
        /// How often it is there.
        found: usize,
    },
    /// A header without rows.
    #[error("{file}:{line}: expected a row after the header, found the end of the file")]
    NoRows {
        /// The trace's name.
        file: String,
        /// The last line of the file.
        line: u64,
    },
    /// A line that is not a row of this table.
    #[error("{file}:{line}: expected {expected}, found {found}")]
    Line {
        /// The trace's name.
        file: String,
        /// The line.
        line: u64,
        /// What would have been right.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A value that is not what its column holds.
    #[error("{file}:{line}: column {column:?}: expected {expected}, found {found:?}")]
    Value {
        /// The trace's name.
        file: String,
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// What was there, shortened when long.
        found: String,
    },
}
