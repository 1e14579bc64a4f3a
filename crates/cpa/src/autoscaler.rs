//! One cycle, step by step: the resource, its metrics, their evaluation, the decision, the change.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use setpoint::{
    BoxFuture, Decision, HandlerError, Outcome, ReasonRecord, ResourceHandler, TargetRef, Timestamp, Update,
};
use setpoint_runtime::{Clock, Source, SystemClock, in_one_line};
use tokio::sync::{Mutex, MutexGuard};

use crate::config::{Config, Hook, KubernetesMetrics, RunMode};
use crate::error::{CycleError, SetupError};
use crate::evaluate::evaluate;
use crate::hooks::Hooks;
use crate::judge::Judge;
use crate::kubernetes::{self, Workload};
use crate::method::{Callable, ProgramLimits};
use crate::metrics::{Found, ResourceMetric, Subjects, gather};
use crate::wire::{RunType, ScaleInfo};

/// How long whoever has the resource may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Is told of each cycle that was to change something, however it ended.
pub type Listener = Arc<dyn Fn(RunType, &Result<Cycle, CycleError>) + Send + Sync>;

/// What an autoscaler is set up with besides its configuration.
#[derive(Clone)]
#[non_exhaustive]
pub struct Setup {
    /// What is scaled.
    pub target: TargetRef,
    /// Who has it.
    pub handler: Arc<dyn ResourceHandler>,
    /// What reads metrics of Kubernetes. Default: nothing does.
    pub sources: Vec<Arc<dyn Source>>,
    /// What programs may use.
    pub limits: ProgramLimits,
    /// What time it is. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// Who is told. Default: nobody.
    pub listener: Listener,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("target", &self.target).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Setup {
    /// For `target`, which `handler` has.
    #[must_use]
    pub fn new(target: TargetRef, handler: Arc<dyn ResourceHandler>) -> Self {
        let limits = ProgramLimits::default();
        Self {
            target,
            handler,
            sources: Vec::new(),
            limits,
            clock: Arc::new(SystemClock),
            listener: Arc::new(|_, _| ()),
        }
    }
}

/// What a cycle came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cycle {
    /// Who asked for it.
    pub run_type: RunType,
    /// What was gathered.
    pub metrics: Vec<ResourceMetric>,
    /// What the evaluate program answered.
    pub answer: i32,
    /// The count within bounds and window.
    pub decision: Decision,
    /// Why it is what it is.
    pub reasons: Vec<ReasonRecord>,
    /// The counts before and after the change, where one was made.
    pub written: Option<(u32, u32)>,
}

/// An autoscaler of one resource. One cycle runs at a time, whoever asked for it. Cheap to clone.
#[derive(Clone)]
pub struct CustomPodAutoscaler {
    shared: Arc<Shared>,
}

struct Shared {
    setup: Setup,
    namespace: String,
    interval: Duration,
    start_time: Duration,
    run_mode: RunMode,
    min: u32,
    max: u32,
    kubernetes: KubernetesMetrics,
    metric: Callable,
    evaluate: Callable,
    hooks: Hooks,
    judge: Mutex<Judge>,
}

impl fmt::Debug for CustomPodAutoscaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomPodAutoscaler").field("setup", &self.shared.setup).finish_non_exhaustive()
    }
}

impl CustomPodAutoscaler {
    /// One that does what `config` says.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when a method can't be called, or the policy not be run.
    pub fn new(config: &Config, setup: Setup) -> Result<Self, SetupError> {
        let limits = setup.limits;
        let policy = &config.policy;
        Ok(Self {
            shared: Arc::new(Shared {
                namespace: setup.target.namespace.clone().unwrap_or_else(|| config.namespace.clone()),
                setup,
                interval: policy.interval.as_duration(),
                start_time: config.start_time,
                run_mode: config.run_mode,
                min: policy.min_replicas,
                max: policy.max_replicas,
                kubernetes: config.kubernetes.clone(),
                metric: Callable::new("metric", &config.metric, limits)?,
                evaluate: Callable::new("evaluate", &config.evaluate, limits)?,
                hooks: Hooks::new(config, limits)?,
                judge: Mutex::new(Judge::new(policy)?),
            }),
        })
    }

    /// How far cycles are apart.
    pub(crate) fn interval(&self) -> Duration {
        self.shared.interval
    }

    /// How long it is until the first interval begins.
    pub(crate) fn until_start(&self) -> Duration {
        let Shared { start_time, setup, .. } = &*self.shared;
        let whole = |duration: &Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match whole(start_time) {
            0 => Duration::ZERO,
            every => {
                let left = every - setup.clock.now().as_millis().rem_euclid(every);
                Duration::from_millis(left.unsigned_abs())
            }
        }
    }

    /// Gathers metrics, with the hooks around that, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CycleError`] where it ended early.
    pub async fn metrics(&self, run_type: RunType) -> Result<Vec<ResourceMetric>, CycleError> {
        let shared = &*self.shared;
        let _alone = shared.judge.lock().await;
        let found = shared.find().await?;
        gather(&shared.metric, &shared.hooks, &found, run_type).await
    }

    /// Goes through a whole cycle. A dry run ends with the decision, which is the count that would be written, and is
    /// forgotten: neither the change nor the hooks around it take place.
    ///
    /// # Errors
    ///
    /// [`CycleError`] where it ended early.
    pub async fn scale(&self, run_type: RunType) -> Result<Cycle, CycleError> {
        let judge = self.shared.judge.lock().await;
        let ended = self.shared.cycle(judge, run_type).await;
        if run_type != RunType::ApiDryRun {
            (self.shared.setup.listener)(run_type, &ended);
        }
        ended
    }
}

impl Shared {
    async fn cycle(&self, mut judge: MutexGuard<'_, Judge>, run_type: RunType) -> Result<Cycle, CycleError> {
        let found = self.find().await?;
        let metrics = gather(&self.metric, &self.hooks, &found, run_type).await?;
        let Found { resource, current, .. } = found;
        let answer = evaluate(&self.evaluate, &self.hooks, &resource, &metrics, run_type).await?;
        let now = self.setup.clock.now();
        let is_dry = run_type == RunType::ApiDryRun;
        let judged = if is_dry { judge.would_decide(now, current, answer) } else { judge.decide(now, current, answer) };
        let decision = judged.decision;
        let mut cycle = Cycle { run_type, metrics, answer, decision, reasons: judged.reasons, written: None };
        if is_dry {
            return Ok(cycle);
        }
        let info = || {
            let (target, namespace, desired) = (&self.setup.target, self.namespace.as_str(), decision.desired);
            let (resource, min, max) = (&resource, self.min, self.max);
            ScaleInfo { resource, run_type, target, namespace, min, max, current, desired }.to_json()
        };
        self.hooks.call(Hook::PreScale, info).await?;
        if decision.outcome == Outcome::Suspend {
            return Ok(cycle);
        }
        if decision.desired != current {
            cycle.written = self.write(decision.desired).await?;
        }
        self.hooks.call_after(Hook::PostScale, cycle.written, info).await?;
        Ok(cycle)
    }

    async fn find(&self) -> Result<Found, CycleError> {
        let Setup { target, handler, .. } = &self.setup;
        let read = CycleError::Resource;
        let count = self.in_time("reading the scale of", handler.current_replicas(target), read).await?;
        let resource = self.in_time("reading", handler.describe(target), read).await?;
        let subjects = match self.run_mode {
            RunMode::PerResource => Subjects::Resource,
            RunMode::PerPod => {
                let pods = handler.describe_instances(target);
                Subjects::pods(self.in_time("listing the pods of", pods, read).await?)
            }
        };
        let kubernetes = match self.kubernetes_metrics(count.asked).await {
            Ok(kubernetes) => kubernetes,
            Err(error) if self.kubernetes.required => return Err(error),
            Err(error) => {
                tracing::warn!(error = in_one_line(&error), "no Kubernetes metrics");
                Vec::new()
            }
        };
        Ok(Found { resource, current: count.asked, subjects, kubernetes })
    }

    /// What programs are handed besides the resource.
    async fn kubernetes_metrics(&self, current: u32) -> Result<Vec<serde_json::Value>, CycleError> {
        if self.kubernetes.specs.is_empty() {
            return Ok(Vec::new());
        }
        let Setup { target, handler, sources, clock, .. } = &self.setup;
        // Listed right before: sources know the pods that were.
        let instances =
            self.in_time("listing the pods of", handler.instances(target), CycleError::Resource).await?.into();
        let workload = Workload { target, current, instances, now: clock.now() };
        kubernetes::gather(&self.kubernetes, sources, &workload).await
    }

    async fn write(&self, desired: u32) -> Result<Option<(u32, u32)>, CycleError> {
        let Setup { target, handler, .. } = &self.setup;
        let failed = |source| CycleError::Scale { desired, source };
        match self.in_time("scaling", handler.update_replicas(target, desired), failed).await? {
            Update::Written { from, to } => Ok(Some((from, to))),
            _ => Ok(None),
        }
    }

    async fn in_time<T>(
        &self,
        action: &'static str,
        asked: BoxFuture<'_, Result<T, HandlerError>>,
        failed: impl FnOnce(HandlerError) -> CycleError,
    ) -> Result<T, CycleError> {
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(CycleError::Late { action, target: Box::new(self.setup.target.clone()), limit: PATIENCE }),
        }
    }
}

impl Cycle {
    /// When it was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.decision.now
    }
}
