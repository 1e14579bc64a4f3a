//! How the process of a slot is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use setpoint::{InstanceState, Phase, Readiness, Timestamp};

/// What a slot's keeper tells of it.
#[derive(Debug)]
pub(super) struct Status(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// The process, while there is one.
    pid: Option<i32>,
    /// When the process, or the last one, was started.
    started: Option<Timestamp>,
    ready: bool,
    /// Since when it is ready or not.
    since: Timestamp,
    /// How many times one was started after the first.
    restarts: u32,
    starts: u32,
    /// How the last one ended.
    last_end: Option<String>,
}

impl Default for Status {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            pid: None,
            started: None,
            ready: false,
            since: now(),
            restarts: 0,
            starts: 0,
            last_end: None,
        }))
    }
}

impl Inner {
    fn set_ready(&mut self, ready: bool) {
        if self.ready != ready {
            self.ready = ready;
            self.since = now();
        }
    }
}

impl Status {
    pub(super) fn started(&self, pid: i32) {
        let mut inner = self.lock();
        inner.pid = Some(pid);
        inner.started = Some(now());
        inner.restarts = inner.starts;
        inner.starts = inner.starts.saturating_add(1);
    }

    pub(super) fn ended(&self, how: String) {
        let mut inner = self.lock();
        inner.last_end = Some(how);
        inner.pid = None;
        inner.set_ready(false);
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.lock().set_ready(ready);
    }

    /// As a decision sees it. One that waits to be started again runs and isn't ready, as a pod whose container does.
    pub(super) fn instance(&self, drains: bool) -> InstanceState {
        let inner = self.lock();
        let phase = if inner.started.is_none() { Phase::Pending } else { Phase::Running };
        let readiness = if inner.ready { Readiness::Ready } else { Readiness::NotReady };
        InstanceState::new(phase, readiness, inner.since).with_started(inner.started).with_terminating(drains)
    }

    pub(super) fn describe(&self, name: &str, slot: u32, drains: bool) -> Value {
        let inner = self.lock();
        json!({
            "name": name,
            "slot": slot,
            "pid": inner.pid,
            "ready": inner.ready,
            "terminating": drains,
            "restarts": inner.restarts,
            "lastEnd": inner.last_end,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine's clock, since the Unix epoch, which decisions are made by too.
fn now() -> Timestamp {
    Timestamp::from_millis(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}
