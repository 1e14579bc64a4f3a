//! When somebody asks this program to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::BadInput;

/// Ends with Ctrl-C or SIGTERM. They are waited for from now on.
pub(crate) fn terminated() -> Result<impl Future<Output = ()> + Send + use<>, BadInput> {
    let wait = |kind| signal(kind).map_err(|error| BadInput::at("signals", error));
    let (mut interrupt, mut terminate) = (wait(SignalKind::interrupt())?, wait(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
