//! A policy's real pipeline against an imagined workload: one that follows at once, under a load that is set.

use std::time::Duration;

use setpoint::{
    AlgorithmManager, Metric, MetricKind, Observation, PolicySpec, Reading, Registry, Target, Timestamp, Trace,
    WorkloadId,
};

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
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// Nothing to do at all.
    None,
    /// More than any number of replicas could do.
    Boundless,
    /// As much as keeps so many replicas on target.
    For(u32),
}

/// Where a probe came to rest.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) replicas: u32,
    /// How long it took to get there.
    pub(super) took: Duration,
    /// Why it stays.
    pub(super) why: String,
}

/// Longer than any policy needs that comes to rest at all; then no answer is given.
const MOST_LOOKS: u32 = 2_000_000;
/// Of an average that is never seen from outside: the newest value weighs 1 % or more.
const SMOOTHING: u32 = 2_000;

impl<'a> Probe<'a> {
    /// At `current` replicas. None for a policy that can't be made, which other rules tell.
    pub(super) fn new(subject: &'a Subject, registry: &Registry, current: u32) -> Option<Self> {
        let spec = &subject.spec;
        let mut manager = AlgorithmManager::with_registry(registry.clone());
        let workload = manager.add(spec).ok()?;
        let interval = spec.interval.as_duration().as_secs().max(1);
        let longest = u32::try_from(longest_memory(subject).as_secs() / interval).unwrap_or(MOST_LOOKS);
        let patience = longest.saturating_add(SMOOTHING);
        Some(Self { spec, manager, workload, now: Timestamp::default(), current, readings: Vec::new(), patience })
    }

    /// Goes on until nothing changes any more. None if that doesn't happen.
    pub(super) fn rest(&mut self, load: Load) -> Option<Rest> {
        let begin = self.now;
        let (mut changed, mut same) = (begin, 0);
        let mut trace = Trace::off();
        for _ in 0..MOST_LOOKS {
            let before = self.current;
            self.look(load, &mut trace);
            if self.current != before {
                (changed, same) = (self.now, 0);
                continue;
            }
            same += 1;
            if same >= self.patience {
                let mut trace = Trace::new();
                self.look(load, &mut trace);
                let why = trace.records(&self.spec.metrics).pop().map_or_else(String::new, |reason| reason.text);
                return Some(Rest { replicas: self.current, took: changed.since(begin), why });
            }
        }
        None
    }

    fn look(&mut self, load: Load, trace: &mut Trace) {
        self.now = self.now + self.spec.interval.as_duration();
        self.readings.clear();
        self.readings.extend(self.spec.metrics.iter().map(|it| Reading::Value(reading(it, load, self.current))));
        let look = Observation::new(self.now, self.current, &self.readings);
        if let Ok(decision) = self.manager.decide(self.workload, &look, trace) {
            self.current = decision.desired;
        }
    }
}

/// What `metric` shows with `current` replicas under `load`.
fn reading(metric: &Metric, load: Load, current: u32) -> f64 {
    // Without replicas a total is what one replica would be compared with.
    let amount = metric.amount(current.max(1));
    match (load, metric.target, metric.kind) {
        (Load::None, ..) => 0.0,
        // A share of what replicas can do ends at all of it; that of a request doesn't.
        (Load::Boundless, Target::Utilization(_), MetricKind::External | MetricKind::Object | MetricKind::Pods) => {
            100.0
        }
        (Load::Boundless, ..) => amount * 1e6,
        (Load::For(replicas), ..) => amount * f64::from(replicas) / f64::from(current.max(1)),
    }
}

/// The longest time that anything in the policy remembers.
fn longest_memory(subject: &Subject) -> Duration {
    let in_behavior = subject.rules().flat_map(|rules| {
        let window = rules.written.stabilization_window_seconds.unwrap_or(0);
        let periods = rules.written.policies.iter().flatten().map(|policy| policy.period_seconds);
        [window].into_iter().chain(periods).collect::<Vec<_>>()
    });
    let default = Duration::from_secs(300);
    let longest = in_behavior.max().map_or(default, |secs| default.max(Duration::from_secs(secs.into())));
    let in_stages = subject.spec.stages.iter().filter_map(|stage| {
        let fields = stage.config.as_object()?.values().filter_map(serde_json::Value::as_str);
        fields.filter_map(|text| humantime::parse_duration(text).ok()).max()
    });
    in_stages.max().map_or(longest, |stage| longest.max(stage))
}
