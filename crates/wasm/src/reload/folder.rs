//! A folder of plugins, looked at again and again.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Edition, LivePlugin, ReplaceError, Replacement};
use crate::error::LoadError;
use crate::host::PluginHost;
use crate::plugin::Plugin;

/// A folder whose `*.wasm` files are plugins: new ones are loaded, changed ones take over from what they were.
///
/// It is looked at by [`poll`](Self::poll), or every so often by a thread: see [`watch`](Self::watch). Files are compared
/// by time and size, and by content where those could deceive: this finds every change on every file system, mounted
/// ConfigMaps and network shares included, which notifications from the system do not.
///
/// ```no_run
/// use std::time::Duration;
/// use setpoint::AlgorithmManager;
/// use setpoint_wasm::{PluginFolder, PluginHost, ReloadEvent};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut manager = AlgorithmManager::new();
/// let mut folder = PluginFolder::new(&PluginHost::new()?, "/etc/setpoint/plugins");
/// for event in folder.poll() {
///     eprintln!("{event}");
///     if let ReloadEvent::Added { plugin, .. } = event {
///         manager.registry_mut().register_algorithm(plugin.name(), plugin.clone())?;
///     }
/// }
/// let _watch = folder.watch(Duration::from_secs(2), |event| eprintln!("{event}"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PluginFolder {
    host: PluginHost,
    path: PathBuf,
    files: BTreeMap<PathBuf, Known>,
    /// What keeps the folder from being read, once it was said.
    unreadable: Option<String>,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    /// Whether a change would have changed the stamp.
    settled: bool,
    /// Of what was tried last.
    content: Option<blake3::Hash>,
    /// What it became, if it is a good one or was.
    plugin: Option<LivePlugin>,
    /// Why what was tried last was refused.
    refused: Option<RefusedFile>,
    gone: bool,
}

/// By what a file that didn't change is known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self { modified: metadata.modified()?, bytes: metadata.len() })
    }
}

/// File systems tell times in steps of up to two seconds: what was written this shortly before it was read can change
/// without a new time.
const TIME_STEP: Duration = Duration::from_secs(2);

/// What happened to a file of a [`PluginFolder`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReloadEvent {
    /// A new plugin: to be registered under its name.
    Added {
        /// Its file.
        file: PathBuf,
        /// The plugin.
        plugin: LivePlugin,
        /// Which version it is.
        edition: Edition,
    },
    /// A changed file took over: its workloads run it from their next call on.
    Replaced {
        /// The file.
        file: PathBuf,
        /// The plugin's name.
        name: String,
        /// From what to what, and what became of the workloads.
        replacement: Replacement,
    },
    /// A file can't be used. Where it was a good one before, that goes on.
    Refused {
        /// The file.
        file: PathBuf,
        /// The name and version that goes on; None where there was none.
        running: Option<(String, Edition)>,
        /// Why.
        why: RefusedFile,
    },
    /// A file is gone. Its plugin goes on until the process ends.
    Removed {
        /// The file that was.
        file: PathBuf,
        /// The name and version that goes on; None where it never was a good one.
        running: Option<(String, Edition)>,
    },
    /// What was removed is there again, under its old name or another, as it runs already.
    Returned {
        /// The file.
        file: PathBuf,
        /// The plugin's name.
        name: String,
        /// Which version it is.
        edition: Edition,
    },
    /// The folder can't be read. All plugins go on. Said once, until it can be read again.
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        message: String,
    },
}

/// Why a file of a [`PluginFolder`] is not used. A file is tried again when it changes or is touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedFile {
    /// It can't be read.
    #[error("it can't be read: {message}")]
    Unreadable {
        /// Why.
        message: String,
    },
    /// It is no plugin, or only half of one.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Another file has a plugin of this name.
    #[error("the plugin `{name}` is already there, in {}: remove one of the two", file.display())]
    NameTaken {
        /// The name.
        name: String,
        /// The other file.
        file: PathBuf,
    },
    /// It can't take over from what runs.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

impl fmt::Display for ReloadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goes_on = |f: &mut fmt::Formatter<'_>, running: &Option<(String, Edition)>| match running {
            Some((name, edition)) => write!(f, "; `{name}` goes on as {edition}"),
            None => Ok(()),
        };
        match self {
            Self::Added { file, plugin, edition } => {
                write!(f, "{}: new plugin `{}`, {edition}", file.display(), plugin.name())
            }
            Self::Replaced { file, name, replacement } => {
                write!(f, "{}: plugin `{name}`: {replacement}", file.display())
            }
            Self::Refused { file, running, why } => {
                write!(f, "{}: refused: {why}", file.display())?;
                goes_on(f, running)
            }
            Self::Removed { file, running } => {
                write!(f, "{}: removed", file.display())?;
                goes_on(f, running)
            }
            Self::Returned { file, name, edition } => {
                write!(f, "{}: plugin `{name}` is there again, {edition}, and runs already", file.display())
            }
            Self::Unreadable { folder, message } => {
                write!(f, "{}: the folder can't be read, all plugins go on: {message}", folder.display())
            }
        }
    }
}

impl ReloadEvent {
    fn log(&self) {
        match self {
            Self::Added { .. } | Self::Returned { .. } => tracing::info!("{self}"),
            Self::Replaced { replacement, .. } if replacement.resets() == 0 => tracing::info!("{self}"),
            Self::Replaced { .. } | Self::Refused { .. } | Self::Removed { .. } | Self::Unreadable { .. } => {
                tracing::warn!("{self}");
            }
        }
    }
}

impl Known {
    fn running(&self) -> Option<(String, Edition)> {
        self.plugin.as_ref().map(|plugin| (plugin.name().to_owned(), plugin.edition()))
    }
}

/// What reading a file gave.
enum Content {
    /// What was there before.
    Same,
    /// It is being written.
    Unsettled,
    New {
        stamp: Stamp,
        bytes: Vec<u8>,
    },
}

impl PluginFolder {
    /// The plugins of the folder `path`. Nothing is read until [`poll`](Self::poll).
    #[must_use]
    pub fn new(host: &PluginHost, path: impl Into<PathBuf>) -> Self {
        Self { host: host.clone(), path: path.into(), files: BTreeMap::new(), unreadable: None }
    }

    /// The plugins that run, whether their files are still there or not.
    pub fn plugins(&self) -> impl Iterator<Item = &LivePlugin> {
        self.files.values().filter_map(|known| known.plugin.as_ref())
    }

    /// Looks at the folder, does what has become necessary, and tells it; each event is also one of `tracing`'s.
    ///
    /// Blocks while what is new compiles and is tried.
    pub fn poll(&mut self) -> Vec<ReloadEvent> {
        let mut events = Vec::new();
        match self.found() {
            Ok(found) => {
                self.unreadable = None;
                self.forget(&found, &mut events);
                for file in found {
                    events.extend(self.look_at(file));
                }
            }
            Err(error) => {
                let message = error.to_string();
                if self.unreadable.as_ref() != Some(&message) {
                    self.unreadable = Some(message.clone());
                    events.push(ReloadEvent::Unreadable { folder: self.path.clone(), message });
                }
            }
        }
        events.iter().for_each(ReloadEvent::log);
        events
    }

    /// The files that should be plugins, in order.
    fn found(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if path.extension().is_some_and(|extension| extension == "wasm") && !hidden {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Notes which files are gone. What they kept others from is possible now.
    fn forget(&mut self, found: &[PathBuf], events: &mut Vec<ReloadEvent>) {
        let mut freed = false;
        for (file, known) in &mut self.files {
            if !known.gone && found.binary_search(file).is_err() {
                (known.gone, freed) = (true, true);
                (known.stamp, known.content) = (None, None);
                events.push(ReloadEvent::Removed { file: file.clone(), running: known.running() });
            }
        }
        self.files.retain(|_, known| !known.gone || known.plugin.is_some());
        if freed {
            for known in self.files.values_mut() {
                if matches!(known.refused, Some(RefusedFile::NameTaken { .. })) {
                    (known.stamp, known.content) = (None, None);
                }
            }
        }
    }

    fn look_at(&mut self, file: PathBuf) -> Option<ReloadEvent> {
        let most = self.host.component_limit();
        let known = self.files.entry(file.clone()).or_default();
        let before = known.stamp.filter(|_| known.settled);
        let (stamp, bytes) = match read(&file, before, most) {
            Ok(Content::New { stamp, bytes }) => (stamp, bytes),
            Ok(Content::Same | Content::Unsettled) => return None,
            Err(error) => {
                (known.stamp, known.content) = (None, None);
                let why = RefusedFile::Unreadable { message: error.to_string() };
                return self.refuse(file, why);
            }
        };
        let touched = known.stamp.replace(stamp).is_some_and(|before| before != stamp);
        known.settled = SystemTime::now().duration_since(stamp.modified).is_ok_and(|age| age > TIME_STEP);
        let content = blake3::hash(&bytes);
        let same = known.content.replace(content) == Some(content);
        if same && !(touched && known.refused.is_some()) {
            return None;
        }
        let back = std::mem::take(&mut known.gone);
        match self.take(&file, &bytes, back) {
            Ok(event) => {
                if let Some(known) = self.files.get_mut(&file) {
                    known.refused = None;
                }
                event
            }
            Err(why) => self.refuse(file, why),
        }
    }

    /// Says why, once.
    fn refuse(&mut self, file: PathBuf, why: RefusedFile) -> Option<ReloadEvent> {
        let known = self.files.get_mut(&file)?;
        if known.refused.as_ref() == Some(&why) && matches!(why, RefusedFile::Unreadable { .. }) {
            return None;
        }
        known.refused = Some(why.clone());
        let running = known.running();
        Some(ReloadEvent::Refused { file, running, why })
    }

    /// Makes the plugin in `bytes` run: as a new one, or in place of the one that `file` was before.
    fn take(&mut self, file: &Path, bytes: &[u8], mut back: bool) -> Result<Option<ReloadEvent>, RefusedFile> {
        let plugin = Plugin::load(&self.host, bytes)?;
        let before = match self.files.get(file).and_then(|known| known.plugin.clone()) {
            Some(before) => Some(before),
            None => {
                let left = self.inherit(file, plugin.name())?;
                back = left.is_some();
                left
            }
        };
        let event = match before {
            // Written anew as it runs already.
            Some(live) if live.edition() == Edition::of(&plugin) => {
                let (name, edition) = (live.name().to_owned(), live.edition());
                self.keep(file, live);
                return Ok(back.then(|| ReloadEvent::Returned { file: file.to_owned(), name, edition }));
            }
            Some(live) => {
                let replacement = live.replace(&plugin)?;
                let name = live.name().to_owned();
                self.keep(file, live);
                ReloadEvent::Replaced { file: file.to_owned(), name, replacement }
            }
            None => {
                let edition = Edition::of(&plugin);
                let live = LivePlugin::new(plugin);
                self.keep(file, live.clone());
                ReloadEvent::Added { file: file.to_owned(), plugin: live, edition }
            }
        };
        Ok(Some(event))
    }

    fn keep(&mut self, file: &Path, live: LivePlugin) {
        // A file that was renamed with a new version has left its plugin behind.
        self.files.retain(|other, known| {
            let left = other != file && known.plugin.as_ref().is_some_and(|plugin| plugin.name() == live.name());
            !left
        });
        self.files.entry(file.to_owned()).or_default().plugin = Some(live);
    }

    /// The plugin called `name` whose file is gone.
    fn inherit(&self, file: &Path, name: &str) -> Result<Option<LivePlugin>, RefusedFile> {
        let named = |known: &Known| known.plugin.as_ref().is_some_and(|plugin| plugin.name() == name);
        match self.files.iter().find(|(other, known)| *other != file && named(known)) {
            Some((_, known)) if known.gone => Ok(known.plugin.clone()),
            Some((other, _)) => Err(RefusedFile::NameTaken { name: name.to_owned(), file: other.clone() }),
            None => Ok(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What `file` holds now, unless it is certainly what it was at `before`. No more than one byte above `most` is read.
fn read(file: &Path, before: Option<Stamp>, most: usize) -> io::Result<Content> {
    let found = fs::metadata(file)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let found = Stamp::of(&found)?;
    if before == Some(found) {
        return Ok(Content::Same);
    }
    let mut bytes = Vec::new();
    let opened = File::open(file)?;
    (&opened).take(most as u64 + 1).read_to_end(&mut bytes)?;
    let unsettled = Stamp::of(&opened.metadata()?)? != found;
    Ok(if unsettled { Content::Unsettled } else { Content::New { stamp: found, bytes } })
}
