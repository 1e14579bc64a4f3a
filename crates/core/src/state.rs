//! State as versioned bytes: what it takes to go on after a restart as if nothing had happened.
//!
//! Each stateful part writes one version byte and its fields, little-endian; a stage writes its own part
//! first and its inner algorithm's after it, so the innermost is what remains.

use crate::time::Timestamp;

/// Why state could not be taken out or put back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes end too early.
    #[error("the state of {part} ends too early")]
    Truncated {
        /// Whose state.
        part: &'static str,
    },
    /// Bytes are left over.
    #[error("{bytes} bytes of state are left over, which no part of the algorithm reads")]
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// Another version of this library, or something else altogether, wrote them.
    #[error("the state of {part} has version {found}; this one reads version {known}")]
    Version {
        /// Whose state.
        part: &'static str,
        /// The version found.
        found: u8,
        /// The version that can be read.
        known: u8,
    },
    /// A field holds what it never can.
    #[error("the state of {part} is damaged: {what}")]
    Damaged {
        /// Whose state.
        part: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// The state belongs to another algorithm.
    #[error("the state belongs to {found}, this workload runs {expected}")]
    Foreign {
        /// The algorithm that wrote the state.
        found: String,
        /// The algorithm that was to read it.
        expected: String,
    },
    /// The algorithm itself refused, in its own words.
    #[error("{0}")]
    Refused(String),
}

/// Reads one part's fields from the front of a state.
#[derive(Debug)]
pub struct StateReader<'a> {
    part: &'static str,
    rest: &'a [u8],
}

impl<'a> StateReader<'a> {
    /// Starts at the front of `state`, which must begin with `version`.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] or [`StateError::Version`], naming `part`.
    pub fn new(part: &'static str, version: u8, state: &'a [u8]) -> Result<Self, StateError> {
        let mut reader = Self { part, rest: state };
        let found = reader.u8()?;
        if found == version { Ok(reader) } else { Err(StateError::Version { part, found, known: version }) }
    }

    /// The same for a part that reads what its earlier versions wrote too: every version from 1 to `known`. Gives the
    /// one that was found.
    pub(crate) fn up_to(part: &'static str, known: u8, state: &'a [u8]) -> Result<(u8, Self), StateError> {
        let mut reader = Self { part, rest: state };
        match reader.u8()? {
            found if (1..=known).contains(&found) => Ok((found, reader)),
            found => Err(StateError::Version { part, found, known }),
        }
    }

    /// For a part of something that has a version.
    #[cfg(test)]
    pub(crate) const fn unversioned(part: &'static str, state: &'a [u8]) -> Self {
        Self { part, rest: state }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (front, rest) = self.rest.split_first_chunk::<N>().ok_or(StateError::Truncated { part: self.part })?;
        self.rest = rest;
        Ok(*front)
    }

    /// The next byte.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, StateError> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// The next byte, as yes or no.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end, [`StateError::Damaged`] for anything but 0 and 1.
    pub fn flag(&mut self) -> Result<bool, StateError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("a yes or no is neither")),
        }
    }

    /// The next four bytes.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, StateError> {
        self.take().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end.
    pub fn i64(&mut self) -> Result<i64, StateError> {
        self.take().map(i64::from_le_bytes)
    }

    /// The next time, as [`write_time`] wrote it: none is one too.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end, [`StateError::Damaged`] where there is neither a time nor none.
    pub fn time(&mut self) -> Result<Option<Timestamp>, StateError> {
        Ok(if self.flag()? { Some(Timestamp::from_millis(self.i64()?)) } else { None })
    }

    /// The next eight bytes, as a finite number.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] at the end, [`StateError::Damaged`] for NaN and infinities.
    pub fn finite(&mut self) -> Result<f64, StateError> {
        let number = self.take().map(f64::from_le_bytes)?;
        if number.is_finite() { Ok(number) } else { Err(self.damaged("a number is not finite")) }
    }

    /// As many bytes as the four before them say.
    ///
    /// # Errors
    ///
    /// [`StateError::Truncated`] where there are fewer.
    pub fn part(&mut self) -> Result<&'a [u8], StateError> {
        let truncated = StateError::Truncated { part: self.part };
        let length = usize::try_from(self.u32()?).map_err(|_| truncated.clone())?;
        let (part, rest) = self.rest.split_at_checked(length).ok_or(truncated)?;
        self.rest = rest;
        Ok(part)
    }

    /// An error about this part.
    #[must_use]
    pub fn damaged(&self, what: &'static str) -> StateError {
        StateError::Damaged { part: self.part, what }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// [`StateError::LeftOver`] when something is.
    pub fn end(self) -> Result<(), StateError> {
        expect_none(self.rest)
    }

    /// What is left: the inner algorithm's state.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Appends a time, or that there is none; [`StateReader::time`] reads it.
pub fn write_time(time: Option<Timestamp>, state: &mut Vec<u8>) {
    state.push(u8::from(time.is_some()));
    if let Some(time) = time {
        state.extend(time.as_millis().to_le_bytes());
    }
}

/// For a part without state of its own, and nothing inside it.
pub(crate) fn expect_none(state: &[u8]) -> Result<(), StateError> {
    if state.is_empty() { Ok(()) } else { Err(StateError::LeftOver { bytes: state.len() }) }
}
