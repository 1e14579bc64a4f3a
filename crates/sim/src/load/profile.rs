//! A rate over time and its integral, in pieces small enough to be straight.
//!
//! The integral is kept in millionths of a request, as an integer, and each term is integrated in
//! closed form from the start of the run: no error adds up, so 10 requests/s for 100 s are 1,000.

use super::spec::{Burst, Diurnal, LoadSpec, Noise, Ramp};
use super::trace::RateStep;
use crate::random::{Random, Stream};
use crate::units::{Micros, SECOND};

/// Millionths of a request.
pub(super) type Mass = u64;
/// One request.
pub(super) const UNIT: Mass = 1_000_000;
/// Pieces of a curved rate, at most: a second each, or longer in a very long run.
const MOST_PIECES: u64 = 500_000;

/// A rate over time.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    shape: Shape,
    duration: Micros,
}

#[derive(Debug, Clone)]
enum Shape {
    Terms { rates: Vec<LoadSpec>, noises: Vec<Noise> },
    Steps { steps: Vec<RateStep>, length: Micros },
}

/// A piece of the integral, taken as straight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    pub(super) start: Micros,
    pub(super) end: Micros,
    pub(super) mass_at_start: Mass,
    pub(super) mass_at_end: Mass,
}

impl Profile {
    /// `None` for a trace.
    pub(super) fn of_spec(spec: &LoadSpec, duration: Micros) -> Option<Self> {
        let (mut rates, mut noises) = (Vec::new(), Vec::new());
        for term in spec.terms() {
            match term {
                LoadSpec::Noise(noise) => noises.push(noise.clone()),
                rate => rates.push(rate.clone()),
            }
        }
        let shape = Shape::Terms { rates, noises };
        (!matches!(spec, LoadSpec::Trace(_))).then_some(Self { shape, duration })
    }

    pub(super) fn of_steps(steps: Vec<RateStep>, length: Micros, duration: Micros) -> Self {
        Self { shape: Shape::Steps { steps, length }, duration }
    }

    /// The integral over the run, with every noise at its height.
    pub(super) fn most_requests(&self) -> f64 {
        match &self.shape {
            Shape::Terms { rates, noises } => {
                let height: f64 = noises.iter().map(|noise| 1.0 + noise.amplitude.get()).product();
                integral(rates, self.duration) * height
            }
            Shape::Steps { .. } => self.walk(0).last().map_or(0.0, |piece| piece.mass_at_end as f64 / 1e6),
        }
    }

    /// The pieces in order, from zero to the end of the run.
    pub(super) fn walk(&self, seed: u64) -> Walk<'_> {
        let noises: &[Noise] = match &self.shape {
            Shape::Terms { noises, .. } => noises,
            Shape::Steps { .. } => &[],
        };
        let noises = noises.iter().zip(0..).map(|(noise, n)| NoiseSlot {
            noise,
            draws: Random::new(seed, Stream::Noise(n)),
            end: 0,
            factor: 1.0,
        });
        Walk {
            profile: self,
            grid: SECOND.max(self.duration.div_ceil(MOST_PIECES)),
            noises: noises.collect(),
            factor: 1.0,
            rates_before_slot: 0.0,
            before_slot: 0.0,
            step: 0,
            last: Piece::default(),
        }
    }
}

/// An iterator over the pieces of a profile.
#[derive(Debug, Clone)]
pub(super) struct Walk<'a> {
    profile: &'a Profile,
    grid: Micros,
    noises: Vec<NoiseSlot<'a>>,
    /// All noises together, in the slot: until one of them is drawn anew.
    factor: f64,
    /// Requests before the slot without noise, and with it.
    rates_before_slot: f64,
    before_slot: f64,
    /// The row of a trace that comes next.
    step: usize,
    last: Piece,
}

#[derive(Debug, Clone)]
struct NoiseSlot<'a> {
    noise: &'a Noise,
    draws: Random,
    end: Micros,
    factor: f64,
}

impl Iterator for Walk<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let start = self.last.end;
        if start >= self.profile.duration {
            return None;
        }
        let (end, requests) = match &self.profile.shape {
            Shape::Terms { rates, .. } => self.piece_of_terms(rates, start),
            Shape::Steps { steps, length } => self.piece_of_steps(steps, *length, start),
        };
        let mass_at_start = self.last.mass_at_end;
        // In range: a load is bounded before anyone walks over it; `max` for the last bit of a sine.
        let mass_at_end = ((requests * UNIT as f64).round() as Mass).max(mass_at_start);
        self.last = Piece { start, end, mass_at_start, mass_at_end };
        Some(self.last)
    }
}

impl Walk<'_> {
    fn piece_of_terms(&mut self, rates: &[LoadSpec], start: Micros) -> (Micros, f64) {
        if self.noises.iter().any(|slot| slot.end <= start) {
            let at_start = integral(rates, start);
            self.before_slot += self.factor * (at_start - self.rates_before_slot);
            self.rates_before_slot = at_start;
            for slot in self.noises.iter_mut().filter(|slot| slot.end <= start) {
                let amplitude = slot.noise.amplitude.get();
                slot.factor = 1.0 + amplitude * (2.0 * slot.draws.uniform() - 1.0);
                slot.end = start + slot.noise.every.micros();
            }
            self.factor = self.noises.iter().map(|slot| slot.factor).product();
        }
        let edges = rates.iter().filter_map(|rate| next_edge(rate, start));
        let slots = self.noises.iter().map(|slot| slot.end);
        let end = edges.chain(slots).fold((start / self.grid + 1) * self.grid, Micros::min);
        let end = end.min(self.profile.duration);
        let slot = integral(rates, end) - self.rates_before_slot;
        (end, self.before_slot + self.factor * slot)
    }

    fn piece_of_steps(&mut self, steps: &[RateStep], length: Micros, start: Micros) -> (Micros, f64) {
        let (rate, end) = match steps.get(self.step) {
            Some(step) => (step.rate, steps.get(self.step + 1).map_or(length, |next| next.at)),
            None => (0.0, self.profile.duration),
        };
        self.step += 1;
        let end = end.min(self.profile.duration);
        self.before_slot += rate * seconds(end - start);
        (end, self.before_slot)
    }
}

fn seconds(micros: Micros) -> f64 {
    micros as f64 / SECOND as f64
}

/// Requests from zero to `at`, without noise.
fn integral(rates: &[LoadSpec], at: Micros) -> f64 {
    rates.iter().map(|rate| integral_of(rate, at)).sum()
}

fn integral_of(rate: &LoadSpec, at: Micros) -> f64 {
    match rate {
        LoadSpec::Constant(constant) => constant.rate.get() * seconds(at),
        LoadSpec::Step(step) => step.rate.get() * seconds(at.saturating_sub(step.at.micros())),
        LoadSpec::Ramp(ramp) => ramp_integral(ramp, at),
        LoadSpec::Diurnal(diurnal) => diurnal_integral(diurnal, at),
        LoadSpec::Burst(burst) => burst_integral(burst, at),
        LoadSpec::Noise(_) | LoadSpec::Sum(_) | LoadSpec::Trace(_) => 0.0,
    }
}

fn ramp_integral(ramp: &Ramp, at: Micros) -> f64 {
    let (start, end) = (ramp.start.micros(), ramp.end.micros());
    let (from, rise) = (ramp.from.get(), ramp.to.get() - ramp.from.get());
    let on_slope = seconds(at.clamp(start, end) - start);
    let slope = if end > start { rise / seconds(end - start) } else { 0.0 };
    let after = seconds(at.saturating_sub(end));
    from * seconds(at) + slope * on_slope * on_slope / 2.0 + rise * after
}

fn diurnal_integral(diurnal: &Diurnal, at: Micros) -> f64 {
    let (low, high) = (diurnal.low.get(), diurnal.high.get());
    let period = diurnal.period.micros();
    let peak = diurnal.peak_at.micros() % period;
    // The angle is reduced as an integer: after 400 days it is as exact as on the first.
    let sine = |at: Micros| {
        let phase = (at % period + period - peak) % period;
        libm::sin(std::f64::consts::TAU * (phase as f64 / period as f64))
    };
    let swing = (high - low) / 2.0 * seconds(period) / std::f64::consts::TAU;
    (low + high) / 2.0 * seconds(at) + swing * (sine(at) - sine(0))
}

fn burst_integral(burst: &Burst, at: Micros) -> f64 {
    let length = burst.length.micros();
    let since = at.saturating_sub(burst.at.micros());
    let active = match burst.every.map(|every| every.micros()) {
        Some(every) => since / every * length + (since % every).min(length),
        None => since.min(length),
    };
    burst.rate.get() * seconds(active)
}

/// Where the rate next bends or jumps.
fn next_edge(rate: &LoadSpec, after: Micros) -> Option<Micros> {
    let first_of = |edges: [Micros; 2]| edges.into_iter().find(|edge| *edge > after);
    match rate {
        LoadSpec::Step(step) => first_of([step.at.micros(); 2]),
        LoadSpec::Ramp(ramp) => first_of([ramp.start.micros(), ramp.end.micros()]),
        LoadSpec::Burst(burst) => {
            let (at, length) = (burst.at.micros(), burst.length.micros());
            match burst.every.map(|every| every.micros()) {
                Some(every) if after >= at => {
                    let begin = at + (after - at) / every * every;
                    first_of([begin + length, begin + every])
                }
                _ => first_of([at, at + length]),
            }
        }
        _ => None,
    }
}
