//! A handler whose resources are numbers in memory: for tests, examples and worker pools.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

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
    manifests: BTreeMap<TargetRef, Map<String, Value>>,
}

impl InMemoryHandler {
    /// With these resources and their counts.
    #[must_use]
    pub fn new(resources: impl IntoIterator<Item = (TargetRef, u32)>) -> Self {
        Self { replicas: Mutex::new(resources.into_iter().collect()), manifests: BTreeMap::new() }
    }

    /// The same with what else `target` is, its labels for one: [`describe`](ResourceHandler::describe) gives that, with the
    /// reference and the count put in.
    #[must_use]
    pub fn with_manifest(mut self, target: TargetRef, manifest: Map<String, Value>) -> Self {
        self.manifests.insert(target, manifest);
        self
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
        let described = self.find(target).map(|count| {
            let mut resource = self.manifests.get(target).cloned().unwrap_or_default();
            resource.insert("apiVersion".to_owned(), target.api_version.clone().into());
            resource.insert("kind".to_owned(), target.kind.clone().into());
            let metadata = part(&mut resource, "metadata");
            metadata.insert("name".to_owned(), target.name.clone().into());
            if let Some(namespace) = &target.namespace {
                metadata.insert("namespace".to_owned(), namespace.clone().into());
            }
            for half in ["spec", "status"] {
                part(&mut resource, half).insert("replicas".to_owned(), count.into());
            }
            Value::Object(resource)
        });
        Box::pin(ready(described))
    }
}

/// The object called `name`, which is made where there is none.
fn part<'a>(resource: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = resource.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it was just made one")
}
