//! Compiled components, kept on disk so that a plugin that was compiled once loads in a millisecond.
//!
//! What is kept is native code, and nothing checks what native code does. So an entry is run only if its seal shows that
//! this host's key, which nobody else can read, was used to write it, for this very component and engine. All else is
//! compiled anew and said.

mod entry;
mod folder;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use wasmtime::Engine;
use wasmtime::component::Component;

use self::entry::{Code, Key, Unsealed};
pub(crate) use self::entry::{Names, is_entry};
use self::folder::Owner;
use crate::counters::count;
use crate::sandbox::printable;

/// Where a plugin's native code came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheUse {
    /// It was compiled, on a host without a [cache](crate::PluginHostBuilder::cache).
    Off,
    /// It was compiled: the cache had nothing of it.
    Miss,
    /// It came from the cache.
    Hit,
    /// It was compiled: what the cache had of it could not be trusted or used.
    Rejected(BadEntry),
}

/// Why an entry of the cache was not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEntry {
    /// Others could have written it.
    #[error("the cache is not private any more: {message}")]
    NotPrivate {
        /// What is wrong with the folder, and what to do.
        message: String,
    },
    /// It can't be read.
    #[error("it can't be read: {message}")]
    Unreadable {
        /// Why.
        message: String,
    },
    /// A symbolic link, a folder, or something else that the cache doesn't write.
    #[error("it is a {what}, not a regular file")]
    NotAFile {
        /// What it is.
        what: &'static str,
    },
    /// It doesn't begin as an entry does.
    #[error("it is no entry of a cache, or one of another version's")]
    Foreign,
    /// It is too short or too long.
    #[error("it has {bytes} bytes instead of {wants}")]
    Length {
        /// Its size.
        bytes: u64,
        /// What it should be.
        wants: u64,
    },
    /// Written by a host with another key.
    #[error("it was written with another key")]
    OtherKey,
    /// The entry of another component or engine, under this one's name.
    #[error("it is the entry of another {what}")]
    Misplaced {
        /// `component`, or `engine`: other settings, version or processor.
        what: &'static str,
    },
    /// Its seal is broken.
    #[error("its seal is broken: it was changed after it was written")]
    Altered,
    /// wasmtime can't use it.
    #[error("wasmtime can't use it: {message}")]
    Unusable {
        /// Why.
        message: String,
    },
}

/// What a host's cache has done, over all its plugins. Numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounters {
    /// Plugins that came from it.
    pub hits: u64,
    /// Plugins that it had nothing of.
    pub misses: u64,
    /// Entries that could not be trusted or used.
    pub rejected: u64,
    /// Entries written.
    pub kept: u64,
    /// Entries that could not be written, or are larger than the whole cache may be.
    pub not_kept: u64,
    /// Entries removed to make room.
    pub evicted: u64,
}

#[derive(Debug, Default)]
struct Counting {
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
    kept: AtomicU64,
    not_kept: AtomicU64,
    evicted: AtomicU64,
}

/// A folder of entries, and the key that they are sealed with.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    owner: Owner,
    key: Key,
    /// What all entries together may take.
    bytes: u64,
    engine: blake3::Hash,
    counting: Counting,
}

/// How the file of the key is called.
const KEY: &str = "key";
/// What the names of entries end in.
const ENTRY: &str = "native";
/// What the names of files begin with that are being written.
const UNFINISHED: &str = "unfinished-";
/// When a file that is still not finished never will be: who wrote it is gone.
const ABANDONED: Duration = Duration::from_secs(3600);

impl Cache {
    /// Makes sure that `folder` is there and private, and that there is a key in it.
    pub(crate) fn open(folder: &Path, bytes: u64, engine: &Engine) -> io::Result<Self> {
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("no plugin cache in {}: {error}", folder.display()))
        };
        let owner = Owner::of(folder).map_err(failed)?;
        let key = read_or_make_key(folder, owner).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            owner,
            key,
            bytes,
            engine: entry::hash_of(&engine.precompile_compatibility_hash()),
            counting: Counting::default(),
        })
    }

    /// What the entry of the component with the hash `source` is known by.
    pub(crate) const fn names(&self, source: blake3::Hash) -> Names {
        Names { source, engine: self.engine }
    }

    fn file(&self, names: &Names) -> PathBuf {
        self.folder.join(format!("{}-{}.{ENTRY}", names.source.to_hex(), names.engine.to_hex()))
    }

    /// The compiled component of that name and the note that was kept with it, or why it must be compiled.
    pub(crate) fn get(&self, engine: &Engine, names: &Names) -> Result<(Component, Vec<u8>), CacheUse> {
        let file = self.file(names);
        match self.read(engine, names, &file) {
            Ok(Some(kept)) => {
                count(&self.counting.hits, 1);
                Ok(kept)
            }
            Ok(None) => {
                count(&self.counting.misses, 1);
                Err(CacheUse::Miss)
            }
            Err(bad) => {
                count(&self.counting.rejected, 1);
                tracing::warn!(file = %file.display(), "a plugin is compiled anew, its cache entry can't be used: {bad}");
                Err(CacheUse::Rejected(bad))
            }
        }
    }

    fn read(&self, engine: &Engine, names: &Names, file: &Path) -> Result<Option<(Component, Vec<u8>)>, BadEntry> {
        self.owner.check(&self.folder).map_err(|error| BadEntry::NotPrivate { message: error.to_string() })?;
        let Some(entry) = self.bytes_of(file)? else { return Ok(None) };
        let Unsealed { note, code } = self.key.open(names, &entry)?;
        self.deserialize(engine, code).map(|component| Some((component, note.to_vec())))
    }

    fn bytes_of(&self, file: &Path) -> Result<Option<Vec<u8>>, BadEntry> {
        let unreadable = |error: io::Error| BadEntry::Unreadable { message: error.to_string() };
        let kind = match fs::symlink_metadata(file) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // Opening something else could wait for ever, or read without an end.
        if !kind.is_file() {
            let what = if kind.is_symlink() { "symbolic link" } else { "folder or device" };
            return Err(BadEntry::NotAFile { what });
        }
        let opened = match File::open(file) {
            Ok(opened) => opened,
            // Another host has just evicted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let bytes = opened.metadata().map_err(unreadable)?.len();
        if bytes > self.bytes {
            return Err(BadEntry::Length { bytes, wants: self.bytes });
        }
        let mut entry = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        (&opened).take(self.bytes).read_to_end(&mut entry).map_err(unreadable)?;
        // The entries that were used last are the last to be evicted.
        if let Err(error) = opened.set_modified(SystemTime::now()) {
            tracing::debug!(file = %file.display(), "the plugin cache can't note that an entry was used: {error}");
        }
        Ok(Some(entry))
    }

    #[expect(unsafe_code, reason = "native code can't be loaded without")]
    fn deserialize(&self, engine: &Engine, code: Code<'_>) -> Result<Component, BadEntry> {
        // SAFETY: wasmtime wants bytes that `Component::serialize` gave, unchanged. `Code` comes from `Key::open` alone,
        // which checked a MAC over them with a key that only this user can read; and only `keep` makes one, over what
        // `Component::serialize` gave. They are in memory, so nobody changes them meanwhile. wasmtime itself checks that
        // its version, the engine's settings and the processor's features fit.
        unsafe { Component::deserialize(engine, code.bytes()) }
            .map_err(|error| BadEntry::Unusable { message: printable(&format!("{error:#}")) })
    }

    /// Keeps what was compiled, and a note about it. That it can't be kept costs the next start time, and nothing else.
    pub(crate) fn keep(&self, names: &Names, note: &[u8], component: &Component) {
        match self.write(names, note, component) {
            Ok(()) => count(&self.counting.kept, 1),
            Err(error) => {
                count(&self.counting.not_kept, 1);
                tracing::warn!(folder = %self.folder.display(), "a compiled plugin can't be kept: {error}");
            }
        }
    }

    fn write(&self, names: &Names, note: &[u8], component: &Component) -> io::Result<()> {
        self.owner.check(&self.folder)?;
        let code = component.serialize().map_err(|error| io::Error::other(format!("{error:#}")))?;
        let header = self.key.seal(names, note, &code);
        let bytes = (header.len() + note.len() + code.len()) as u64;
        if bytes > self.bytes {
            return Err(io::Error::other(format!(
                "it has {bytes} bytes, and the whole cache may have {}: give it a larger `cache_bytes`",
                self.bytes
            )));
        }
        self.make_room(bytes)?;
        let mut file = unfinished(&self.folder)?;
        // Nothing makes sure that it reaches the disk: what a power failure leaves of it is found by its seal.
        file.write_all(&header)?;
        file.write_all(note)?;
        file.write_all(&code)?;
        let place = self.file(names);
        if fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir()) {
            return Err(io::Error::other(format!("{} is a folder: remove it", place.display())));
        }
        // Whole at once, whoever reads or writes the same entry now.
        file.persist(place)?;
        Ok(())
    }

    /// Removes the entries that were used least lately, until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.folder)? {
            let found = found?;
            let name = found.file_name();
            let name = name.to_string_lossy();
            let unfinished = name.starts_with(UNFINISHED);
            if !unfinished && !name.ends_with(&format!(".{ENTRY}")) {
                continue;
            }
            // Gone meanwhile: another host makes room too.
            let Ok(metadata) = found.metadata() else { continue };
            let used = metadata.modified()?;
            if unfinished && used.elapsed().is_ok_and(|age| age > ABANDONED) {
                remove(&found.path())?;
            } else if !unfinished && metadata.is_file() {
                entries.push((used, metadata.len(), found.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in entries {
            if total + bytes <= self.bytes {
                break;
            }
            remove(&path)?;
            total -= freed;
            count(&self.counting.evicted, 1);
            tracing::debug!(file = %path.display(), "removed the plugin cache's least lately used entry");
        }
        Ok(())
    }

    pub(crate) fn counters(&self) -> CacheCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counting { hits, misses, rejected, kept, not_kept, evicted } = &self.counting;
        CacheCounters {
            hits: read(hits),
            misses: read(misses),
            rejected: read(rejected),
            kept: read(kept),
            not_kept: read(not_kept),
            evicted: read(evicted),
        }
    }
}

/// A new file that only its owner can read, under a name that no entry has; gone when it is dropped.
fn unfinished(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        // Another host was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn read_or_make_key(folder: &Path, owner: Owner) -> io::Result<Key> {
    let path = folder.join(KEY);
    if let Err(error) = fs::symlink_metadata(&path) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        let mut bytes = [0; Key::BYTES];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(format!("no random numbers: {error}")))?;
        let mut file = unfinished(folder)?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            // Another host was faster: its key is everybody's.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
        }
    }
    owner.check_key(&path)?;
    let mut bytes = Vec::new();
    OpenOptions::new().read(true).open(&path)?.take(Key::BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let found = bytes.len();
    bytes.try_into().map(Key::new).map_err(|_| {
        io::Error::other(format!(
            "{} has {found} bytes and a key has {}: remove it, and all is compiled anew",
            path.display(),
            Key::BYTES
        ))
    })
}
