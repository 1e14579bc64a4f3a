//! Readings of the past, as Prometheus kept them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use setpoint::{ConfigError, Metric, MetricSource, PolicySpec, PrometheusQuery, Reading};
use setpoint_runtime::Measured;
use setpoint_runtime::source::{Fetch, Grid, Prometheus};

use crate::cli::cluster::RecordingArguments;
use crate::error::{BadInput, chain};
use crate::live;
use crate::progress::Progress;

/// How long one answer may take, and how large it may be: a page of a query with many series.
const PATIENCE: Duration = Duration::from_secs(30);
const BYTES: usize = 32 << 20;
/// Three days of seconds, or two months of quarters of a minute.
const MOST_POINTS: u64 = 350_000;

/// What each query would have answered at each time.
pub(super) struct Recording {
    pub(super) grid: Grid,
    answers: BTreeMap<(Option<String>, String), Vec<Measured>>,
}

/// How a metric's readings were.
pub(super) struct Usable {
    pub(super) metric: String,
    pub(super) usable: usize,
    /// Why the first that isn't, isn't.
    pub(super) why: Option<String>,
}

const NOT_RECORDED: Reading<'_> = Reading::Missing("only what comes from Prometheus has a recording");

impl Recording {
    /// What `policies` would have read.
    pub(super) async fn fetch(arguments: &RecordingArguments, policies: &[&PolicySpec]) -> Result<Self, BadInput> {
        let grid = grid(arguments, policies)?;
        let metrics = || policies.iter().flat_map(|policy| &policy.metrics);
        let mut queries: Vec<&PrometheusQuery> = metrics().filter_map(query).collect();
        queries.sort_by_key(|query| key(query));
        queries.dedup_by_key(|query| key(query));
        if queries.is_empty() {
            let names: Vec<&str> = metrics().map(|metric| metric.name.as_str()).collect();
            let problem = format!("none of {} comes from Prometheus: nothing was recorded", names.join(", "));
            return Err(BadInput::at("metrics", problem));
        }
        let fetch = Fetch::within(PATIENCE, BYTES).map_err(|error| BadInput::at("HTTP", chain(&error)))?;
        let prometheus = Prometheus::new(fetch, live::prometheus(&arguments.prometheus, PATIENCE, BYTES)?);
        let progress = Progress::new("reading Prometheus", queries.len(), arguments.json);
        let mut answers = BTreeMap::new();
        for (part, query) in queries.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "at most as many as MOST_POINTS")]
            let tell = |points: usize| progress.set(part, points as f64 / grid.points() as f64);
            let readings = prometheus.past(query, grid, tell).await;
            let readings = readings.map_err(|error| BadInput::at(&query.query, chain(&error)))?;
            answers.insert(key(query), readings);
        }
        let recording = Self { grid, answers };
        recording.check(policies)?;
        Ok(recording)
    }

    /// A recording of nothing would find that nothing differs.
    fn check(&self, policies: &[&PolicySpec]) -> Result<(), BadInput> {
        for policy in policies {
            let metrics = self.usable(&policy.metrics);
            if metrics.iter().all(|metric| metric.usable == 0) {
                let why = |metric: &Usable| format!("{}: {}", metric.metric, metric.why.as_deref().unwrap_or_default());
                let why: Vec<String> = metrics.iter().map(why).collect();
                return Err(BadInput::at("there is no usable reading in all this time", why.join("; ")));
            }
        }
        Ok(())
    }

    /// How often each of `metrics` has a usable reading.
    pub(super) fn usable(&self, metrics: &[Metric]) -> Vec<Usable> {
        let of = |metric: &Metric| {
            let readings = || (0..self.grid.points()).map(|point| self.reading(metric, point));
            Usable {
                metric: metric.name.clone(),
                usable: readings().filter(|reading| reading.usable().is_some()).count(),
                why: readings().find(|reading| reading.usable().is_none()).map(|reading| reading.state().1.to_owned()),
            }
        };
        metrics.iter().map(of).collect()
    }

    /// What `metric` was at a time of the grid.
    pub(super) fn reading(&self, metric: &Metric, point: usize) -> Reading<'_> {
        let answer = query(metric).and_then(|query| self.answers.get(&key(query)));
        match answer.map(|answer| &answer[point]) {
            None => NOT_RECORDED,
            Some(Measured::Value(value)) => Reading::Value(*value),
            Some(other) => match other.state() {
                ("invalid", why) => Reading::Invalid(why),
                (_, why) => Reading::Missing(why),
            },
        }
    }
}

fn query(metric: &Metric) -> Option<&PrometheusQuery> {
    match &metric.source {
        Some(MetricSource::Prometheus(query)) => Some(query),
        _ => None,
    }
}

fn key(query: &PrometheusQuery) -> (Option<String>, String) {
    (query.server.clone(), query.query.clone())
}

/// From so long ago until now, on whole steps: a recording of the same time is the same.
fn grid(arguments: &RecordingArguments, policies: &[&PolicySpec]) -> Result<Grid, BadInput> {
    let interval = policies.iter().map(|policy| policy.interval.as_duration()).min().unwrap_or_default();
    let step = arguments.step.unwrap_or(interval);
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (step_ms, since_ms) = (milliseconds(step), milliseconds(arguments.since));
    if step_ms == 0 {
        return Err(BadInput::at("--step", "must be at least a millisecond"));
    }
    let steps = since_ms / step_ms;
    if steps == 0 {
        return Err(BadInput::at("--since", "must be at least one --step ago"));
    }
    if steps >= MOST_POINTS {
        let problem =
            format!("{steps} readings a metric are too many, at most {MOST_POINTS} are: choose a longer --step");
        return Err(BadInput::at("--since", problem));
    }
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let from = (now / step_ms).saturating_sub(steps).saturating_mul(step_ms);
    let from = setpoint::Timestamp::from_millis(i64::try_from(from).unwrap_or_default());
    let points = usize::try_from(steps + 1).unwrap_or(usize::MAX);
    Ok(Grid::new(from, Duration::from_millis(step_ms), points))
}

/// Gives the metrics of `changed` that have no source that of the metric of the same name in `cluster`.
pub(super) fn with_sources(mut changed: PolicySpec, cluster: &PolicySpec) -> Result<PolicySpec, ConfigError> {
    for (index, metric) in changed.metrics.iter_mut().enumerate() {
        if metric.source.is_some() {
            continue;
        }
        let same = cluster.metrics.iter().find(|other| other.name == metric.name);
        metric.source = same.and_then(|same| same.source.clone());
        if metric.source.is_none() {
            let message =
                format!("must be given: the policy in the cluster has no source for a metric {}", metric.name);
            return Err(ConfigError::new(format!("spec.metrics[{index}].source"), message));
        }
    }
    Ok(changed)
}
