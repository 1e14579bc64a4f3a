//! Numbers as the texts of annotations and config maps hold them: in Go's notation.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::ConfigError;

/// Texts by key, of which some are known.
pub(super) struct Texts<'a> {
    texts: &'a BTreeMap<String, String>,
    /// What stands before each key.
    prefix: &'static str,
}

/// A key's newer and older spelling; the first one present counts.
pub(super) type Key = [&'static str; 2];

impl<'a> Texts<'a> {
    pub(super) const fn new(texts: &'a BTreeMap<String, String>, prefix: &'static str) -> Self {
        Self { texts, prefix }
    }

    pub(super) fn text(&self, key: Key) -> Option<(String, &'a str)> {
        key.iter().find_map(|key| {
            let key = format!("{}{key}", self.prefix);
            self.texts.get(&key).map(|text| (key, text.as_str()))
        })
    }

    fn read<T>(
        &self,
        key: Key,
        read: impl Fn(&str) -> Option<T>,
        check: impl Fn(&T) -> bool,
        want: &str,
    ) -> Result<Option<T>, ConfigError> {
        let Some((key, text)) = self.text(key) else {
            return Ok(None);
        };
        match read(text).filter(check) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::new(key, format!("must be {want}, got {text:?}"))),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, key: Key, check: impl Fn(f64) -> bool, want: &str) -> Result<Option<f64>, ConfigError> {
        self.read(
            key,
            |text| text.parse().ok().filter(|number: &f64| number.is_finite()),
            |&number| check(number),
            want,
        )
    }

    pub(super) fn count(&self, key: Key, least: u32) -> Result<Option<u32>, ConfigError> {
        let read = |text: &str| text.parse::<i32>().ok().and_then(|count| u32::try_from(count).ok());
        self.read(key, read, |&count| count >= least, &format!("a whole number from {least} to {}", i32::MAX))
    }

    /// A duration within a range, in whole seconds where asked for.
    pub(super) fn duration(
        &self,
        key: Key,
        (least, most): (Duration, Duration),
        whole_seconds: bool,
    ) -> Result<Option<Duration>, ConfigError> {
        let seconds = if whole_seconds { " in whole seconds" } else { "" };
        let check = |span: &Duration| (least..=most).contains(span) && !(whole_seconds && span.subsec_nanos() != 0);
        let up_to = if most == Duration::MAX { String::new() } else { format!(" to {most:?}") };
        self.read(key, duration, check, &format!("a duration such as \"30s\"{seconds}, from {least:?}{up_to}"))
    }

    pub(super) fn flag(&self, key: Key) -> Result<Option<bool>, ConfigError> {
        let read = |text: &str| match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        };
        self.read(key, read, |_| true, "\"true\" or \"false\"")
    }
}

/// A duration that is not negative, in Go's notation: `1h15m`, `1.5s`, `+300ms`, `0`.
///
/// Go: src/time/format.go, `ParseDuration`.
fn duration(text: &str) -> Option<Duration> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut nanos) = (text, 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let whole = digits(rest);
        rest = &rest[whole.len()..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            fraction = digits(after);
            rest = &after[fraction.len()..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit = &rest[..rest.find(|it: char| it == '.' || it.is_ascii_digit()).unwrap_or(rest.len())];
        rest = &rest[unit.len()..];
        let unit = match unit {
            "ns" => 1_u64,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(unit)?)?.checked_add(part(fraction, unit))?;
    }
    let nanos = i64::try_from(nanos).ok()?.unsigned_abs();
    (!negative || nanos == 0).then(|| Duration::from_nanos(nanos))
}

fn digits(text: &str) -> &str {
    &text[..text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len())]
}

/// So many digits after the point, of a unit in nanoseconds. Digits beyond what an integer holds don't count.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as Go does it"
)]
fn part(fraction: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0_u64, 1.0);
    for digit in fraction.bytes() {
        let next = number * 10 + u64::from(digit - b'0');
        if number > i64::MAX.unsigned_abs() / 10 || i64::try_from(next).is_err() {
            break;
        }
        number = next;
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [
            ("30s", Some(30_000_000_000)),
            ("1h15m", Some(4_500_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5m", Some(30_000_000_000)),
            ("2.s", Some(2_000_000_000)),
            ("+300ms", Some(300_000_000)),
            ("1µs2ns", Some(1_002)),
            ("0.1000000000000000055511151231257827s", Some(100_000_000)),
            ("0", Some(0)),
            ("-0s", Some(0)),
            ("-5s", None),
            ("5", None),
            ("", None),
            ("+", None),
            (".s", None),
            ("s", None),
            ("1 s", None),
            ("1d", None),
            ("3000000h", None),
            ("99999999999999999999s", None),
        ];
        for (text, want) in cases {
            assert_eq!(duration(text), want.map(Duration::from_nanos), "{text:?}");
        }
    }
}
