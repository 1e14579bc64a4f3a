//! How long a request keeps a slot of its replica busy.

use super::trace::TokenRequest;
use crate::random::Random;
use crate::scenario::{Distribution, ServiceTime, TokenCost};
use crate::units::{LONGEST, Micros};

/// Drawn or computed work is at least 1 µs, so time goes on, and at most 400 days.
fn bounded(micros: Micros) -> Micros {
    micros.clamp(1, LONGEST.as_secs() * 1_000_000)
}

/// The distribution of the work of a rate's requests.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Constant(Micros),
    Exponential { mean: f64 },
    Lognormal { mu: f64, sigma: f64 },
}

impl Work {
    pub(super) fn new(time: &ServiceTime) -> Self {
        let mean = time.mean.micros() as f64;
        match time.distribution {
            Distribution::Constant => Self::Constant(time.mean.micros()),
            Distribution::Exponential => Self::Exponential { mean },
            Distribution::Lognormal => {
                let cv = time.cv.map_or(1.0, |cv| cv.get());
                let variance = libm::log1p(cv * cv);
                Self::Lognormal { mu: libm::log(mean) - variance / 2.0, sigma: variance.sqrt() }
            }
        }
    }

    pub(super) fn draw(&self, random: &mut Random) -> Micros {
        let micros = match self {
            Self::Constant(micros) => return bounded(*micros),
            Self::Exponential { mean } => mean * random.exponential(),
            Self::Lognormal { mu, sigma } => libm::exp(mu + sigma * random.normal()),
        };
        // Rounded by the cast, which saturates: the extremes are bounded next.
        bounded((micros + 0.5) as Micros)
    }
}

impl TokenCost {
    /// The work of one request, from its tokens.
    pub(super) fn of(&self, request: &TokenRequest) -> Micros {
        let prompt = self.per_prompt_token.duration().as_nanos() * u128::from(request.prompt);
        let output = self.per_output_token.duration().as_nanos() * u128::from(request.output);
        let micros = (self.base.duration().as_nanos() + prompt + output) / 1_000;
        bounded(Micros::try_from(micros).unwrap_or(Micros::MAX))
    }
}
