//! Knative's decision: from averages and a count of ready pods to a count of pods, with its panic mode.
//!
//! Knative: pkg/autoscaler/scaling/autoscaler.go, `Scale`.

use std::time::Duration;

use crate::config::ConfigError;
use crate::rounding::{ceil, floor};
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::window::BucketedMaximum;

/// The bucket of the scale-down delay: Knative's tick.
const TICK: Duration = Duration::from_secs(2);

/// What [`Autoscaler`] decides by: Knative's `DeciderSpec`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// What a pod should have of the metric. Greater than 0; [`resolve`](super::resolve()) gives at least 0.01.
    pub target: f64,
    /// What a pod can have: only the excess burst capacity counts with it. Greater than 0.
    pub total: f64,
    /// The burst to hold capacity for: 0 for none, -1 for any.
    pub target_burst_capacity: f64,
    /// Panic begins where the panic window needs so many times the ready pods: 2 for twice as many. Greater than 0.
    pub panic_threshold: f64,
    /// At most so many times the ready pods in one decision. Greater than 0.
    pub max_scale_up_rate: f64,
    /// At least the ready pods divided by this. Greater than 0.
    pub max_scale_down_rate: f64,
    /// The window of the stable average. Panic lasts for one after its last cause.
    pub stable_window: Duration,
    /// A count holds for so long before a smaller one does; zero for none.
    pub scale_down_delay: Duration,
    /// What any need at all is raised to. 0 and 1 raise nothing.
    pub activation_scale: u32,
    /// Whether requests can reach the pods. Those that none can reach go at once.
    pub reachable: bool,
}

impl Default for Spec {
    /// Knative's, for a concurrency of 100 a pod.
    fn default() -> Self {
        Self {
            target: 70.0,
            total: 100.0,
            target_burst_capacity: 211.0,
            panic_threshold: 2.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            stable_window: Duration::from_secs(60),
            scale_down_delay: Duration::ZERO,
            activation_scale: 0,
            reachable: true,
        }
    }
}

impl Spec {
    /// Checks that the arithmetic can be done with it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field that is out of range, NaN or infinite.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("target", self.target),
            ("total", self.total),
            ("panicThreshold", self.panic_threshold),
            ("maxScaleUpRate", self.max_scale_up_rate),
            ("maxScaleDownRate", self.max_scale_down_rate),
        ];
        for (field, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(ConfigError::new(field, format!("must be a finite number greater than 0, got {value}")));
            }
        }
        let burst = self.target_burst_capacity;
        #[expect(clippy::float_cmp, reason = "-1 stands for itself")]
        let known = burst.is_finite() && (burst >= 0.0 || burst == -1.0);
        if !known {
            let message = format!("must be at least 0, or -1 for any burst, got {burst}");
            return Err(ConfigError::new("targetBurstCapacity", message));
        }
        if i32::try_from(self.activation_scale).is_err() {
            let message = format!("must be at most {}, got {}", i32::MAX, self.activation_scale);
            return Err(ConfigError::new("activationScale", message));
        }
        Ok(())
    }

    fn delay(&self) -> Option<BucketedMaximum> {
        // Longer than any time there is: as none at all to the machine, and never reached.
        (!self.scale_down_delay.is_zero()).then(|| BucketedMaximum::new(self.scale_down_delay, TICK).ok()).flatten()
    }
}

/// A metric averaged over both windows, in total over all pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// Over the stable window.
    pub stable: f64,
    /// Over the panic window.
    pub panic: f64,
}

/// One revision's autoscaler, as a state machine that takes the time as data.
///
/// A decision that can't be made changes nothing.
///
/// ```
/// use setpoint::Timestamp;
/// use setpoint::knative::{Autoscaler, Averages, Spec};
///
/// let at = |secs: i64| Timestamp::from_millis(secs * 1000);
/// let spec = Spec { target: 10.0, ..Spec::default() };
/// let mut autoscaler = Autoscaler::new(spec, 1, at(0))?;
/// // 2 are needed; but the panic window needs 4, twice the 2 that are ready.
/// let scaled = autoscaler.scale(at(2), 2, Averages { stable: 20.0, panic: 39.0 }).expect("averages");
/// assert_eq!((scaled.desired, scaled.panicking()), (4, true));
/// // Panic holds what it came to until a whole stable window has passed without a cause.
/// let scaled = autoscaler.scale(at(62), 4, Averages { stable: 10.0, panic: 10.0 }).expect("averages");
/// assert_eq!((scaled.desired, scaled.panicking()), (4, true));
/// let scaled = autoscaler.scale(at(64), 4, Averages { stable: 10.0, panic: 10.0 }).expect("averages");
/// assert_eq!((scaled.desired, scaled.panicking()), (2, false));
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Autoscaler {
    spec: Spec,
    /// Since when there is a cause to panic: the newest one.
    panic_since: Option<Timestamp>,
    /// The most that was wanted during the panic.
    high_mark: i32,
    delay: Option<BucketedMaximum>,
}

/// A decision, and each number on the way to it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scaled {
    /// The pods wanted, before any bounds.
    pub desired: u32,
    /// What is left of the capacity after the load and the burst to hold capacity for; negative where it is short. 0 where
    /// no burst is asked for, -1 where any is.
    pub excess_burst_capacity: i32,
    /// What panic mode did.
    pub panic: Panic,
    /// When panic ends if it gets no more cause, while there is panic.
    pub panic_until: Option<Timestamp>,
    /// What it was decided by.
    pub averages: Averages,
    /// The stable average over the target, rounded up.
    pub stable_need: f64,
    /// The same of the panic average.
    pub panic_need: f64,
    /// The most that the ready pods allow, and the least.
    pub limits: (f64, f64),
    /// The stable need within the limits.
    pub stable_limited: i32,
    /// The same, raised to the activation scale.
    pub stable: i32,
    /// The panic need within the limits, raised to the activation scale.
    pub panicked: i32,
    /// What was wanted before the delay.
    pub undelayed: i32,
    /// When the delay lets go of what it holds, where it holds something.
    pub delayed_until: Option<Timestamp>,
}

/// What panic mode did in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panic {
    /// There is none.
    None,
    /// It began.
    Began,
    /// It got another cause, and begins to count anew.
    Extended,
    /// It goes on.
    Continued,
    /// It ended.
    Ended,
}

impl Scaled {
    /// Whether this is a decision in panic mode.
    #[must_use]
    pub const fn panicking(&self) -> bool {
        self.panic_until.is_some()
    }
}

impl Autoscaler {
    /// A new one at `at`, when `ready` pods are ready; 0 where they could not be counted.
    ///
    /// With more than one it begins in panic, for it knows nothing of the load yet: nothing is taken away for a stable
    /// window.
    ///
    /// # Errors
    ///
    /// As for [`Spec::check`].
    pub fn new(spec: Spec, ready: u32, at: Timestamp) -> Result<Self, ConfigError> {
        spec.check()?;
        let high_mark = i32::try_from(ready).unwrap_or(i32::MAX);
        Ok(Self { spec, panic_since: (ready > 1).then_some(at), high_mark, delay: spec.delay() })
    }

    /// What it decides by.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Decides by another spec from now on; what it remembers stays. As in Knative, the delay it was made with stays too:
    /// see [`set_delay`](Self::set_delay).
    ///
    /// # Errors
    ///
    /// As for [`Spec::check`]; then nothing has changed.
    pub fn set_spec(&mut self, spec: Spec) -> Result<(), ConfigError> {
        spec.check()?;
        self.spec = spec;
        Ok(())
    }

    /// Makes the delay that of the spec, and keeps what was remembered for it as far as it reaches.
    pub fn set_delay(&mut self) {
        let before = self.delay.take();
        self.delay = self.spec.delay();
        if let (Some(delay), Some(before)) = (&mut self.delay, before) {
            delay.adopt(&before);
        }
    }

    /// Decides at `now`, for `ready` pods and a metric's `averages`. None, with nothing changed, for averages that are no
    /// numbers.
    #[inline]
    pub fn scale(&mut self, now: Timestamp, ready: u32, averages: Averages) -> Option<Scaled> {
        if !(averages.stable.is_finite() && averages.panic.is_finite()) {
            return None;
        }
        self.scale_to(now, ready, averages, ceil)
    }

    /// The same, where `whole` rounds the need up.
    #[inline]
    pub(super) fn scale_to(
        &mut self,
        now: Timestamp,
        ready: u32,
        averages: Averages,
        whole: impl Fn(f64) -> f64,
    ) -> Option<Scaled> {
        let spec = &self.spec;
        let (stable_need, panic_need) = (whole(averages.stable / spec.target), whole(averages.panic / spec.target));
        // A tiny target: there is no such number of pods.
        if !(stable_need.is_finite() && panic_need.is_finite()) {
            return None;
        }
        let counted = f64::from(ready.max(1));
        // Rounded so that each step can be of one pod at least.
        let most = ceil(spec.max_scale_up_rate * counted);
        let least = if spec.reachable { floor(counted / spec.max_scale_down_rate) } else { 0.0 };
        // In this order, for `least` may be above `most`. Saturates, where Go leaves it to the machine.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let limit = |need: f64| {
            let need = if need < least { least } else { need };
            (if need > most { most } else { need }) as i32
        };
        // After the limits, and so past them.
        let activated = |need: f64, limited: i32| match i32::try_from(spec.activation_scale) {
            Ok(scale) if scale > 1 && need > 0.0 => limited.max(scale),
            _ => limited,
        };
        let (stable_limited, panic_limited) = (limit(stable_need), limit(panic_need));
        let (stable, panicked) = (activated(stable_need, stable_limited), activated(panic_need, panic_limited));

        // The need without limits, and rounded up.
        let over = panic_need / counted >= spec.panic_threshold;
        let panic = self.follow(now, over);
        let mut desired = stable;
        if self.panic_since.is_some() {
            self.high_mark = self.high_mark.max(desired).max(panicked);
            desired = self.high_mark;
        }
        let undelayed = desired;
        let mut delayed_until = None;
        if self.spec.reachable
            && let Some(delay) = &mut self.delay
        {
            delay.record(now, f64::from(desired));
            #[expect(clippy::cast_possible_truncation, reason = "every value recorded is an i32")]
            let held = delay.current().map_or(desired, |held| held as i32);
            if held != desired {
                (desired, delayed_until) = (held, delay.holds_until());
            }
        }
        Some(Scaled {
            desired: desired.max(0).unsigned_abs(),
            excess_burst_capacity: self.excess_burst_capacity(ready, averages.panic),
            panic,
            panic_until: self.panic_since.map(|since| since + self.spec.stable_window),
            averages,
            stable_need,
            panic_need,
            limits: (most, least),
            stable_limited,
            stable,
            panicked,
            undelayed,
            delayed_until,
        })
    }

    #[inline]
    fn follow(&mut self, now: Timestamp, over: bool) -> Panic {
        match self.panic_since {
            None if over => {
                self.panic_since = Some(now);
                Panic::Began
            }
            None => Panic::None,
            Some(_) if over => {
                self.panic_since = Some(now);
                Panic::Extended
            }
            // Exactly a window later it still holds.
            Some(since) if since + self.spec.stable_window < now => {
                (self.panic_since, self.high_mark) = (None, 0);
                Panic::Ended
            }
            Some(_) => Panic::Continued,
        }
    }

    /// With the true count of ready pods, also where that is zero.
    #[inline]
    fn excess_burst_capacity(&self, ready: u32, panic: f64) -> i32 {
        let burst = self.spec.target_burst_capacity;
        if burst == 0.0 {
            0
        } else if burst > 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            let excess = floor(f64::from(ready) * self.spec.total - burst - panic) as i32;
            excess
        } else {
            -1
        }
    }

    /// Appends what it remembers to a state. It carries no version: that is for the part that holds it.
    pub fn write(&self, state: &mut Vec<u8>) {
        state.push(u8::from(self.panic_since.is_some()));
        if let Some(since) = self.panic_since {
            state.extend(since.as_millis().to_le_bytes());
        }
        state.extend(self.high_mark.unsigned_abs().to_le_bytes());
        state.push(u8::from(self.delay.is_some()));
        if let Some(delay) = &self.delay {
            delay.write(state);
        }
    }

    /// What [`write`](Self::write) wrote, to go on by `spec`. The delay is the one it was made with.
    ///
    /// # Errors
    ///
    /// [`StateError`] for bytes that no autoscaler writes.
    pub fn read(reader: &mut StateReader<'_>, spec: Spec) -> Result<Self, StateError> {
        let panic_since = if reader.flag()? { Some(Timestamp::from_millis(reader.i64()?)) } else { None };
        let high_mark = i32::try_from(reader.u32()?).map_err(|_| reader.damaged("a count is too large"))?;
        let delay = if reader.flag()? { Some(BucketedMaximum::read(reader)?) } else { None };
        Ok(Self { spec, panic_since, high_mark, delay })
    }
}
