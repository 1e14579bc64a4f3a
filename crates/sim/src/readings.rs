//! What monitoring shows of a service: scraped on a grid, averaged over a window, and late.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use setpoint::Reading;

use crate::scenario::MetricSpec;
use crate::service::Meter;
use crate::units::{Micros, SECOND};

/// Completions kept for percentiles: of a window with more, the latest count.
const MOST_COMPLETIONS: usize = 4_000_000;

/// What a reading shows.
///
/// At time `t` that is the latest scrape `s ≤ t − delay`, and each value covers `(s − window, s]`,
/// or what there is of it since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Busy slots of ready replicas in percent of all slots of ready replicas, 0 to 100. Missing
    /// when no replica was ready in the window.
    Utilization,
    /// Requests that wait, in total, averaged over the window's time.
    Queue,
    /// Latency in ms that 95 % of the requests completed in the window did not exceed (nearest
    /// rank). Missing when none completed.
    P95,
    /// The same for 99 %.
    P99,
    /// Requests that arrived in the window, each second.
    Rate,
    /// Requests that wait or are served, in total, averaged over the window's time.
    Inflight,
}

/// A name that is no source's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reading {0:?}, known are: utilization, queue, p95, p99, rate, inflight")]
pub struct UnknownSource(pub String);

impl Source {
    /// Every source, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Utilization, Self::Queue, Self::P95, Self::P99, Self::Rate, Self::Inflight];

    /// The source's own name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utilization => "utilization",
            Self::Queue => "queue",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Rate => "rate",
            Self::Inflight => "inflight",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(name: &str) -> Result<Self, UnknownSource> {
        let found = Self::ALL.into_iter().find(|source| source.name() == name);
        found.ok_or_else(|| UnknownSource(name.to_owned()))
    }
}

/// Remembers what a scrape will need.
#[derive(Debug)]
pub(crate) struct Monitor {
    scrape: Micros,
    delay: Micros,
    window: Micros,
    /// The scrape that `opened` and `scraped` begin with, counted from 1.
    oldest: u64,
    /// The meter where the window of each scrape begins.
    opened: VecDeque<Meter>,
    /// The meter at each scrape.
    scraped: VecDeque<Meter>,
    completions: VecDeque<Completed>,
}

#[derive(Debug, Clone, Copy)]
struct Completed {
    at: Micros,
    latency: Micros,
}

impl Monitor {
    pub(crate) fn new(spec: &MetricSpec) -> Self {
        let (scrape, window) = (spec.scrape_interval.micros(), spec.window.micros());
        // The windows that would begin before the start begin at it.
        let opened = (1..=window / scrape).map(|_| Meter::default()).collect();
        Self {
            scrape,
            delay: spec.delay.micros(),
            window,
            oldest: 1,
            opened,
            scraped: VecDeque::new(),
            completions: VecDeque::new(),
        }
    }

    /// When the meter has to be seen next.
    pub(crate) fn next_mark(&self) -> Micros {
        self.next_scrape().min(self.next_opening())
    }

    fn next_scrape(&self) -> Micros {
        (self.oldest + self.scraped.len() as u64) * self.scrape
    }

    fn next_opening(&self) -> Micros {
        (self.oldest + self.opened.len() as u64) * self.scrape - self.window
    }

    /// See the meter at [`next_mark`](Self::next_mark); the meter again, if that was a scrape.
    pub(crate) fn mark(&mut self, meter: &Meter) {
        if meter.at == self.next_opening() {
            self.opened.push_back(*meter);
        }
        if meter.at == self.next_scrape() {
            self.scraped.push_back(*meter);
            self.forget(meter.at);
        }
    }

    pub(crate) fn completed(&mut self, at: Micros, latency: Micros) {
        if self.completions.len() == MOST_COMPLETIONS {
            self.completions.pop_front();
        }
        self.completions.push_back(Completed { at, latency });
    }

    /// Drop what no reading at `now` or later looks at.
    fn forget(&mut self, now: Micros) {
        let shown = now.saturating_sub(self.delay) / self.scrape;
        while self.oldest < shown {
            self.opened.pop_front();
            self.scraped.pop_front();
            self.oldest += 1;
        }
        let unseen = (self.oldest * self.scrape).saturating_sub(self.window);
        while self.completions.front().is_some_and(|completed| completed.at <= unseen) {
            self.completions.pop_front();
        }
    }

    /// What is shown at `now`, which is not before the last mark.
    pub(crate) fn reading(&self, source: Source, now: Micros) -> Reading<'static> {
        let shown = now.saturating_sub(self.delay) / self.scrape;
        let place = shown.checked_sub(self.oldest).and_then(|place| usize::try_from(place).ok());
        let marks = place.and_then(|place| Some((self.opened.get(place)?, self.scraped.get(place)?)));
        let Some((from, to)) = marks else {
            return Reading::Missing("no scrape yet");
        };
        let time = (to.at - from.at) as f64;
        match source {
            Source::Utilization => match to.utilization_since(from) {
                Some(utilization) => Reading::Value(utilization * 100.0),
                None => Reading::Missing("no ready replica in the window"),
            },
            Source::Queue => Reading::Value((to.waiting - from.waiting) as f64 / time),
            Source::Inflight => {
                let requests = to.waiting - from.waiting + to.in_service - from.in_service;
                Reading::Value(requests as f64 / time)
            }
            Source::Rate => Reading::Value((to.arrived - from.arrived) as f64 * SECOND as f64 / time),
            Source::P95 => self.percentile(95, from.at, to.at),
            Source::P99 => self.percentile(99, from.at, to.at),
        }
    }

    fn percentile(&self, percent: usize, from: Micros, to: Micros) -> Reading<'static> {
        let first = self.completions.partition_point(|completed| completed.at <= from);
        let end = self.completions.partition_point(|completed| completed.at <= to);
        let range = self.completions.range(first..end);
        let mut latencies: Vec<Micros> = range.map(|completed| completed.latency).collect();
        match nearest_rank(&mut latencies, percent) {
            Some(latency) => Reading::Value(latency as f64 / 1_000.0),
            None => Reading::Missing("no request completed in the window"),
        }
    }
}

/// The smallest value that at least `percent` of all values do not exceed.
pub(crate) fn nearest_rank(values: &mut [Micros], percent: usize) -> Option<Micros> {
    let rank = (values.len() * percent).div_ceil(100);
    let index = rank.checked_sub(1)?;
    Some(*values.select_nth_unstable(index).1)
}

#[cfg(test)]
mod tests;
