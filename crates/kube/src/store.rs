//! States in ConfigMaps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use setpoint::BoxFuture;
use setpoint_runtime::{StateStore, StoreError};
use tokio::sync::oneshot;

/// Keeps states in [`SHARDS`](Self::SHARDS) ConfigMaps of one namespace, called `NAME-0` and so on.
///
/// What is saved within [`GATHERED`](Self::GATHERED) goes into one patch a shard, so that the cost doesn't grow with the
/// number of policies: looks are taken in ticks of a second, and those of one tick that take about as long make 16 patches
/// together, whether they are a hundred or a thousand; the bound is one patch each [`GATHERED`](Self::GATHERED) and shard. A
/// state is some hundred bytes; all states of a shard together can have [`BYTES`](Self::BYTES), for etcd takes no more than
/// 1 MiB an object.
///
/// One process writes at a time, the one that leads. One that did, and doesn't know yet that it doesn't any more, fails to
/// write where another has written since: then it reads anew.
pub struct ConfigMapStore {
    shards: Vec<Arc<Shard>>,
}

impl fmt::Debug for ConfigMapStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigMapStore").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

type States = BTreeMap<String, Vec<u8>>;

/// What a ConfigMap held when it was last read or written.
struct Kept {
    states: States,
    /// Its resource version; None where there is no such ConfigMap.
    version: Option<String>,
}

struct Shard {
    maps: Api<ConfigMap>,
    name: String,
    /// Whoever reads or writes the ConfigMap holds this. What it holds is there; nothing before it was read.
    kept: tokio::sync::Mutex<Option<Kept>>,
    waiting: Mutex<Waiting>,
}

/// What is to be written.
#[derive(Default)]
struct Waiting {
    changes: Vec<Change>,
    /// Whether a task writes them.
    is_writing: bool,
}

/// A state that is to be kept, or one that isn't any more, and who waits for that.
struct Change {
    key: String,
    state: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl ConfigMapStore {
    /// How many ConfigMaps.
    pub const SHARDS: usize = 16;
    /// For how long changes are gathered before they are written.
    pub const GATHERED: Duration = Duration::from_millis(100);
    /// How many bytes the states of one ConfigMap can have together.
    pub const BYTES: usize = 700 << 10;

    /// In `namespace`, called after `name`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        let maps = Api::namespaced(client, namespace);
        let shard = |number| Shard {
            maps: maps.clone(),
            name: format!("{name}-{number}"),
            kept: tokio::sync::Mutex::default(),
            waiting: Mutex::default(),
        };
        Self { shards: (0..Self::SHARDS).map(|number| Arc::new(shard(number))).collect() }
    }

    fn shard(&self, key: &str) -> &Arc<Shard> {
        #[expect(clippy::cast_possible_truncation, reason = "of a few shards")]
        let number = (fnv(key) % self.shards.len() as u64) as usize;
        &self.shards[number]
    }

    async fn change(&self, key: &str, state: Option<Vec<u8>>) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.shard(key).submit(Change { key: entry(key), state, done });
        written.await.unwrap_or_else(|_| Err(StoreError::new("whoever wrote the states is gone")))
    }
}

impl Shard {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `change` written, by a task of its own: one who doesn't wait any longer takes nobody else's write away.
    fn submit(self: &Arc<Self>, change: Change) {
        let mut waiting = self.waiting();
        waiting.changes.push(change);
        if !waiting.is_writing {
            waiting.is_writing = true;
            tokio::spawn(Arc::clone(self).write_all());
        }
    }

    async fn write_all(self: Arc<Self>) {
        loop {
            tokio::time::sleep(ConfigMapStore::GATHERED).await;
            let changes = {
                let mut waiting = self.waiting();
                if waiting.changes.is_empty() {
                    waiting.is_writing = false;
                    return;
                }
                std::mem::take(&mut waiting.changes)
            };
            self.write_together(changes).await;
        }
    }

    async fn write_together(&self, changes: Vec<Change>) {
        let together: BTreeMap<String, Option<Vec<u8>>> =
            changes.iter().map(|change| (change.key.clone(), change.state.clone())).collect();
        let result = self.write(&together).await;
        let alone = together.len() > 1 && matches!(&result, Err(Refused::These(_)));
        for Change { key, state, done } in changes {
            let own = match &result {
                Ok(()) => Ok(()),
                // One that is refused for good keeps nobody else's out.
                Err(_) if alone => self.write(&BTreeMap::from([(key, state)])).await,
                Err(Refused::These(text) | Refused::Now(text)) => Err(Refused::Now(text.clone())),
            };
            // Who doesn't wait any longer needn't know.
            let _ = done.send(own.map_err(|refused| StoreError::new(refused.text())));
        }
    }

    async fn write(&self, changes: &BTreeMap<String, Option<Vec<u8>>>) -> Result<(), Refused> {
        let mut kept = self.kept.lock().await;
        let Kept { mut states, version } = match kept.take() {
            Some(kept) => kept,
            None => self.read().await.map_err(|error| Refused::by(&error))?,
        };
        let stays = states.iter().filter(|(key, _)| !changes.contains_key(*key));
        let comes = changes.iter().filter_map(|(key, state)| Some((key, state.as_ref()?)));
        let bytes: usize = stays.chain(comes).map(|(key, state)| key.len() + state.len()).sum();
        if bytes > ConfigMapStore::BYTES {
            *kept = Some(Kept { states, version });
            return Err(Refused::These(format!(
                "the states in ConfigMap {} would have {bytes} bytes, and {} fit: shorten windows, or use fewer policies",
                self.name,
                ConfigMapStore::BYTES
            )));
        }
        for (key, state) in changes {
            match state {
                Some(state) => drop(states.insert(key.clone(), state.clone())),
                None => drop(states.remove(key)),
            }
        }
        // What it holds after a failure is not known: it is read anew.
        let written = match version {
            Some(version) => self.patch(&version, changes).await,
            None => self.create(&states).await,
        };
        let version = written.map_err(|error| Refused::by(&error))?.resource_version;
        *kept = Some(Kept { states, version });
        Ok(())
    }

    async fn read(&self) -> Result<Kept, kube::Error> {
        let map = self.maps.get_opt(&self.name).await?.unwrap_or_default();
        let data = map.binary_data.unwrap_or_default();
        let states = data.into_iter().map(|(key, ByteString(state))| (key, state)).collect();
        Ok(Kept { states, version: map.metadata.resource_version })
    }

    /// Only as it was read: what another process has kept since, which leads by now, isn't overwritten.
    async fn patch(
        &self,
        version: &str,
        changes: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<ObjectMeta, kube::Error> {
        let binary: BTreeMap<&String, Option<ByteString>> =
            changes.iter().map(|(key, state)| (key, state.clone().map(ByteString))).collect();
        let patch = json!({ "metadata": { "resourceVersion": version }, "binaryData": binary });
        let patched = self.maps.patch_metadata(&self.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(patched.metadata)
    }

    async fn create(&self, states: &States) -> Result<ObjectMeta, kube::Error> {
        let labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "setpoint".to_owned())]);
        let metadata = ObjectMeta { name: Some(self.name.clone()), labels: Some(labels), ..ObjectMeta::default() };
        let data = states.iter().map(|(key, state)| (key.clone(), ByteString(state.clone()))).collect();
        let map = ConfigMap { metadata, binary_data: Some(data), ..ConfigMap::default() };
        Ok(self.maps.create(&PostParams::default(), &map).await?.metadata)
    }
}

/// Why changes were not written.
enum Refused {
    /// These never will be, together.
    These(String),
    /// They may be later.
    Now(String),
}

impl Refused {
    fn text(self) -> String {
        match self {
            Self::These(text) | Self::Now(text) => text,
        }
    }

    fn by(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status)
                if (400..500).contains(&status.code) && !matches!(status.code, 404 | 409 | 429) =>
            {
                Self::These(error.to_string())
            }
            _ => Self::Now(error.to_string()),
        }
    }
}

/// A key as a ConfigMap can have it: of at most 253 characters, without `/`. `_` isn't in names.
fn entry(key: &str) -> String {
    const MOST: usize = 253;
    let whole = key.replace('/', "_");
    if whole.len() <= MOST {
        return whole;
    }
    let begin: String = whole.chars().take(200).collect();
    format!("{begin}_{:016x}", fnv(key))
}

impl StateStore for ConfigMapStore {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let shard = self.shard(key);
            let mut kept = shard.kept.lock().await;
            if kept.is_none() {
                *kept = Some(shard.read().await.map_err(StoreError::new)?);
            }
            Ok(kept.as_ref().and_then(|kept| kept.states.get(&entry(key)).cloned()))
        })
    }

    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.change(key, Some(state.to_vec())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.change(key, None))
    }
}

/// FNV-1a: the same in every version.
fn fnv(key: &str) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    key.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_a_config_map_and_differ_where_names_do() {
        let long = |end: &str| format!("{}/{}{end}", "n".repeat(63), "p".repeat(240));
        for key in ["shop/web".to_owned(), long("a"), long("b")] {
            let entry = entry(&key);
            assert!(
                entry.len() <= 253 && entry.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
                "{entry}"
            );
        }
        assert_eq!(entry("shop/web"), "shop_web");
        assert_ne!(entry(&long("a")), entry(&long("b")));
    }
}
