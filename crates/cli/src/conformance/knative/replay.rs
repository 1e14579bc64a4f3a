//! The replay of a scenario through the collector and the autoscaler.

use setpoint::knative::{
    About, Autoscaler, Averages, Collector, ConfigMap, Resolved, Revision, Scaled, ScalingMetric, resolve,
};
use setpoint::{Metric, Observation, Target, Timestamp, Trace};

use super::policy::PolicyWay;
use super::scenario::{self, Bits, Expected, MetricError, Scenario, Spec, Step, User, Windows};
use crate::conformance::Difference;

/// What differs, what was expected, what came.
type Found = (&'static str, String, String);

/// The first difference, if any; an error for a scenario that makes no sense.
pub(super) fn replay(scenario: &Scenario) -> Result<Option<Difference>, String> {
    let mut found = None;
    let mut policy = None;
    if let Some(user) = &scenario.user {
        match resolved(user) {
            Ok(resolved) => {
                found = compare_resolved(user, scenario, &resolved)?;
                policy = Some(PolicyWay::new(resolved, ready_at_start(scenario)?)?);
            }
            Err(refused) => found = Some(("annotations", "that can be resolved".to_owned(), refused)),
        }
    }
    let mut knative = Knative::new(scenario)?;
    let mut trace = Trace::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        trace.clear();
        if found.is_none() {
            found = knative.step(step, &mut trace)?;
        }
        if let (None, Some(policy)) = (&found, &mut policy) {
            found = policy.step(step, &mut trace)?;
        }
        if let Some((what, expected, got)) = found {
            let target = Target::average_value(1.0).map_err(|error| error.to_string())?;
            let reasons = trace.records(&[Metric::new("load", target)]);
            return Ok(Some(Difference { step: index, t_ms: step.t, what, expected, got, reasons }));
        }
    }
    Ok(None)
}

fn ready_at_start(scenario: &Scenario) -> Result<u32, String> {
    match (scenario.ready0, scenario.ready0_failed) {
        (Some(ready), false) => Ok(ready),
        (None, true) => Ok(0),
        (None, false) if scenario.spec.is_none() => Ok(0),
        _ => Err("neither a count of ready pods at the start, nor that counting failed".to_owned()),
    }
}

fn resolved(user: &User) -> Result<Resolved, String> {
    let config = ConfigMap::from_data(&user.config).map_err(|error| error.to_string())?;
    let annotations = user
        .annotations
        .iter()
        .map(|(name, value)| (format!("autoscaling.knative.dev/{name}"), value.clone()))
        .collect();
    let revision = Revision {
        annotations: &annotations,
        container_concurrency: user.container_concurrency,
        reachability: user.reachability.into(),
    };
    resolve(&revision, &config).map_err(|error| error.to_string())
}

/// What people wrote must come to what the autoscaler was given.
fn compare_resolved(user: &User, scenario: &Scenario, resolved: &Resolved) -> Result<Option<Found>, String> {
    let (Some(spec), Some(windows)) = (&scenario.spec, &scenario.windows) else {
        return Err("annotations that resolve to nothing".to_owned());
    };
    let metric = match resolved.metric {
        ScalingMetric::Concurrency => scenario::Metric::Concurrency,
        ScalingMetric::Rps => scenario::Metric::Rps,
    };
    Ok(compare("metric", &spec.metric, &metric)
        .or_else(|| compare("spec", &spec.read(), &resolved.spec))
        .or_else(|| compare("initial scale", &spec.initial_scale, &resolved.initial_scale))
        .or_else(|| compare("windows", &windows.read(), &resolved.windows))
        .or_else(|| compare("bounds", &(user.min, user.max), &(resolved.min, resolved.max))))
}

/// The autoscaler and the collector, as far as a scenario has them.
struct Knative {
    autoscaler: Option<Autoscaler>,
    metric: scenario::Metric,
    /// Of concurrency and of requests a second.
    collectors: Option<[Collector; 2]>,
    scraped: bool,
}

impl Knative {
    fn new(scenario: &Scenario) -> Result<Self, String> {
        let ready = ready_at_start(scenario)?;
        let start = Timestamp::from_millis(0);
        let autoscaler = |spec: &Spec| Autoscaler::new(spec.read(), ready, start).map_err(|error| error.to_string());
        let collectors = |windows: &Windows| {
            let collector = Collector::new(windows.read()).map_err(|error| error.to_string())?;
            Ok::<_, String>([collector.clone(), collector])
        };
        Ok(Self {
            autoscaler: scenario.spec.as_ref().map(autoscaler).transpose()?,
            metric: scenario.spec.as_ref().map_or(scenario::Metric::Concurrency, |spec| spec.metric),
            collectors: scenario.windows.as_ref().map(collectors).transpose()?,
            scraped: scenario.windows.is_some_and(|windows| windows.scraped),
        })
    }

    fn step(&mut self, step: &Step, trace: &mut Trace) -> Result<Option<Found>, String> {
        let now = Timestamp::from_millis(step.t);
        if let Some(spec) = &step.spec {
            let autoscaler = self.autoscaler.as_mut().ok_or("a spec for no autoscaler")?;
            autoscaler.set_spec(spec.read()).map_err(|error| error.to_string())?;
            self.metric = spec.metric;
        }
        self.collect(step, now)?;
        let averages = match &self.collectors {
            Some(collectors) => {
                let averages = collectors.each_ref().map(|collector| self.averages(collector, now));
                if let found @ Some(_) = compare_averages(&step.expect, averages) {
                    return Ok(found);
                }
                averages[usize::from(self.metric == scenario::Metric::Rps)]
            }
            None => match (step.stable, step.panic, step.metric_err) {
                (Some(stable), Some(panic), None) => Ok(Averages { stable: stable.0, panic: panic.0 }),
                (None, None, Some(error)) => Err(error),
                _ => return Err(format!("neither averages nor an error at t = {}", step.t)),
            },
        };
        let Some(autoscaler) = &mut self.autoscaler else {
            return Ok(None);
        };
        let ready = step.ready()?;
        let scaled = ready.zip(averages.ok()).and_then(|(ready, averages)| autoscaler.scale(now, ready, averages));
        if let (Some(ready), Some(scaled)) = (ready, &scaled) {
            let spec = autoscaler.spec();
            let windows = self.collectors.as_ref().map_or_else(
                || setpoint::knative::Windows { stable: spec.stable_window, ..Default::default() },
                |[collector, _]| collector.windows(),
            );
            scaled.explain(About { metric: 0, spec, windows }, &Observation::new(now, ready, &[]), trace);
        }
        Ok(compare_scaled(&step.expect, scaled))
    }

    fn collect(&mut self, step: &Step, now: Timestamp) -> Result<(), String> {
        if step.resize.is_none() && step.recs.is_empty() {
            return Ok(());
        }
        let collectors = self.collectors.as_mut().ok_or("samples without a collector")?;
        if let Some(windows) = &step.resize {
            for collector in &mut *collectors {
                collector.resize_as_if_full(windows.read(), now).map_err(|error| error.to_string())?;
            }
            self.scraped = windows.scraped;
        }
        for sample in &step.recs {
            for (collector, value) in collectors.iter_mut().zip(sample.values()) {
                collector.add(Timestamp::from_millis(sample.t), value);
            }
        }
        Ok(())
    }

    fn averages(&self, collector: &Collector, now: Timestamp) -> Result<Averages, MetricError> {
        if self.scraped {
            collector.averages(now).ok_or(MetricError::NoData)
        } else {
            Ok(collector.averages_or_zero(now))
        }
    }
}

fn compare_averages(expect: &Expected, [concurrency, rps]: [Result<Averages, MetricError>; 2]) -> Option<Found> {
    let bits = |averages: Result<Averages, MetricError>| averages.ok().map(|it| [Bits(it.stable), Bits(it.panic)]);
    // Both metrics have the same samples.
    compare("error", &expect.err, &concurrency.err())
        .or_else(|| compare_bits("concurrency", expect.conc, bits(concurrency)))
        .or_else(|| compare_bits("requests a second", expect.rps, bits(rps)))
}

/// 0 and -0 are two.
fn compare_bits(what: &'static str, expected: Option<[Bits; 2]>, got: Option<[Bits; 2]>) -> Option<Found> {
    let bits = |averages: Option<[Bits; 2]>| averages.map(|averages| averages.map(|average| average.0.to_bits()));
    (bits(expected) != bits(got)).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}

fn compare_scaled(expect: &Expected, scaled: Option<Scaled>) -> Option<Found> {
    compare("valid", &expect.valid, &Some(scaled.is_some()))
        .or_else(|| compare("desired", &expect.desired, &scaled.map(|it| it.desired)))
        .or_else(|| compare("excess burst capacity", &expect.ebc, &scaled.map(|it| it.excess_burst_capacity)))
        .or_else(|| compare("panic", &expect.panic, &scaled.map(|it| it.panicking())))
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: &T, got: &T) -> Option<Found> {
    (expected != got).then(|| (what, format!("{expected:?}"), format!("{got:?}")))
}
