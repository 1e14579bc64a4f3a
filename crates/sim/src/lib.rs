//! Replay a load against a service in virtual time, and score what a scaling policy made of it.
//!
//! ```
//! use std::time::Duration;
//! use setpoint::Reading;
//! use setpoint_sim::{Load, Period, Scenario, Source, run};
//!
//! let scenario = Scenario::builtin().with_duration(Period::try_from(Duration::from_secs(3600))?)?;
//! let load = Load::generated(&scenario)?;
//! let every = Period::try_from(Duration::from_secs(15))?;
//!
//! // One replica for each two requests/s that monitoring shows; nothing shown, nothing done.
//! let report = run(&scenario, &load, 1, every, |tick| match tick.reading(Source::Rate) {
//!     Reading::Value(rate) => (rate / 2.0).ceil() as u32,
//!     _ => tick.current,
//! }, |_| {});
//! let summary = report.summary;
//! assert_eq!(summary.served + summary.queued_at_end + summary.refused, summary.requests);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | concept | type |
//! |---|---|
//! | what load meets what service, as a document | [`Scenario`] |
//! | the requests: generated, or from a [`Trace`] | [`Load`] |
//! | replicas, their slots, one queue, event by event | [`Service`] |
//! | what monitoring shows of it, late and averaged | [`Source`] |
//! | one policy's whole run | [`run()`], [`Tick`] |
//! | what came of it | [`Report`]: [`Summary`] and [`Samples`] |
//!
//! The same scenario and seed give the same bytes on every machine: time is in integer
//! microseconds, seeds are split into streams of a generator with a specified output, and no
//! transcendental function comes from the platform. Each run over a load meets the same requests
//! at the same times with the same work, so policies are compared pair by pair.

mod compare;
mod load;
mod random;
mod readings;
mod run;
mod scenario;
mod score;
mod service;
#[cfg(test)]
mod testing;
mod units;

pub use compare::{Comparison, DecisionRecord, Member, Run, ScenarioRecord, simulate, simulate_group};
pub use load::{Load, LoadError, Request, Requests, Trace, TraceError};
pub use readings::{Source, UnknownSource};
pub use run::{Tick, run};
pub use scenario::Scenario;
pub use score::{Report, Samples, Summary};
pub use service::Service;
pub use units::{MAX_REPLICAS, MAX_REQUESTS, Period, RangeError};
