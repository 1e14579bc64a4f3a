//! Words for whoever runs the host.

use std::fmt;

/// How much a line of [`log!`](crate::log!) matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For who looks for a fault.
    Debug,
    /// For who wants to know.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Writes one line to the host's log: `log!(Level::Info, "{} looks", looks)`.
///
/// A component that uses it imports `setpoint:scaling/log`, and runs only under policies with `capabilities: [log]`; one
/// that doesn't, imports nothing. The host keeps so many lines and bytes of a call. In a native build lines go to
/// [`tracing`](https://docs.rs/tracing), with the target `setpoint::plugin`, as they do from the host.
///
/// ```
/// use setpoint_guest::{Level, log};
/// let seen = 3;
/// log!(Level::Warn, "only {seen} readings so far");
/// ```
#[macro_export]
macro_rules! log {
    ($level:expr, $($line:tt)+) => {
        $crate::log($level, ::core::format_args!($($line)+))
    };
}

/// What [`log!`](crate::log!) calls.
#[cfg(target_family = "wasm")]
pub fn log(level: Level, line: fmt::Arguments<'_>) {
    use crate::bindings::setpoint::scaling::log;
    let level = match level {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, &line.to_string());
}

/// What [`log!`](crate::log!) calls.
#[cfg(not(target_family = "wasm"))]
pub fn log(level: Level, line: fmt::Arguments<'_>) {
    match level {
        Level::Debug => tracing::debug!(target: "setpoint::plugin", "{line}"),
        Level::Info => tracing::info!(target: "setpoint::plugin", "{line}"),
        Level::Warn => tracing::warn!(target: "setpoint::plugin", "{line}"),
        Level::Error => tracing::error!(target: "setpoint::plugin", "{line}"),
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::Level;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panicked").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn natively_lines_go_to_tracing_with_their_level() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_max_level(tracing::Level::INFO)
            .without_time()
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let looks = 3;
            crate::log!(Level::Debug, "not shown");
            crate::log!(Level::Info, "{looks} looks");
            crate::log!(Level::Error, "out of {}", "words");
        });
        let text = String::from_utf8(written.0.lock().expect("nobody panicked").clone()).expect("text");
        assert_eq!(text, " INFO setpoint::plugin: 3 looks\nERROR setpoint::plugin: out of words\n");
    }
}
