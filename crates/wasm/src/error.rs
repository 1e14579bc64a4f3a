//! Why a file can't be a plugin.

/// Why a file can't be loaded as a plugin. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Larger than the host compiles.
    #[error("the file has {bytes} bytes, at most {limit} are accepted")]
    TooLarge {
        /// The file's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Something else altogether.
    #[error("the file is {found}, not a WebAssembly component; build it with `--target wasm32-wasip2`")]
    NotAComponent {
        /// What it looks like.
        found: &'static str,
    },
    /// A component, but a damaged or unsupported one.
    #[error("the component is not valid (truncated or damaged?): {message}")]
    Invalid {
        /// What the validator says.
        message: String,
    },
    /// It needs what no plugin gets.
    #[error("the component imports `{import}`, which a plugin may not have: it gets no file, network, clock or host")]
    ForbiddenImport {
        /// The import.
        import: String,
    },
    /// A component for something else.
    #[error(
        "the component exports no `setpoint:scaling/algorithm`, but {exports}; export one with `setpoint_guest::export!`"
    )]
    NoAlgorithm {
        /// What it exports.
        exports: String,
    },
    /// Built for another version of the contract.
    #[error(
        "the plugin was built for `{wants}`, this host speaks `{speaks}`; rebuild it with the matching setpoint-guest"
    )]
    WrongVersion {
        /// The version it was built for.
        wants: String,
        /// The version the host speaks.
        speaks: &'static str,
    },
    /// The right names with the wrong types.
    #[error("the plugin's `algorithm` interface does not have the types of `{speaks}`: {message}")]
    WrongTypes {
        /// The version the host speaks.
        speaks: &'static str,
        /// The first difference.
        message: String,
    },
    /// It failed to start, or to say who it is.
    #[error("the plugin failed at its start: {message}")]
    Start {
        /// How.
        message: String,
    },
    /// It says things of itself that can't be.
    #[error("the plugin describes itself wrongly: {message}")]
    Description {
        /// What is wrong.
        message: String,
    },
}
