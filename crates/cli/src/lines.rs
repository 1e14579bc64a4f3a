//! Input line by line, none of them longer than it may be.

use std::fmt;
use std::io::{self, BufRead, Read as _};

/// Reads lines, counts them, and passes over blank ones.
pub(crate) struct Lines<R> {
    input: R,
    longest: u64,
    number: usize,
    line: Vec<u8>,
}

/// Why a line can't be used. The next one may well be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It has more bytes than this.
    TooLong(u64),
    NotText,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(longest) => write!(f, "the line is longer than {} MiB", longest >> 20),
            Self::NotText => f.write_str("not UTF-8 text"),
        }
    }
}

impl<R: BufRead> Lines<R> {
    /// Lines of `input` of at most `longest` bytes.
    pub(crate) fn new(input: R, longest: u64) -> Self {
        Self { input, longest, number: 0, line: Vec::new() }
    }

    /// The number of the line that was read last, or that could not be: from 1.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// The next line that isn't blank; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<&str, Unfit>>> {
        loop {
            self.number += 1;
            if self.read()? == 0 {
                return Ok(None);
            }
            if self.line.len() as u64 > self.longest {
                while !self.line.ends_with(b"\n") && self.read()? > 0 {}
                return Ok(Some(Err(Unfit::TooLong(self.longest))));
            }
            // A byte order mark, as some editors leave it.
            if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(str::from_utf8(&self.line).map(str::trim_ascii_end).map_err(|_| Unfit::NotText)))
    }

    /// As much of a line as one byte more than it may have.
    fn read(&mut self) -> io::Result<usize> {
        self.line.clear();
        self.input.by_ref().take(self.longest.saturating_add(1)).read_until(b'\n', &mut self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfit_line_is_told_with_its_number_and_the_next_one_is_read() {
        let input = b"\xef\xbb\xbfone\n\n  \r\n123456\n1234567\n12345678901234567890\n\xff\r\nlast\r".as_slice();
        let mut lines = Lines::new(input, 7);
        let mut read = Vec::new();
        while let Some(line) = lines.next().expect("nothing to fail") {
            let line = line.map(str::to_owned);
            read.push((lines.number(), line));
        }
        let text = |text: &str| Ok(text.to_owned());
        let too_long = Err(Unfit::TooLong(7));
        assert_eq!(
            read,
            [
                (1, text("one")),
                (4, text("123456")),
                (5, too_long.clone()),
                (6, too_long),
                (7, Err(Unfit::NotText)),
                (8, text("last")),
            ]
        );
    }
}
