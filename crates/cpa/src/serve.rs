//! An autoscaler at work: a cycle an interval, and the API.

use std::io;
use std::net::SocketAddr;

use setpoint_runtime::in_one_line;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api;
use crate::autoscaler::CustomPodAutoscaler;
use crate::wire::RunType;

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can't be had.
    #[error("{address} can't be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Connections can't be taken.
    #[error("the API can't be served")]
    Serve(#[from] io::Error),
    /// The cycles came to an end by a mistake in this program.
    #[error("the cycles ended")]
    Cycles(#[from] JoinError),
}

/// An autoscaler that acts once it [runs](Self::run).
#[derive(Debug)]
pub struct Served {
    autoscaler: CustomPodAutoscaler,
    listener: Option<TcpListener>,
}

impl Served {
    /// Begins to listen at `address`; without one there is no API.
    ///
    /// # Errors
    ///
    /// [`ServeError::Listen`].
    pub async fn start(autoscaler: CustomPodAutoscaler, address: Option<SocketAddr>) -> Result<Self, ServeError> {
        let listener = match address {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|source| ServeError::Listen { address, source })?)
            }
        };
        Ok(Self { autoscaler, listener })
    }

    /// Where it listens: the port that was given to it, if port 0 was asked for.
    ///
    /// # Errors
    ///
    /// [`ServeError::Serve`] when the operating system doesn't say.
    pub fn address(&self) -> Result<Option<SocketAddr>, ServeError> {
        self.listener.as_ref().map(TcpListener::local_addr).transpose().map_err(ServeError::Serve)
    }

    /// Goes through a cycle each interval and answers requests until `shutdown`; then ends what is under way, for which
    /// each program has its own time.
    ///
    /// # Errors
    ///
    /// [`ServeError::Serve`] and [`ServeError::Cycles`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { autoscaler, listener } = self;
        let (stop, _) = watch::channel(false);
        let stopped = || {
            let mut stopped = stop.subscribe();
            // An error is a sender that is gone: an end, too.
            async move { drop(stopped.wait_for(|stop| *stop).await) }
        };
        let mut looping = tokio::spawn(cycles(autoscaler.clone(), stopped()));
        let answering = async {
            match listener {
                None => stopped().await,
                Some(listener) => {
                    let served = axum::serve(listener, api::router(autoscaler));
                    served.with_graceful_shutdown(stopped()).await?;
                }
            }
            Ok(())
        };
        let mut answering = std::pin::pin!(answering);
        tokio::select! {
            () = shutdown => {
                stop.send_replace(true);
                answering.await?;
                looping.await?;
                Ok(())
            }
            // Neither ends by itself. One that does takes the other along, for half an autoscaler is none.
            ended = &mut looping => Ok(ended?),
            failed = &mut answering => {
                stop.send_replace(true);
                looping.await?;
                failed
            }
        }
    }
}

async fn cycles(autoscaler: CustomPodAutoscaler, stopped: impl Future<Output = ()>) {
    let first = Instant::now() + autoscaler.until_start() + autoscaler.interval();
    let mut ticks = interval_at(first, autoscaler.interval());
    // One that takes long doesn't make several follow at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = autoscaler.scale(RunType::Scaler).await {
            tracing::error!("{}", in_one_line(&error));
        }
    }
}
