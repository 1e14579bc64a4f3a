//! The clock that ends calls: one thread a host, ticking only while calls run.
//!
//! A tick only makes running calls count down their own deadline, so one plugin's timeout never ends another's call.
//! And a call counts only the ticks it meets while it runs: one that the machine sets aside for a while has not
//! misbehaved, and meets one tick when it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

const TICK: Duration = Duration::from_millis(2);
/// A call's deadline in ticks, at least one.
pub(crate) fn ticks(deadline: Duration) -> u32 {
    u32::try_from(deadline.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Ticks without a call until the thread sleeps for good.
const IDLE: u32 = 50;

#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    calls: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// A call under way. Dropping it ends the watch.
pub(crate) struct Watched<'a>(&'a Shared);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Watchdog {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (ticking, engine) = (Arc::clone(&shared), engine.weak());
        let handle = thread::Builder::new().name("setpoint-watchdog".into()).spawn(move || tick(&ticking, &engine))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Ticks until what is returned is dropped.
    pub(crate) fn watch(&self) -> Watched<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        // The thread announces that it parks before it looks at the calls a last time: one of us sees the other.
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Watched(&self.shared)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.calls.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else if idle < IDLE {
            idle += 1;
        } else {
            shared.parked.store(true, Ordering::SeqCst);
            if shared.calls.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
            continue;
        }
        thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
