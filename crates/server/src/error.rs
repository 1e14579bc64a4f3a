//! Why nothing can be served.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server did not start, or ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Anyone who reaches the address could scale workloads.
    #[error("{0} can be reached from elsewhere: a token is required there")]
    TokenRequired(SocketAddr),
    /// A token that can't be one.
    #[error("a token must be one line of at least {min} visible characters", min = crate::Token::MIN_LENGTH)]
    Token,
    /// A lease that would end before a write under it does.
    #[error("a lease must last at least {min:?}, got {got:?}")]
    Lease {
        /// The shortest.
        min: std::time::Duration,
        /// What was asked for.
        got: std::time::Duration,
    },
    /// The address can't be had.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file is one instance's.
    #[error("{0} is in use by another instance; several instances need PostgreSQL")]
    DatabaseInUse(PathBuf),
    /// The lock beside the file can't be had.
    #[error("can't lock {path}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Neither a file nor PostgreSQL.
    #[error("a database is a file, or postgres://…; got a URL of the scheme `{0}`")]
    DatabaseScheme(String),
    /// The database can't be used.
    #[error("the database can't be used")]
    Database(#[from] sqlx::Error),
    /// The database's tables can't be made or brought up to date.
    #[error("the database can't be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Serving ended.
    #[error("serving ended")]
    Serve(#[source] std::io::Error),
    /// Webhooks can't be told.
    #[error(transparent)]
    Client(#[from] setpoint_runtime::source::FetchError),
    /// No identity for this instance.
    #[error("the operating system has no random numbers")]
    Random(#[from] getrandom::Error),
}
