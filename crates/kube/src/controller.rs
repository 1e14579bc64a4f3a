//! Watches policies of each kind that is installed, and keeps an engine's workloads as they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::{BoxStream, select_all};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Client, ResourceExt as _};
use setpoint::{AlgorithmFactory, ConfigError, Handlers, RegisterError, TargetRef};
use setpoint_runtime::source::FetchError;
use setpoint_runtime::{AddError, Engine, EngineBuilder, UpdateError};
use tokio::sync::Notify;

use crate::claims::Claims;
use crate::condition::ConditionType;
use crate::handler::ScaleHandler;
use crate::kind::Kind;
use crate::overlaps::{Overlaps, Unambiguous};
use crate::policy::{Known, Understood, understand};
use crate::source::{self, PodAddresses};
use crate::status::Statuses;
use crate::watched::{Seen, watch_kind};

/// Keeps workloads as the cluster's policies say: those of each [`Kind`] that is installed there.
///
/// A policy that can't be understood, whose algorithm can't be made, or whose target somebody else scales (an older policy,
/// an HPA) isn't acted on, nor are two whose targets select the same pods; their status says why, and their state is kept.
pub struct Controller {
    client: Client,
    namespace: Option<String>,
    engine: Engine,
    statuses: Arc<Statuses>,
    overlaps: Arc<Overlaps>,
    added: Arc<Notify>,
    synced: Arc<AtomicBool>,
}

/// Makes algorithms available to a controller, also while it runs.
#[derive(Clone, Debug)]
pub struct Algorithms {
    engine: Engine,
    added: Arc<Notify>,
}

impl Algorithms {
    /// Makes an algorithm available as `name`. Policies that are waiting for one are looked through again.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when `name` is blank or taken.
    pub fn register(&self, name: &str, factory: impl AlgorithmFactory + 'static) -> Result<(), RegisterError> {
        self.engine.register_algorithm(name, factory)?;
        self.added.notify_one();
        Ok(())
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// Why a controller ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// A watch ended, which it never does by itself.
    #[error("the watch of {0} ended")]
    WatchEnded(&'static str),
    /// Pods can't be asked for their metrics.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Policies by what they are called, what is known of them, and whose targets they are.
struct Desk {
    engine: Engine,
    statuses: Arc<Statuses>,
    claims: Claims,
    overlaps: Arc<Overlaps>,
    synced: Arc<AtomicBool>,
    policies: BTreeMap<String, (Kind, DynamicObject)>,
    /// The kinds that may have policies nobody has seen yet: nothing is done until it is known who is the oldest.
    unlisted: BTreeSet<Kind>,
    /// Those that the list under way has named so far, of each kind: what is known besides when it ends is gone.
    listed: BTreeMap<Kind, BTreeSet<String>>,
}

impl Controller {
    /// For the policies of `namespace`, or of all. `engine` has sources, store, permit and registry; the handler, the
    /// cluster's own sources and what writes statuses are added to it.
    ///
    /// # Errors
    ///
    /// [`ControllerError::Fetch`], where nothing can be asked over HTTP.
    pub fn new(client: Client, namespace: Option<String>, engine: EngineBuilder) -> Result<Self, ControllerError> {
        Self::asking_pods_at(PodAddresses::default(), client, namespace, engine)
    }

    /// The same, which asks pods for their metrics where `addresses` says, in place of their own addresses.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn asking_pods_at(
        addresses: PodAddresses,
        client: Client,
        namespace: Option<String>,
        engine: EngineBuilder,
    ) -> Result<Self, ControllerError> {
        let overlaps = Arc::new(Overlaps::default());
        let statuses = Arc::new(Statuses::new(client.clone(), Arc::clone(&overlaps)));
        let handler = ScaleHandler::new(client.clone());
        let sources = source::all(&handler, addresses)?;
        let handler = Unambiguous::new(handler, Arc::clone(&overlaps));
        let handlers = Handlers::new().with_fallback(Arc::new(handler));
        let engine = sources.into_iter().fold(engine, EngineBuilder::source);
        let engine = engine.handlers(handlers).listener(Arc::<Statuses>::clone(&statuses)).build();
        Ok(Self { client, namespace, engine, statuses, overlaps, added: Arc::default(), synced: Arc::default() })
    }

    /// The engine that looks at what the policies name.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Tells, from another task too, whether the policies were listed: which there are is known from then on.
    pub fn is_synced(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let synced = Arc::clone(&self.synced);
        move || synced.load(Ordering::Relaxed)
    }

    /// What makes further algorithms available.
    #[must_use]
    pub fn algorithms(&self) -> Algorithms {
        Algorithms { engine: self.engine.clone(), added: Arc::clone(&self.added) }
    }

    /// Runs until `shutdown`, and then until the looks under way have ended.
    ///
    /// # Errors
    ///
    /// [`ControllerError`]. That the API server doesn't answer is none: it goes on when it does.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ControllerError> {
        let Self { client, namespace, engine, statuses, overlaps, added, synced } = self;
        let desk = Desk {
            engine: engine.clone(),
            statuses,
            claims: Claims::default(),
            overlaps,
            synced,
            policies: BTreeMap::new(),
            unlisted: Kind::ALL.into(),
            listed: BTreeMap::new(),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let looks = tokio::spawn(async move { engine.run(async { drop(stopped.await) }).await });
        let watched = tokio::select! {
            () = shutdown => Ok(()),
            ended = desk.watch(client, namespace.as_deref(), &added) => Err(ended),
        };
        drop(stop);
        if let Err(error) = looks.await {
            tracing::error!(%error, "the engine ended early");
        }
        watched
    }
}

type Watched<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;

impl Desk {
    async fn watch(mut self, client: Client, namespace: Option<&str>, added: &Notify) -> ControllerError {
        let hpas: Api<HorizontalPodAutoscaler> = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let mut hpas: Watched<_> = watch(hpas, watcher::Config::default()).default_backoff().boxed();
        let mut policies = select_all(Kind::ALL.map(|kind| watch_kind(client.clone(), namespace, kind)));
        // Whom an HPA scales is known before anything is scaled.
        let mut hpas_listed = BTreeSet::new();
        loop {
            match hpas.next().await {
                None => return ControllerError::WatchEnded("horizontalpodautoscalers"),
                Some(event) => {
                    let is_all = matches!(event, Ok(Event::InitDone));
                    self.hpa(event, &mut hpas_listed).await;
                    if is_all {
                        break;
                    }
                }
            }
        }
        loop {
            tokio::select! {
                event = hpas.next() => match event {
                    None => return ControllerError::WatchEnded("horizontalpodautoscalers"),
                    Some(event) => self.hpa(event, &mut hpas_listed).await,
                },
                event = policies.next() => match event {
                    None => return ControllerError::WatchEnded("policies"),
                    Some((kind, seen)) => self.policy(kind, seen).await,
                },
                () = added.notified() => self.reconsider().await,
            }
        }
    }

    /// Goes through those again that aren't acted on: what was missing may be there.
    async fn reconsider(&mut self) {
        let waiting: Vec<String> = self.policies.keys().filter(|key| !self.engine.contains(key)).cloned().collect();
        for key in waiting {
            self.consider(&key).await;
        }
    }

    async fn policy(&mut self, kind: Kind, seen: Seen) {
        match seen {
            Seen::NotInstalled => {
                // Those that were deleted with the definition were told of one by one. Whatever is left may come back.
                self.listed.remove(&kind);
                let known = self.of(kind);
                for key in known {
                    self.leave(&key).await;
                }
                self.is_listed(kind).await;
            }
            Seen::Event(event) => match *event {
                Ok(event) => self.watched(kind, event).await,
                Err(error) => {
                    tracing::warn!(%kind, %error, "policies can't be watched; it is tried again");
                    // Those that can be seen don't wait for it.
                    self.is_listed(kind).await;
                }
            },
        }
    }

    async fn watched(&mut self, kind: Kind, event: Event<DynamicObject>) {
        match event {
            Event::Init => drop(self.listed.insert(kind, BTreeSet::new())),
            Event::InitApply(object) => {
                self.listed.entry(kind).or_default().insert(kind.key_of(&object));
                self.came(kind, object).await;
            }
            Event::Apply(object) => self.came(kind, object).await,
            Event::Delete(object) => self.went(&kind.key_of(&object)).await,
            Event::InitDone => {
                let listed = self.listed.remove(&kind).unwrap_or_default();
                let gone: Vec<String> = self.of(kind).into_iter().filter(|key| !listed.contains(key)).collect();
                for key in gone {
                    self.went(&key).await;
                }
                self.is_listed(kind).await;
            }
        }
    }

    /// The policies of a kind that are known.
    fn of(&self, kind: Kind) -> Vec<String> {
        let of_kind = |(key, (its, _)): (&String, &(Kind, DynamicObject))| (*its == kind).then(|| key.clone());
        self.policies.iter().filter_map(of_kind).collect()
    }

    /// All of `kind` are known that can be. Once that is so for each kind, all that is known is carried out: the claims
    /// first, for the oldest of several has a target, and not the first that came.
    async fn is_listed(&mut self, kind: Kind) {
        if !self.unlisted.remove(&kind) || !self.unlisted.is_empty() {
            return;
        }
        for (key, (kind, object)) in &self.policies {
            if let Ok(understood) = understand(*kind, object) {
                self.claims.claim(key, &understood.targets(), &Known::of(*kind, object).created);
            }
        }
        let all: Vec<String> = self.policies.keys().cloned().collect();
        for key in all {
            self.consider(&key).await;
        }
        self.synced.store(true, Ordering::Relaxed);
    }

    async fn came(&mut self, kind: Kind, object: DynamicObject) {
        let key = kind.key_of(&object);
        let (workloads, news) = (kind.workloads(&object), (object.metadata.generation, object.uid()));
        let before = self.policies.insert(key.clone(), (kind, object));
        let is_news = before.as_ref().map(|(_, object)| (object.metadata.generation, object.uid())) != Some(news);
        // Statuses are written all the time, and no news.
        if is_news && self.unlisted.is_empty() {
            for touched in self.consider(&key).await {
                self.consider(&touched).await;
            }
            let had = before.map(|(_, object)| kind.workloads(&object)).unwrap_or_default();
            self.forget(had.into_iter().filter(|workload| !workloads.contains(workload))).await;
        }
    }

    async fn went(&mut self, key: &str) {
        let gone = self.policies.remove(key);
        self.statuses.forget(key);
        if self.engine.release(key).await.is_err() {
            tracing::debug!(policy = key, "the policy was not acted on");
        }
        self.forget(gone.into_iter().flat_map(|(kind, object)| kind.workloads(&object))).await;
        tracing::info!(policy = key, "the policy is gone");
        self.leave_to_others(key).await;
    }

    /// Removes the states of what nobody looks at any more, whether this engine did or one before it.
    async fn forget(&self, workloads: impl Iterator<Item = String>) {
        let removals = workloads.map(|workload| async move {
            if let Err(error) = self.engine.remove(&workload).await {
                tracing::warn!(workload, %error, "the state of a workload that is gone was not removed");
            }
        });
        // At once: the store gathers what is to be written.
        join_all(removals).await;
    }

    /// Nothing can be known of it any more: its state is kept.
    async fn leave(&mut self, key: &str) {
        self.policies.remove(key);
        self.statuses.forget(key);
        if self.engine.release(key).await.is_ok() {
            tracing::info!(policy = key, "the policy isn't acted on any more: its kind is not installed");
        }
        self.leave_to_others(key).await;
    }

    /// The pods and the target of a policy that nobody looks at any more are others'.
    async fn leave_to_others(&mut self, key: &str) {
        self.overlaps.forget(key);
        for touched in self.claims.release(key) {
            self.consider(&touched).await;
        }
    }

    /// Does what a policy says, or says why not. Gives those whose rivals may be others now.
    async fn consider(&mut self, key: &str) -> BTreeSet<String> {
        let Some((kind, object)) = self.policies.get(key) else { return BTreeSet::new() };
        let kind = *kind;
        let known = Known::of(kind, object);
        let created = known.created.clone();
        let understood = understand(kind, object);
        self.statuses.know(key, known, understood.as_ref().ok());
        let understood = match understood {
            Ok(understood) => understood,
            Err(error) => {
                self.refuse(key, ConditionType::AlgorithmValid, "PolicyInvalid", error.to_string()).await;
                return self.claims.release(key);
            }
        };
        let touched = self.claims.claim(key, &understood.targets(), &created);
        if let Some(rival) = self.claims.rival(key) {
            self.refuse(key, ConditionType::Scaling, "TargetTaken", rival.to_string()).await;
            return touched;
        }
        self.overlaps.watch_all(key, &understood.scaled(key));
        if let Err(error) = self.act(key, &understood).await {
            let reason = kind.algorithm_refused(&error);
            self.refuse(key, ConditionType::AlgorithmValid, reason, understood.tell(error)).await;
        }
        touched
    }

    /// Takes a policy on, or what is new of it.
    async fn act(&self, key: &str, understood: &Understood) -> Result<(), ConfigError> {
        let updated = match understood {
            Understood::Policy { conversion, target } => {
                self.engine.update(key, &conversion.policy.spec, target.clone()).map(drop)
            }
            Understood::Group(spec) => self.engine.update_group(key, spec).await,
        };
        let added = match updated {
            Ok(()) => {
                tracing::info!(policy = key, "the policy changed");
                return Ok(());
            }
            Err(UpdateError::Config(error)) => return Err(error.under("spec")),
            Err(UpdateError::Unknown(_)) => match understood {
                Understood::Policy { conversion, target } => {
                    self.engine.add(key, &conversion.policy.spec, target.clone())
                }
                Understood::Group(spec) => self.engine.add_group(key, spec),
            },
            Err(other) => return Err(ConfigError::new("", other.to_string())),
        };
        added.map_err(|error| match error {
            AddError::Config(error) => error.under("spec"),
            other => ConfigError::new("", other.to_string()),
        })
    }

    async fn refuse(&self, key: &str, kind: ConditionType, reason: &'static str, message: String) {
        // One that was never taken on has nothing to be released.
        if self.engine.release(key).await.is_ok() {
            tracing::info!(policy = key, reason, message, "the policy isn't acted on any more");
        }
        self.overlaps.forget(key);
        self.statuses.refuse(key, kind, reason, message).await;
    }

    async fn hpa(
        &mut self,
        event: Result<Event<HorizontalPodAutoscaler>, watcher::Error>,
        listed: &mut BTreeSet<String>,
    ) {
        let touched = match event {
            Err(error) => {
                tracing::warn!(%error, "HPAs can't be watched; it is tried again");
                BTreeSet::new()
            }
            Ok(Event::Init) => {
                listed.clear();
                BTreeSet::new()
            }
            Ok(Event::InitApply(hpa) | Event::Apply(hpa)) => {
                let key = hpa_key(&hpa);
                listed.insert(key.clone());
                self.claims.hpa(&key, Some(&hpa_target(&hpa)))
            }
            Ok(Event::Delete(hpa)) => {
                let key = hpa_key(&hpa);
                self.claims.hpa(&key, None)
            }
            Ok(Event::InitDone) => {
                let gone: Vec<String> = self.claims.hpas().filter(|key| !listed.contains(*key)).cloned().collect();
                gone.iter().flat_map(|key| self.claims.hpa(key, None)).collect()
            }
        };
        for key in touched {
            self.consider(&key).await;
        }
    }
}

pub(crate) fn hpa_key(hpa: &HorizontalPodAutoscaler) -> String {
    format!("{}/{}", hpa.namespace().unwrap_or_default(), hpa.name_any())
}

pub(crate) fn hpa_target(hpa: &HorizontalPodAutoscaler) -> TargetRef {
    let target = &hpa.spec.scale_target_ref;
    TargetRef {
        api_version: target.api_version.clone().unwrap_or_default(),
        kind: target.kind.clone(),
        name: target.name.clone(),
        namespace: hpa.namespace(),
    }
}
