//! A policy's real pipeline against an imagined workload: one that follows at once, under a load that is set.

use std::time::Duration;

use serde_json::Value;
use setpoint::{
    AlgorithmManager, Decision, Metric, MetricKind, Observation, Outcome, PolicySpec, QuarantineSpec, Reading,
    Registry, Target, Timestamp, Trace, WorkloadId,
};

use super::budget::{Budget, Spent};
use super::cause::Cause;
use super::subject::Subject;

/// A loop over one workload.
pub(super) struct Probe<'a> {
    spec: &'a PolicySpec,
    manager: AlgorithmManager,
    workload: WorkloadId,
    now: Timestamp,
    current: u32,
    readings: Vec<Reading<'static>>,
    /// So many looks without a change, and there will be none.
    patience: u32,
}

/// The load of a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Load {
    /// Nothing to do at all.
    None,
    /// More than any number of replicas could do.
    Boundless,
    /// As much as keeps so many replicas on target.
    For(u32),
    /// Every metric at so many times its target, however many replicas there are.
    Times(f64),
    /// Every metric at this, however many replicas there are.
    Reading(f64),
}

/// Where a probe came to rest, or had to stop.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) replicas: u32,
    /// How long it took to get there.
    pub(super) took: Duration,
    /// How long it was looked at.
    pub(super) watched: Duration,
    /// Why it stays.
    pub(super) cause: Cause,
}

/// Why a probe came to no rest.
#[derive(Debug)]
pub(super) enum Stop {
    /// The algorithm failed, so that only the fallback is left to look at.
    Failed { load: Load, why: String },
    /// The budget was spent.
    Spent { spent: Spent, rest: Box<Rest> },
    /// It remembers so many looks that its rest could not be told from a wait.
    Remembers { looks: u32 },
}

/// Of an average that is never seen from outside: the newest value weighs 1 % or more.
const SMOOTHING: u32 = 2_000;

impl<'a> Probe<'a> {
    /// At `current` replicas. None for a policy that can't be made, which other rules tell.
    pub(super) fn new(subject: &'a Subject, registry: &Registry, current: u32) -> Option<Self> {
        let spec = &subject.spec;
        let mut manager = AlgorithmManager::with_registry(registry.clone());
        // A failure is asked for its words, so none is left alone.
        let workload = manager.add(&spec.clone().with_quarantine(QuarantineSpec::Never)).ok()?;
        let interval = spec.interval.as_duration().as_millis().max(1);
        let longest = u32::try_from(longest_memory(subject).as_millis() / interval).unwrap_or(u32::MAX);
        let patience = longest.saturating_add(SMOOTHING);
        Some(Self { spec, manager, workload, now: Timestamp::default(), current, readings: Vec::new(), patience })
    }

    /// Goes on until nothing changes any more.
    pub(super) fn rest(&mut self, load: Load, budget: &mut Budget) -> Result<Rest, Stop> {
        if budget.covers(self.patience) {
            self.follow(load, budget)
        } else {
            Err(Stop::Remembers { looks: self.patience })
        }
    }

    /// The same for those who can use a part of the way.
    pub(super) fn follow(&mut self, load: Load, budget: &mut Budget) -> Result<Rest, Stop> {
        self.follow_until(load, |_| false, budget)
    }

    /// Down under the load of `low` replicas, to these or to where it stays.
    pub(super) fn down_to(&mut self, low: u32, budget: &mut Budget) -> Result<Rest, Stop> {
        self.follow_until(Load::For(low), |current| current <= low, budget)
    }

    pub(super) const fn replicas(&self) -> u32 {
        self.current
    }

    fn follow_until(&mut self, load: Load, is_there: impl Fn(u32) -> bool, budget: &mut Budget) -> Result<Rest, Stop> {
        let begin = self.now;
        let (mut changed, mut same) = (begin, 0);
        while same < self.patience && !is_there(self.current) {
            if let Err(spent) = budget.take() {
                return Err(Stop::Spent { spent, rest: Box::new(self.here(load, begin, changed)?) });
            }
            let before = self.current;
            self.look(load)?;
            (changed, same) = if self.current == before { (changed, same + 1) } else { (self.now, 0) };
        }
        self.here(load, begin, changed)
    }

    /// Goes on for so long.
    pub(super) fn pass(&mut self, load: Load, time: Duration, budget: &mut Budget) -> Result<(), Stop> {
        let begin = self.now;
        while self.now.since(begin) < time {
            if let Err(spent) = budget.take() {
                return Err(Stop::Spent { spent, rest: Box::new(self.here(load, begin, begin)?) });
            }
            self.look(load)?;
        }
        Ok(())
    }

    fn here(&mut self, load: Load, begin: Timestamp, changed: Timestamp) -> Result<Rest, Stop> {
        let mut trace = Trace::new();
        self.now = self.now + self.spec.interval.as_duration();
        let decision = self.decide(load, &mut trace);
        if decision.outcome == Outcome::Fallback {
            return Err(self.failed(load));
        }
        self.current = decision.desired;
        Ok(Rest {
            replicas: self.current,
            took: changed.since(begin),
            watched: self.now.since(begin),
            cause: Cause::of(&trace, &self.spec.metrics),
        })
    }

    fn look(&mut self, load: Load) -> Result<(), Stop> {
        self.now = self.now + self.spec.interval.as_duration();
        let decision = self.decide(load, &mut Trace::off());
        if decision.outcome == Outcome::Fallback {
            return Err(self.failed(load));
        }
        self.current = decision.desired;
        Ok(())
    }

    /// Asks once more for the words, which a trace that is off doesn't keep.
    fn failed(&mut self, load: Load) -> Stop {
        let mut trace = Trace::new();
        let again = self.decide(load, &mut trace).outcome == Outcome::Fallback;
        let first = trace.records(&self.spec.metrics).into_iter().next().filter(|_| again);
        let why = first.map_or_else(|| "the algorithm failed, and not when asked again".to_owned(), |it| it.text);
        Stop::Failed { load, why }
    }

    fn decide(&mut self, load: Load, trace: &mut Trace) -> Decision {
        self.readings.clear();
        self.readings.extend(self.spec.metrics.iter().map(|it| Reading::Value(reading(it, load, self.current))));
        let look = Observation::new(self.now, self.current, &self.readings);
        self.manager.decide(self.workload, &look, trace).expect("the workload is here, with a reading for each metric")
    }
}

/// What `metric` shows with `current` replicas under `load`.
fn reading(metric: &Metric, load: Load, current: u32) -> f64 {
    // Without replicas a total is what one replica would be compared with.
    let amount = metric.amount(current.max(1));
    let reading = match load {
        Load::None => 0.0,
        Load::Boundless => amount * 1e6,
        Load::For(replicas) => amount * f64::from(replicas) / f64::from(current.max(1)),
        Load::Times(times) => amount * times,
        Load::Reading(reading) => reading,
    };
    // A share of what replicas can do ends at all of it; that of a request doesn't.
    let ends = matches!(metric.target, Target::Utilization(_))
        && matches!(metric.kind, MetricKind::External | MetricKind::Object | MetricKind::Pods);
    if ends { reading.min(100.0) } else { reading }
}

/// Loads between none and more than can be served, for algorithms that act only in between: around each metric's
/// target, and around each number in a configuration, which may be the edge of what an algorithm acts on.
pub(super) fn loads_between(subject: &Subject) -> Vec<Load> {
    let mut numbers = Vec::new();
    subject.parts().iter().for_each(|part| collect_numbers(part.config, &mut numbers));
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers.truncate(MOST_NUMBERS);
    let middles = numbers.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect::<Vec<_>>();
    let readings = numbers.into_iter().chain(middles).map(Load::Reading);
    [1e-3, 0.03, 0.3, 1.5, 3.0, 100.0].map(Load::Times).into_iter().chain(readings).collect()
}

/// So many numbers of a policy are tried as readings.
const MOST_NUMBERS: usize = 16;

fn collect_numbers(config: &Value, numbers: &mut Vec<f64>) {
    match config {
        Value::Number(number) => numbers.extend(number.as_f64().filter(|number| *number >= 0.0)),
        // As a quantity may be written.
        Value::String(text) => {
            numbers.extend(text.parse::<f64>().ok().filter(|number| *number >= 0.0 && number.is_finite()))
        }
        Value::Array(items) => items.iter().for_each(|item| collect_numbers(item, numbers)),
        Value::Object(fields) => fields.values().for_each(|field| collect_numbers(field, numbers)),
        _ => {}
    }
}

/// The longest time that anything in the policy remembers.
fn longest_memory(subject: &Subject) -> Duration {
    let in_behavior = subject.rules().flat_map(|rules| {
        let window = rules.written.stabilization_window_seconds.unwrap_or(0);
        let periods = rules.written.policies.iter().flatten().map(|policy| policy.period_seconds);
        [window].into_iter().chain(periods).collect::<Vec<_>>()
    });
    let in_behavior = in_behavior.map(|secs| Duration::from_secs(secs.into()));
    let in_parts = subject.parts().into_iter().map(|part| longest_in("", part.config));
    // No window is longer where none is written.
    in_behavior.chain(in_parts).fold(Duration::from_secs(300), Duration::max)
}

/// The longest duration in a configuration: written as one, or in a field whose name says that it counts seconds.
fn longest_in(name: &str, config: &Value) -> Duration {
    match config {
        Value::String(text) => humantime::parse_duration(text).unwrap_or_default(),
        Value::Number(number) if name.ends_with("Seconds") => Duration::from_secs(number.as_u64().unwrap_or_default()),
        Value::Array(items) => items.iter().map(|item| longest_in(name, item)).max().unwrap_or_default(),
        Value::Object(fields) => fields.iter().map(|(name, field)| longest_in(name, field)).max().unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use setpoint::Policy;

    use super::*;
    use crate::document::Document;

    #[test]
    fn what_is_spent_ends_a_probe_where_it_is() {
        let text = "{ apiVersion: setpoint.dev/v1alpha1, kind: ScalingPolicy, metadata: { name: p }, spec: { \
                    minReplicas: 1, maxReplicas: 20, algorithm: { name: max-ratio }, \
                    metrics: [ { name: queue, target: { averageValue: 4 } } ], \
                    stages: [ capped: { maxScaleDown: 10%, minStep: 1 } ] } }";
        let document = Document::read("p.yaml", text).expect("a document");
        let policy = Policy::from_value(document.value()).expect("a policy");
        let registry = Registry::builtin();
        let subject = Subject::new(&document, policy, &registry).expect("it can be made");
        let hour = Duration::from_secs(3600);
        // Name, looks and time, the load and where it ends.
        let cases = [
            ("looks", Budget::of(3, hour), Some((Spent::Looks, 15))),
            ("time", Budget::of(u32::MAX, Duration::ZERO), Some((Spent::Time, 18))),
            ("neither", Budget::of(SMOOTHING + 100, hour), None),
        ];
        for (name, mut budget, want) in cases {
            let mut probe = Probe::new(&subject, &registry, 20).expect("it can be made");
            match (probe.follow(Load::None, &mut budget), want) {
                (Ok(rest), None) => assert_eq!(rest.replicas, 1, "{name}"),
                (Err(Stop::Spent { spent, rest }), Some(want)) => assert_eq!((spent, rest.replicas), want, "{name}"),
                (got, want) => panic!("{name}: got {got:?}, want {want:?}"),
            }
        }
        let mut probe = Probe::new(&subject, &registry, 20).expect("it can be made");
        let rest = probe.rest(Load::None, &mut Budget::of(SMOOTHING, hour));
        assert!(matches!(rest, Err(Stop::Remembers { looks }) if looks == SMOOTHING + 20), "{rest:?}");
    }
}
