//! A metric's averages over both of Knative's windows.
//!
//! Knative: pkg/autoscaler/metrics/collector.go.

use std::time::Duration;

use super::scale::Averages;
use crate::config::ConfigError;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::window::{Averaging, WindowAverage};

const BUCKET: Duration = Duration::from_secs(1);

/// The number of the bucket that both windows have `at` in: one division for both, and by a constant.
#[inline]
const fn second(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1000)
}

/// How long the windows are, in whole seconds, and how they average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// How both average.
    pub averaging: Averaging,
    /// The stable window.
    pub stable: Duration,
    /// The panic window.
    pub panic: Duration,
}

impl Default for Windows {
    /// Knative's: 60 s and 6 s, linear.
    fn default() -> Self {
        let averaging = Averaging::default();
        Self { averaging, stable: Duration::from_secs(60), panic: Duration::from_secs(6) }
    }
}

/// One metric's samples in buckets of a second, averaged over a stable and a panic window.
///
/// ```
/// use setpoint::Timestamp;
/// use setpoint::knative::{Averages, Collector, Windows};
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let mut concurrency = Collector::new(Windows::default())?;
/// for second in 0..60 {
///     concurrency.add(at(second), if second < 54 { 10.0 } else { 20.0 });
/// }
/// assert_eq!(concurrency.averages(at(59)), Some(Averages { stable: 11.0, panic: 20.0 }));
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    stable: WindowAverage,
    panic: WindowAverage,
}

impl Collector {
    /// Without samples.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the window that is not in whole seconds.
    pub fn new(windows: Windows) -> Result<Self, ConfigError> {
        let window = |field, length| {
            WindowAverage::new(windows.averaging, length, BUCKET)
                .map_err(|error| ConfigError::new(field, error.to_string()))
        };
        Ok(Self { stable: window("stableWindow", windows.stable)?, panic: window("panicWindow", windows.panic)? })
    }

    /// Adds a sample as Knative does: to what its second has already. Seconds without one are zero.
    #[inline]
    pub fn add(&mut self, at: Timestamp, value: f64) {
        let second = second(at);
        self.stable.add_to(second, value);
        self.panic.add_to(second, value);
    }

    /// Notes a level, which stands for the time since the sample before: see [`WindowAverage::sample`].
    #[inline]
    pub fn sample(&mut self, at: Timestamp, value: f64) {
        let second = second(at);
        self.stable.sample_to(second, value);
        self.panic.sample_to(second, value);
    }

    /// The averages at `now`; none when the stable window is empty. An empty panic window averages to 0.
    #[must_use]
    #[inline]
    pub fn averages(&self, now: Timestamp) -> Option<Averages> {
        let second = second(now);
        let stable = self.stable.average_at(second)?;
        Some(Averages { stable, panic: self.panic.average_at(second).unwrap_or(0.0) })
    }

    /// The same, where an empty stable window averages to 0 too: so for what is not scraped, but counted where requests
    /// come in. No word then means no requests.
    #[must_use]
    pub fn averages_or_zero(&self, now: Timestamp) -> Averages {
        Averages { stable: self.stable.average(now).unwrap_or(0.0), panic: self.panic.average(now).unwrap_or(0.0) }
    }

    /// The same, where no average is rounded, and a weighted window that is young averages what it has, and not zeros
    /// before it.
    #[inline]
    pub(super) fn covered(&self, now: Timestamp) -> Option<Averages> {
        let second = second(now);
        let stable = self.stable.exact_average_at(second)?;
        let panic = self.panic.exact_average_at(second).unwrap_or(0.0);
        Some(match self.stable.averaging() {
            Averaging::Linear => Averages { stable, panic },
            Averaging::WeightedExponential => {
                Averages { stable: stable / self.stable.coverage(now), panic: panic / self.panic.coverage(now) }
            }
        })
    }

    /// The windows' lengths.
    #[must_use]
    pub fn windows(&self) -> Windows {
        let averaging = self.stable.averaging();
        Windows { averaging, stable: self.stable.window(), panic: self.panic.window() }
    }

    /// Makes the windows those lengths at `now`, as [`WindowAverage::resize`] does. How they average stays.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn resize(&mut self, windows: Windows, now: Timestamp) -> Result<(), ConfigError> {
        self.resize_by(windows, |window, length| window.resize(length, now))
    }

    /// The same as Knative does it: see [`WindowAverage::resize_as_if_full`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn resize_as_if_full(&mut self, windows: Windows, now: Timestamp) -> Result<(), ConfigError> {
        self.resize_by(windows, |window, length| window.resize_as_if_full(length, now))
    }

    fn resize_by(
        &mut self,
        windows: Windows,
        resize: impl Fn(&mut WindowAverage, Duration) -> Result<(), crate::window::WindowError>,
    ) -> Result<(), ConfigError> {
        for (field, window, length) in
            [("stableWindow", &mut self.stable, windows.stable), ("panicWindow", &mut self.panic, windows.panic)]
        {
            resize(window, length).map_err(|error| ConfigError::new(field, error.to_string()))?;
        }
        Ok(())
    }

    /// Appends what it remembers to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        self.stable.write(state);
        self.panic.write(state);
    }

    /// What [`write`](Self::write) wrote, averaged as this one does. The windows may have other lengths:
    /// [`resize`](Self::resize) them.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no collector writes.
    pub fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        Ok(Self { stable: self.stable.read(reader)?, panic: self.panic.read(reader)? })
    }
}
