//! A run over time, for charts.

use serde::Serialize;

use hdrhistogram::Histogram;

use crate::service::Meter;
use crate::units::{Micros, SECOND};

/// Buckets a run is divided into; fewer in a run too short for one of a second each.
const BUCKETS: u64 = 480;

/// A run in equal buckets of time, as columns of one length. Levels are means over the bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Samples {
    /// Where each bucket begins, in seconds from the start.
    pub time_s: Vec<f64>,
    /// Requests that arrived, each second.
    pub offered_rate: Vec<f64>,
    /// Replicas asked for.
    pub replicas: Vec<f64>,
    /// Replicas ready.
    pub ready: Vec<f64>,
    /// Busy slots of ready replicas by their slots, 0 to 1; none without a ready replica.
    pub utilization: Vec<Option<f64>>,
    /// Requests waiting.
    pub queue: Vec<f64>,
    /// 95th percentile of the latency of requests completed in the bucket, within 1 %; none if none.
    pub p95_latency_ms: Vec<Option<f64>>,
    /// 99th percentile.
    pub p99_latency_ms: Vec<Option<f64>>,
}

#[derive(Debug)]
pub(super) struct Sampler {
    duration: Micros,
    buckets: u64,
    closed: u64,
    start: Meter,
    latencies: Histogram<u32>,
    samples: Samples,
}

impl Sampler {
    pub(super) fn new(duration: Micros) -> Self {
        Self {
            duration,
            buckets: (duration / SECOND).clamp(1, BUCKETS),
            closed: 0,
            start: Meter::default(),
            latencies: super::growing(2),
            samples: Samples::default(),
        }
    }

    /// Where the bucket that is open ends; never, after the last.
    pub(super) fn next_edge(&self) -> Micros {
        if self.closed == self.buckets {
            return Micros::MAX;
        }
        self.duration / self.buckets * (self.closed + 1)
            + self.duration % self.buckets * (self.closed + 1) / self.buckets
    }

    pub(super) fn served(&mut self, latency: Micros) {
        let recorded = self.latencies.record(latency);
        debug_assert!(recorded.is_ok(), "the histogram grows");
    }

    pub(super) fn close(&mut self, meter: &Meter) {
        let (from, time) = (self.start, (meter.at - self.start.at) as f64);
        let (latencies, samples) = (&self.latencies, &mut self.samples);
        let percentile = |quantile| {
            let latency = latencies.value_at_quantile(quantile);
            (!latencies.is_empty()).then_some(latency as f64 / 1_000.0)
        };
        samples.time_s.push(from.at as f64 / SECOND as f64);
        samples.offered_rate.push((meter.arrived - from.arrived) as f64 * SECOND as f64 / time);
        samples.replicas.push((meter.asked - from.asked) as f64 / time);
        samples.ready.push((meter.ready - from.ready) as f64 / time);
        samples.utilization.push(meter.utilization_since(&from));
        samples.queue.push((meter.waiting - from.waiting) as f64 / time);
        samples.p95_latency_ms.push(percentile(0.95));
        samples.p99_latency_ms.push(percentile(0.99));
        self.latencies.reset();
        self.start = *meter;
        self.closed += 1;
    }

    pub(super) fn finish(mut self, meter: &Meter) -> Samples {
        if self.closed < self.buckets && meter.at > self.start.at {
            self.close(meter);
        }
        self.samples
    }
}
