//! How fast counters grow, between one look and the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use setpoint::{PodScrape, TargetRef};

/// Values by the labels of their series.
pub(super) type Series = BTreeMap<BTreeMap<String, String>, f64>;

/// The counters of one pod at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    pub(super) at: Instant,
    pub(super) series: Series,
}

impl Counted {
    /// How many a second came since `earlier`, and over how long; none where the two have no series in common.
    ///
    /// A counter that is less than it was began anew at 0. A series that wasn't there yet may have grown long before.
    pub(super) fn rate_since(&self, earlier: &Self) -> Option<(f64, Duration)> {
        let over = self.at.checked_duration_since(earlier.at).filter(|over| !over.is_zero())?;
        let grown = self.series.iter().filter_map(|(labels, now)| {
            let before = earlier.series.get(labels)?;
            Some(if now < before { *now } else { now - before })
        });
        let mut grown = grown.peekable();
        grown.peek()?;
        Some((grown.sum::<f64>() / over.as_secs_f64(), over))
    }
}

/// What the counters of pods were at the last look, by workload and metric.
#[derive(Debug, Default)]
pub(super) struct Rates {
    inner: Mutex<Inner>,
}

/// What one metric's counters were, by pod.
pub(super) type OfPods = HashMap<String, Counted>;

#[derive(Debug, Default)]
struct Inner {
    last: HashMap<(TargetRef, String), Kept>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    scrape: PodScrape,
    pods: OfPods,
}

/// Looks that are further apart make no rate: by then a workload without one is taken to be gone.
const KEPT: Duration = Duration::from_secs(3600);

impl Rates {
    /// What the counters of `metric` were, when it was read as `scrape` says.
    pub(super) fn take(&self, target: &TargetRef, metric: &str, scrape: &PodScrape) -> OfPods {
        let kept = self.locked().last.remove(&(target.clone(), metric.to_owned()));
        kept.filter(|kept| kept.scrape == *scrape && kept.at.elapsed() <= KEPT)
            .map(|kept| kept.pods)
            .unwrap_or_default()
    }

    /// What they are now, for the next look.
    pub(super) fn keep(&self, target: &TargetRef, metric: &str, scrape: &PodScrape, pods: OfPods) {
        let at = Instant::now();
        let mut inner = self.locked();
        inner.last.insert((target.clone(), metric.to_owned()), Kept { at, scrape: scrape.clone(), pods });
        if inner.swept.is_none_or(|swept| at.duration_since(swept) > KEPT) {
            inner.swept = Some(at);
            inner.last.retain(|_, kept| at.duration_since(kept.at) <= KEPT);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere can't leave a map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_rates_and_a_restart_is_no_negative_one() {
        let start = Instant::now();
        let counted = |seconds: u64, series: &[(&str, f64)]| {
            let series = series.iter().map(|(code, value)| ([("code".to_owned(), (*code).to_owned())].into(), *value));
            Counted { at: start + Duration::from_secs(seconds), series: series.collect() }
        };
        let earlier = counted(0, &[("200", 100.0), ("500", 7.0)]);
        let cases = [
            ("both grow", counted(10, &[("200", 150.0), ("500", 17.0)]), Some(6.0)),
            ("nothing comes", counted(10, &[("200", 100.0), ("500", 7.0)]), Some(0.0)),
            ("it began anew", counted(10, &[("200", 30.0), ("500", 7.0)]), Some(3.0)),
            ("one is new", counted(10, &[("200", 120.0), ("404", 50.0)]), Some(2.0)),
            ("all are new", counted(10, &[("404", 50.0)]), None),
            ("at the same time", counted(0, &[("200", 150.0)]), None),
        ];
        for (name, now, want) in cases {
            assert_eq!(now.rate_since(&earlier).map(|(rate, _)| rate), want, "{name}");
        }
    }

    #[test]
    fn another_series_under_the_same_name_begins_without_a_past() {
        let target =
            TargetRef { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "a".into(), namespace: None };
        let scrape = |metric: &str| PodScrape { metric: Some(metric.to_owned()), ..PodScrape::default() };
        let rates = Rates::default();
        let pods = || OfPods::from([("a-1".to_owned(), Counted { at: Instant::now(), series: BTreeMap::new() })]);
        rates.keep(&target, "requests", &scrape("a_total"), pods());
        assert!(rates.take(&target, "requests", &scrape("b_total")).is_empty());
        rates.keep(&target, "requests", &scrape("a_total"), pods());
        assert_eq!(rates.take(&target, "requests", &scrape("a_total")).len(), 1);
        assert!(rates.take(&target, "requests", &scrape("a_total")).is_empty(), "once");
    }
}
