//! What the control loop and the algorithms share: from collected samples to a count, before it is bounded.
//!
//! AIBrix: pkg/controller/podautoscaler/autoscaler.go, `ComputeDesiredReplicas` and `executeScalingPipeline`;
//! podautoscaler_controller.go, `computeScaleDecision`.

use std::time::Duration;

use super::collected::Collected;
use super::cooldown::{self, Cooldown, Rule};
use super::fact::{Fact, How};
use super::limits::{Terms, limited};
use super::panic::Panic;
use super::spec::{Settings, Strategy};
use super::window::{Lengths, Windows};
use super::{apa, kpa};
use crate::bounds::Bounds;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::trace::{Direction, Effect, Reason, Trace};
use crate::units::Tolerances;

/// Of one workload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Autoscaler {
    strategy: Strategy,
    /// As AIBrix's code does it. Then samples are values and have a target, else they are numbers of replicas.
    exact: bool,
    settings: Settings,
    lengths: Lengths,
    tracks: Vec<Track>,
    cooldown: Cooldown,
    /// Whether anything was recommended yet.
    begun: bool,
}

/// What is remembered of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    windows: Windows,
    panic: Panic,
}

/// A look at the workload, beside its metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) now: Timestamp,
    pub(super) current: u32,
    pub(super) bounds: Bounds,
    pub(super) tolerances: Tolerances,
    /// Who gives the reasons.
    pub(super) stage: &'static str,
}

/// A metric at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input {
    /// Which of the tracks is the metric's.
    pub(super) track: usize,
    pub(super) collected: Collected,
    /// What its values are compared with; means something only where they are not numbers of replicas.
    pub(super) target: Option<f64>,
}

/// What a look comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There are no replicas, and the minimum says that somebody wants it so.
    Disabled,
    /// This bound comes first.
    OutsideBounds(u32),
    /// No metric could be had.
    Failed,
    /// Fewer would do for the metrics that could be had.
    ShrinkBlocked,
    /// So many, before bounds.
    Desired(i32),
}

impl Look {
    fn push(&self, trace: &mut Trace, from: i32, to: i32, effect: impl FnOnce() -> Effect) {
        trace.push(|| Reason::new(self.stage, f64::from(from), f64::from(to), effect()));
    }

    fn tell(&self, trace: &mut Trace, from: i32, to: i32, fact: Fact) {
        self.push(trace, from, to, || Effect::Aibrix(fact));
    }
}

/// A count in AIBrix's own type. No count is larger than that holds.
const fn count(replicas: u32) -> i32 {
    if replicas > i32::MAX.unsigned_abs() { i32::MAX } else { replicas.cast_signed() }
}

impl Autoscaler {
    pub(super) fn new(strategy: Strategy, exact: bool, settings: Settings, lengths: Lengths, tracks: usize) -> Self {
        let cooldown = Cooldown::new(if exact { Rule::Farthest } else { Rule::Nearest });
        Self { strategy, exact, settings, lengths, tracks: vec![Track::default(); tracks], cooldown, begun: false }
    }

    /// Goes on by other settings with what it remembers.
    pub(super) fn reconfigure(&mut self, strategy: Strategy, settings: Settings, lengths: Lengths, tracks: usize) {
        (self.strategy, self.settings, self.lengths) = (strategy, settings, lengths);
        self.tracks.resize_with(tracks, Track::default);
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.exact
    }

    pub(super) fn tolerances(&self) -> Tolerances {
        Tolerances { down: self.settings.scale_down_tolerance, up: self.settings.scale_up_tolerance }
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// What `metrics` metrics, told by `input`, come to.
    #[inline]
    pub(super) fn decide(
        &mut self,
        look: &Look,
        metrics: usize,
        mut input: impl FnMut(usize, &mut Trace) -> Input,
        trace: &mut Trace,
    ) -> Verdict {
        let current = count(look.current);
        if look.current == 0 && look.bounds.min() != 0 {
            look.push(trace, 0, 0, || Effect::ScalingDisabled);
            return Verdict::Disabled;
        }
        let bound = look.bounds.clamp(look.current);
        if bound != look.current {
            return Verdict::OutsideBounds(bound);
        }
        let mut highest: Option<(usize, i32)> = None;
        let mut usable = 0;
        for metric in 0..metrics {
            let input = input(metric, trace);
            let Some(recommended) = self.recommend(look, metric, input, trace) else {
                continue;
            };
            usable += 1;
            if highest.is_none_or(|(_, highest)| recommended > highest) {
                highest = Some((metric, recommended));
            }
        }
        let Some((metric, mut recommended)) = highest else {
            return Verdict::Failed;
        };
        if metrics > 1 {
            look.push(trace, current, recommended, || Effect::Highest { metric, of: usable });
        }
        let blocked = !self.exact && usable < metrics && recommended < current;
        if blocked {
            recommended = current;
        }
        // What there is was recommended too, for all that is known: a start takes nothing away at once.
        if !self.begun && !self.exact {
            self.cooldown.seed(look.now, current);
        }
        self.begun = true;
        let lengths =
            cooldown::Lengths { up: self.settings.scale_up_cooldown_ms, down: self.settings.scale_down_cooldown_ms };
        let cooled = self.cooldown.add(look.now, recommended, current, lengths);
        if blocked {
            return Verdict::ShrinkBlocked;
        }
        let Some(cooled) = cooled else {
            return Verdict::Desired(recommended);
        };
        let direction = if recommended > current { Direction::Up } else { Direction::Down };
        let until = cooled.at.minus_millis(-lengths.of(direction));
        let left_ms = u64::try_from(until.since(look.now).as_millis()).unwrap_or(u64::MAX);
        let (made, winner) = (cooled.at, cooled.recommended);
        let fact = Fact::Cooled { direction, recommended: winner, made, until, left_ms };
        look.tell(trace, recommended, cooled.replicas, fact);
        Verdict::Desired(cooled.replicas)
    }

    /// What one metric recommends; none if it can't be had.
    #[inline]
    fn recommend(&mut self, look: &Look, metric: usize, input: Input, trace: &mut Trace) -> Option<i32> {
        let current = count(look.current);
        let track = &mut self.tracks[input.track];
        let windows = &mut track.windows;
        windows.configure(self.lengths, self.exact);
        match input.collected {
            Collected::Value(value) if value.is_finite() => windows.record(look.now, value, self.lengths),
            Collected::NoPods if self.exact => look.tell(trace, current, current, Fact::NoPods { metric }),
            Collected::Value(_) | Collected::NoPods | Collected::Failed => return None,
        }
        // Only AIBrix looks into a window with nothing in it.
        let long = windows.observe.mean().unwrap_or_default();
        // Beside the other, so that both are added up at once.
        let short = match self.strategy {
            Strategy::Kpa => windows.panic.mean().unwrap_or_default(),
            Strategy::Apa => long,
        };
        let terms = Terms { settings: &self.settings, tolerances: look.tolerances, current };
        let target = match (self.exact, input.target) {
            (true, None) => {
                look.tell(trace, current, current, Fact::NoTarget { metric });
                return Some(self.bounded(current, look, trace));
            }
            (true, target) => target,
            (false, _) => None,
        };
        let by = |mean: f64| match target {
            None => limited(mean, terms),
            Some(target) => exactly(self.strategy, mean, target, terms),
        };
        let (mut recommended, how) = by(long);
        if trace.is_on() {
            let (newest, samples) = (windows.observe.newest().unwrap_or_default(), windows.observe.len());
            let fact = Fact::Recommended { metric, newest, mean: long, samples, target, how };
            look.tell(trace, current, recommended, fact);
        }
        if self.strategy == Strategy::Kpa {
            let threshold = self.settings.panic_threshold;
            let calm = recommended;
            let until = if self.exact {
                // Nothing is kept of a panic but that a count isn't negative.
                kpa::panics_exactly(long, short, threshold).then(|| {
                    recommended = recommended.max(by(short).0).max(0);
                    None
                })
            } else {
                let over = kpa::panics(long, short, threshold);
                let wanted = || recommended.max(by(short).0);
                let length = Duration::from_secs(self.lengths.observe.into());
                track.panic.follow(look.now, over, length, current, wanted).map(|(until, mark)| {
                    recommended = mark;
                    Some(until)
                })
            };
            if let Some(until) = until {
                look.tell(trace, calm, recommended, Fact::Panicking { metric, mean: short, threshold, until });
            }
        }
        Some(self.bounded(recommended, look, trace))
    }

    /// AIBrix bounds each metric's recommendation, and so what it remembers. Else bounds are the manager's.
    #[inline]
    fn bounded(&self, recommended: i32, look: &Look, trace: &mut Trace) -> i32 {
        if !self.exact {
            return recommended;
        }
        let bounded = recommended.max(count(look.bounds.min())).min(count(look.bounds.max()));
        if bounded != recommended {
            let direction = if bounded > recommended { Direction::Up } else { Direction::Down };
            look.push(trace, recommended, bounded, || Effect::Bounded { direction });
        }
        bounded
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        state.extend([u8::from(self.exact), u8::from(self.begun)]);
        self.cooldown.write(state);
    }

    /// All but the tracks.
    pub(super) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        if reader.flag()? != self.exact {
            return Err(reader.damaged("it was made with another `exact`"));
        }
        let begun = reader.flag()?;
        Ok(Self { begun, cooldown: self.cooldown.read(reader)?, tracks: Vec::new(), ..self.clone() })
    }

    pub(super) fn set_tracks(&mut self, tracks: Vec<Track>) {
        self.tracks = tracks;
    }
}

/// AIBrix's own, of either strategy.
#[inline(never)]
fn exactly(strategy: Strategy, mean: f64, target: f64, terms: Terms<'_>) -> (i32, How) {
    match strategy {
        Strategy::Apa => apa::exact(mean, target, terms),
        Strategy::Kpa => kpa::exact(mean, target, terms),
    }
}

impl Track {
    /// The same in another unit.
    pub(super) fn scale(&mut self, by: f64) {
        self.windows.observe.scale(by);
        self.windows.panic.scale(by);
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        self.windows.write(state);
        self.panic.write(state);
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        Ok(Self { windows: Windows::read(reader)?, panic: Panic::read(reader)? })
    }
}

/// A metric's name, in front of its track.
pub(super) fn write_name(name: &str, state: &mut Vec<u8>) {
    let length = u32::try_from(name.len()).expect("a name is shorter than 4 GiB");
    state.extend(length.to_le_bytes());
    state.extend(name.as_bytes());
}

pub(super) fn read_name(reader: &mut StateReader<'_>) -> Result<String, StateError> {
    let mut name = Vec::new();
    for _ in 0..reader.u32()? {
        name.push(reader.u8()?);
    }
    String::from_utf8(name).map_err(|_| reader.damaged("a metric's name is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        let mut state = Vec::new();
        write_name("büro", &mut state);
        assert_eq!(read_name(&mut StateReader::unversioned("a name", &state)), Ok("büro".to_owned()));
        state[5] = 0xff;
        assert!(read_name(&mut StateReader::unversioned("a name", &state)).is_err());
    }
}
