//! A server: its parts, from start to end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use setpoint::Handlers;
use setpoint_runtime::source::Fetch;
use setpoint_runtime::{Clock, Engine, EngineBuilder, Source, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{self, Api};
use crate::auth::Token;
use crate::database::{Database, States};
use crate::error::ServeError;
use crate::ownership::{Deadlines, Ownership};
use crate::readings::Readings;
use crate::recorder::Recorder;
use crate::webhook::{Webhook, Webhooks};

/// How a server is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where it listens. Default: 127.0.0.1, port 8080.
    pub listen: SocketAddr,
    /// A file, which is made if need be and is one instance's alone, or `postgres://…` for several instances. Default:
    /// `setpoint.db`.
    pub database: String,
    /// What clients have to show. Required where the address can be reached from elsewhere. Default: none.
    pub token: Option<Token>,
    /// How often each workload is looked at, in whole seconds, at least 1. Default: 15 s.
    pub interval: Duration,
    /// How long an instance that fails keeps others from acting on its workloads. At least [`Settings::SHORTEST_LEASE`].
    /// Default: 15 s.
    pub lease: Duration,
    /// How many requests of the API are answered a second, of all clients together. Default: 100.
    pub requests_per_second: NonZeroU32,
    /// Who is told of each change of a count. Default: nobody.
    pub webhooks: Vec<Webhook>,
}

impl Settings {
    /// A lease is renewed every eighth of it, and a write that it permits has as long to end as a step of a look.
    pub const SHORTEST_LEASE: Duration = EngineBuilder::TIMEOUT.saturating_mul(2);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            database: "setpoint.db".to_owned(),
            token: None,
            interval: Duration::from_secs(15),
            lease: Duration::from_secs(15),
            requests_per_second: const { NonZeroU32::new(100).expect("above 0") },
            webhooks: Vec::new(),
        }
    }
}

/// A server that listens, and answers once it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
    engine: Engine,
    database: Database,
    holder: Arc<str>,
    deadlines: Arc<Deadlines>,
    lease: Duration,
    interval: Duration,
    webhooks: Option<Arc<Webhooks>>,
}

impl Server {
    /// Opens the database and begins to listen. Workloads are what `handlers` handle. Readings are those of `sources`, and
    /// for what none of these answers, those that clients send.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: settings that don't go together, an address or a database that can't be had.
    pub async fn start(
        settings: Settings,
        handlers: Handlers,
        sources: impl IntoIterator<Item = Arc<dyn Source>>,
    ) -> Result<Self, ServeError> {
        let Settings { listen, database, token, interval, lease, requests_per_second, webhooks } = settings;
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(ServeError::TokenRequired(listen));
        }
        if lease < Settings::SHORTEST_LEASE {
            return Err(ServeError::Lease { min: Settings::SHORTEST_LEASE, got: lease });
        }
        let holder: Arc<str> = format!("{:016x}", getrandom::u64()?).into();
        let listener =
            TcpListener::bind(listen).await.map_err(|source| ServeError::Listen { address: listen, source })?;
        let database = Database::open(&database).await?;
        let webhooks = match webhooks.as_slice() {
            [] => None,
            _ => Some(Arc::new(Webhooks::start(webhooks, &Fetch::new()?))),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let deadlines = Arc::new(Deadlines::new(lease));
        let sent = Readings { database: database.clone(), clock: Arc::clone(&clock) };
        let mut engine = Engine::builder()
            .handlers(handlers.clone())
            .store(Arc::new(States { database: database.clone(), holder: Arc::clone(&holder) }))
            .listener(Arc::new(Recorder { database: database.clone(), holder: Arc::clone(&holder) }))
            .permit(Arc::<Deadlines>::clone(&deadlines));
        if let Some(webhooks) = &webhooks {
            engine = engine.listener(Arc::<Webhooks>::clone(webhooks));
        }
        for source in sources {
            engine = engine.source(source);
        }
        let engine = engine.source(Arc::new(sent)).build();
        let api = Api {
            database: database.clone(),
            engine: engine.clone(),
            handlers,
            deadlines: Arc::clone(&deadlines),
            clock,
            holder: Arc::clone(&holder),
            token,
            interval,
        };
        let router = api::router(api, requests_per_second);
        Ok(Self { listener, router, engine, database, holder, deadlines, lease, interval, webhooks })
    }

    /// Where it listens: the port that was given to it, if the settings asked for port 0.
    ///
    /// # Errors
    ///
    /// [`ServeError::Serve`] when the operating system doesn't say.
    pub fn address(&self) -> Result<SocketAddr, ServeError> {
        self.listener.local_addr().map_err(ServeError::Serve)
    }

    /// Answers requests and acts on autoscalers until `shutdown`; then ends what is under way, and lets others take over.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when the database can't be told that this instance ends: its leases run out.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { listener, router, engine, database, holder, deadlines, lease, interval, webhooks } = self;
        let (stop, mut stopped) = watch::channel(false);
        let looks = engine.clone();
        let looks = tokio::spawn(async move {
            // An error is a sender that is gone: an end, too.
            looks.run(async move { drop(stopped.wait_for(|stop| *stop).await) }).await;
        });
        let ownership = Ownership {
            database: database.clone(),
            engine,
            deadlines,
            holder: Arc::clone(&holder),
            lease,
            interval,
            seen: Default::default(),
        };
        let ownership = tokio::spawn(ownership.run());
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown).await;
        ownership.abort();
        stop.send_replace(true);
        // Cancelled and panicked are both the end that is awaited.
        let _ends = (ownership.await, looks.await);
        let given_back = database.give_back(&holder).await;
        database.close().await;
        if let Some(webhooks) = webhooks {
            webhooks.end().await;
        }
        given_back?;
        served.map_err(ServeError::Serve)
    }
}
