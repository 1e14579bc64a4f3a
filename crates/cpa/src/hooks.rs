//! What is called around each step.

use std::collections::BTreeMap;

use serde_json::Value;
use setpoint::BoxFuture;

use crate::config::{Config, Hook};
use crate::error::{CycleError, SetupError};
use crate::method::{Callable, ProgramLimits};

/// The hooks of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Hooks(BTreeMap<Hook, Callable>);

impl Hooks {
    pub(crate) fn new(config: &Config, limits: ProgramLimits) -> Result<Self, SetupError> {
        let callable = |(hook, method): (&Hook, _)| Ok((*hook, Callable::new(hook.name(), method, limits)?));
        config.hooks.iter().map(callable).collect::<Result<_, _>>().map(Self)
    }

    /// Calls `hook`, if there is one. What it answers means nothing.
    pub(crate) fn call(&self, hook: Hook, input: impl FnOnce() -> Value) -> BoxFuture<'_, Result<(), CycleError>> {
        self.call_after(hook, None, input)
    }

    /// The same after a change, which the error tells of.
    pub(crate) fn call_after(
        &self,
        hook: Hook,
        written: Option<(u32, u32)>,
        input: impl FnOnce() -> Value,
    ) -> BoxFuture<'_, Result<(), CycleError>> {
        let called = self.0.get(&hook).map(|callable| (callable, input()));
        Box::pin(async move {
            let Some((callable, input)) = called else { return Ok(()) };
            let answered = callable.call(&input).await;
            answered.map(drop).map_err(|source| CycleError::Hook { hook, written, source })
        })
    }
}
