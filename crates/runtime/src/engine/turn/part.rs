//! One workload's part in a turn: its look, step by step.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use futures::future::{join, join_all, try_join};
use setpoint::{
    Action, Decision, Instance, Observation, Reading, ReplicaCount, ResourceHandler, Samples, Target, Timestamp, Trace,
    Update,
};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::MutexGuard;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::chain::in_one_line;
use crate::engine::ticks::{self, Asked};
use crate::engine::workload::{Memory, Plan, Workload};
use crate::engine::{Shared, spans};
use crate::look::{Look, LookFailure, Stage, Strange, Written};
use crate::source::{Aligned, Measured, Question};

/// A workload that is looked at.
pub(in crate::engine) struct Part {
    pub(in crate::engine) shared: Arc<Shared>,
    pub(in crate::engine) workload: Arc<Workload>,
    pub(in crate::engine) plan: Arc<Plan>,
    /// Where each metric's reading comes from.
    pub(in crate::engine) asked: Vec<Asked>,
    /// When the look was due.
    pub(in crate::engine) due: Instant,
}

/// A look that is under way.
pub(super) struct Underway<'a> {
    part: &'a Part,
    /// One look at a time: whoever has this looks.
    memory: MutexGuard<'a, Memory>,
    look: Look,
    /// Of the whole look, in a trace.
    span: Span,
    began: Instant,
    /// What was decided, unless the look has failed before that.
    pub(super) decided: Option<Decided>,
}

/// What was found before anything was decided.
struct Seen {
    count: ReplicaCount,
    instances: Arc<[Instance]>,
}

/// A decision and the reasons for it, the state that it left, and who carries it out.
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) trace: Trace,
    state: Vec<u8>,
    handler: Arc<dyn ResourceHandler>,
}

impl Part {
    /// Looks and decides, for whoever has the workload's `memory`; none where the workload was let go meanwhile.
    pub(super) async fn look<'a>(&'a self, mut memory: MutexGuard<'a, Memory>) -> Option<Underway<'a>> {
        if self.workload.has_ended() {
            return None;
        }
        let began = Instant::now();
        let mut look = self.blank(began);
        let span = spans::look(&self.workload.key, &self.plan);
        let decided = self.fill(&mut look, &mut memory).instrument(span.clone()).await;
        let mut underway = Underway { part: self, memory, look, span, began, decided: None };
        match decided {
            Ok(decided) => underway.decided = Some(decided),
            Err(failure) => underway.fail(failure),
        }
        Some(underway)
    }

    fn blank(&self, began: Instant) -> Look {
        Look {
            key: Arc::clone(&self.workload.key),
            target: Arc::clone(&self.plan.target),
            at: self.shared.clock.now(),
            count: None,
            ready: None,
            readings: Vec::new(),
            decision: None,
            reasons: Vec::new(),
            cause: None,
            written: Written::Nothing,
            strange: None,
            state_reset: None,
            failure: None,
            health: Default::default(),
            took: Default::default(),
            late: began.saturating_duration_since(self.due),
        }
    }

    async fn fill(&self, look: &mut Look, memory: &mut Memory) -> Result<Decided, LookFailure> {
        let handler = self.shared.handlers.find(&self.plan.target).map_err(failed(Stage::Observe))?;
        self.restore(look, memory).await?;
        let seen = self.see(handler.as_ref()).await?;
        let ready = seen.instances.iter().filter(|instance| instance.ready()).count();
        look.count = Some(seen.count);
        look.ready = Some(u32::try_from(ready).unwrap_or(u32::MAX));
        let found = seen.count.asked;
        look.strange =
            memory.expected.filter(|expected| *expected != found).map(|expected| Strange { expected, found });
        memory.expected = Some(found);
        if let Some(action) = &mut memory.action
            && action.to == found
        {
            // One that seemed to fail was made after all.
            action.applied = true;
        }
        let readings = self.readings(&seen).await;
        look.readings = self.plan.metrics.iter().map(|metric| metric.name.clone()).zip(readings).collect();
        let span = spans::decide();
        let decided = span.in_scope(|| self.decide(look, &seen, memory.action, handler)).map_err(failed(Stage::State));
        match &decided {
            Ok(decided) => spans::decided(&span, decided.decision),
            Err(failure) => spans::failure(&span, failure),
        }
        decided
    }

    /// Keeps what was decided, and carries it out.
    async fn carry_out(&self, look: &mut Look, memory: &mut Memory, decided: Decided) -> Result<(), LookFailure> {
        let Decided { decision, trace, state, handler } = decided;
        look.decision = Some(decision);
        look.reasons = trace.records(&self.plan.policy.metrics);
        look.cause = trace.cause();
        // What it leaves is for whoever acts on this workload, and that is another one.
        if !self.is_permitted() {
            look.written = Written::NotPermitted;
            memory.action = unapplied(look.at, decision).or(memory.action);
            return Ok(());
        }
        self.in_time_or(Stage::State, "keeping the state", self.shared.store.save(&look.key, &state)).await?;
        self.write(handler.as_ref(), look, memory, decision).await
    }

    fn is_permitted(&self) -> bool {
        !self.workload.has_ended() && self.shared.permit.may_write(&self.workload.key)
    }

    /// Puts the kept state back, before the first look.
    async fn restore(&self, look: &mut Look, memory: &mut Memory) -> Result<(), LookFailure> {
        if memory.restored {
            return Ok(());
        }
        let kept = self.in_time_or(Stage::State, "loading the state", self.shared.store.load(&look.key)).await?;
        if let Some(state) = kept
            && let Err(error) = self.shared.managers.of(&look.key).restore(self.workload.id, &state)
        {
            tracing::warn!(workload = %look.key, %error, "the kept state does not fit: it begins without");
            look.state_reset = Some(error.to_string());
        }
        memory.restored = true;
        Ok(())
    }

    async fn see(&self, handler: &dyn ResourceHandler) -> Result<Seen, LookFailure> {
        let target = &*self.plan.target;
        let both = try_join(handler.current_replicas(target), handler.instances(target));
        let (count, instances) = self.in_time_or(Stage::Observe, "reading counts and instances", both).await?;
        Ok(Seen { count, instances: instances.into() })
    }

    async fn readings(&self, seen: &Seen) -> Vec<Measured> {
        let apart: BTreeSet<usize> = self.asked.iter().filter_map(Asked::apart).collect();
        // A source is asked for all its metrics at once: it may need one answer for several.
        let apart = join_all(apart.into_iter().map(|source| self.ask_apart(source, seen)));
        let together = join_all(self.asked.iter().map(|asked| async move {
            match asked {
                Asked::Together { source, answers, place } => {
                    let span = spans::read(self.shared.sources[*source].name(), 1);
                    let measured = answers.clone().instrument(span.clone()).await[*place].clone();
                    spans::answered(&span, std::iter::once(&measured));
                    Some(measured)
                }
                Asked::Apart { .. } => None,
                Asked::Nowhere => Some(Measured::Missing("nothing here reads such a metric".to_owned())),
            }
        }));
        let (mut readings, apart) = join(together, apart).await;
        for (place, measured) in apart.into_iter().flatten() {
            readings[place] = Some(measured);
        }
        readings.into_iter().map(|reading| reading.expect("each metric is asked for in one way")).collect()
    }

    /// What `source` says of those metrics that are for it, each with its place.
    async fn ask_apart(&self, source: usize, seen: &Seen) -> Vec<(usize, Measured)> {
        let places: Vec<usize> =
            (0..self.asked.len()).filter(|&place| self.asked[place].apart() == Some(source)).collect();
        let question = |&place: &usize| {
            Question::new(Arc::clone(&self.plan.target), Arc::clone(&self.plan.metrics[place]))
                .with_instances(Arc::clone(&seen.instances))
        };
        let span = spans::read(self.shared.sources[source].name(), places.len());
        let asked = ticks::read(&self.shared, source, places.iter().map(question).collect());
        let answers = asked.instrument(span.clone()).await;
        spans::answered(&span, answers.iter());
        places.into_iter().zip(answers).collect()
    }

    fn decide(
        &self,
        look: &Look,
        seen: &Seen,
        action: Option<Action>,
        handler: &Arc<dyn ResourceHandler>,
    ) -> Result<Decided, Box<dyn Error + Send + Sync>> {
        let metrics = &self.plan.policy.metrics;
        let aligned: Vec<Aligned<'_>> = look
            .readings
            .iter()
            .zip(metrics)
            .map(|((_, measured), metric)| {
                Aligned::new(measured, &seen.instances, matches!(metric.target, Target::Utilization(_)))
            })
            .collect();
        let samples: Vec<Samples<'_>> = aligned.iter().map(Aligned::samples).collect();
        let readings: Vec<Reading<'_>> =
            aligned.iter().zip(&samples).map(|(aligned, samples)| aligned.reading_of(samples)).collect();
        let states: Vec<_> = seen.instances.iter().map(|instance| instance.state).collect();
        let counted = u32::try_from(states.len()).unwrap_or(u32::MAX);
        let observation = Observation::new(look.at, seen.count.asked, &readings)
            .with_existing(seen.count.existing.unwrap_or(counted))
            .with_ready(look.ready.unwrap_or_default())
            .with_instances(&states)
            .with_last_action(action);
        let mut trace = Trace::new();
        let (decision, state) = aside(|| {
            let mut manager = self.shared.managers.of(&look.key);
            let decision = manager.decide(self.workload.id, &observation, &mut trace)?;
            Ok::<_, Box<dyn Error + Send + Sync>>((decision, manager.snapshot(self.workload.id)?))
        })?;
        Ok(Decided { decision, trace, state, handler: Arc::clone(handler) })
    }

    async fn write(
        &self,
        handler: &dyn ResourceHandler,
        look: &mut Look,
        memory: &mut Memory,
        decision: Decision,
    ) -> Result<(), LookFailure> {
        let Decision { current, desired, .. } = decision;
        if desired == current {
            return Ok(());
        }
        memory.action = unapplied(look.at, decision);
        if self.plan.policy.dry_run {
            look.written = Written::DryRun;
            return Ok(());
        }
        // Keeping the state took its time.
        if !self.is_permitted() {
            look.written = Written::NotPermitted;
            return Ok(());
        }
        look.written = Written::Failed;
        // Whether it was made isn't known until the next look, if this doesn't end well.
        memory.expected = None;
        let update = handler.update_replicas(&self.plan.target, desired);
        let update = self.in_time_or(Stage::Write, "changing the count", update).await?;
        look.written = match update {
            Update::Written { from, to } => Written::Done { from, to },
            _ => Written::Nothing,
        };
        memory.action = memory.action.map(|action| Action { applied: true, ..action });
        memory.expected = Some(desired);
        tracing::info!(workload = %look.key, from = current, to = desired, "scaled");
        Ok(())
    }

    async fn in_time<T>(&self, what: &str, step: impl Future<Output = T>) -> Result<T, String> {
        let timeout = self.shared.timeout;
        tokio::time::timeout(timeout, step).await.map_err(|_| format!("{what} took more than {timeout:?}"))
    }

    /// A step that can fail, as its failure or its lateness is told.
    async fn in_time_or<T, E: Error + 'static>(
        &self,
        stage: Stage,
        what: &str,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, LookFailure> {
        let span = spans::step(what);
        let message = match self.in_time(what, step).instrument(span.clone()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => in_one_line(&error),
            Err(message) => message,
        };
        let failure = LookFailure { stage, message };
        spans::failure(&span, &failure);
        Err(failure)
    }
}

impl Underway<'_> {
    fn fail(&mut self, failure: LookFailure) {
        let (key, stage) = (&self.look.key, failure.stage.name());
        self.span.in_scope(|| tracing::warn!(workload = %key, stage, "{}", failure.message));
        self.look.failure = Some(failure);
    }

    /// The count as it is now, or was when it was last known; else the smallest that it can have. After a change that may
    /// have been made or not, it is the larger of both counts: the budget holds either.
    pub(super) fn count(&self) -> u32 {
        let found = self.look.count.map(|count| count.asked).or(self.memory.expected);
        let either = || self.memory.action.map(|action| action.from.max(action.to));
        found.or_else(either).unwrap_or(self.part.plan.policy.min_replicas)
    }

    /// Whether it is to have fewer replicas.
    pub(super) fn shrinks(&self) -> bool {
        self.decided.as_ref().is_some_and(|Decided { decision, .. }| decision.desired < decision.current)
    }

    /// Carries out what was decided. Gives whether the count is as it should be then, where that was to change: of a dry run
    /// it is taken to be.
    pub(super) async fn carry_out(&mut self) -> bool {
        let Some(decided) = self.decided.take() else { return true };
        let is_change = decided.decision.desired != decided.decision.current;
        let carried = self.part.carry_out(&mut self.look, &mut self.memory, decided).instrument(self.span.clone());
        if let Err(failure) = carried.await {
            self.fail(failure);
        }
        let is_done = matches!(self.look.written, Written::Done { .. } | Written::Nothing | Written::DryRun);
        !is_change || (self.look.failure.is_none() && is_done)
    }

    /// Leaves the count as it is, for others' sake. What was decided is told all the same, and its state kept.
    pub(super) async fn put_off(&mut self) {
        let Some(mut decided) = self.decided.take() else { return };
        let shared = decided.decision;
        // Nothing is to be written.
        decided.decision.desired = shared.current;
        let carried =
            self.part.carry_out(&mut self.look, &mut self.memory, decided).instrument(self.span.clone()).await;
        self.look.decision = Some(shared);
        self.memory.action = unapplied(self.look.at, shared).or(self.memory.action);
        match carried {
            Ok(()) if self.look.written == Written::Nothing => {
                // Of a dry run that would have been told in any case.
                let is_dry = self.part.plan.policy.dry_run;
                self.look.written = if is_dry { Written::DryRun } else { Written::AfterOthers };
            }
            Ok(()) => {}
            Err(failure) => self.fail(failure),
        }
    }

    /// Tells of the look, and lets the next one begin.
    pub(super) async fn end(self) {
        let Self { part, memory, mut look, span, began, .. } = self;
        look.took = began.elapsed();
        look.health = part.shared.managers.of(&look.key).health(part.workload.id).unwrap_or_default();
        spans::looked(&span, &look);
        let look = Arc::new(look);
        part.workload.remember(&look);
        for listener in &part.shared.listeners {
            if let Err(problem) = part.in_time("telling a listener of the look", listener.looked(&look)).await {
                tracing::warn!(workload = %look.key, "{problem}");
            }
        }
        drop(memory);
    }
}

/// What a decision would have changed.
fn unapplied(at: Timestamp, Decision { current, desired, .. }: Decision) -> Option<Action> {
    (desired != current).then_some(Action { at, from: current, to: desired, applied: false })
}

fn failed<E: Into<Box<dyn Error + Send + Sync>>>(stage: Stage) -> impl FnOnce(E) -> LookFailure {
    move |error| LookFailure { stage, message: in_one_line(&*error.into()) }
}

/// What may take its time, as a plugin may: other tasks of this thread go on elsewhere meanwhile, where there is another.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
