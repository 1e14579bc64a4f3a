//! States in ConfigMaps.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use setpoint::BoxFuture;
use setpoint_runtime::{StateStore, StoreError};

/// Keeps states in [`SHARDS`](Self::SHARDS) ConfigMaps of one namespace, called `NAME-0` and so on.
///
/// What is saved within [`GATHERED`](Self::GATHERED) goes into one patch a shard, so that the cost doesn't grow with the
/// number of policies: 2,000 of them, looked at every 15 s, make at most 16 patches a second where each tick of a second has
/// some 133. A state is some hundred bytes; all states of a shard together can have [`BYTES`](Self::BYTES), for etcd takes no
/// more than 1 MiB an object.
pub struct ConfigMapStore {
    maps: Api<ConfigMap>,
    shards: Vec<Shard>,
}

impl fmt::Debug for ConfigMapStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigMapStore").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

struct Shard {
    name: String,
    /// Whoever reads or writes the ConfigMap holds this. What it holds is there; nothing before it was read.
    kept: tokio::sync::Mutex<Option<BTreeMap<String, Vec<u8>>>>,
    waiting: Mutex<Waiting>,
}

/// What is to be written.
#[derive(Default)]
struct Waiting {
    changes: BTreeMap<String, Option<Vec<u8>>>,
    /// Counts those who wait. A write is of all up to some number.
    last: u64,
    written: u64,
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
        let shard = |number| Shard {
            name: format!("{name}-{number}"),
            kept: tokio::sync::Mutex::default(),
            waiting: Mutex::default(),
        };
        Self { maps: Api::namespaced(client, namespace), shards: (0..Self::SHARDS).map(shard).collect() }
    }

    fn shard(&self, key: &str) -> &Shard {
        // Always the same, in every version: FNV-1a.
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        key.as_bytes().hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "of a few shards")]
        let number = (hasher.finish() % self.shards.len() as u64) as usize;
        &self.shards[number]
    }

    async fn change(&self, key: &str, state: Option<Vec<u8>>) -> Result<(), StoreError> {
        let shard = self.shard(key);
        let number = {
            let mut waiting = shard.waiting();
            waiting.changes.insert(entry(key), state);
            waiting.last += 1;
            waiting.last
        };
        let mut kept = shard.kept.lock().await;
        if shard.waiting().written >= number {
            // Whoever was here before has written it too.
            return Ok(());
        }
        tokio::time::sleep(Self::GATHERED).await;
        let mut states = match kept.take() {
            Some(states) => states,
            None => self.read(shard).await?,
        };
        let (changes, last) = {
            let mut waiting = shard.waiting();
            (std::mem::take(&mut waiting.changes), waiting.last)
        };
        let written = self.write(shard, &mut states, &changes).await;
        let mut waiting = shard.waiting();
        match written {
            Ok(()) => {
                waiting.written = last;
                *kept = Some(states);
                Ok(())
            }
            Err(error) => {
                // Those who wait try again, with what is newer since.
                for (key, state) in changes {
                    waiting.changes.entry(key).or_insert(state);
                }
                Err(error)
            }
        }
    }

    async fn read(&self, shard: &Shard) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let map = self.maps.get_opt(&shard.name).await.map_err(StoreError::new)?;
        let data = map.and_then(|map| map.binary_data).unwrap_or_default();
        Ok(data.into_iter().map(|(key, ByteString(state))| (key, state)).collect())
    }

    async fn write(
        &self,
        shard: &Shard,
        states: &mut BTreeMap<String, Vec<u8>>,
        changes: &BTreeMap<String, Option<Vec<u8>>>,
    ) -> Result<(), StoreError> {
        for (key, state) in changes {
            match state {
                Some(state) => drop(states.insert(key.clone(), state.clone())),
                None => drop(states.remove(key)),
            }
        }
        let bytes: usize = states.iter().map(|(key, state)| key.len() + state.len()).sum();
        if bytes > Self::BYTES {
            return Err(StoreError::new(format!(
                "the states in ConfigMap {} have {bytes} bytes, and {} fit: shorten windows, or use fewer policies",
                shard.name,
                Self::BYTES
            )));
        }
        let binary: BTreeMap<&String, Option<ByteString>> =
            changes.iter().map(|(key, state)| (key, state.clone().map(ByteString))).collect();
        let patch = json!({ "binaryData": binary });
        match self.maps.patch_metadata(&shard.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "setpoint".to_owned())]);
                let metadata =
                    ObjectMeta { name: Some(shard.name.clone()), labels: Some(labels), ..ObjectMeta::default() };
                let data = states.iter().map(|(key, state)| (key.clone(), ByteString(state.clone()))).collect();
                let map = ConfigMap { metadata, binary_data: Some(data), ..ConfigMap::default() };
                self.maps.create(&PostParams::default(), &map).await.map(drop).map_err(StoreError::new)
            }
            Err(error) => Err(StoreError::new(error)),
        }
    }
}

impl Shard {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as a ConfigMap can have it: `/` can't be in one, and `_` isn't in names.
fn entry(key: &str) -> String {
    key.replace('/', "_")
}

impl StateStore for ConfigMapStore {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let shard = self.shard(key);
            let mut kept = shard.kept.lock().await;
            if kept.is_none() {
                *kept = Some(self.read(shard).await?);
            }
            Ok(kept.as_ref().and_then(|states| states.get(&entry(key)).cloned()))
        })
    }

    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.change(key, Some(state.to_vec())))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.change(key, None))
    }
}

struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
