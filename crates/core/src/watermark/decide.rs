//! One sync, from readings to a count: what a policy's algorithm and the controller's own loop both do.
//!
//! DataDog WatermarkPodAutoscaler: controllers/datadoghq/watermarkpodautoscaler_controller.go, `reconcileWPA` and
//! `computeReplicas`.

use super::NAME;
use super::fact::Fact;
use super::limits::Limited;
use super::pods::{Failure, Seen, float, milli};
use super::replicas::{Convergence, Edges, Position, Proposed, Situation, ceil};
use super::spec::{MetricSpec, RecommenderReadings, Rules, Source};
use super::windows::{Gate, Memory, Opens};
use crate::bounds::Bounds;
use crate::hpa::metrics::count;
use crate::observation::Observation;
use crate::trace::{Effect, Mark, Reason, Trace};
use crate::units::Tolerances;

/// The rules, and what is computed once of them.
#[derive(Clone, Debug)]
pub(super) struct Decider {
    pub(super) rules: Rules,
    edges: Box<[Edges]>,
}

/// What a sync came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing can be said. Without a metric: a recommender's answer failed.
    Failed { metric: Option<usize>, why: Failure },
    /// A count.
    Decided(Decided),
}

/// A count, and how it came to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decided {
    pub(super) desired: i32,
    /// Whether it is written, as a count that isn't another one can be too.
    pub(super) scales: bool,
    pub(super) how: How,
    /// What the metrics came to. None where they were not looked at.
    pub(super) computed: Option<Computed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By what was measured.
    Measured,
    /// Nothing is scaled from zero.
    Disabled,
    /// The count was outside the bounds, or none of its replicas existed: corrected at once.
    Corrected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Computed {
    pub(super) above: bool,
    pub(super) below: bool,
    pub(super) limited: Limited,
    pub(super) gate: Gate,
}

/// What all metrics came to.
struct Best {
    replicas: i32,
    ready: i32,
    above: bool,
    below: bool,
}

impl Decider {
    pub(super) fn new(rules: Rules) -> Self {
        let edges = match &rules.source {
            Source::Metrics(specs) => {
                specs.iter().map(|spec| Edges::new(spec, (rules.tolerance, rules.tolerance), rules.exact)).collect()
            }
            Source::Recommender(_) => Box::default(),
        };
        Self { rules, edges }
    }

    /// One sync. `each` is told what every metric proposes, as soon as it does.
    #[inline]
    pub(super) fn decide(
        &self,
        seen: &Seen<'_>,
        bounds: Bounds,
        memory: &mut Memory,
        trace: &mut Trace,
        each: impl FnMut(&Proposed),
    ) -> Step {
        let look = seen.look;
        let situation = Situation { current: count(look.current), bounds };
        let begin = trace.mark();
        if self.rules.exact {
            return match self.compute(seen, situation, memory, trace, each) {
                Ok(decided) => Step::Decided(self.correct(decided, look, bounds, begin, trace)),
                Err((metric, why)) => Step::Failed { metric, why },
            };
        }
        // What needs no readings doesn't wait for them.
        let how = if look.current == 0 {
            How::Disabled
        } else if bounds.clamp(look.current) != look.current {
            How::Corrected
        } else {
            return match self.compute(seen, situation, memory, trace, each) {
                Ok(decided) => Step::Decided(decided),
                Err((metric, why)) => Step::Failed { metric, why },
            };
        };
        let desired = if how == How::Disabled { 0 } else { count(bounds.clamp(look.current)) };
        note_correction(how, look.current, desired, trace);
        Step::Decided(Decided { desired, scales: how == How::Corrected, how, computed: None })
    }

    /// The controller looks at the bounds when all is computed.
    fn correct(
        &self,
        decided: Decided,
        look: &Observation<'_>,
        bounds: Bounds,
        begin: Mark,
        trace: &mut Trace,
    ) -> Decided {
        let (how, desired) = if look.current == 0 {
            (How::Disabled, 0)
        } else if look.current > bounds.max() {
            (How::Corrected, count(bounds.max()))
        } else if look.current < bounds.min() {
            (How::Corrected, count(bounds.min()))
        } else if look.existing == 0 {
            (How::Corrected, 1)
        } else {
            return decided;
        };
        trace.rewind(begin);
        if how == How::Corrected && bounds.clamp(look.current) == look.current {
            note(trace, count(look.current), desired, || Fact::Revived);
        } else {
            note_correction(how, look.current, desired, trace);
        }
        Decided { desired, scales: how == How::Corrected, how, ..decided }
    }

    #[inline]
    fn compute(
        &self,
        seen: &Seen<'_>,
        situation: Situation,
        memory: &mut Memory,
        trace: &mut Trace,
        each: impl FnMut(&Proposed),
    ) -> Result<Decided, (Option<usize>, Failure)> {
        let rules = &self.rules;
        let best = match &rules.source {
            Source::Metrics(specs) => self.best(specs, seen, situation, trace, each)?,
            Source::Recommender(readings) => {
                self.recommended(*readings, seen, situation, trace, each).map_err(|why| (None, why))?
            }
        };
        let now = seen.look.now;
        memory.see(best.above, best.below, now);
        let current = situation.current;
        let proposed = best.replicas.max(0);
        let limited = rules.limit(proposed, best.ready, situation);
        if let Some(by) = limited.by {
            note(trace, proposed, limited.replicas, || Fact::Limited { by, ready: best.ready });
        }
        let stable = !best.above && !best.below;
        let gate = rules.gate(memory, now, (current, limited.replicas), stable);
        if trace.is_on() {
            note_gate(trace, limited.replicas, current, gate.opens, now);
        }
        let (above, below) = (best.above, best.below);
        let computed = Some(Computed { above, below, limited, gate });
        Ok(Decided { desired: limited.replicas, scales: gate.opens.is_open(), how: How::Measured, computed })
    }

    #[inline]
    fn best(
        &self,
        specs: &[MetricSpec],
        seen: &Seen<'_>,
        situation: Situation,
        trace: &mut Trace,
        mut each: impl FnMut(&Proposed),
    ) -> Result<Best, (Option<usize>, Failure)> {
        let mut best = Best { replicas: 0, ready: 0, above: false, below: false };
        let mut winner = 0;
        // The ready replicas are counted once, and not before anyone asks.
        let mut ready = None;
        let asked = seen.look.tolerances;
        for (index, ((spec, reading), own)) in specs.iter().zip(seen.look.readings).zip(&self.edges).enumerate() {
            let mut ready = || *ready.get_or_insert_with(|| self.rules.ready(seen));
            let usage = if spec.kind.is_per_instance() {
                self.rules.per_instance(spec, *reading, seen, ready)
            } else {
                ready().and_then(|ready| self.rules.total(spec, *reading, ready))
            };
            let usage = match usage {
                Ok(usage) => usage,
                Err(why) => {
                    self.note_failure(index, why, seen, trace);
                    return Err((Some(index), why));
                }
            };
            let edges = match asked {
                (None, None) => *own,
                _ => self.other_edges(spec, seen.look),
            };
            let proposed = if usage.zero && !self.rules.tolerate_zero {
                self.rules.untolerated(usage.ready, situation)
            } else {
                self.rules.compare(spec, edges, usage.amount, usage.ready, situation)
            };
            if trace.is_on() {
                self.note_metric(trace, index, spec, edges, &proposed, situation);
            }
            best.above |= proposed.above;
            best.below |= proposed.below;
            // A proposal of 0 gives way to any other: it is the controller's "none yet".
            if best.replicas == 0 || proposed.replicas > best.replicas {
                (best.replicas, best.ready, winner) = (proposed.replicas, proposed.ready, index);
            }
            each(&proposed);
        }
        if specs.len() > 1 {
            trace.push(|| {
                let effect = Effect::Highest { metric: winner, of: specs.len() };
                Reason::new(NAME, f64::from(situation.current), f64::from(best.replicas.max(0)), effect)
            });
        }
        Ok(best)
    }

    /// Where a stage asks for other tolerances than the algorithm's own.
    #[cold]
    fn other_edges(&self, spec: &MetricSpec, look: &Observation<'_>) -> Edges {
        let own = float(self.rules.tolerance) / 1000.0;
        let tolerances = look.tolerances(Tolerances { down: own, up: own });
        Edges::new(spec, (milli(tolerances.down), milli(tolerances.up)), false)
    }

    fn recommended(
        &self,
        readings: RecommenderReadings,
        seen: &Seen<'_>,
        situation: Situation,
        trace: &mut Trace,
        mut each: impl FnMut(&Proposed),
    ) -> Result<Best, Failure> {
        let read = |index: usize| seen.look.readings.get(index).and_then(|reading| reading.usable());
        let answer = || -> Result<(Proposed, (i32, i32, i32)), Failure> {
            let ready = self.rules.ready(seen)?;
            let replicas = |index| read(index).map(ceil).ok_or(Failure::Unusable);
            let recommended = (replicas(readings.replicas)?, replicas(readings.lower)?, replicas(readings.upper)?);
            let observed = match readings.observed {
                Some(index) => read(index).ok_or(Failure::Unusable)? * 1000.0,
                None => 0.0,
            };
            let proposed = if recommended.0 == 0 && !self.rules.tolerate_zero {
                self.rules.untolerated(ready, situation)
            } else {
                self.rules.follow(recommended, observed, ready, situation)
            };
            Ok((proposed, recommended))
        };
        let (proposed, recommended) = match answer() {
            Ok(answered) => answered,
            Err(why) => {
                if why == Failure::Unusable {
                    self.note_failure(readings.replicas, why, seen, trace);
                } else {
                    note(trace, situation.current, situation.current, || Fact::Failed { metric: None, why });
                }
                return Err(why);
            }
        };
        if trace.is_on() {
            let (replicas, lower, upper) = recommended;
            let current = situation.current;
            match proposed.convergence {
                None => note(trace, current, proposed.replicas, || Fact::Untolerated {
                    metric: readings.replicas,
                    ready: self.rules.exact,
                }),
                Some(step @ (Convergence::Step(_) | Convergence::TooFar(_))) => {
                    note(trace, current, current, || Fact::Recommended { replicas, lower, upper });
                    note(trace, current, proposed.replicas, || Fact::Converged { step, bound: proposed.raw });
                }
                Some(_) => note(trace, current, proposed.replicas, || Fact::Recommended { replicas, lower, upper }),
            }
        }
        each(&proposed);
        let Proposed { replicas, ready, above, below, .. } = proposed;
        Ok(Best { replicas, ready, above, below })
    }

    #[cold]
    fn note_failure(&self, metric: usize, why: Failure, seen: &Seen<'_>, trace: &mut Trace) {
        if !trace.is_on() {
            return;
        }
        let current = count(seen.look.current);
        let reading =
            seen.look.readings.get(metric).filter(|reading| why == Failure::Unusable && reading.usable().is_none());
        match reading.map(|reading| reading.state()) {
            Some((state, cause)) => {
                let cause = trace.keep(format_args!("{cause}"));
                let at = f64::from(current);
                trace.push(|| Reason::new(NAME, at, at, Effect::Unusable { metric, state, cause }));
            }
            None => note(trace, current, current, || Fact::Failed { metric: Some(metric), why }),
        }
    }

    #[cold]
    fn note_metric(
        &self,
        trace: &mut Trace,
        metric: usize,
        spec: &MetricSpec,
        edges: Edges,
        proposed: &Proposed,
        situation: Situation,
    ) {
        let current = situation.current;
        if proposed.convergence.is_none() {
            let ready = self.rules.exact;
            return note(trace, current, proposed.replicas, || Fact::Untolerated { metric, ready });
        }
        let position = proposed.position();
        let mark = if position == Position::Above { spec.high } else { spec.low };
        let compared = Fact::Compared {
            metric,
            usage: proposed.usage / 1000.0,
            mark: float(mark) / 1000.0,
            position,
            low: edges.low / 1000.0,
            high: edges.high / 1000.0,
            ready: proposed.ready,
            raw: proposed.raw,
        };
        match proposed.convergence {
            Some(step @ (Convergence::Step(_) | Convergence::TooFar(_))) => {
                note(trace, current, current, || compared);
                note(trace, current, proposed.replicas, || Fact::Converged { step, bound: proposed.raw });
            }
            _ => note(trace, current, proposed.replicas, || compared),
        }
    }
}

fn note_correction(how: How, current: u32, desired: i32, trace: &mut Trace) {
    let effect = if how == How::Disabled { Effect::ScalingDisabled } else { Effect::OutsideBounds };
    trace.push(|| Reason::new(NAME, f64::from(current), f64::from(desired), effect));
}

fn note_gate(trace: &mut Trace, desired: i32, current: i32, opens: Opens, now: crate::time::Timestamp) {
    match opens {
        Opens::Yes | Opens::Unchanged => {}
        Opens::First => note(trace, desired, desired, || Fact::First),
        Opens::Forbidden(direction, until) => {
            note(trace, desired, current, || Fact::Forbidden { direction, until, left: until.since(now) });
        }
        Opens::Delayed(direction, until) => {
            let left = until.map(|until| until.since(now)).unwrap_or_default();
            note(trace, desired, current, || Fact::Delayed { direction, until, left });
        }
    }
}

fn note(trace: &mut Trace, from: i32, to: i32, fact: impl FnOnce() -> Fact) {
    trace.push(|| Reason::new(NAME, f64::from(from), f64::from(to), Effect::Watermark(fact())));
}
