//! Load traces in CSV.

use std::io::Read;
use std::time::Duration;

mod error;
mod rows;

pub use error::TraceError;
use rows::{Row, Table};

use crate::units::{LONGEST, MAX_REQUESTS, Micros, Rate, SECOND};

const TIME: &str = "time";
const RATE: &str = "rate";
const TIMESTAMP: &str = "TIMESTAMP";
const PROMPT: &str = "ContextTokens";
const OUTPUT: &str = "GeneratedTokens";

/// A trace of real load, from its first row on.
///
/// Two formats are told apart by their header; other columns beside the needed ones are ignored.
///
/// - `time,rate`: `time` in seconds from any origin (the trace's own start, the Unix epoch) or as
///   RFC 3339, each row later than the one before; `rate` in requests/s from 0 to 1,000,000. A rate
///   holds until the next row, the last one as long as the row before it did; a single row holds 1 s.
/// - `TIMESTAMP,ContextTokens,GeneratedTokens`, one request a row: the format of the
///   [Azure LLM inference traces](https://github.com/Azure/AzurePublicDataset). Timestamps are UTC
///   (or RFC 3339 with an offset), to 100 ns; rows may be out of order and are sorted, equal times
///   in the order of the file. The trace ends with the whole second after its last request.
///
/// A byte order mark, CR LF, blank lines and a missing last line end are fine. A row is one line.
/// ```
/// # use setpoint_sim::Trace;
/// let trace = Trace::read("time,rate\n0,5\n60,20\n".as_bytes(), "trace.csv")?;
/// assert_eq!(trace.length().as_secs(), 120);
///
/// let error = Trace::read("time,rate\n0,abc\n".as_bytes(), "trace.csv").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"trace.csv:2: column "rate": expected a number of requests/s from 0 to 1000000, found "abc""#
/// );
/// # Ok::<(), setpoint_sim::TraceError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub(super) rows: Rows,
    pub(super) length: Micros,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rows {
    Rate(Vec<RateStep>),
    Tokens(Vec<TokenRequest>),
}

/// A rate that holds from an instant on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RateStep {
    pub(super) at: Micros,
    pub(super) rate: f64,
}

/// One request of a token trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenRequest {
    pub(super) at: Micros,
    pub(super) prompt: u32,
    pub(super) output: u32,
}

impl Trace {
    /// Read a trace; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// For an empty file, an unknown header, a row that is not what it should be, more than
    /// 50 million rows or 400 days: with the line, the column, what was expected and what was found.
    pub fn read(input: impl Read, name: &str) -> Result<Self, TraceError> {
        let mut table = Table::open(input, name)?;
        if let Some(columns) = table.columns([TIMESTAMP, PROMPT, OUTPUT])? {
            return tokens(&mut table, columns);
        }
        match table.columns([TIME, RATE])? {
            Some(columns) => rates(&mut table, columns),
            None => Err(table.unknown_header()),
        }
    }

    /// How long the trace is.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.length)
    }

    /// Rows: requests of a token trace, rates of the other kind.
    pub fn rows(&self) -> usize {
        match &self.rows {
            Rows::Rate(steps) => steps.len(),
            Rows::Tokens(requests) => requests.len(),
        }
    }

    /// Whether a row is a request with its tokens, and not a rate.
    pub fn has_tokens(&self) -> bool {
        matches!(self.rows, Rows::Tokens(_))
    }
}

fn rates<R: Read>(table: &mut Table<R>, [time, rate]: [usize; 2]) -> Result<Trace, TraceError> {
    let mut span = TimeSpan::default();
    let mut steps: Vec<RateStep> = Vec::new();
    let mut last = None;
    while let Some(row) = table.next_row()? {
        let at = row.parse(time, TIME, "seconds or an RFC 3339 time", seconds_or_rfc3339)?;
        if last.is_some_and(|last| at <= last) {
            return Err(row.error(time, TIME, "a time after the row before"));
        }
        last = Some(at);
        let first = span.add(at, &row, time, TIME)?;
        let rate = row.parse(rate, RATE, "a number of requests/s from 0 to 1000000", requests_per_second)?;
        room(steps.len(), &row)?;
        steps.push(RateStep { at: at.abs_diff(first), rate });
    }
    let length = match steps[..] {
        [] => return Err(table.no_rows()),
        [_] => SECOND,
        [.., before, last] => last.at + (last.at - before.at),
    };
    Ok(Trace { rows: Rows::Rate(steps), length })
}

fn tokens<R: Read>(table: &mut Table<R>, [time, prompt, output]: [usize; 3]) -> Result<Trace, TraceError> {
    let mut span = TimeSpan::default();
    let mut rows: Vec<(i64, u32, u32)> = Vec::new();
    while let Some(row) = table.next_row()? {
        let at = row.parse(time, TIMESTAMP, "a time such as 2023-11-16 18:17:03.9799600", utc)?;
        span.add(at, &row, time, TIMESTAMP)?;
        let tokens = "a whole number of tokens from 0 to 4294967295";
        let prompt = row.parse(prompt, PROMPT, tokens, |text| text.parse().ok())?;
        let output = row.parse(output, OUTPUT, tokens, |text| text.parse().ok())?;
        room(rows.len(), &row)?;
        rows.push((at, prompt, output));
    }
    // Stable: requests of the same instant stay in the order of the file.
    rows.sort_by_key(|(at, ..)| *at);
    let Some((first, ..)) = rows.first().copied() else {
        return Err(table.no_rows());
    };
    let request = |(at, prompt, output): (i64, u32, u32)| TokenRequest { at: at.abs_diff(first), prompt, output };
    let requests: Vec<_> = rows.into_iter().map(request).collect();
    let last = requests.last().map_or(0, |request| request.at);
    Ok(Trace { rows: Rows::Tokens(requests), length: (last / SECOND + 1) * SECOND })
}

fn room(rows: usize, row: &Row<'_>) -> Result<(), TraceError> {
    if rows as u64 >= MAX_REQUESTS { Err(row.one_too_many()) } else { Ok(()) }
}

/// From the earliest to the latest time seen.
#[derive(Default)]
struct TimeSpan(Option<(i64, i64)>);

impl TimeSpan {
    /// The earliest time so far, the new one included.
    fn add(&mut self, at: i64, row: &Row<'_>, index: usize, column: &'static str) -> Result<i64, TraceError> {
        let (first, last) = self.0.map_or((at, at), |(first, last)| (first.min(at), last.max(at)));
        if Duration::from_micros(last.abs_diff(first)) >= LONGEST {
            return Err(row.error(index, column, "a time less than 400 days from the other rows"));
        }
        self.0 = Some((first, last));
        Ok(first)
    }
}

/// Microseconds, from seconds as a number or RFC 3339.
fn seconds_or_rfc3339(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        // A hundred thousand million seconds are 3,000 years: any epoch in use fits.
        Ok(seconds) if seconds.abs() <= 1e11 => Some((seconds * SECOND as f64).round() as i64),
        Ok(_) => None,
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(|at| at.as_microsecond()),
    }
}

/// Microseconds since the Unix epoch, from a date and time in UTC or with its own offset.
fn utc(text: &str) -> Option<i64> {
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    let at = match civil {
        Some(civil) => jiff::tz::Offset::UTC.to_timestamp(civil).ok(),
        None => text.parse().ok(),
    };
    at.map(|at: jiff::Timestamp| at.as_microsecond())
}

fn requests_per_second(text: &str) -> Option<f64> {
    let rate: f64 = text.parse().ok()?;
    Rate::try_from(rate).ok().map(Rate::get)
}

#[cfg(test)]
mod tests;
