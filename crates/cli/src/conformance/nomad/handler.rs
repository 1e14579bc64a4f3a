//! The replay of a policy through Nomad's handler, with the way of a policy of ours beside it.

use std::time::Duration;

use setpoint::nomad::{
    Action, Check, Handler, OnError, Plan, Query, Scaled, Spec, Target, TickOutcome, Write, Written,
};
use setpoint::{Timestamp, Trace};

use super::policy::{PolicyWay, clamp_to_possible};
use super::scenario::{Outcome, Policy, ScaleError, Seen, Tick, WrittenOnError};
use super::{Found, compare};
use crate::conformance::Difference;

/// The first difference, if any; an error for a scenario that makes no sense.
pub(super) fn replay(
    policy: &Policy,
    last_event: Option<i64>,
    ticks: &[Tick<'_>],
) -> Result<Option<Difference>, String> {
    let mut handler = Handler::new(spec(policy));
    if let Some(at) = last_event {
        handler = handler.after_event(Timestamp::from_millis(at));
    }
    let way = PolicyWay::new(policy, last_event)?;
    let metrics = way.as_ref().map_or_else(Vec::new, |way| way.metrics.clone());
    let mut replay = Replay { handler, queries: queries(policy), under_way: Vec::new(), way, trace: Trace::new() };
    for (index, tick) in ticks.iter().enumerate() {
        if let Some((what, expected, got)) = replay.tick(tick, groups(policy) < 2)? {
            let reasons = replay.trace.records(&metrics);
            return Ok(Some(Difference { step: index, t_ms: tick.t, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

struct Replay<'a> {
    handler: Handler,
    queries: Vec<&'a str>,
    /// Scalings that have not ended, and when and how they will. A timer can let a second one begin.
    under_way: Vec<(i64, Plan, Scaled)>,
    /// None where a policy can't follow.
    way: Option<PolicyWay>,
    trace: Trace,
}

impl Replay<'_> {
    fn tick(&mut self, tick: &Tick<'_>, with_reasons: bool) -> Result<Option<Found>, String> {
        self.end_until(tick.t);
        self.trace.clear();
        let target = match tick.target {
            Seen::Gone => Target::Gone,
            Seen::NotReady => Target::NotReady,
            Seen::Ready(count) => Target::Ready(count),
        };
        let now = Timestamp::from_millis(tick.t);
        let values: Vec<Option<Vec<f64>>> = self
            .queries
            .iter()
            .map(|query| tick.metrics.get(query).map(|points| points.iter().map(|point| point.value()).collect()))
            .collect();
        let answers: Vec<Query<'_>> =
            values.iter().map(|values| values.as_ref().map_or(Query::Failed, |values| Query::Points(values))).collect();
        let busy_before = !self.under_way.is_empty();
        let plan = self.handler.plan(now, target, &answers, &mut self.trace);
        let found = compare_plan(tick, &plan, with_reasons);
        if found.is_some() {
            return Ok(found);
        }
        self.survive()?;
        let end = tick.t + tick.scale_ms;
        if plan.write.is_some() {
            let scaled = match tick.scale_err {
                None => Scaled::Done,
                Some(ScaleError::Noop) => Scaled::Noop,
                Some(ScaleError::Fail) => Scaled::Failed,
            };
            self.under_way.push((end, plan, scaled));
        }
        let Seen::Ready(count) = tick.target else {
            self.end_until(tick.t);
            return Ok(None);
        };
        let mut found = None;
        if let Some(way) = self.way.as_mut().filter(|_| !busy_before)
            && let Ok(current) = u32::try_from(count)
        {
            self.trace.clear();
            found = way.tick(tick, current, &mut self.trace)?;
            match plan.write {
                Some(Write::Count(-1)) if tick.scale_err.is_none() => self.way = None,
                Some(Write::Count(to)) if tick.scale_err.is_none() => {
                    way.acted(Timestamp::from_millis(end), current, clamp_to_possible(to));
                }
                _ => {}
            }
        }
        self.end_until(tick.t);
        Ok(found)
    }

    /// Ends what ended up to `now`, in the order in which it did.
    fn end_until(&mut self, now: i64) {
        self.under_way.sort_by_key(|&(end, ..)| end);
        while self.under_way.first().is_some_and(|&(end, ..)| end <= now) {
            let (end, plan, scaled) = self.under_way.remove(0);
            self.handler.finish(plan, Timestamp::from_millis(end), scaled);
        }
    }

    /// Between two scalings the handler is another one, that goes on from its state.
    fn survive(&mut self) -> Result<(), String> {
        if !self.under_way.is_empty() {
            return Ok(());
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.handler.snapshot(&mut before);
        let mut other = self.handler.clone();
        other.restore(&before).map_err(|error| error.to_string())?;
        other.snapshot(&mut after);
        if before == after { Ok(()) } else { Err("a handler's state is another one after a restart".to_owned()) }
    }
}

fn spec(policy: &Policy) -> Spec {
    let queries = queries(policy);
    let checks = policy.checks.iter().map(|check| {
        let query = check.query.as_deref().and_then(|query| queries.iter().position(|&known| known == query));
        // A strategy that looks at something, without a query: there is no answer to that.
        let query = if Written::needs_points(&check.strategy) { query.or(Some(queries.len())) } else { None };
        let on_error = check.on_error.map(WrittenOnError::read);
        Check::written(&check.name, query, Written::new(&check.strategy, &check.config).strategy())
            .in_group(&check.group)
            .on_error(on_error)
    });
    let mut spec = Spec::new(policy.min, policy.max, checks.collect());
    spec.cooldown = Duration::from_millis(policy.cooldown_ms);
    spec.cooldown_on_scale_up = Duration::from_millis(policy.cooldown_up_ms);
    spec.on_check_error = policy.on_check_error.map(WrittenOnError::read);
    spec.dry_run = policy.dry_run;
    spec.exact = true;
    spec
}

impl WrittenOnError {
    fn read(self) -> OnError {
        match self {
            Self::Ignore => OnError::Ignore,
            Self::Fail => OnError::Fail,
        }
    }
}

fn queries(policy: &Policy) -> Vec<&str> {
    let mut queries: Vec<&str> = policy.checks.iter().filter_map(|check| check.query.as_deref()).collect();
    queries.sort_unstable();
    queries.dedup();
    queries
}

fn groups(policy: &Policy) -> usize {
    let mut groups: Vec<&str> = policy.checks.iter().map(|check| check.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.len()
}

fn compare_plan(tick: &Tick<'_>, plan: &Plan, with_reasons: bool) -> Option<Found> {
    let outcome = match plan.outcome {
        TickOutcome::Scale => Outcome::Scale,
        TickOutcome::Cooldown => Outcome::Cooldown,
        TickOutcome::Busy => Outcome::Busy,
        TickOutcome::NotReady => Outcome::NotReady,
        TickOutcome::Error => Outcome::Error,
        _ => Outcome::None,
    };
    let direction = |action: &Action| match plan.write {
        Some(Write::Count(_)) => Some(action.direction.as_str().to_owned()),
        Some(Write::DryRun) => Some("none".to_owned()),
        None => None,
    };
    let count = match plan.write {
        Some(Write::DryRun) => Some(-1),
        Some(Write::Count(count)) => Some(count),
        None => plan.action.map(|action| action.count),
    };
    let reason = plan.action.filter(|_| with_reasons).map(|action| action.reason());
    compare("outcome", &tick.outcome, &outcome)
        .or_else(|| compare("direction", &tick.expect.dir, &plan.action.as_ref().and_then(direction)))
        .or_else(|| compare("count", &tick.expect.count, &count))
        .or_else(|| compare("reason", &tick.expect.reason, &reason))
}
