//! One workload's state in a file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use setpoint::BoxFuture;

use super::{StateStore, StoreError};

/// Keeps the state of one workload in a file that holds nothing else: the one of an engine that has one workload.
///
/// The file is replaced whole, and is on the disk before [`save`](StateStore::save) ends: a crash at any time leaves the
/// state before or the one after. Beside it, its name with `.next` is a file that a crash can leave; the next save
/// overwrites it.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
    key: String,
    /// A save that its caller gave up goes on, and the next one waits for it.
    replacing: Arc<Mutex<()>>,
}

/// A state that isn't the file's.
#[derive(Debug, thiserror::Error)]
#[error("{} keeps the state of {own:?} alone, and not that of {other:?}", path.display())]
struct OtherKey {
    path: PathBuf,
    own: String,
    other: String,
}

/// The file can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be {action}", path.display())]
struct FileError {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

impl FileStore {
    /// Keeps the state of the workload called `key` in the file at `path`, in a folder that is there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: impl Into<String>) -> Self {
        Self { path: path.into(), key: key.into(), replacing: Arc::default() }
    }

    /// What the file holds, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there is one and it can't be read.
    pub fn read(&self) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(&self.path) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", source)),
        }
    }

    fn replace(&self, state: &[u8]) -> Result<(), StoreError> {
        let _alone = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = || {
            let mut next = OsString::from(&self.path);
            next.push(".next");
            let mut file = File::create(&next)?;
            file.write_all(state)?;
            // A rename can reach the disk before what was written.
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            sync_folder(&self.path)
        };
        replaced().map_err(|source| self.failed("written", source))
    }

    fn delete(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path).and_then(|()| sync_folder(&self.path)) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(self.failed("removed", source)),
            _ => Ok(()),
        }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::new(FileError { path: self.path.clone(), action, source })
    }

    /// Does what waits for the disk where it keeps nobody else waiting.
    fn aside<'a, T: Send + 'static>(
        &self,
        key: &str,
        act: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        if key != self.key {
            let other = OtherKey { path: self.path.clone(), own: self.key.clone(), other: key.to_owned() };
            return Box::pin(std::future::ready(Err(StoreError::new(other))));
        }
        let store = self.clone();
        Box::pin(async move { tokio::task::spawn_blocking(move || act(&store)).await.map_err(StoreError::new)? })
    }
}

/// A name in a folder is on the disk once the folder is. Elsewhere than on Unix a folder can't be told to be.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

impl StateStore for FileStore {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.aside(key, Self::read)
    }

    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        let state = state.to_vec();
        self.aside(key, move |store| store.replace(&state))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.aside(key, Self::delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_is_whole_or_the_one_before_and_nobody_elses() -> Result<(), StoreError> {
        let folder = std::env::temp_dir().join(format!("setpoint-file-store-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(StoreError::new)?;
        let path = folder.join("state");
        let store = FileStore::new(&path, "web");
        assert_eq!(store.load("web").await?, None);
        store.save("web", b"first").await?;
        // What a crash in the middle of the next save leaves.
        fs::write(folder.join("state.next"), b"ha").map_err(StoreError::new)?;
        assert_eq!(FileStore::new(&path, "web").load("web").await?.as_deref(), Some(&b"first"[..]));
        store.save("web", b"2").await?;
        assert_eq!(store.load("web").await?.as_deref(), Some(&b"2"[..]));
        let other = store.save("api", b"3").await.expect_err("another's").to_string();
        assert!(other.contains("the state of \"web\" alone"), "{other}");
        store.remove("web").await?;
        store.remove("web").await?;
        assert_eq!(store.load("web").await?, None);
        fs::remove_dir_all(&folder).map_err(StoreError::new)?;
        let nowhere = store.save("web", b"4").await.expect_err("there is no folder").to_string();
        assert!(nowhere.contains("state can't be written"), "{nowhere}");
        Ok(())
    }
}
