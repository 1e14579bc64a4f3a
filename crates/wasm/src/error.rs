//! Why a file can't be a plugin.

use std::time::Duration;

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
    /// It takes too long to compile.
    #[error(
        "the component did not compile within {budget:?}; make it smaller, or give the host a larger `compile_time`"
    )]
    CompileTime {
        /// The budget.
        budget: Duration,
    },
    /// Too many others are being compiled.
    #[error(
        "{limit} other components are still being compiled after {budget:?}, as many as may be at once; try again when one \
         has ended, or give the host more `compilations`"
    )]
    CompilersBusy {
        /// How many there may be.
        limit: usize,
        /// How long this one waited.
        budget: Duration,
    },
    /// The compiler itself failed.
    #[error("the compiler could not be run: {message}")]
    Compiler {
        /// How.
        message: String,
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
    #[error("the plugin was built for `{wants}`, this host speaks {}: {}", list(speaks), remedy(wants, speaks))]
    WrongVersion {
        /// The version it was built for.
        wants: String,
        /// The versions the host speaks, oldest first.
        speaks: &'static [&'static str],
    },
    /// The right names with the wrong types.
    #[error("the plugin's `algorithm` interface does not have the types of `{speaks}`: {message}")]
    WrongTypes {
        /// The version it was built for.
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

fn list(contracts: &[&str]) -> String {
    contracts.iter().map(|contract| format!("`{contract}`")).collect::<Vec<_>>().join(" and ")
}

/// What to do about a version that the host doesn't speak.
fn remedy(wants: &str, speaks: &[&str]) -> String {
    let number = |contract: &str| -> Vec<u64> {
        let version = contract.rsplit('@').next().unwrap_or_default();
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    match speaks.last() {
        Some(newest) if number(wants) > number(newest) => {
            format!("update the host, or build the plugin with the setpoint-guest of `{newest}`")
        }
        Some(newest) => format!("build the plugin anew, with the setpoint-guest of `{newest}`"),
        None => "update the host".to_owned(),
    }
}
