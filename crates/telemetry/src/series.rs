//! The series, and how looks become them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use setpoint::{BoxFuture, Outcome};
use setpoint_runtime::{Listener, Look, Stage, Written};

/// From a lookup that was in memory to a step that ran into the default timeout, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWorkload {
    workload: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    workload: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStage {
    workload: Arc<str>,
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDirection {
    workload: Arc<str>,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByMetric {
    workload: Arc<str>,
    metric: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    workload: Arc<str>,
    metric: Arc<str>,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySource {
    source: String,
}

const UP: &str = "up";
const DOWN: &str = "down";
/// As `Measured::state` has them.
const UNUSABLE: [&str; 3] = ["missing", "stale", "invalid"];

/// The metrics of each workload that has series.
type Known = HashMap<Arc<str>, Vec<Arc<str>>>;

type Histograms = Family<BySource, Histogram, fn() -> Histogram>;

/// The series of an engine, which it is a listener of.
pub struct Telemetry {
    registry: Registry,
    series: Series,
    known: Mutex<Known>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

struct Series {
    workloads: Gauge,
    decisions: Family<ByOutcome, Counter>,
    failures: Family<ByStage, Counter>,
    scalings: Family<ByDirection, Counter>,
    foreign_changes: Family<ByWorkload, Counter>,
    current: Family<ByWorkload, Gauge>,
    desired: Family<ByWorkload, Gauge>,
    ready: Family<ByWorkload, Gauge>,
    readings: Family<ByMetric, Gauge<f64, AtomicU64>>,
    unusable: Family<ByState, Counter>,
    quarantined: Family<ByWorkload, Gauge>,
    duration: Histogram,
    lateness: Histogram,
    source_duration: Histograms,
    source_questions: Family<BySource, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// No series yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_collectors(Vec::new())
    }

    /// The same, and what the program itself has to tell. Its series also begin with `setpoint_`.
    #[must_use]
    pub fn with_collectors(collectors: Vec<Box<dyn Collector>>) -> Self {
        let series = Series {
            workloads: Gauge::default(),
            decisions: Family::default(),
            failures: Family::default(),
            scalings: Family::default(),
            foreign_changes: Family::default(),
            current: Family::default(),
            desired: Family::default(),
            ready: Family::default(),
            readings: Family::default(),
            unusable: Family::default(),
            quarantined: Family::default(),
            duration: histogram(),
            lateness: histogram(),
            source_duration: Family::new_with_constructor(histogram as fn() -> Histogram),
            source_questions: Family::default(),
        };
        let mut registry = series.registered();
        collectors.into_iter().for_each(|collector| registry.register_collector(collector));
        Self { registry, series, known: Mutex::default() }
    }

    /// All series, in the text format of OpenMetrics 1.0.
    ///
    /// # Errors
    ///
    /// When a collector fails.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, look: &Look) {
        let workload = || Arc::clone(&look.key);
        let of = ByWorkload { workload: workload() };
        let Series { decisions, failures, scalings, foreign_changes, .. } = &self.series;
        self.readings(look);
        if let Some(decision) = &look.decision {
            let outcome = decision.outcome.name();
            decisions.get_or_create(&ByOutcome { workload: workload(), outcome }).inc();
            self.series.desired.get_or_create(&of).set(decision.desired.into());
        }
        if let Some(failure) = &look.failure {
            failures.get_or_create(&ByStage { workload: workload(), stage: failure.stage.name() }).inc();
        }
        if let Written::Done { from, to } = look.written {
            let direction = if to > from { UP } else { DOWN };
            scalings.get_or_create(&ByDirection { workload: workload(), direction }).inc();
        }
        if look.strange.is_some() {
            foreign_changes.get_or_create(&of).inc();
        }
        if let Some(count) = &look.count {
            self.series.current.get_or_create(&of).set(count.asked.into());
        }
        if let Some(ready) = look.ready {
            self.series.ready.get_or_create(&of).set(ready.into());
        }
        self.series.quarantined.get_or_create(&of).set(look.health.quarantined_until.is_some().into());
        self.series.duration.observe(look.took.as_secs_f64());
        self.series.lateness.observe(look.late.as_secs_f64());
    }

    /// What was read, and which metrics there are.
    fn readings(&self, look: &Look) {
        let mut known = self.known();
        let metrics = known.entry(Arc::clone(&look.key)).or_insert_with(|| {
            self.series.workloads.inc();
            Vec::new()
        });
        // A look that ended early read none: those of the last are the policy's still.
        if look.readings.is_empty() {
            return;
        }
        let now: Vec<Arc<str>> = look.readings.iter().map(|(name, _)| Arc::from(name.as_str())).collect();
        for gone in metrics.iter().filter(|metric| !now.contains(metric)) {
            self.series.forget_metric(&look.key, gone);
        }
        for (metric, (_, measured)) in now.iter().zip(&look.readings) {
            let (workload, metric) = (Arc::clone(&look.key), Arc::clone(metric));
            let (state, _) = measured.state();
            let of = ByMetric { workload, metric };
            match measured.usable() {
                Some(value) => {
                    self.series.readings.get_or_create(&of).set(value);
                }
                None => {
                    // Not an earlier value.
                    self.series.readings.remove(&of);
                    let ByMetric { workload, metric } = of;
                    self.series.unusable.get_or_create(&ByState { workload, metric, state }).inc();
                }
            }
        }
        *metrics = now;
    }
}

impl Series {
    fn registered(&self) -> Registry {
        let mut all = Registry::with_prefix("setpoint");
        all.register("workloads", "Workloads that were looked at and aren't gone", self.workloads.clone());
        all.register("decisions", "Decisions, by their outcome", self.decisions.clone());
        all.register("look_failures", "Looks that ended early, by the step that failed", self.failures.clone());
        all.register("scalings", "Counts that were changed", self.scalings.clone());
        all.register("foreign_changes", "Counts that somebody else changed", self.foreign_changes.clone());
        all.register("current_replicas", "Replicas that were asked for at the last look", self.current.clone());
        all.register("desired_replicas", "Replicas that were decided on last", self.desired.clone());
        all.register("ready_replicas", "Replicas that were ready at the last look", self.ready.clone());
        all.register("reading", "The last reading, not there while there is none", self.readings.clone());
        all.register("unusable_readings", "Readings that were missing, stale or invalid", self.unusable.clone());
        let help = "Whether the algorithm is left alone, for it keeps failing";
        all.register("quarantined", help, self.quarantined.clone());
        let seconds = || Unit::Seconds;
        all.register_with_unit("look_duration", "How long looks took", seconds(), self.duration.clone());
        let help = "How long after their time looks began";
        all.register_with_unit("look_lateness", help, seconds(), self.lateness.clone());
        let help = "How long a source took for what it was asked at once";
        all.register_with_unit("source_duration", help, seconds(), self.source_duration.clone());
        let help = "Readings that a source was asked for";
        all.register("source_questions", help, self.source_questions.clone());
        all
    }

    fn forget_metric(&self, workload: &Arc<str>, metric: &Arc<str>) {
        let (workload, metric) = (|| Arc::clone(workload), || Arc::clone(metric));
        self.readings.remove(&ByMetric { workload: workload(), metric: metric() });
        for state in UNUSABLE {
            self.unusable.remove(&ByState { workload: workload(), metric: metric(), state });
        }
    }

    fn forget(&self, key: &Arc<str>, metrics: &[Arc<str>]) {
        let workload = || Arc::clone(key);
        metrics.iter().for_each(|metric| self.forget_metric(key, metric));
        for outcome in Outcome::ALL {
            self.decisions.remove(&ByOutcome { workload: workload(), outcome: outcome.name() });
        }
        for stage in Stage::ALL {
            self.failures.remove(&ByStage { workload: workload(), stage: stage.name() });
        }
        for direction in [UP, DOWN] {
            self.scalings.remove(&ByDirection { workload: workload(), direction });
        }
        let of = ByWorkload { workload: workload() };
        self.foreign_changes.remove(&of);
        for gauges in [&self.current, &self.desired, &self.ready, &self.quarantined] {
            gauges.remove(&of);
        }
    }
}

impl Listener for Telemetry {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        self.look(look);
        Box::pin(std::future::ready(()))
    }

    fn gone(&self, key: &str) {
        if let Some((key, metrics)) = self.known().remove_entry(key) {
            self.series.forget(&key, &metrics);
            self.series.workloads.dec();
        }
    }

    fn asked(&self, source: &str, questions: usize, took: Duration) {
        let of = BySource { source: source.to_owned() };
        self.series.source_duration.get_or_create(&of).observe(took.as_secs_f64());
        self.series.source_questions.get_or_create(&of).inc_by(u64::try_from(questions).unwrap_or(u64::MAX));
    }
}
