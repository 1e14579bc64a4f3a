//! From a revision's annotations and the cluster's config map to what a decision is made by.
//!
//! Knative: pkg/reconciler/autoscaling/kpa/resources/decider.go, pkg/reconciler/autoscaling/resources/metric.go and
//! target.go; checks of pkg/apis/autoscaling/annotation_validation.go.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::{BURST, ConfigMap, TARGET_MIN, WINDOW_PERCENTAGE, WINDOWS, is_burst, is_window_percentage};
use super::collector::Windows;
use super::scale::Spec;
use super::text::{Key, Texts};
use crate::config::{ConfigError, near_miss};
use crate::window::Averaging;

const GROUP: &str = "autoscaling.knative.dev/";

/// What a revision scales on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalingMetric {
    /// Requests in flight.
    #[default]
    Concurrency,
    /// Requests a second.
    Rps,
}

/// Whether requests can reach a revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Not known yet: as if they could.
    #[default]
    Unknown,
    /// They can.
    Reachable,
    /// They can't: it goes away as fast as it can.
    Unreachable,
}

/// A revision, as far as its scaling goes.
#[derive(Clone, Copy, Debug)]
pub struct Revision<'a> {
    /// Its annotations. Those outside of `autoscaling.knative.dev` are passed over.
    pub annotations: &'a BTreeMap<String, String>,
    /// `containerConcurrency`: the requests at once that a pod takes, 0 for any number.
    pub container_concurrency: u32,
    /// Whether requests can reach it.
    pub reachability: Reachability,
}

/// What a revision is scaled by.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Resolved {
    /// What it scales on.
    pub metric: ScalingMetric,
    /// What [`Autoscaler`](super::Autoscaler) decides by.
    pub spec: Spec,
    /// The windows of the [`Collector`](super::Collector).
    pub windows: Windows,
    /// The part of [`Spec::total`] that a pod should have, as a fraction.
    pub utilization: f64,
    /// The panic window in percent of the stable one.
    pub panic_window_percentage: f64,
    /// The pods to begin with.
    pub initial_scale: u32,
    /// The fewest pods; 0 where the revision can't be reached.
    pub min: u32,
    /// The most pods, 0 for any number.
    pub max: u32,
    /// For so long after the last request the last pod stays.
    pub pod_retention: Duration,
}

/// What `revision` is scaled by in a cluster with `config`.
///
/// ```
/// use std::collections::BTreeMap;
/// use setpoint::knative::{ConfigMap, Reachability, Revision, resolve};
///
/// let annotations = BTreeMap::from([
///     ("autoscaling.knative.dev/target".to_owned(), "50".to_owned()),
///     ("autoscaling.knative.dev/window".to_owned(), "40s".to_owned()),
/// ]);
/// let revision = Revision { annotations: &annotations, container_concurrency: 20, reachability: Reachability::Reachable };
/// let resolved = resolve(&revision, &ConfigMap::default())?;
/// // No more than a pod takes, and 70 % of that.
/// assert_eq!((resolved.spec.total, resolved.spec.target), (20.0, 14.0));
/// assert_eq!(resolved.windows.panic.as_secs(), 4);
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
///
/// # Errors
///
/// [`ConfigError`] naming the annotation: a value that Knative's webhook refuses, a class that isn't this autoscaler, and
/// an unknown name of the group, which Knative passes over. An activation scale that no webhook accepts does no harm and is
/// taken: below 2 it raises nothing, and bounds hold after it.
pub fn resolve(revision: &Revision<'_>, config: &ConfigMap) -> Result<Resolved, ConfigError> {
    check_names(revision.annotations)?;
    let texts = Texts::new(revision.annotations, GROUP);
    let reachable = revision.reachability != Reachability::Unreachable;
    let metric = metric(&texts)?;
    let (total, utilization) = target(&texts, metric, revision.container_concurrency, config)?;
    let threshold =
        texts.number(key("panic-threshold-percentage", "panicThresholdPercentage"), is_threshold, THRESHOLD)?;
    let delay = texts.duration(key("scale-down-delay", "scaleDownDelay"), (Duration::ZERO, WINDOWS.1), true)?;
    let windows = texts.duration(key("window", "window"), WINDOWS, true)?;
    let stable = windows.unwrap_or(config.stable_window);
    let panic_window_percentage = texts
        .number(key("panic-window-percentage", "panicWindowPercentage"), is_window_percentage, WINDOW_PERCENTAGE)?
        .unwrap_or(config.panic_window_percentage);
    let retention = key("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod");
    let retention = texts.duration(retention, (Duration::ZERO, WINDOWS.1), false)?;
    let (min, max, activation_scale) = scales(&texts, config, reachable)?;
    let spec = Spec {
        target: aim(total, utilization),
        total,
        target_burst_capacity: texts
            .number(key("target-burst-capacity", "targetBurstCapacity"), is_burst, BURST)?
            .unwrap_or(config.target_burst_capacity),
        panic_threshold: threshold.unwrap_or(config.panic_threshold_percentage) / 100.0,
        max_scale_up_rate: config.max_scale_up_rate,
        max_scale_down_rate: config.max_scale_down_rate,
        stable_window: stable,
        scale_down_delay: delay.unwrap_or(config.scale_down_delay),
        activation_scale,
        reachable,
    };
    spec.check()?;
    Ok(Resolved {
        metric,
        spec,
        windows: Windows {
            averaging: averaging(&texts)?,
            stable,
            panic: panic_window(stable, panic_window_percentage),
        },
        utilization,
        panic_window_percentage,
        initial_scale: initial_scale(&texts, config)?,
        min,
        max,
        pod_retention: if reachable { retention.unwrap_or(config.scale_to_zero_pod_retention) } else { Duration::ZERO },
    })
}

/// What a pod should have: so much of what it can have, and no less than 0.01.
pub(super) fn aim(total: f64, utilization: f64) -> f64 {
    (total * utilization).max(TARGET_MIN)
}

/// So many percent of the stable window, rounded to seconds, and no less than one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as Go does it"
)]
pub(super) fn panic_window(stable: Duration, percentage: f64) -> Duration {
    const SECOND: u64 = 1_000_000_000;
    let nanos = (stable.as_nanos() as f64 * percentage / 100.0) as u64;
    Duration::from_secs((nanos.saturating_add(SECOND / 2) / SECOND).max(1))
}

pub(super) const THRESHOLD: &str = "a percentage from 110 to 1000";

pub(super) fn is_threshold(percentage: f64) -> bool {
    (110.0..=1000.0).contains(&percentage)
}

const fn key(name: &'static str, older: &'static str) -> Key {
    [name, older]
}

fn check_names(annotations: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    const NAMES: [&str; 15] = [
        "class",
        "min-scale",
        "max-scale",
        "initial-scale",
        "activation-scale",
        "metric",
        "target",
        "target-utilization-percentage",
        "target-burst-capacity",
        "window",
        "panic-window-percentage",
        "panic-threshold-percentage",
        "metric-aggregation-algorithm",
        "scale-down-delay",
        "scale-to-zero-pod-retention-period",
    ];
    // Written as one word in older days.
    let older = |name: &str| -> String {
        let mut capital = false;
        name.chars()
            .filter_map(|letter| {
                let (dash, upper) = (letter == '-', capital);
                capital = dash;
                (!dash).then(|| if upper { letter.to_ascii_uppercase() } else { letter })
            })
            .collect()
    };
    for annotation in annotations.keys() {
        let Some(name) = annotation.strip_prefix(GROUP) else { continue };
        if !NAMES.iter().any(|known| *known == name || older(known) == name) {
            return Err(ConfigError::new(annotation, format!("unknown name; {}", near_miss(name, &NAMES))));
        }
    }
    match annotations.get(&format!("{GROUP}class")) {
        Some(class) if class != "kpa.autoscaling.knative.dev" => {
            let message = format!("must be \"kpa.autoscaling.knative.dev\" for this autoscaler, got {class:?}");
            Err(ConfigError::new(format!("{GROUP}class"), message))
        }
        _ => Ok(()),
    }
}

fn metric(texts: &Texts<'_>) -> Result<ScalingMetric, ConfigError> {
    match texts.text(key("metric", "metric")) {
        None => Ok(ScalingMetric::Concurrency),
        Some((_, "concurrency")) => Ok(ScalingMetric::Concurrency),
        Some((_, "rps")) => Ok(ScalingMetric::Rps),
        Some((key, other)) => {
            Err(ConfigError::new(key, format!("must be \"concurrency\" or \"rps\" for this autoscaler, got {other:?}")))
        }
    }
}

fn averaging(texts: &Texts<'_>) -> Result<Averaging, ConfigError> {
    match texts.text(key("metric-aggregation-algorithm", "metricAggregationAlgorithm")) {
        None | Some((_, "" | "linear")) => Ok(Averaging::Linear),
        Some((_, "weighted-exponential" | "weightedExponential")) => Ok(Averaging::WeightedExponential),
        Some((key, other)) => {
            Err(ConfigError::new(key, format!("must be \"linear\" or \"weighted-exponential\", got {other:?}")))
        }
    }
}

/// What a pod can have, and the part of it that it should have.
fn target(
    texts: &Texts<'_>,
    metric: ScalingMetric,
    container_concurrency: u32,
    config: &ConfigMap,
) -> Result<(f64, f64), ConfigError> {
    let limit = (container_concurrency > 0).then(|| f64::from(container_concurrency));
    let (default, utilization) = match metric {
        ScalingMetric::Concurrency => (limit.unwrap_or(config.concurrency_target), config.concurrency_utilization),
        // No config map sets it.
        ScalingMetric::Rps => (config.rps_target, 0.7),
    };
    let total = match (texts.number(key("target", "target"), |target| target >= TARGET_MIN, "at least 0.01")?, limit) {
        (Some(target), Some(limit)) if metric == ScalingMetric::Concurrency => target.min(limit),
        (Some(target), _) => target,
        (None, _) => default,
    };
    let percentage = texts.number(
        key("target-utilization-percentage", "targetUtilizationPercentage"),
        |percentage| (1.0..=100.0).contains(&percentage),
        "a percentage from 1 to 100",
    )?;
    Ok((total, percentage.map_or(utilization, |percentage| percentage / 100.0)))
}

/// The fewest and the most pods, and the activation scale.
fn scales(texts: &Texts<'_>, config: &ConfigMap, reachable: bool) -> Result<(u32, u32, u32), ConfigError> {
    let (min_key, max_key, activation_key) =
        (key("min-scale", "minScale"), key("max-scale", "maxScale"), key("activation-scale", "activation-scale"));
    let (min, max, activation) = (texts.count(min_key, 0)?, texts.count(max_key, 0)?, texts.count(activation_key, 0)?);
    let refuse = |key: &str, message: String| Err(ConfigError::new(format!("{GROUP}{key}"), message));
    let (least, most) = (min.unwrap_or(0), max.unwrap_or(0));
    if most != 0 && most < least {
        return refuse("max-scale", format!("must be at least min-scale, {least}, got {most}"));
    }
    let limit = config.max_scale_limit;
    if limit != 0 && max.is_some_and(|max| max == 0 || max > limit) {
        return refuse("max-scale", format!("must be from 1 to the cluster's max-scale-limit, {limit}, got {most}"));
    }
    let min = if reachable { min.unwrap_or(config.min_scale) } else { 0 };
    Ok((min, max.unwrap_or(config.max_scale), activation.unwrap_or(0)))
}

fn initial_scale(texts: &Texts<'_>, config: &ConfigMap) -> Result<u32, ConfigError> {
    match texts.count(key("initial-scale", "initialScale"), 0)? {
        Some(0) if !config.allow_zero_initial_scale => Ok(config.initial_scale),
        Some(scale) => Ok(scale),
        None => Ok(config.initial_scale),
    }
}
