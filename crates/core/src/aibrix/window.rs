//! The two windows of a metric.
//!
//! AIBrix: pkg/controller/podautoscaler/metrics/client.go, `ConfigureMetricWindows`.

use crate::state::{StateError, StateReader};
use crate::time::Timestamp;
use crate::window::SecondsMean;

/// How long the two windows of a metric are, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) observe: u32,
    /// None where nobody looks at the short one.
    pub(super) panic: Option<u32>,
}

/// The two windows of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Windows {
    pub(super) observe: SecondsMean,
    pub(super) panic: SecondsMean,
    /// What they were recorded under.
    lengths: Option<Lengths>,
}

impl Windows {
    /// Goes on with other `lengths`, with empty windows if they `start_over` at a change.
    #[inline]
    pub(super) fn configure(&mut self, lengths: Lengths, start_over: bool) {
        if self.lengths != Some(lengths) {
            if start_over {
                self.observe.clear();
                self.panic.clear();
            }
            self.lengths = Some(lengths);
        }
    }

    /// Keeps `value` in both.
    #[inline]
    pub(super) fn record(&mut self, now: Timestamp, value: f64, lengths: Lengths) {
        self.observe.record(now, value, lengths.observe);
        if let Some(panic) = lengths.panic {
            self.panic.record(now, value, panic);
        }
    }

    pub(super) fn write(&self, state: &mut Vec<u8>) {
        state.push(u8::from(self.lengths.is_some()));
        if let Some(Lengths { observe, panic }) = self.lengths {
            state.extend(observe.to_le_bytes());
            state.push(u8::from(panic.is_some()));
            state.extend(panic.unwrap_or_default().to_le_bytes());
        }
        self.observe.write(state);
        self.panic.write(state);
    }

    pub(super) fn read(reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let lengths = if reader.flag()? {
            let (observe, short, panic) = (reader.u32()?, reader.flag()?, reader.u32()?);
            if !short && panic != 0 {
                return Err(reader.damaged("no window has a length"));
            }
            Some(Lengths { observe, panic: short.then_some(panic) })
        } else {
            None
        };
        Ok(Self { observe: SecondsMean::read(reader)?, panic: SecondsMean::read(reader)?, lengths })
    }
}
