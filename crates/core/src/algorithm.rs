//! The contract of an algorithm, and the leaves.

pub(crate) mod average_ratio;
pub(crate) mod capped_smooth_ratio;
pub(crate) mod max_ratio;
pub(crate) mod ratio;
pub(crate) mod weighted_ratio;

use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::{StateError, expect_none};
use crate::trace::Trace;

/// From one look at a workload to a proposal.
///
/// An instance serves one workload. It keeps what it remembers in itself, takes the time from the
/// observation, and does no I/O. It is a leaf, or a stage around another algorithm.
///
/// ```
/// use setpoint::{EvaluateError, Need, Observation, Proposal, ScalingAlgorithm, Trace};
///
/// /// One replica for each 100 requests/s of the first metric.
/// struct PerHundred;
///
/// impl ScalingAlgorithm for PerHundred {
///     fn evaluate(&mut self, observation: &Observation<'_>, _: &mut Trace) -> Result<Proposal, EvaluateError> {
///         match observation.readings.first().and_then(|reading| reading.usable()) {
///             Some(rate) => Ok(Need::replicas(rate / 100.0)?.into()),
///             None => Ok(Proposal::NoOpinion),
///         }
///     }
/// }
/// ```
pub trait ScalingAlgorithm: Send {
    /// What this algorithm proposes for what was observed.
    ///
    /// Should record in `trace` what it did to the number; need not look whether the trace is on.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] when it can't answer. The policy's declared fallback answers in its place.
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError>;

    /// Appends what it remembers to `state`, versioned; see [`StateReader`](crate::StateReader).
    ///
    /// The default is for algorithms that remember nothing.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the state can't be had, as from a plugin that traps.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        let _ = state;
        Ok(())
    }

    /// Puts back what [`snapshot`](Self::snapshot) took out. On an error nothing has changed.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are not this algorithm's state.
    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        expect_none(state)
    }
}

// Both uses are part of the contract: a trait object, and a wrapper over any algorithm.
const _: Option<&dyn ScalingAlgorithm> = None;

impl<A: ScalingAlgorithm + ?Sized> ScalingAlgorithm for Box<A> {
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        (**self).evaluate(observation, trace)
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        (**self).snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        (**self).restore(state)
    }
}

impl<A: ScalingAlgorithm + ?Sized> ScalingAlgorithm for &mut A {
    fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        (**self).evaluate(observation, trace)
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        (**self).snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        (**self).restore(state)
    }
}

/// An algorithm from a closure, for experiments and tests. What the closure captures is lost on a restart.
///
/// ```
/// use setpoint::{Need, Observation, ScalingAlgorithm, Timestamp, Trace, algorithm_fn};
/// let mut twice = algorithm_fn(|look: &Observation<'_>, _: &mut Trace| {
///     Ok(Need::replicas(f64::from(look.current) * 2.0)?.into())
/// });
/// let look = Observation::new(Timestamp::default(), 3, &[]);
/// assert_eq!(twice.evaluate(&look, &mut Trace::off())?, Need::replicas(6.0)?.into());
/// # Ok::<(), setpoint::EvaluateError>(())
/// ```
pub fn algorithm_fn<F>(evaluate: F) -> impl ScalingAlgorithm
where
    F: FnMut(&Observation<'_>, &mut Trace) -> Result<Proposal, EvaluateError> + Send,
{
    struct Closure<F>(F);

    impl<F> ScalingAlgorithm for Closure<F>
    where
        F: FnMut(&Observation<'_>, &mut Trace) -> Result<Proposal, EvaluateError> + Send,
    {
        fn evaluate(&mut self, observation: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
            (self.0)(observation, trace)
        }
    }

    Closure(evaluate)
}
