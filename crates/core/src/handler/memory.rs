//! A handler whose resources are numbers in memory: for tests, examples and worker pools.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{BoxFuture, HandlerError, Instance, ReplicaCount, ResourceHandler, Update};
use crate::policy::TargetRef;

/// Keeps replica counts in memory. All replicas are ready at once.
///
/// ```
/// use setpoint::{InMemoryHandler, ResourceHandler, TargetRef};
/// let pool = TargetRef { api_version: "v1".into(), kind: "Pool".into(), name: "workers".into(), namespace: None };
/// let handler = InMemoryHandler::new([(pool.clone(), 3)]);
/// assert!(handler.supports(&pool));
/// assert_eq!(handler.replicas(&pool), Some(3));
/// ```
#[derive(Debug, Default)]
pub struct InMemoryHandler {
    replicas: Mutex<BTreeMap<TargetRef, u32>>,
}

impl InMemoryHandler {
    /// With these resources and their counts.
    #[must_use]
    pub fn new(resources: impl IntoIterator<Item = (TargetRef, u32)>) -> Self {
        Self { replicas: Mutex::new(resources.into_iter().collect()) }
    }

    /// A resource's count.
    #[must_use]
    pub fn replicas(&self, target: &TargetRef) -> Option<u32> {
        self.lock().get(target).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetRef, u32>> {
        // A panic elsewhere can't leave a count half written.
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, target: &TargetRef) -> Result<u32, HandlerError> {
        self.replicas(target).ok_or_else(|| HandlerError::NotFound { target: Box::new(target.clone()) })
    }
}

impl ResourceHandler for InMemoryHandler {
    fn supports(&self, target: &TargetRef) -> bool {
        self.lock().keys().any(|known| known.api_version == target.api_version && known.kind == target.kind)
    }

    fn current_replicas<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<ReplicaCount, HandlerError>> {
        let all_there = |count| ReplicaCount::asked(count).with_existing(Some(count));
        Box::pin(ready(self.find(target).map(all_there)))
    }

    fn update_replicas<'a>(
        &'a self,
        target: &'a TargetRef,
        desired: u32,
    ) -> BoxFuture<'a, Result<Update, HandlerError>> {
        let mut resources = self.lock();
        let result = match resources.get_mut(target) {
            None => Err(HandlerError::NotFound { target: Box::new(target.clone()) }),
            Some(count) if *count == desired => Ok(Update::Unchanged),
            Some(count) => Ok(Update::Written { from: std::mem::replace(count, desired), to: desired }),
        };
        Box::pin(ready(result))
    }

    fn instances<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Vec<Instance>, HandlerError>> {
        let named = |count| (0..count).map(|index| Instance::new(format!("{}-{index}", target.name), true)).collect();
        Box::pin(ready(self.find(target).map(named)))
    }

    fn describe<'a>(&'a self, target: &'a TargetRef) -> BoxFuture<'a, Result<Value, HandlerError>> {
        let described = self.find(target).map(|count| json!({ "targetRef": target, "spec": { "replicas": count } }));
        Box::pin(ready(described))
    }
}
