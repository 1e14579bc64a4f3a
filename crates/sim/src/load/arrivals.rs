//! The requests one after the other, produced as they are asked for.

use super::profile::{Mass, Piece, Profile, UNIT, Walk};
use super::trace::TokenRequest;
use super::work::Work;
use crate::random::{Random, Stream};
use crate::scenario::{Arrivals, TokenCost};
use crate::units::Micros;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// When it arrives, in microseconds from the start.
    pub at_micros: u64,
    /// How long a slot serves it, in microseconds, at least one.
    pub work_micros: u64,
}

/// The requests of a [`Load`](super::Load), in order of arrival.
#[derive(Debug, Clone)]
pub struct Requests<'a>(Kind<'a>);

#[derive(Debug, Clone)]
enum Kind<'a> {
    Rate(Box<OfRate<'a>>),
    Tokens { requests: std::slice::Iter<'a, TokenRequest>, cost: &'a TokenCost },
}

impl<'a> Requests<'a> {
    pub(super) fn of_rate(profile: &'a Profile, arrivals: Arrivals, work: Work, seed: u64) -> Self {
        let mut draws = Random::new(seed, Stream::Arrivals);
        let goals = match arrivals {
            Arrivals::Even => {
                let total = profile.walk(seed).last().map_or(0, |piece| piece.mass_at_end);
                let first = (draws.uniform() * UNIT as f64) as Mass;
                Goals::Even { next: first, left: total / UNIT }
            }
            Arrivals::Poisson => Goals::Poisson { last: 0 },
        };
        Self(Kind::Rate(Box::new(OfRate {
            walk: profile.walk(seed),
            piece: Piece::default(),
            goals,
            draws,
            work,
            work_draws: Random::new(seed, Stream::Work),
        })))
    }

    pub(super) fn of_tokens(requests: &'a [TokenRequest], cost: &'a TokenCost) -> Self {
        Self(Kind::Tokens { requests: requests.iter(), cost })
    }
}

impl Iterator for Requests<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        match &mut self.0 {
            Kind::Rate(rate) => rate.next(),
            Kind::Tokens { requests, cost } => {
                requests.next().map(|request| Request { at_micros: request.at, work_micros: cost.of(request) })
            }
        }
    }
}

/// The values of the rate's integral at which requests arrive.
#[derive(Debug, Clone)]
enum Goals {
    /// `u`, `1 + u`, `2 + u`, …
    Even { next: Mass, left: u64 },
    /// In the integral's own time a Poisson process of any rate has rate one.
    Poisson { last: Mass },
}

impl Goals {
    fn next(&mut self, draws: &mut Random) -> Option<Mass> {
        match self {
            Self::Even { next, left } => {
                *left = left.checked_sub(1)?;
                let goal = *next;
                *next += UNIT;
                Some(goal)
            }
            Self::Poisson { last } => {
                *last += (draws.exponential() * UNIT as f64) as Mass;
                Some(*last)
            }
        }
    }
}

#[derive(Debug, Clone)]
struct OfRate<'a> {
    walk: Walk<'a>,
    piece: Piece,
    goals: Goals,
    draws: Random,
    work: Work,
    work_draws: Random,
}

impl OfRate<'_> {
    fn next(&mut self) -> Option<Request> {
        let goal = self.goals.next(&mut self.draws)?;
        while goal >= self.piece.mass_at_end {
            self.piece = self.walk.next()?;
        }
        let work_micros = self.work.draw(&mut self.work_draws);
        Some(Request { at_micros: reached(&self.piece, goal), work_micros })
    }
}

/// When a straight piece of the integral reaches a goal that lies in it.
fn reached(piece: &Piece, goal: Mass) -> Micros {
    let (mass, into) = (piece.mass_at_end - piece.mass_at_start, goal - piece.mass_at_start);
    let length = piece.end - piece.start;
    let offset = match into.checked_mul(length) {
        Some(product) => product / mass,
        // Smaller than `length`, as `into` is smaller than `mass`.
        None => (u128::from(into) * u128::from(length) / u128::from(mass)) as Micros,
    };
    piece.start + offset
}
