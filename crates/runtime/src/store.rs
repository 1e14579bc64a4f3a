//! Where states outlive the process.

mod file;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use setpoint::BoxFuture;

pub use self::file::FileStore;

/// Keeps the state of each workload: bytes that [`AlgorithmManager::snapshot`](setpoint::AlgorithmManager::snapshot)
/// made.
pub trait StateStore: Send + Sync {
    /// The state last saved under `key`, if any was.
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Keeps `state` in place of what was kept before. Done when a crash can't lose it any more.
    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Forgets what was kept under `key`. Fine when nothing was.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

const _: Option<&dyn StateStore> = None;

/// Why a state could not be loaded, kept or removed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// Because of `cause`.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Keeps states for as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryStore {
    states: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> BoxFuture<'_, Result<T, StoreError>>
    where
        T: Send + 'static,
    {
        let done = act(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(Ok(done)))
    }
}

impl StateStore for MemoryStore {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.with(|states| states.get(key).cloned())
    }

    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.with(|states| drop(states.insert(key.to_owned(), state.to_vec())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.with(|states| drop(states.remove(key)))
    }
}
