//! A CSV table by physical lines, in bounded memory.
//!
//! One line is one row, so an error's line is the editor's. Fields may be quoted (`""` is a quote),
//! but hold no line end.

use std::io::{BufRead, BufReader, Read};

use super::error::TraceError;
use crate::units::MAX_REQUESTS;

/// Longer lines are no trace.
const LONGEST_LINE: u64 = 64 * 1024;

pub(super) struct Table<R> {
    input: BufReader<R>,
    name: String,
    /// The number of the line last read.
    line: u64,
    buffer: Vec<u8>,
    header: Vec<String>,
    header_line: u64,
}

/// A row's fields: as many as the header has.
pub(super) struct Row<'a> {
    name: &'a str,
    line: u64,
    fields: Vec<String>,
}

impl<R: Read> Table<R> {
    /// Read up to the header.
    pub(super) fn open(input: R, name: &str) -> Result<Self, TraceError> {
        let (input, name) = (BufReader::new(input), name.to_owned());
        let mut table = Self { input, name, line: 0, buffer: Vec::new(), header: Vec::new(), header_line: 1 };
        match table.next_fields()? {
            Some(header) => table.header = header,
            None => {
                let (file, found) = (table.name, "an empty file".to_owned());
                return Err(TraceError::Header { file, line: 1, found });
            }
        }
        table.header_line = table.line;
        Ok(table)
    }

    /// Where the wanted columns are; `None` when the header has none of them.
    pub(super) fn columns<const N: usize>(&self, wanted: [&'static str; N]) -> Result<Option<[usize; N]>, TraceError> {
        let count = |column: &str| self.header.iter().filter(|name| *name == column).count();
        if wanted.iter().all(|column| count(column) == 0) {
            return Ok(None);
        }
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(wanted) {
            match (count(column), self.header.iter().position(|name| name == column)) {
                (1, Some(position)) => *place = position,
                (found, _) => {
                    let (file, line) = (self.name.clone(), self.header_line);
                    return Err(TraceError::Column { file, line, column, found });
                }
            }
        }
        Ok(Some(places))
    }

    pub(super) fn unknown_header(&self) -> TraceError {
        let found = format!("{:?}", shortened(&self.header.join(",")));
        TraceError::Header { file: self.name.clone(), line: self.header_line, found }
    }

    pub(super) fn no_rows(&self) -> TraceError {
        TraceError::NoRows { file: self.name.clone(), line: self.line }
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row<'_>>, TraceError> {
        let Some(fields) = self.next_fields()? else {
            return Ok(None);
        };
        let (wanted, found) = (self.header.len(), fields.len());
        if wanted != found {
            return Err(self.bad_line(format!("{wanted} fields"), found.to_string()));
        }
        Ok(Some(Row { name: &self.name, line: self.line, fields }))
    }

    /// The fields of the next line that is not blank.
    fn next_fields(&mut self) -> Result<Option<Vec<String>>, TraceError> {
        loop {
            self.buffer.clear();
            let mut line = (&mut self.input).take(LONGEST_LINE + 1);
            if let Err(source) = line.read_until(b'\n', &mut self.buffer) {
                return Err(TraceError::Read { file: self.name.clone(), line: self.line + 1, source });
            }
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if self.buffer.len() as u64 > LONGEST_LINE {
                return Err(self.bad_line(format!("at most {LONGEST_LINE} bytes"), "more".into()));
            }
            let Ok(text) = std::str::from_utf8(&self.buffer) else {
                return Err(self.bad_line("UTF-8".into(), "other bytes".into()));
            };
            let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
            if text.trim().is_empty() {
                continue;
            }
            return match split(text.trim()) {
                Some(fields) => Ok(Some(fields)),
                None => Err(self.bad_line("fields in closed quotes".into(), "an open one".into())),
            };
        }
    }

    fn bad_line(&self, expected: String, found: String) -> TraceError {
        TraceError::Line { file: self.name.clone(), line: self.line, expected, found }
    }
}

impl Row<'_> {
    /// A field's value.
    pub(super) fn parse<T>(
        &self,
        index: usize,
        column: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, TraceError> {
        parse(&self.fields[index]).ok_or_else(|| self.error(index, column, expected))
    }

    pub(super) fn error(&self, index: usize, column: &'static str, expected: &'static str) -> TraceError {
        let (file, found) = (self.name.to_owned(), shortened(&self.fields[index]));
        TraceError::Value { file, line: self.line, column, expected, found }
    }

    pub(super) fn one_too_many(&self) -> TraceError {
        let (expected, found) = (format!("at most {MAX_REQUESTS} rows"), "one more".into());
        TraceError::Line { file: self.name.to_owned(), line: self.line, expected, found }
    }
}

/// The fields of a line, without their quotes and the blanks around them; `None` for an open quote.
fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim_end().to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim_start().is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest)),
        }
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}
