//! How a check of an algorithm sees its metric: one reading a look, and a window where the strategy has one.

use super::check::Failed;
use super::strategy::{Judgement, Strategy};
use super::window::Recent;
use crate::comparison::Terms;
use crate::metric::Reading;
use crate::observation::Observation;
use crate::state::{StateError, StateReader};

#[derive(Clone, Debug)]
pub(super) struct Eye {
    /// Which metric, and how its readings are read; none for a strategy that looks at nothing.
    seen: Option<(usize, Terms)>,
    /// Whether the metric's own target is what it is compared with.
    own_target: bool,
    recent: Option<Recent>,
}

impl Eye {
    pub(super) const fn blind() -> Self {
        Self { seen: None, own_target: false, recent: None }
    }

    pub(super) const fn on(metric: usize, terms: Terms) -> Self {
        Self { seen: Some((metric, terms)), own_target: false, recent: None }
    }

    pub(super) const fn comparing_with_own_target(mut self) -> Self {
        self.own_target = true;
        self
    }

    pub(super) fn remembering(mut self, recent: Recent) -> Self {
        self.recent = Some(recent);
        self
    }

    pub(super) fn metric(&self) -> Option<usize> {
        self.seen.map(|(metric, _)| metric)
    }

    /// What the strategy makes of a look. Each look has to be seen, for the window's sake.
    #[inline]
    pub(super) fn judge(&mut self, strategy: &Strategy, look: &Observation<'_>) -> Result<Judgement, Failed> {
        let count = i64::from(look.current);
        let Some((metric, terms)) = self.seen else {
            return strategy.judge(count, &[]).ok_or(Failed::Query);
        };
        let reading = *look.readings.get(metric).ok_or(Failed::Query)?;
        match strategy {
            Strategy::TargetValue(target) => {
                let factor = if !self.own_target {
                    target.factor(value(terms, reading, look, target.is_exact()).ok_or(Failed::Query)?)
                } else if look.current > 0 {
                    terms.ratio(reading, look).ok_or(Failed::Query)?
                } else {
                    // So many replicas' worth, of a target a replica too.
                    value(terms, reading, look, false).ok_or(Failed::Query)? / terms.amount(1)
                };
                // A finite value over a tiny target overflows.
                if !factor.is_finite() && !target.is_exact() {
                    return Err(Failed::Query);
                }
                Ok(target.judge(count, factor))
            }
            Strategy::PassThrough(pass) => {
                Ok(pass.judge(count, value(terms, reading, look, pass.is_exact()).ok_or(Failed::Query)?))
            }
            Strategy::Threshold(threshold) => {
                let value = value(terms, reading, look, threshold.is_exact());
                let within = value.is_some_and(|value| threshold.contains(value));
                let within = self.recent.as_mut().map_or(0, |recent| recent.see(look.now, within));
                value.map(|_| threshold.judge(count, within)).ok_or(Failed::Query)
            }
            Strategy::FixedValue(fixed) => Ok(fixed.judge(count)),
        }
    }

    pub(super) const fn remembers(&self) -> bool {
        self.recent.is_some()
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        if let Some(recent) = &self.recent {
            recent.write(state);
        }
    }

    pub(super) fn read(&self, reader: &mut StateReader<'_>) -> Result<Option<Recent>, StateError> {
        self.recent.as_ref().map(|recent| recent.read(reader)).transpose()
    }

    pub(super) fn set_recent(&mut self, recent: Option<Recent>) {
        self.recent = recent;
    }
}

/// The reading in one number that can be compared with a target. An exact strategy takes what is no number, too.
#[inline]
fn value(terms: Terms, reading: Reading<'_>, look: &Observation<'_>, exact: bool) -> Option<f64> {
    match reading {
        Reading::Value(value) if exact || value.is_finite() => Some(value),
        Reading::Samples(_) => terms.ratio(reading, look).map(|ratio| ratio * terms.amount(look.current)),
        other => other.usable(),
    }
}
