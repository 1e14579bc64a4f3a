//! `behavior`: HPA's windows and rates, around any algorithm.

use std::cmp::Ordering;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::algorithm::ScalingAlgorithm;
use crate::decision::round_up;
use crate::failure::EvaluateError;
use crate::hpa::Behavior;
use crate::hpa::metrics::count;
use crate::hpa::restraint::{Periods, Restraint, read_memory};
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::trace::{Direction, Effect, Reason, Trace};

/// Of every [`Restrained`], whatever is inside.
const STATE_VERSION: u8 = 1;

/// Configuration of [`Restrained`] as an HPA without `behavior` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LegacyBehaviorConfig {
    /// Scale down only to what was enough throughout this long. Default `5m`.
    pub downscale_stabilization: Span,
}

impl Default for LegacyBehaviorConfig {
    fn default() -> Self {
        Self { downscale_stabilization: Span::from_secs(300) }
    }
}

/// Holds back what another algorithm proposes by the rules of an HPA's `behavior`: first windows, then rates.
///
/// Windows go by what was proposed, and rates by what was done: the changes that
/// [`Observation::last_action`] tells of. Both are in whole replicas, so the proposal is rounded up here. A count
/// outside the bounds is corrected past all of them, and nothing is remembered of that look's proposal.
///
/// ```
/// use serde_json::json;
/// use setpoint::{Behavior, MaxRatio, Metric, Need, Observation, Proposal, Reading, Restrained, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let behavior: Behavior = serde_json::from_value(json!({
///     "scaleUp": { "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 60 }] },
/// }))?;
/// let ratio = MaxRatio::new(&[Metric::new("queue", Target::average_value(4.0)?)], &Default::default());
/// let mut algorithm = Restrained::new(ratio, &behavior)?;
/// // 48 / (4 · 4) is 3: it wants 12. Two more a minute are allowed.
/// let readings = [Reading::Value(48.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// assert_eq!(algorithm.evaluate(&look, &mut Trace::off())?, Need::replicas(6.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Restrained<A> {
    inner: A,
    name: &'static str,
    restraint: Restraint,
    tolerances: (Option<f64>, Option<f64>),
    noticed: Noticed,
    /// Of the rules that a restored state was made under: the change after its last look was made under them, and is
    /// noticed by rules that may be others.
    made_under: Option<Option<Periods>>,
}

impl<A: ScalingAlgorithm> Restrained<A> {
    /// The stage's name in policies.
    pub const NAME: &'static str = "behavior";
    /// The stage's name in policies for an HPA without `behavior`.
    pub const LEGACY_NAME: &'static str = "legacy-behavior";
    /// Holds `inner` back by the rules of `behavior`, with v2's defaults for what it doesn't say.
    ///
    /// # Errors
    ///
    /// As for [`Behavior::check`].
    pub fn new(inner: A, behavior: &Behavior) -> Result<Self, crate::config::ConfigError> {
        behavior.check()?;
        let window = LegacyBehaviorConfig::default().downscale_stabilization.as_duration();
        let restraint = Restraint::new(Some(behavior), window);
        Ok(Self { tolerances: behavior.tolerances(), ..Self::by(inner, Self::NAME, restraint) })
    }

    /// Holds `inner` back as an HPA without `behavior` does: a window on the way down, and at most twice the
    /// count, or 4, on the way up.
    pub fn legacy(inner: A, config: &LegacyBehaviorConfig) -> Self {
        Self::by(inner, Self::LEGACY_NAME, Restraint::new(None, config.downscale_stabilization.as_duration()))
    }

    fn by(inner: A, name: &'static str, restraint: Restraint) -> Self {
        Self { inner, name, restraint, tolerances: (None, None), noticed: Noticed::default(), made_under: None }
    }

    #[inline]
    fn follow(&mut self, look: &Observation<'_>) {
        if let Some(action) = self.noticed.new_in(look) {
            let periods = self.made_under.unwrap_or_else(|| self.restraint.periods());
            self.restraint.record(action, periods);
        }
        self.made_under = None;
        if !self.restraint.is_seeded() {
            self.restraint.seed(look.now, f64::from(look.current));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "every recommendation came from a count")]
    #[inline]
    fn restrain(&mut self, need: Need, look: &Observation<'_>, trace: &mut Trace) -> Need {
        let exact = need.settle(look.current, trace).exact();
        let (whole, current) = (f64::from(round_up(exact)), f64::from(look.current));
        if trace.is_on() && whole != exact {
            trace.push(|| Reason::new("rounding", exact, whole, Effect::RoundedUp));
        }
        let stabilized = self.restraint.stabilize(look.now, current, whole);
        if trace.is_on() && stabilized != whole {
            trace.push(|| {
                Reason::new(self.name, whole, stabilized, self.restraint.why_stabilized(look.now, whole, stabilized))
            });
        }
        let (wanted, current) = (stabilized as i32, count(look.current));
        let (direction, limit) = match wanted.cmp(&current) {
            Ordering::Greater => (Direction::Up, self.restraint.upper_limit(look.now, current)),
            Ordering::Less => (Direction::Down, self.restraint.lower_limit(look.now, current)),
            Ordering::Equal => return look.current.into(),
        };
        let limited = match direction {
            Direction::Up => wanted.min(limit.replicas),
            Direction::Down => wanted.max(limit.replicas),
        };
        if trace.is_on() && limited != wanted {
            let why = self.restraint.why_limited(limit, direction, look.now, current);
            trace.push(|| Reason::new(self.name, stabilized, f64::from(limited), why));
        }
        limited.max(0).unsigned_abs().into()
    }
}

impl<A: ScalingAlgorithm> ScalingAlgorithm for Restrained<A> {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.follow(look);
        let begin = trace.mark();
        let proposal = match self.tolerances {
            (None, None) => self.inner.evaluate(look, trace)?,
            tolerances => self.inner.evaluate(&look.with_tolerances(tolerances), trace)?,
        };
        let Proposal::Need(need) = proposal else {
            return Ok(proposal);
        };
        let bounded = look.bounds.clamp(look.current);
        if look.current != 0 && bounded != look.current {
            trace.rewind(begin);
            trace.push(|| Reason::new(self.name, look.current.into(), bounded.into(), Effect::OutsideBounds));
            return Ok(Need::from(bounded).into());
        }
        Ok(self.restrain(need, look, trace).into())
    }

    // Version, the newest change noticed, the periods it was made under, the histories, and then the inner algorithm's state.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.push(STATE_VERSION);
        self.noticed.write(state);
        write_periods(self.made_under.unwrap_or_else(|| self.restraint.periods()), state);
        self.restraint.write(state);
        self.inner.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(self.name, STATE_VERSION, state)?;
        let (noticed, made_under) = (Noticed::read(&mut reader)?, read_periods(&mut reader)?);
        let restraint = self.restraint.read(&mut reader)?;
        self.inner.restore(reader.rest())?;
        (self.restraint, self.noticed, self.made_under) = (restraint, noticed, Some(made_under));
        Ok(())
    }
}

/// The state of a [`Restrained`] in its own part, and that of the algorithm inside.
pub(crate) fn split_state(state: &[u8]) -> Result<(&[u8], &[u8]), StateError> {
    let mut reader = StateReader::new(Restrained::<Box<dyn ScalingAlgorithm>>::NAME, STATE_VERSION, state)?;
    Noticed::read(&mut reader)?;
    read_periods(&mut reader)?;
    read_memory(&mut reader)?;
    let inner = reader.rest();
    Ok((&state[..state.len() - inner.len()], inner))
}

fn write_periods(periods: Option<Periods>, state: &mut Vec<u8>) {
    state.push(u8::from(periods.is_some()));
    if let Some(Periods { up, down }) = periods {
        for period in [up, down] {
            let secs = u32::try_from(period.as_secs()).expect("a period is at most half an hour");
            state.extend(secs.to_le_bytes());
        }
    }
}

fn read_periods(reader: &mut StateReader<'_>) -> Result<Option<Periods>, StateError> {
    if !reader.flag()? {
        return Ok(None);
    }
    let secs = |secs: u32| Duration::from_secs(secs.into());
    Ok(Some(Periods { up: secs(reader.u32()?), down: secs(reader.u32()?) }))
}
