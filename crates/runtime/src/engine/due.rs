//! When each workload is looked at next.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// A plan of looks. Looks of one tick are taken together, so that sources are asked for all of them at once.
#[derive(Debug)]
pub(super) struct Due {
    start: Instant,
    tick: Duration,
    order: BTreeSet<(Instant, Arc<str>)>,
    at: HashMap<Arc<str>, Instant>,
}

impl Due {
    pub(super) fn new(start: Instant, tick: Duration) -> Self {
        Self { start, tick, order: BTreeSet::new(), at: HashMap::new() }
    }

    /// `key` is due at `now`, or earlier if it was.
    pub(super) fn now(&mut self, key: Arc<str>, now: Instant) {
        let at = self.at.get(&key).map_or(now, |planned| now.min(*planned));
        self.plan(key, at);
    }

    /// After a look at `now`, the next is due at the workload's own time in its `interval`, half an interval from now at
    /// least: those that came together drift apart at once, and none is looked at twice in a row.
    pub(super) fn after(&mut self, key: Arc<str>, now: Instant, interval: Duration) {
        let interval = interval.max(Duration::from_millis(1));
        let phase = spread(&key, interval);
        let since = now.saturating_duration_since(self.start);
        let earliest = since + interval / 2;
        // The first time on the workload's own grid that is not before `earliest`.
        let steps = earliest.saturating_sub(phase).as_nanos().div_ceil(interval.as_nanos());
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let at = self.start + interval.saturating_mul(steps) + phase;
        // One that was made due while it was looked at stays so.
        let at = self.at.get(&key).map_or(at, |planned| at.min(*planned));
        self.plan(key, self.rounded(at));
    }

    fn plan(&mut self, key: Arc<str>, at: Instant) {
        if let Some(before) = self.at.insert(Arc::clone(&key), at) {
            self.order.remove(&(before, Arc::clone(&key)));
        }
        self.order.insert((at, key));
    }

    pub(super) fn forget(&mut self, key: &str) {
        if let Some((key, at)) = self.at.remove_entry(key) {
            self.order.remove(&(at, key));
        }
    }

    /// Those that are due, each with the time at which it was.
    pub(super) fn take(&mut self, now: Instant) -> Vec<(Instant, Arc<str>)> {
        let mut due = Vec::new();
        while self.order.first().is_some_and(|(at, _)| *at <= now) {
            let first = self.order.pop_first().expect("there is a first");
            self.at.remove(&first.1);
            due.push(first);
        }
        due
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The end of the tick that `at` is in.
    fn rounded(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.start);
        let ticks = u32::try_from(since.as_nanos().div_ceil(self.tick.as_nanos())).unwrap_or(u32::MAX);
        self.start + self.tick.saturating_mul(ticks)
    }
}

/// A time of its own in `interval` for each `key`, the same in every process.
fn spread(key: &str, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let nanos = (u128::from(hasher.finish()) * interval.as_nanos()) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_an_interval_apart_and_spread_over_it() {
        let start = Instant::now();
        let (tick, interval) = (Duration::from_secs(1), Duration::from_secs(15));
        let mut due = Due::new(start, tick);
        let keys: Vec<Arc<str>> = (0..300).map(|key| format!("workload-{key}").into()).collect();
        let mut slots = HashMap::<u64, u32>::new();
        for key in &keys {
            due.now(Arc::clone(key), start);
        }
        assert_eq!(due.take(start).len(), 300, "all are due at once");
        for key in &keys {
            due.after(Arc::clone(key), start, interval);
        }
        for second in 1..=60 {
            let now = start + Duration::from_secs(second);
            for (at, key) in due.take(now) {
                assert_eq!(at, now, "{key} is due at the end of a tick");
                *slots.entry(second).or_default() += 1;
                due.after(key, now, interval);
            }
        }
        for second in 30..=60 {
            let count = slots.get(&second).copied().unwrap_or_default();
            assert_eq!(slots.get(&(second - 15)).copied().unwrap_or_default(), count, "as an interval ago");
            assert!((5..=40).contains(&count), "300 over 15 ticks, and {count} at {second}");
        }
    }

    #[test]
    fn what_is_made_due_during_a_look_is_looked_at_next() {
        let start = Instant::now();
        let mut due = Due::new(start, Duration::from_secs(1));
        let key: Arc<str> = "a".into();
        due.now(Arc::clone(&key), start);
        assert_eq!(due.take(start).len(), 1);
        let later = start + Duration::from_millis(300);
        due.now(Arc::clone(&key), later);
        due.after(Arc::clone(&key), later, Duration::from_secs(60));
        assert!(due.next().expect("planned") <= start + Duration::from_secs(1));
        due.forget("a");
        assert_eq!(due.next(), None);
    }
}
