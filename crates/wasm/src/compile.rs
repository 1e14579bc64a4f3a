//! Compiling: on threads of its own, within a time, and so many at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Instant;

use wasmtime::component::Component;

use crate::error::LoadError;
use crate::host::PluginHost;
use crate::sandbox::printable;

/// As much as a program's main thread has.
const STACK: usize = 8 << 20;

/// The compilations of a host that go on, those among them that nobody waits for any more.
#[derive(Debug, Default)]
pub(crate) struct Compilations {
    under_way: Mutex<usize>,
    one_ended: Condvar,
}

/// One of them.
struct UnderWay(Arc<Compilations>);

impl Compilations {
    /// A place among at most `limit`, once there is one.
    fn begin(self: &Arc<Self>, limit: usize, until: Instant) -> Option<UnderWay> {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.saturating_duration_since(Instant::now());
        let full = |under_way: &mut usize| *under_way >= limit;
        let waited = self.one_ended.wait_timeout_while(under_way, left, full);
        let (mut under_way, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && *under_way >= limit {
            return None;
        }
        *under_way += 1;
        Some(UnderWay(Arc::clone(self)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.one_ended.notify_one();
    }
}

/// Compiles `bytes`. Nothing can end a compiler that takes too long, but one needn't wait for it. Nor do those who come
/// after: each has a pool of its own. Only so many can be given up, though, before the next has to wait for one to end.
pub(crate) fn compile(host: &PluginHost, bytes: &[u8]) -> Result<Component, LoadError> {
    let limits = host.limits();
    let (budget, limit) = (limits.compile_time, limits.compilations);
    let until = Instant::now() + budget;
    let under_way = host.compilations().begin(limit, until).ok_or(LoadError::CompilersBusy { limit, budget })?;
    let (done, compiled) = mpsc::channel();
    let (engine, bytes) = (host.engine().clone(), bytes.to_vec());
    let threads = rayon::ThreadPoolBuilder::new()
        .thread_name(|number| format!("setpoint-compile-{number}"))
        .stack_size(STACK)
        // Whoever waits is told; by default it would end the process.
        .panic_handler(|_| ())
        .build()
        .map_err(|error| LoadError::Compiler { message: format!("no threads can be started: {error}") })?;
    threads.spawn(move || {
        let component = Component::from_binary(&engine, &bytes);
        drop(under_way);
        // Nobody listens any more where it took too long.
        let _ = done.send(component);
    });
    // They end with their work.
    drop(threads);
    match compiled.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(LoadError::Invalid { message: printable(&format!("{error:#}")) }),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(LoadError::CompileTime { budget }),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(LoadError::Compiler { message: "it crashed on this component".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_finds_no_place_waits_for_one_and_not_for_ever() {
        let compilations = Arc::new(Compilations::default());
        let begin = |until| compilations.begin(2, until);
        let now = Instant::now();
        let first = begin(now).expect("nothing is under way");
        let _second = begin(now).expect("one is");
        assert!(begin(now + Duration::from_millis(1)).is_none(), "two are");
        let waiting = std::thread::spawn({
            let compilations = Arc::clone(&compilations);
            move || compilations.begin(2, Instant::now() + Duration::from_secs(60)).is_some()
        });
        drop(first);
        assert!(waiting.join().expect("it ends"), "a place is free again");
        assert_eq!(*compilations.under_way.lock().expect("whole"), 1, "and given back");
    }
}
