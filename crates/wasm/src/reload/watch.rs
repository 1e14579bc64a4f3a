//! The thread that looks at a folder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::folder::{PluginFolder, ReloadEvent};

/// A folder that is looked at every so often, until this is dropped or [stopped](Self::stop).
#[must_use = "dropping it ends the watch"]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<PluginFolder>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl PluginFolder {
    /// Looks at the folder every `interval` on a thread of its own, at once for the first time, and tells `on_event` what
    /// happened, on that thread. A few seconds suit: a look costs a `stat` a file.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn watch(
        mut self,
        interval: Duration,
        mut on_event: impl FnMut(ReloadEvent) + Send + 'static,
    ) -> std::io::Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("setpoint-plugins".into()).spawn(move || {
            tracing::debug!(folder = %self.path().display(), ?interval, "watching plugins");
            while !stopped.load(Ordering::Relaxed) {
                self.poll().into_iter().for_each(&mut on_event);
                if !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(interval);
                }
            }
            self
        })?;
        Ok(Watch { stop, thread: Some(thread) })
    }
}

impl Watch {
    fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Ends the watch and gives the folder back, after what is under way: a plugin that compiles is waited for. None when
    /// `on_event` panicked.
    #[must_use]
    pub fn stop(mut self) -> Option<PluginFolder> {
        self.end();
        self.thread.take()?.join().ok()
    }
}

impl Drop for Watch {
    /// Doesn't wait: what is under way is still done and told.
    fn drop(&mut self) {
        self.end();
    }
}
