//! A policy's readings in front of the autoscaler: what `aibrix-apa` and `aibrix-kpa` share.

use super::autoscaler::{self, Autoscaler, Input, Look, Track, Verdict};
use super::collected::Collected;
use super::spec::{Factor, Settings, Spec, Strategy};
use super::window::Lengths;
use crate::comparison::Terms;
use crate::config::ConfigError;
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::{Span, millis};
use crate::trace::{Effect, Hold, Reason, Trace};
use crate::units::Tolerance;

/// The fields of both configurations.
pub(super) struct Common {
    pub(super) observe_window: Span,
    /// None where there is none to speak of.
    pub(super) panic_window: Option<Span>,
    pub(super) max_scale_up_rate: Factor,
    pub(super) max_scale_down_rate: Factor,
    pub(super) scale_up_tolerance: Tolerance,
    pub(super) scale_down_tolerance: Tolerance,
    pub(super) panic_threshold: Factor,
    pub(super) scale_up_cooldown_window: Span,
    pub(super) scale_down_cooldown_window: Span,
    pub(super) exact: bool,
}

/// The algorithm of either strategy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    name: &'static str,
    autoscaler: Autoscaler,
    metrics: Box<[Source]>,
}

/// A metric of the policy.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    terms: Terms,
    target: f64,
    /// Whether all replicas share what is measured, so that the reading alone says how many it takes.
    shared: bool,
    unit: Unit,
}

/// What a window's values mean; the rest of the meaning is the target's size.
type Unit = u8;

impl Source {
    fn of(metric: &Metric) -> Self {
        let per_instance = metric.kind.is_per_instance();
        let kind = match metric.target {
            Target::Value(_) => 0,
            Target::AverageValue(_) => 2,
            Target::Utilization(_) => 4,
        };
        Self {
            name: metric.name.clone(),
            terms: metric.terms(),
            target: metric.target.amount(1),
            shared: matches!(metric.target, Target::AverageValue(_)) && !per_instance,
            unit: kind + u8::from(per_instance),
        }
    }

    /// The replicas that a reading asks for.
    #[inline]
    fn need(&self, reading: Reading<'_>, look: &Observation<'_>) -> Option<f64> {
        let need = match reading {
            Reading::Value(total) if self.shared => total / self.target,
            Reading::Samples(_) if self.shared => return None,
            _ if self.shared => reading.usable()? / self.target,
            // What there is none of has no share that could be measured.
            _ if look.current == 0 => return None,
            // The ratio of samples is one of all replicas: those that can't be seen are in it.
            Reading::Samples(_) => self.terms.ratio(reading, look)? * f64::from(look.current),
            _ if look.ready == 0 => return None,
            _ => self.terms.ratio(reading, look)? * f64::from(look.ready),
        };
        need.is_finite().then_some(need)
    }

    /// As AIBrix takes it: the value, whatever kind the target is of.
    #[inline]
    fn value(reading: Reading<'_>) -> Collected {
        match reading {
            Reading::Samples(samples) if samples.of_instances.is_empty() && samples.of_others.is_empty() => {
                Collected::NoPods
            }
            reading => reading.usable().map_or(Collected::Failed, Collected::Value),
        }
    }
}

impl Policy {
    const STATE_VERSION: u8 = 1;

    pub(super) fn new(
        name: &'static str,
        strategy: Strategy,
        metrics: &[Metric],
        config: &Common,
    ) -> Result<Self, ConfigError> {
        let observe = whole_seconds("observeWindow", config.observe_window)?;
        let panic = config.panic_window.map(|window| whole_seconds("panicWindow", window)).transpose()?;
        if let Some(panic) = panic
            && panic > observe
            && !config.exact
        {
            let message = format!("the panic window must be at most the observe window of {observe} s, got {panic} s");
            return Err(ConfigError::new("panicWindow", message));
        }
        let settings = Settings {
            max_scale_up_rate: config.max_scale_up_rate.get(),
            max_scale_down_rate: config.max_scale_down_rate.get(),
            scale_up_tolerance: config.scale_up_tolerance.get(),
            scale_down_tolerance: config.scale_down_tolerance.get(),
            panic_threshold: config.panic_threshold.get(),
            scale_up_cooldown_ms: millis(config.scale_up_cooldown_window.as_duration()),
            scale_down_cooldown_ms: millis(config.scale_down_cooldown_window.as_duration()),
        };
        let lengths = Lengths { observe, panic };
        Ok(Self {
            name,
            autoscaler: Autoscaler::new(strategy, config.exact, settings, lengths, metrics.len()),
            metrics: metrics.iter().map(Source::of).collect(),
        })
    }

    #[inline]
    pub(super) fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Proposal {
        let (name, exact, metrics) = (self.name, self.autoscaler.is_exact(), &self.metrics);
        let look = Look {
            now: observation.now,
            current: observation.current,
            bounds: observation.bounds,
            tolerances: observation.tolerances(self.autoscaler.tolerances()),
            stage: name,
        };
        let input = |metric: usize, trace: &mut Trace| {
            let source = &metrics[metric];
            let reading = observation.readings.get(metric).copied().unwrap_or(Reading::Missing("not observed"));
            let collected = if exact {
                Source::value(reading)
            } else {
                source.need(reading, observation).map_or(Collected::Failed, Collected::Value)
            };
            if collected == Collected::Failed {
                note_unusable(name, metric, reading, observation.current, trace);
            }
            Input { track: metric, collected, target: exact.then_some(source.target) }
        };
        let why = match self.autoscaler.decide(&look, metrics.len(), input, trace) {
            Verdict::Desired(replicas) => return Need::from(replicas.max(0).unsigned_abs()).into(),
            Verdict::Disabled => return Proposal::Suspend,
            Verdict::OutsideBounds(bound) => {
                let (from, to) = (f64::from(observation.current), f64::from(bound));
                trace.push(|| Reason::new(name, from, to, Effect::OutsideBounds));
                return Need::from(bound).into();
            }
            Verdict::Failed if observation.current == 0 => Hold::AtZero,
            Verdict::Failed => Hold::NoReadings,
            Verdict::ShrinkBlocked => Hold::ShrinkBlocked,
        };
        let current = f64::from(observation.current);
        trace.push(|| Reason::new(name, current, current, Effect::Held { why }));
        Proposal::Hold(why)
    }

    // Version, the autoscaler's own, and each metric's name, unit, target and track.
    pub(super) fn snapshot(&self, state: &mut Vec<u8>) {
        state.push(Self::STATE_VERSION);
        self.autoscaler.write(state);
        state.extend(u32::try_from(self.metrics.len()).expect("fewer than 2^32 metrics").to_le_bytes());
        for (source, track) in self.metrics.iter().zip(self.autoscaler.tracks()) {
            autoscaler::write_name(&source.name, state);
            state.push(source.unit);
            state.extend(source.target.to_le_bytes());
            track.write(state);
        }
    }

    /// Windows go to the metric of their name, in the unit of its target; those of other metrics go.
    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(self.name, Self::STATE_VERSION, state)?;
        let mut autoscaler = self.autoscaler.read(&mut reader)?;
        let mut tracks = vec![Track::default(); self.metrics.len()];
        for _ in 0..reader.u32()? {
            let (name, unit, target) = (autoscaler::read_name(&mut reader)?, reader.u8()?, reader.finite()?);
            let mut track = Track::read(&mut reader)?;
            let Some(index) = self.metrics.iter().position(|source| source.name == name) else {
                continue;
            };
            let source = &self.metrics[index];
            if !self.autoscaler.is_exact() {
                if source.unit != unit {
                    continue;
                }
                if source.target != target {
                    track.scale(target / source.target);
                }
            }
            tracks[index] = track;
        }
        reader.end()?;
        autoscaler.set_tracks(tracks);
        self.autoscaler = autoscaler;
        Ok(())
    }
}

#[cold]
fn note_unusable(stage: &'static str, metric: usize, reading: Reading<'_>, current: u32, trace: &mut Trace) {
    if !trace.is_on() {
        return;
    }
    let (state, cause) = match reading.state() {
        ("value", _) => ("invalid", "no number of replicas comes of it"),
        state => state,
    };
    let cause = trace.keep(format_args!("{cause}"));
    let current = f64::from(current);
    trace.push(|| Reason::new(stage, current, current, Effect::Unusable { metric, state, cause }));
}

/// A window in seconds.
fn whole_seconds(field: &str, window: Span) -> Result<u32, ConfigError> {
    let duration = window.as_duration();
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    if duration.subsec_nanos() == 0 && (1..=Spec::LONGEST_WINDOW_SECONDS).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(ConfigError::new(field, format!("a window must be 1s to 1h in whole seconds, got {duration:?}")))
    }
}
