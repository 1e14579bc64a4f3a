//! Leaves an algorithm alone that goes on failing, and tries it again.

use super::FailureKind;
use super::spec::QuarantineSpec;
use crate::state::{StateError, StateReader};
use crate::time::Timestamp;

/// The failures in a row, and what follows from them.
///
/// How long a quarantine is follows from how many failures there were, so a policy's new backoff holds for the one
/// that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quarantine {
    spec: QuarantineSpec,
    row: Row,
}

/// Zero failures have no last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    failures: u32,
    last: Timestamp,
}

/// What is to be done with an algorithm at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is called as ever.
    Call,
    /// It is called, and this call decides whether it is well.
    Trial,
    /// It is not called before then.
    Wait { until: Timestamp },
}

impl Quarantine {
    pub(crate) const fn new(spec: QuarantineSpec) -> Self {
        Self { spec, row: Row { failures: 0, last: Timestamp::from_millis(0) } }
    }

    /// What the policy says.
    pub(crate) const fn spec(&self) -> QuarantineSpec {
        self.spec
    }

    /// How many failures there were since the last answer.
    pub(crate) const fn failures(&self) -> u32 {
        self.row.failures
    }

    /// When the algorithm is tried again, if it is not simply called.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.spec.after(self.row.failures).map(|length| self.row.last + length)
    }

    #[inline]
    pub(crate) fn next(&self, now: Timestamp) -> Next {
        if self.row.failures == 0 {
            return Next::Call;
        }
        match self.until() {
            None => Next::Call,
            // A clock that went back before the failure says nothing of how long ago that was: then a trial is the cheaper
            // mistake, for waiting could have no end.
            Some(until) if self.row.last <= now && now < until => Next::Wait { until },
            Some(_) => Next::Trial,
        }
    }

    /// The algorithm answered: how many failures that ends.
    #[inline]
    pub(crate) fn answered(&mut self) -> u32 {
        std::mem::take(&mut self.row).failures
    }

    /// The algorithm failed: whether it is to be left alone from now on. A failure that is no fault of its own changes
    /// nothing.
    pub(crate) fn failed(&mut self, kind: FailureKind, now: Timestamp) -> bool {
        if !kind.is_fault() {
            return false;
        }
        self.row = Row { failures: self.row.failures.saturating_add(1), last: now };
        self.until().is_some()
    }

    pub(crate) fn write(&self, state: &mut Vec<u8>) {
        state.extend(self.row.failures.to_le_bytes());
        state.extend(self.row.last.as_millis().to_le_bytes());
    }

    /// The same rules with the row that a state tells of.
    pub(crate) fn read(&self, reader: &mut StateReader<'_>) -> Result<Self, StateError> {
        let row = Row { failures: reader.u32()?, last: Timestamp::from_millis(reader.i64()?) };
        if row.failures == 0 && row != Row::default() {
            return Err(reader.damaged("the last of no failures has a time"));
        }
        Ok(Self { row, ..*self })
    }
}
