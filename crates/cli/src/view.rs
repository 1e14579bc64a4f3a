//! What people see of a comparison.

pub(crate) mod report;
mod scores;
pub(crate) mod terminal;
#[cfg(test)]
mod testing;
mod verdict;

use std::borrow::Cow;

use setpoint_sim::Run;

/// What a run is called: after its policy, or its group and the member.
fn name(run: &Run) -> Cow<'_, str> {
    match &run.member {
        None => Cow::Borrowed(&run.policy),
        Some(member) => Cow::Owned(format!("{}/{}", run.policy, member.name)),
    }
}

/// A time of a run as a clock shows it: `14:05`, with seconds where they matter, with days in a long run.
fn clock(seconds: f64, with_seconds: bool) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a run has at most 400 days")]
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    let day = if days > 0 && (hours, minutes, seconds) == (0, 0, 0) && days == 1 {
        return if with_seconds { "24:00:00".to_owned() } else { "24:00".to_owned() };
    } else if days > 0 {
        format!("{days}d ")
    } else {
        String::new()
    };
    if with_seconds {
        format!("{day}{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{day}{hours:02}:{minutes:02}")
    }
}

/// A number with as many digits as say something: 1234, 12.3, 0.45, 40.
fn plain(number: f64) -> String {
    let digits = if number.abs() >= 100.0 {
        0
    } else if number.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// A latency in a unit that fits: 850 ms, 2.31 s.
fn latency(millis: f64) -> String {
    if millis < 1000.0 { format!("{millis:.0} ms") } else { format!("{} s", plain(millis / 1000.0)) }
}

/// How long a run is: 20 min, 24 h, 7 days.
fn length(seconds: f64) -> String {
    match seconds {
        ..3600.0 => format!("{} min", plain(seconds / 60.0)),
        3600.0..=172_800.0 => format!("{} h", plain(seconds / 3600.0)),
        _ => format!("{} days", plain(seconds / 86_400.0)),
    }
}

/// A part of a whole, in percent.
fn percent(share: f64) -> String {
    format!("{} %", plain(share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_a_clock() {
        let cases = [(0.0, "00:00"), (50_700.0, "14:05"), (86_400.0, "24:00"), (90_000.0, "1d 01:00")];
        for (seconds, want) in cases {
            assert_eq!(clock(seconds, false), want);
        }
        assert_eq!(clock(50_715.0, true), "14:05:15");
        let lengths = [(1200.0, "20 min"), (86_400.0, "24 h"), (604_800.0, "7 days")];
        for (seconds, want) in lengths {
            assert_eq!(length(seconds), want);
        }
    }
}
