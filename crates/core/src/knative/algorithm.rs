//! `knative-kpa`: Knative's pod autoscaler as an algorithm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::cluster::{BURST, WINDOW_PERCENTAGE, WINDOWS, is_burst, is_window_percentage};
use super::collector::{Collector, Windows};
use super::explain::About;
use super::resolve::{Resolved, THRESHOLD, aim, is_threshold, panic_window};
use super::scale::{Autoscaler, Scaled, Spec};
use crate::algorithm::ScalingAlgorithm;
use crate::comparison::Terms;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::rounding::floor;
use crate::state::{StateError, StateReader};
use crate::time::{Span, Timestamp};
use crate::trace::{Effect, Hold, Reason, Trace};
use crate::window::Averaging;

/// Configuration of [`KnativeKpa`], in the words of Knative's annotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KnativeKpaConfig {
    /// The stable window: from `6s` to `1h`, in whole seconds. Default `60s`.
    pub stable_window: Span,
    /// The panic window in percent of the stable one, from 1 to 100; rounded to seconds, and at least one. Default 10.
    #[schemars(range(min = 1, max = 100))]
    pub panic_window_percentage: f64,
    /// Panic begins where the panic window needs so many percent of the ready replicas: from 110 to 1000. Default 200.
    #[schemars(range(min = 110, max = 1000))]
    pub panic_threshold_percentage: f64,
    /// How the windows average. Default `linear`.
    pub aggregation: Averaging,
    /// How much of a metric's target a replica should have, in percent from 1 to 100. Default 100: the target is what is
    /// aimed for. Knative takes 70.
    #[schemars(range(min = 1, max = 100))]
    pub target_utilization_percentage: f64,
    /// At most so many times the ready replicas in one decision: more than 1. Default 1000.
    pub max_scale_up_rate: f64,
    /// At least the ready replicas divided by this: more than 1. Default 2.
    pub max_scale_down_rate: f64,
    /// A count holds for so long before a smaller one does: up to `1h`, in whole seconds. Default `0s`, for not at all.
    pub scale_down_delay: Span,
    /// The burst to hold capacity for, which only the trace tells of: at least 0, or -1 for any. Default 211.
    pub target_burst_capacity: f64,
    /// What any need at all is raised to. Default 0; 0 and 1 raise nothing.
    pub activation_scale: u32,
    /// False where no request can reach the replicas any more: then they go as fast as they can. Default true.
    pub reachable: bool,
    /// Whether to decide exactly as Knative does, where that is not sound: see the
    /// [table](crate::knative#where-it-differs-from-knative). Default false.
    pub exact: bool,
}

impl Default for KnativeKpaConfig {
    fn default() -> Self {
        Self {
            stable_window: Span::from_secs(60),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            aggregation: Averaging::Linear,
            target_utilization_percentage: 100.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_down_delay: Span::ZERO,
            target_burst_capacity: 211.0,
            activation_scale: 0,
            reachable: true,
            exact: false,
        }
    }
}

impl KnativeKpaConfig {
    /// Checks ranges: those that Knative's webhook and config map have.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let checks: [(&str, f64, bool, &str); 6] = [
            (
                "panicWindowPercentage",
                self.panic_window_percentage,
                is_window_percentage(self.panic_window_percentage),
                WINDOW_PERCENTAGE,
            ),
            (
                "panicThresholdPercentage",
                self.panic_threshold_percentage,
                is_threshold(self.panic_threshold_percentage),
                THRESHOLD,
            ),
            (
                "targetUtilizationPercentage",
                self.target_utilization_percentage,
                is_window_percentage(self.target_utilization_percentage),
                WINDOW_PERCENTAGE,
            ),
            ("maxScaleUpRate", self.max_scale_up_rate, self.max_scale_up_rate > 1.0, "more than 1"),
            ("maxScaleDownRate", self.max_scale_down_rate, self.max_scale_down_rate > 1.0, "more than 1"),
            ("targetBurstCapacity", self.target_burst_capacity, is_burst(self.target_burst_capacity), BURST),
        ];
        for (field, value, allowed, want) in checks {
            if !(allowed && value.is_finite()) {
                return Err(ConfigError::new(field, format!("must be {want}, got {value}")));
            }
        }
        let (stable, delay) = (self.stable_window.as_duration(), self.scale_down_delay.as_duration());
        if !(WINDOWS.0..=WINDOWS.1).contains(&stable) || stable.subsec_nanos() != 0 {
            return Err(ConfigError::new(
                "stableWindow",
                format!("must be from 6s to 1h in whole seconds, got {stable:?}"),
            ));
        }
        if delay > WINDOWS.1 || delay.subsec_nanos() != 0 {
            return Err(ConfigError::new(
                "scaleDownDelay",
                format!("must be up to 1h in whole seconds, got {delay:?}"),
            ));
        }
        Ok(())
    }

    fn windows(&self) -> Windows {
        let stable = self.stable_window.as_duration();
        let panic = panic_window(stable, self.panic_window_percentage);
        Windows { averaging: self.aggregation, stable, panic }
    }

    /// For a replica that can have `total`.
    fn spec(&self, total: f64) -> Spec {
        Spec {
            target: aim(total, self.target_utilization_percentage / 100.0),
            total,
            target_burst_capacity: self.target_burst_capacity,
            panic_threshold: self.panic_threshold_percentage / 100.0,
            max_scale_up_rate: self.max_scale_up_rate,
            max_scale_down_rate: self.max_scale_down_rate,
            stable_window: self.stable_window.as_duration(),
            scale_down_delay: self.scale_down_delay.as_duration(),
            activation_scale: self.activation_scale,
            reachable: self.reachable,
        }
    }
}

/// Knative's pod autoscaler: the stable window's average decides, and in a surge the panic window's too.
///
/// A metric's reading is its total over all replicas (a target `averageValue`), and each look brings a sample of it. Other
/// targets and metrics with a value an instance count as the mean times the current replicas. Of several metrics, each
/// with windows and a panic of its own, the highest count wins; one without a usable reading blocks scaling down.
///
/// It proposes whole replicas, starts from zero by itself, and leaves rates over time and longer windows to stages around
/// it, such as `behavior`.
///
/// Knative: pkg/autoscaler/scaling/autoscaler.go and pkg/autoscaler/metrics/collector.go.
///
/// ```
/// use setpoint::{Metric, Need, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
/// use setpoint::knative::KnativeKpa;
///
/// let metrics = [Metric::new("concurrency", Target::average_value(10.0)?)];
/// let mut kpa = KnativeKpa::new(&metrics, &Default::default())?;
/// let mut decide = |secs: i64, concurrency: f64, current: u32| {
///     let readings = [Reading::Value(concurrency)];
///     let look = Observation::new(Timestamp::from_millis(secs * 1000), current, &readings);
///     kpa.evaluate(&look, &mut Trace::off())
/// };
/// assert_eq!(decide(0, 8.0, 1)?, Need::replicas(1.0)?.into());
/// // A surge: in the last 6 s there were (8 + 60 + 60 + 60 + 60 + 60) / 6 = 51.3, which needs 6.
/// assert_eq!(decide(5, 60.0, 1)?, Need::replicas(6.0)?.into());
/// // Over in a moment; but panic holds.
/// assert_eq!(decide(20, 8.0, 6)?, Need::replicas(6.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KnativeKpa {
    exact: bool,
    windows: Windows,
    metrics: Vec<Tracked>,
    /// Whether windows that came out of a state may have other lengths.
    restored: bool,
}

/// A metric with what is remembered of it.
#[derive(Clone, Debug)]
struct Tracked {
    terms: Terms,
    /// Whether a reading in one number is the total already.
    is_total: bool,
    spec: Spec,
    collector: Collector,
    /// From the first decision on: it begins with what is there then.
    autoscaler: Option<Autoscaler>,
}

impl Tracked {
    /// With so many ready. Its spec was checked when it was made.
    #[cold]
    fn begin(&mut self, ready: u32, at: Timestamp) {
        self.autoscaler = Autoscaler::new(self.spec, ready, at).ok();
    }

    /// A reading as a total over all replicas.
    #[inline]
    fn total(&self, reading: Reading<'_>, look: &Observation<'_>) -> Option<f64> {
        if self.is_total {
            return reading.usable();
        }
        let ratio = self.terms.ratio(reading, look)?;
        Some(ratio * f64::from(look.current) * self.terms.amount(1)).filter(|total| total.is_finite())
    }
}

impl KnativeKpa {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = NAME;
    const STATE_VERSION: u8 = 1;

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// As for [`KnativeKpaConfig::check`].
    pub fn new(metrics: &[Metric], config: &KnativeKpaConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let windows = config.windows();
        let collector = Collector::new(windows)?;
        let tracked = |metric: &Metric| {
            let terms = metric.terms();
            let spec = config.spec(terms.amount(1));
            spec.check().map_err(|error| ConfigError::new("", format!("the metric `{}`: {error}", metric.name)))?;
            let is_total = matches!(metric.target, Target::AverageValue(_)) && !metric.kind.is_per_instance();
            Ok(Tracked { terms, is_total, spec, collector: collector.clone(), autoscaler: None })
        };
        let metrics = metrics.iter().map(tracked).collect::<Result<_, ConfigError>>()?;
        Ok(Self { exact: config.exact, windows, metrics, restored: false })
    }

    /// For one metric, whose reading is a total, by what a revision's annotations and its cluster resolve to.
    ///
    /// # Errors
    ///
    /// As for [`Collector::new`] and [`Spec::check`].
    pub fn resolved(resolved: &Resolved, exact: bool) -> Result<Self, ConfigError> {
        let spec = resolved.spec;
        spec.check()?;
        let target = Target::average_value(spec.total).map_err(|error| ConfigError::new("total", error.to_string()))?;
        let terms = Metric::new("", target).terms();
        let collector = Collector::new(resolved.windows)?;
        let metrics = vec![Tracked { terms, is_total: true, spec, collector, autoscaler: None }];
        Ok(Self { exact, windows: resolved.windows, metrics, restored: false })
    }

    /// Begins with `ready` replicas at `at`, before the first look: for a caller that knows more than that will tell.
    ///
    /// # Errors
    ///
    /// As for [`Spec::check`], which was passed before.
    pub fn start(&mut self, ready: u32, at: Timestamp) -> Result<(), ConfigError> {
        for metric in &mut self.metrics {
            metric.autoscaler = Some(Autoscaler::new(metric.spec, ready, at)?);
        }
        Ok(())
    }

    /// Brings a sample of a metric between two looks, in total over all replicas: for a caller that measures more often
    /// than it decides.
    pub fn sample(&mut self, metric: usize, at: Timestamp, total: f64) {
        let exact = self.exact;
        if let Some(metric) = self.metrics.get_mut(metric) {
            collect(&mut metric.collector, exact, at, total);
        }
    }

    #[cold]
    fn resize(&mut self, now: Timestamp) -> Result<(), EvaluateError> {
        for Tracked { collector, .. } in &mut self.metrics {
            let resized = if self.exact {
                collector.resize_as_if_full(self.windows, now)
            } else {
                collector.resize(self.windows, now)
            };
            resized.map_err(|error| EvaluateError::nonsense(error.to_string()))?;
        }
        self.restored = false;
        Ok(())
    }

    /// A metric's decision, if it can be made.
    #[inline]
    fn scale(&mut self, index: usize, look: &Observation<'_>) -> Option<Scaled> {
        let exact = self.exact;
        let metric = self.metrics.get_mut(index)?;
        let reading = *look.readings.get(index)?;
        match metric.total(reading, look) {
            Some(total) => collect(&mut metric.collector, exact, look.now, total),
            // The samples before it would be taken for what is there now.
            None if !exact => return None,
            None => {}
        }
        let averages = if exact { metric.collector.averages(look.now)? } else { metric.collector.covered(look.now)? };
        if metric.autoscaler.is_none() {
            metric.begin(if exact { look.ready } else { look.ready.max(look.current) }, look.now);
        }
        let autoscaler = metric.autoscaler.as_mut()?;
        if exact {
            autoscaler.scale(look.now, look.ready, averages)
        } else {
            autoscaler.scale_to(look.now, look.ready, averages, whole)
        }
    }

    /// The same, with what there is to tell of it. Apart, for without it only the count is computed.
    #[cold]
    fn scale_and_tell(&mut self, index: usize, look: &Observation<'_>, trace: &mut Trace) -> Option<u32> {
        let scaled = self.scale(index, look);
        self.tell(index, look, scaled.as_ref(), trace);
        scaled.map(|scaled| scaled.desired)
    }

    fn tell(&self, index: usize, look: &Observation<'_>, scaled: Option<&Scaled>, trace: &mut Trace) {
        let metric = &self.metrics[index];
        let exact = self.exact;
        match scaled {
            Some(scaled) => {
                let about = About { metric: index, spec: &metric.spec, windows: self.windows };
                scaled.explain(about, look, trace);
            }
            None => {
                let Some((state, cause)) = look.readings.get(index).map(Reading::state) else { return };
                // A reading that is one, and comes to nothing.
                let (state, cause) = match state {
                    "value" => ("invalid", "too large or too small to count with"),
                    _ if exact => (state, "and nothing is left in the stable window"),
                    _ => (state, cause),
                };
                let cause = trace.keep(format_args!("{cause}"));
                note(Effect::Unusable { metric: index, state, cause }, look.current, trace);
            }
        }
    }
}

#[inline]
fn collect(collector: &mut Collector, exact: bool, at: Timestamp, total: f64) {
    if exact { collector.add(at, total) } else { collector.sample(at, total) }
}

/// Rounded up; but what is a billionth above a whole number is that, for sums and divisions leave as much.
#[inline]
fn whole(need: f64) -> f64 {
    const NEAR: f64 = 1e-9;
    let below = floor(need);
    if need - below <= NEAR * need.abs().max(1.0) { below } else { below + 1.0 }
}

fn note(effect: Effect, current: u32, trace: &mut Trace) {
    let current = f64::from(current);
    trace.push(|| Reason::new(NAME, current, current, effect));
}

impl ScalingAlgorithm for KnativeKpa {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        if self.restored {
            self.resize(look.now)?;
        }
        let (mut highest, mut decided) = (None, 0);
        for index in 0..self.metrics.len() {
            let desired = if trace.is_on() {
                self.scale_and_tell(index, look, trace)
            } else {
                self.scale(index, look).map(|scaled| scaled.desired)
            };
            if let Some(desired) = desired {
                decided += 1;
                if highest.is_none_or(|(_, before)| desired > before) {
                    highest = Some((index, desired));
                }
            }
        }
        let Some((metric, desired)) = highest else {
            note(Effect::Held { why: Hold::NoReadings }, look.current, trace);
            return Ok(Proposal::Hold(Hold::NoReadings));
        };
        if self.metrics.len() > 1 {
            let effect = Effect::Highest { metric, of: decided };
            trace.push(|| Reason::new(NAME, look.current.into(), desired.into(), effect));
        }
        let need = Need::from(desired);
        Ok(if decided == self.metrics.len() { need.into() } else { need.never_shrinking().into() })
    }

    // Version and the number of metrics; of each its windows, whether it has an autoscaler, and that.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(Self::STATE_VERSION);
        let count = u32::try_from(self.metrics.len()).expect("a policy has no 2^32 metrics");
        state.extend(count.to_le_bytes());
        for Tracked { collector, autoscaler, .. } in &self.metrics {
            collector.write(state);
            state.push(u8::from(autoscaler.is_some()));
            if let Some(autoscaler) = autoscaler {
                autoscaler.write(state);
            }
        }
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        if usize::try_from(reader.u32()?) != Ok(self.metrics.len()) {
            return Err(reader.damaged("it is of another number of metrics"));
        }
        let mut restored = Vec::new();
        for metric in &self.metrics {
            let collector = metric.collector.read(&mut reader)?;
            let mut autoscaler = if reader.flag()? { Some(Autoscaler::read(&mut reader, metric.spec)?) } else { None };
            if let Some(autoscaler) = autoscaler.as_mut().filter(|_| !self.exact) {
                autoscaler.set_delay();
            }
            restored.push((collector, autoscaler));
        }
        reader.end()?;
        for (metric, (collector, autoscaler)) in self.metrics.iter_mut().zip(restored) {
            (metric.collector, metric.autoscaler) = (collector, autoscaler);
        }
        self.restored = true;
        Ok(())
    }
}
