//! What a cluster's administrator sets for all revisions: the config map `config-autoscaler`.
//!
//! Knative: pkg/autoscaler/config/config.go.

use std::collections::BTreeMap;
use std::time::Duration;

use super::text::Texts;
use crate::config::{ConfigError, near_miss};

/// The smallest target: Knative's `TargetMin`.
pub(super) const TARGET_MIN: f64 = 0.01;
pub(super) const WINDOWS: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(3600));
const ANY: (Duration, Duration) = (Duration::ZERO, Duration::MAX);

/// The config map `config-autoscaler`, checked, with its defaults.
///
/// ```
/// use std::collections::BTreeMap;
/// use setpoint::knative::ConfigMap;
///
/// let data = |value: &str| BTreeMap::from([("container-concurrency-target-percentage".to_owned(), value.to_owned())]);
/// assert_eq!(ConfigMap::from_data(&data("80"))?.concurrency_utilization, 0.8);
/// // Up to 1 it is a fraction, for old times' sake: "1" is 100 %.
/// assert_eq!(ConfigMap::from_data(&data("1"))?.concurrency_utilization, 1.0);
/// assert!(ConfigMap::from_data(&data("0")).is_err());
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigMap {
    /// `container-concurrency-target-percentage`, as a fraction in (0, 1]. Default 0.7.
    pub concurrency_utilization: f64,
    /// `container-concurrency-target-default`: for revisions that limit nothing. Default 100.
    pub concurrency_target: f64,
    /// `requests-per-second-target-default`. At least 0.01, default 200.
    pub rps_target: f64,
    /// `target-burst-capacity`: at least 0, or -1. Default 211.
    pub target_burst_capacity: f64,
    /// `stable-window`, from 6 s to 1 h in whole seconds. Default 60 s.
    pub stable_window: Duration,
    /// `panic-window-percentage` of the stable window, from 1 to 100. Default 10.
    pub panic_window_percentage: f64,
    /// `panic-threshold-percentage`. Default 200.
    pub panic_threshold_percentage: f64,
    /// `max-scale-up-rate`, more than 1. Default 1000.
    pub max_scale_up_rate: f64,
    /// `max-scale-down-rate`, more than 1. Default 2.
    pub max_scale_down_rate: f64,
    /// `scale-down-delay`, in whole seconds. Default none.
    pub scale_down_delay: Duration,
    /// `initial-scale`. At least 1, or 0 where that is allowed; default 1.
    pub initial_scale: u32,
    /// `allow-zero-initial-scale`. Default false.
    pub allow_zero_initial_scale: bool,
    /// `min-scale`. Default 0.
    pub min_scale: u32,
    /// `max-scale`, 0 for none. Default 0.
    pub max_scale: u32,
    /// `max-scale-limit`: the highest `max-scale` there may be, 0 for any. Default 0.
    pub max_scale_limit: u32,
    /// `enable-scale-to-zero`. Default true.
    pub scale_to_zero: bool,
    /// `scale-to-zero-grace-period`, more than zero. Default 30 s.
    pub scale_to_zero_grace_period: Duration,
    /// `scale-to-zero-pod-retention-period`. Default none.
    pub scale_to_zero_pod_retention: Duration,
}

impl Default for ConfigMap {
    fn default() -> Self {
        Self {
            concurrency_utilization: 0.7,
            concurrency_target: 100.0,
            rps_target: 200.0,
            target_burst_capacity: 211.0,
            stable_window: Duration::from_secs(60),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_down_delay: Duration::ZERO,
            initial_scale: 1,
            allow_zero_initial_scale: false,
            min_scale: 0,
            max_scale: 0,
            max_scale_limit: 0,
            scale_to_zero: true,
            scale_to_zero_grace_period: Duration::from_secs(30),
            scale_to_zero_pod_retention: Duration::ZERO,
        }
    }
}

const fn key(name: &'static str) -> [&'static str; 2] {
    [name, name]
}

impl ConfigMap {
    /// Those without a field above don't change a decision: the class is checked, the capacity is the activators'.
    const KEYS: [&'static str; 20] = [
        "container-concurrency-target-percentage",
        "container-concurrency-target-default",
        "requests-per-second-target-default",
        "target-burst-capacity",
        "stable-window",
        "panic-window-percentage",
        "panic-threshold-percentage",
        "max-scale-up-rate",
        "max-scale-down-rate",
        "scale-down-delay",
        "initial-scale",
        "allow-zero-initial-scale",
        "min-scale",
        "max-scale",
        "max-scale-limit",
        "enable-scale-to-zero",
        "scale-to-zero-grace-period",
        "scale-to-zero-pod-retention-period",
        "pod-autoscaler-class",
        "activator-capacity",
    ];

    /// Reads the config map's `data`. Keys that begin with `_`, as `_example`, are passed over.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the key: a value that Knative refuses, and an unknown key, which Knative passes over.
    pub fn from_data(data: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        if let Some(unknown) = data.keys().find(|key| !key.starts_with('_') && !Self::KEYS.contains(&key.as_str())) {
            return Err(ConfigError::new(unknown, format!("unknown key; {}", near_miss(unknown, &Self::KEYS))));
        }
        let mut map = Self::default();
        map.read(&Texts::new(data, ""))?;
        map.check()?;
        Ok(map)
    }

    fn read(&mut self, data: &Texts<'_>) -> Result<(), ConfigError> {
        let set = |field: &mut f64, name, check: &dyn Fn(f64) -> bool, want: &str| -> Result<(), ConfigError> {
            *field = data.number(key(name), check, want)?.unwrap_or(*field);
            Ok(())
        };
        let percentage = "a percentage in (0, 100]; up to 1 it is a fraction";
        let utilization = &mut self.concurrency_utilization;
        set(utilization, "container-concurrency-target-percentage", &|it| it > 0.0 && it <= 100.0, percentage)?;
        if *utilization > 1.0 {
            *utilization /= 100.0;
        }
        set(&mut self.concurrency_target, "container-concurrency-target-default", &|it| it > 0.0, "more than 0")?;
        set(&mut self.rps_target, "requests-per-second-target-default", &|it| it >= TARGET_MIN, "at least 0.01")?;
        set(&mut self.target_burst_capacity, "target-burst-capacity", &is_burst, BURST)?;
        set(&mut self.panic_window_percentage, "panic-window-percentage", &is_window_percentage, WINDOW_PERCENTAGE)?;
        set(&mut self.panic_threshold_percentage, "panic-threshold-percentage", &|it| it > 0.0, "more than 0")?;
        set(&mut self.max_scale_up_rate, "max-scale-up-rate", &|it| it > 1.0, "more than 1")?;
        set(&mut self.max_scale_down_rate, "max-scale-down-rate", &|it| it > 1.0, "more than 1")?;
        set(&mut 100.0, "activator-capacity", &|it| it >= 1.0, "at least 1")?;
        let span = |field: &mut Duration, name, range, whole_seconds| -> Result<(), ConfigError> {
            *field = data.duration(key(name), range, whole_seconds)?.unwrap_or(*field);
            Ok(())
        };
        span(&mut self.stable_window, "stable-window", WINDOWS, true)?;
        span(&mut self.scale_down_delay, "scale-down-delay", ANY, true)?;
        let grace = (Duration::from_nanos(1), Duration::MAX);
        span(&mut self.scale_to_zero_grace_period, "scale-to-zero-grace-period", grace, false)?;
        span(&mut self.scale_to_zero_pod_retention, "scale-to-zero-pod-retention-period", ANY, false)?;
        for (field, name) in [
            (&mut self.initial_scale, "initial-scale"),
            (&mut self.min_scale, "min-scale"),
            (&mut self.max_scale, "max-scale"),
            (&mut self.max_scale_limit, "max-scale-limit"),
        ] {
            *field = data.count(key(name), 0)?.unwrap_or(*field);
        }
        for (field, name) in [
            (&mut self.allow_zero_initial_scale, "allow-zero-initial-scale"),
            (&mut self.scale_to_zero, "enable-scale-to-zero"),
        ] {
            *field = data.flag(key(name))?.unwrap_or(*field);
        }
        Ok(())
    }

    /// What no key alone shows.
    fn check(&self) -> Result<(), ConfigError> {
        if self.concurrency_utilization * self.concurrency_target < TARGET_MIN {
            let message = "times the percentage must be a target of at least 0.01";
            return Err(ConfigError::new("container-concurrency-target-default", message));
        }
        if self.initial_scale == 0 && !self.allow_zero_initial_scale {
            return Err(ConfigError::new("initial-scale", "0 needs allow-zero-initial-scale"));
        }
        let limit = self.max_scale_limit;
        if limit > 0 && !(1..=limit).contains(&self.max_scale) {
            let message = format!("must be from 1 to max-scale-limit, {limit}, got {}", self.max_scale);
            return Err(ConfigError::new("max-scale", message));
        }
        if self.max_scale > 0 && self.min_scale > self.max_scale {
            let message = format!("must be at most max-scale, {}, got {}", self.max_scale, self.min_scale);
            return Err(ConfigError::new("min-scale", message));
        }
        Ok(())
    }
}

pub(super) const BURST: &str = "at least 0, or -1 for any burst";
pub(super) const WINDOW_PERCENTAGE: &str = "a percentage from 1 to 100";

#[expect(clippy::float_cmp, reason = "-1 stands for itself")]
pub(super) fn is_burst(number: f64) -> bool {
    number >= 0.0 || number == -1.0
}

pub(super) fn is_window_percentage(number: f64) -> bool {
    (1.0..=100.0).contains(&number)
}
