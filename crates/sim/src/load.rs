//! The requests that arrive: from a rate over time, or one by one from a trace.

mod arrivals;
mod profile;
mod spec;
mod trace;
mod work;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use arrivals::{Request, Requests};
pub(crate) use spec::LoadSpec;
pub use trace::{Trace, TraceError};

use profile::Profile;
use trace::{Rows, TokenRequest};
use work::Work;

use crate::scenario::{Arrivals, Scenario, TokenCost};
use crate::units::{MAX_REQUESTS, Micros};

/// A scenario's load, ready to be replayed any number of times.
#[derive(Debug, Clone)]
pub struct Load {
    source: Requested,
    duration: Micros,
}

#[derive(Debug, Clone)]
enum Requested {
    Rate { profile: Profile, arrivals: Arrivals, work: Work },
    Tokens { requests: Arc<[TokenRequest]>, cost: TokenCost },
}

/// A load that cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The trace file could not be opened.
    #[error("cannot open the trace {file}")]
    Open {
        /// The file, as it was looked for.
        file: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The trace could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The load is larger than a simulation takes.
    #[error("the load may hold {most:.0} requests, at most {MAX_REQUESTS} can be simulated")]
    TooManyRequests {
        /// How many it could come to, with every noise term at its height.
        most: f64,
    },
    /// The scenario's load is a trace, which has to be given.
    #[error("the scenario's load is a trace file, which was not read")]
    NoTrace,
}

impl Load {
    /// The load of a scenario; `base` is the folder its trace file is relative to.
    ///
    /// # Errors
    ///
    /// When the trace cannot be opened or read, or the load is too large.
    pub fn open(scenario: &Scenario, base: &Path) -> Result<Self, LoadError> {
        let Some(file) = scenario.trace_file() else {
            return Self::generated(scenario);
        };
        let path = base.join(file);
        let name = path.display().to_string();
        let opened = File::open(&path).map_err(|source| LoadError::Open { file: name.clone(), source })?;
        Self::from_trace(scenario, Trace::read(opened, &name)?)
    }

    /// The load of a scenario that is not a trace.
    ///
    /// # Errors
    ///
    /// When the scenario's load is a trace, or too large.
    pub fn generated(scenario: &Scenario) -> Result<Self, LoadError> {
        let spec = scenario.spec();
        let duration = spec.duration.ok_or(LoadError::NoTrace)?.micros();
        let profile = Profile::of_spec(&spec.load, duration).ok_or(LoadError::NoTrace)?;
        Self::of_profile(scenario, profile, duration)
    }

    /// A trace in place of the scenario's load. The scenario's duration, if it has one, cuts the
    /// trace or lets time go on after it; else the trace's length counts.
    ///
    /// # Errors
    ///
    /// When the load is too large.
    pub fn from_trace(scenario: &Scenario, trace: Trace) -> Result<Self, LoadError> {
        let spec = scenario.spec();
        let duration = spec.duration.map_or(trace.length, |duration| duration.micros());
        match trace.rows {
            Rows::Rate(steps) => Self::of_profile(scenario, Profile::of_steps(steps, trace.length, duration), duration),
            Rows::Tokens(mut requests) => {
                requests.truncate(requests.partition_point(|request| request.at < duration));
                let cost = spec.service.tokens.clone();
                Ok(Self { source: Requested::Tokens { requests: requests.into(), cost }, duration })
            }
        }
    }

    fn of_profile(scenario: &Scenario, profile: Profile, duration: Micros) -> Result<Self, LoadError> {
        let most = profile.most_requests();
        if most > MAX_REQUESTS as f64 {
            return Err(LoadError::TooManyRequests { most });
        }
        let spec = scenario.spec();
        let work = Work::new(&spec.service.time);
        Ok(Self { source: Requested::Rate { profile, arrivals: spec.arrivals, work }, duration })
    }

    /// The same requests, served as `scenario` has it.
    pub(crate) fn served_by(&self, scenario: &Scenario) -> Self {
        let service = &scenario.spec().service;
        let source = match &self.source {
            Requested::Rate { profile, arrivals, .. } => {
                Requested::Rate { profile: profile.clone(), arrivals: *arrivals, work: Work::new(&service.time) }
            }
            Requested::Tokens { requests, .. } => {
                Requested::Tokens { requests: Arc::clone(requests), cost: service.tokens.clone() }
            }
        };
        Self { source, duration: self.duration }
    }

    /// How long the simulated time is.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.duration)
    }

    pub(crate) fn duration_micros(&self) -> Micros {
        self.duration
    }

    /// The requests in order of arrival: the same for the same seed, whoever asks.
    pub fn requests(&self, seed: u64) -> Requests<'_> {
        match &self.source {
            Requested::Rate { profile, arrivals, work } => Requests::of_rate(profile, *arrivals, work.clone(), seed),
            Requested::Tokens { requests, cost } => Requests::of_tokens(requests, cost),
        }
    }
}

#[cfg(test)]
mod tests;
