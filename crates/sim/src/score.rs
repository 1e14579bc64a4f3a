//! What a policy made of a load: the service's own numbers, and how supply followed demand.

use serde::Serialize;

mod samples;

use samples::Sampler;
pub use samples::Samples;

use hdrhistogram::{Counter, Histogram};

use crate::scenario::Spec;
use crate::service::Meter;
use crate::units::{Micros, SECOND};

/// All that is kept of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The whole run in a few numbers.
    pub summary: Summary,
    /// The run over time, for charts.
    pub samples: Samples,
}

/// The whole run in a few numbers: the same fields for each policy.
///
/// **Demand and supply** are compared on the scrape grid, whatever a policy's own interval. The
/// demand of an interval is the least number of replicas that could do the work arriving in it in
/// its time, `⌈work / (interval · concurrency)⌉`; its supply is the mean number of ready replicas.
/// The four measures are the SPEC Research Group's elasticity metrics (Herbst, Kounev, Reussner:
/// "Elasticity in Cloud Computing", ICAC 2013; Herbst et al.: "Ready for Rain?", SPEC RG 2016)
/// as means over the time of the run. The accuracies stay in replicas: they are not divided by
/// the demand or by a number of resources, so they compare policies on one load, not loads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Requests that arrived: `served + queued_at_end + refused`.
    pub requests: u64,
    /// Requests that were completed.
    pub served: u64,
    /// Requests that waited or were being served at the end.
    pub queued_at_end: u64,
    /// Requests that found the queue full.
    pub refused: u64,
    /// Requests slower than the promise, refused, or not completed by the end.
    pub slo_violations: u64,
    /// Violations of all requests, 0 to 1; 0 without requests.
    pub slo_violation_ratio: f64,
    /// Mean time from arrival to completion; none when nothing was served, as with all latencies.
    pub mean_latency_ms: Option<f64>,
    /// Median latency. Percentiles are within 0.1 % of a value that occurred.
    pub p50_latency_ms: Option<f64>,
    /// Latency that 95 % did not exceed.
    pub p95_latency_ms: Option<f64>,
    /// Latency that 99 % did not exceed.
    pub p99_latency_ms: Option<f64>,
    /// The longest latency, exact.
    pub max_latency_ms: Option<f64>,
    /// The cost: seconds times replicas that start, are ready or drain.
    pub replica_seconds: f64,
    /// `replica_seconds` by the time of the run.
    pub mean_replicas: f64,
    /// Most replicas that cost at once.
    pub peak_replicas: u32,
    /// Busy slots of ready replicas by slots of ready replicas, 0 to 1; none without a ready one.
    pub mean_utilization: Option<f64>,
    /// Mean over time of the replicas missing: `max(demand − supply, 0)`.
    pub under_provision_accuracy: f64,
    /// Mean over time of the replicas too many: `max(supply − demand, 0)`.
    pub over_provision_accuracy: f64,
    /// Part of the time with supply below demand, 0 to 1.
    pub under_provision_time_share: f64,
    /// Part of the time with supply above demand, 0 to 1.
    pub over_provision_time_share: f64,
    /// Times that more replicas were asked for.
    pub scale_ups: u64,
    /// Times that fewer were asked for.
    pub scale_downs: u64,
    /// Scalings in the other direction than the scaling before.
    pub reversals: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Keeps count while a run goes on.
#[derive(Debug)]
pub(crate) struct Score {
    interval: Micros,
    concurrency: u32,
    slo: Micros,
    duration: Micros,
    /// The meter at the last mark of the grid.
    interval_start: Meter,
    balance: Balance,
    latencies: Histogram<u64>,
    latency_sum: u128,
    latency_max: Micros,
    served: u64,
    late: u64,
    refused: u64,
    peak: u32,
    scale_ups: u64,
    scale_downs: u64,
    reversals: u64,
    last: Option<Direction>,
    sampler: Sampler,
}

/// Demand against supply, times µs.
#[derive(Debug, Default)]
struct Balance {
    missing: f64,
    excess: f64,
    under: Micros,
    over: Micros,
}

impl Score {
    pub(crate) fn new(spec: &Spec, duration: Micros, replicas: u32) -> Self {
        Self {
            interval: spec.metrics.scrape_interval.micros(),
            concurrency: spec.service.concurrency.get(),
            slo: spec.slo.latency.micros(),
            duration,
            interval_start: Meter::default(),
            balance: Balance::default(),
            latencies: growing(3),
            latency_sum: 0,
            latency_max: 0,
            served: 0,
            late: 0,
            refused: 0,
            peak: replicas,
            scale_ups: 0,
            scale_downs: 0,
            reversals: 0,
            last: None,
            sampler: Sampler::new(duration),
        }
    }

    /// When the meter has to be seen next.
    pub(crate) fn next_mark(&self) -> Micros {
        (self.interval_start.at + self.interval).min(self.sampler.next_edge())
    }

    pub(crate) fn mark(&mut self, meter: &Meter) {
        if meter.at == self.interval_start.at + self.interval {
            self.balance.add(&self.interval_start, meter, self.concurrency);
            self.interval_start = *meter;
        }
        if meter.at == self.sampler.next_edge() {
            self.sampler.close(meter);
        }
    }

    pub(crate) fn served(&mut self, latency: Micros) {
        self.served += 1;
        self.late += u64::from(latency > self.slo);
        self.latency_sum += u128::from(latency);
        self.latency_max = self.latency_max.max(latency);
        // Grows as needed; 400 days of microseconds are far below what it can hold.
        let recorded = self.latencies.record(latency);
        debug_assert!(recorded.is_ok(), "the histogram grows");
        self.sampler.served(latency);
    }

    pub(crate) fn refused(&mut self) {
        self.refused += 1;
    }

    pub(crate) fn scaled(&mut self, from: u32, to: u32, billed: u32) {
        let direction = match from.cmp(&to) {
            std::cmp::Ordering::Less => Direction::Up,
            std::cmp::Ordering::Greater => Direction::Down,
            std::cmp::Ordering::Equal => return,
        };
        match direction {
            Direction::Up => self.scale_ups += 1,
            Direction::Down => self.scale_downs += 1,
        }
        self.reversals += u64::from(self.last.is_some_and(|last| last != direction));
        self.last = Some(direction);
        self.peak = self.peak.max(billed);
    }

    /// The score at the end, with `left` requests not completed.
    pub(crate) fn finish(mut self, meter: &Meter, left: u64) -> Report {
        // What is left of the last interval, and counts by its length.
        if meter.at > self.interval_start.at {
            self.balance.add(&self.interval_start, meter, self.concurrency);
        }
        let duration = self.duration as f64;
        let violations = self.late + self.refused + left;
        let ratio = if meter.arrived == 0 { 0.0 } else { violations as f64 / meter.arrived as f64 };
        let summary = Summary {
            requests: meter.arrived,
            served: self.served,
            queued_at_end: left,
            refused: self.refused,
            slo_violations: violations,
            slo_violation_ratio: ratio,
            mean_latency_ms: (self.served > 0).then(|| self.latency_sum as f64 / self.served as f64 / 1_000.0),
            p50_latency_ms: self.percentile(0.50),
            p95_latency_ms: self.percentile(0.95),
            p99_latency_ms: self.percentile(0.99),
            max_latency_ms: (self.served > 0).then_some(self.latency_max as f64 / 1_000.0),
            replica_seconds: meter.billed as f64 / SECOND as f64,
            mean_replicas: meter.billed as f64 / duration,
            peak_replicas: self.peak,
            mean_utilization: meter.utilization_since(&Meter::default()),
            under_provision_accuracy: self.balance.missing / duration,
            over_provision_accuracy: self.balance.excess / duration,
            under_provision_time_share: self.balance.under as f64 / duration,
            over_provision_time_share: self.balance.over as f64 / duration,
            scale_ups: self.scale_ups,
            scale_downs: self.scale_downs,
            reversals: self.reversals,
        };
        Report { summary, samples: self.sampler.finish(meter) }
    }

    fn percentile(&self, quantile: f64) -> Option<f64> {
        // A bucket's upper end may lie above all that it holds.
        let latency = self.latencies.value_at_quantile(quantile).min(self.latency_max);
        (self.served > 0).then_some(latency as f64 / 1_000.0)
    }
}

/// A histogram with so many significant digits that grows with what it is given.
fn growing<C: Counter>(digits: u8) -> Histogram<C> {
    let mut histogram = Histogram::new(digits).expect("up to five digits are allowed");
    histogram.auto(true);
    histogram
}

impl Balance {
    fn add(&mut self, from: &Meter, to: &Meter, concurrency: u32) {
        let time = to.at - from.at;
        let capacity = u128::from(time) * u128::from(concurrency);
        let demand = (to.work - from.work).div_ceil(capacity);
        let supply = to.ready - from.ready;
        // Both times `time`, so that equal is equal.
        match (demand * u128::from(time)).cmp(&supply) {
            std::cmp::Ordering::Greater => {
                self.missing += (demand * u128::from(time) - supply) as f64;
                self.under += time;
            }
            std::cmp::Ordering::Less => {
                self.excess += (supply - demand * u128::from(time)) as f64;
                self.over += time;
            }
            std::cmp::Ordering::Equal => {}
        }
    }
}

#[cfg(test)]
mod tests;
