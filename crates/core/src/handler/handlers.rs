//! Which handler is for which kind of resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{HandlerError, ResourceHandler};
use crate::policy::TargetRef;

/// Handlers by API version and kind, and one for the rest.
///
/// ```
/// use std::sync::Arc;
/// use setpoint::{Handlers, InMemoryHandler, TargetRef};
/// let mut handlers = Handlers::new();
/// handlers.register("example.com/v1", "Pool", Arc::new(InMemoryHandler::default()))?;
/// // A second one for the same kind is an error, and the first one stays.
/// assert!(handlers.register("example.com/v1", "Pool", Arc::new(InMemoryHandler::default())).is_err());
/// let pool = TargetRef { api_version: "example.com/v1".into(), kind: "Pool".into(), name: "a".into(), namespace: None };
/// assert!(handlers.find(&pool).is_ok());
/// # Ok::<(), setpoint::HandlerTaken>(())
/// ```
#[derive(Clone, Default)]
pub struct Handlers {
    by_kind: BTreeMap<(String, String), Arc<dyn ResourceHandler>>,
    fallback: Option<Arc<dyn ResourceHandler>>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.by_kind.keys().collect();
        f.debug_struct("Handlers").field("by_kind", &kinds).field("fallback", &self.fallback.is_some()).finish()
    }
}

/// There is a handler for this kind already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a handler for {api_version} {kind} already; each kind has one")]
pub struct HandlerTaken {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
}

impl Handlers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with `handler` for every kind that none is registered for and that it supports.
    #[must_use]
    pub fn with_fallback(mut self, handler: Arc<dyn ResourceHandler>) -> Self {
        self.fallback = Some(handler);
        self
    }

    /// Adds a handler for one kind. It is asked for all targets of it, whatever its
    /// [`supports`](ResourceHandler::supports) says.
    ///
    /// # Errors
    ///
    /// [`HandlerTaken`] when there is one: it stays.
    pub fn register(
        &mut self,
        api_version: impl Into<String>,
        kind: impl Into<String>,
        handler: Arc<dyn ResourceHandler>,
    ) -> Result<(), HandlerTaken> {
        let (api_version, kind) = (api_version.into(), kind.into());
        let key = (api_version, kind);
        if self.by_kind.contains_key(&key) {
            let (api_version, kind) = key;
            return Err(HandlerTaken { api_version, kind });
        }
        self.by_kind.insert(key, handler);
        Ok(())
    }

    /// The handler for `target`.
    ///
    /// # Errors
    ///
    /// [`HandlerError::Unsupported`] when there is none.
    pub fn find(&self, target: &TargetRef) -> Result<&Arc<dyn ResourceHandler>, HandlerError> {
        // A lookup by borrowed parts would take a type of its own; a look at a real resource costs a thousand times more.
        let own = self.by_kind.get(&(target.api_version.clone(), target.kind.clone()));
        own.or_else(|| self.fallback.as_ref().filter(|handler| handler.supports(target)))
            .ok_or_else(|| HandlerError::Unsupported { target: Box::new(target.clone()) })
    }
}
