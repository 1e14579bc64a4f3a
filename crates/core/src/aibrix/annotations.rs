//! Annotations and targets as AIBrix reads them.
//!
//! AIBrix: pkg/controller/podautoscaler/context/context.go, `UpdateByPaTypes`; types/annotations.go.

use super::spec::{MetricSource, Settings};

const PREFIX: &str = "autoscaling.aibrix.ai/";

/// What AIBrix makes of the texts of a PodAutoscaler: metrics as `(targetMetric, targetValue)`, annotations by key,
/// with or without `autoscaling.aibrix.ai/`.
///
/// A target that is no number, or not above 0, is logged and ends the reading: that metric and those after it are
/// without a target, and all annotations have their defaults. An annotation that can't be read has its default; AIBrix
/// then ignores some of the others too, others at each look, which nobody could follow. Unknown ones mean nothing.
///
/// ```
/// use setpoint::aibrix::{Settings, read_annotations};
/// let rate = [("max-scale-up-rate", "3"), ("scale-down-cooldown-window", "1m30s")];
/// let (metrics, settings) = read_annotations(&[("queue", "4")], rate);
/// assert_eq!((metrics[0].target, settings.max_scale_up_rate, settings.scale_down_cooldown_ms), (Some(4.0), 3.0, 90_000));
///
/// let (metrics, settings) = read_annotations(&[("queue", "4"), ("cpu", "70%"), ("cache", "0.5")], rate);
/// let targets: Vec<_> = metrics.iter().map(|metric| metric.target).collect();
/// assert_eq!((targets, settings), (vec![Some(4.0), None, None], Settings::default()));
/// ```
pub fn read_annotations<'a>(
    metrics: &[(&str, &str)],
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Vec<MetricSource>, Settings) {
    let mut read: Vec<(&str, f64)> = Vec::new();
    let mut all = true;
    for (name, text) in metrics {
        // A NaN isn't below 0: it is a target, with which nothing compares.
        let Some(target) = float(text).filter(|target| target.is_nan() || *target > 0.0) else {
            all = false;
            break;
        };
        read.push((name, target));
    }
    // Targets are kept by name: the last of a name is everyone's.
    let target = |name: &str| read.iter().rev().find(|(known, _)| *known == name).map(|&(_, target)| target);
    let metrics =
        metrics.iter().map(|&(name, _)| MetricSource { name: name.to_owned(), target: target(name) }).collect();
    let mut settings = Settings::default();
    for (key, text) in annotations.into_iter().filter(|_| all) {
        set(&mut settings, key.strip_prefix(PREFIX).unwrap_or(key), text);
    }
    (metrics, settings)
}

fn set(settings: &mut Settings, key: &str, text: &str) {
    fn put<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    match key {
        "max-scale-up-rate" => put(&mut settings.max_scale_up_rate, float(text)),
        "max-scale-down-rate" => put(&mut settings.max_scale_down_rate, float(text)),
        "scale-up-tolerance" => put(&mut settings.scale_up_tolerance, float(text)),
        "scale-down-tolerance" => put(&mut settings.scale_down_tolerance, float(text)),
        "panic-threshold" => put(&mut settings.panic_threshold, float(text)),
        "scale-up-cooldown-window" => put(&mut settings.scale_up_cooldown_ms, millis(text)),
        "scale-down-cooldown-window" => put(&mut settings.scale_down_cooldown_ms, millis(text)),
        _ => {}
    }
}

/// Go's `strconv.ParseFloat`, but for hexadecimal digits and underscores, which no one writes.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number: f64 = text.parse().ok()?;
    // What is too large for a double is an error there, unless infinity is what was written.
    let written = unsigned.starts_with(['i', 'I']);
    let signed_nan = number.is_nan() && unsigned.len() != text.len();
    (!signed_nan && (number.is_finite() || number.is_nan() || written)).then_some(number)
}

/// Go's `time.ParseDuration`, in whole milliseconds, rounded up: for times in whole milliseconds, being younger than
/// the one and than the other is the same.
fn millis(text: &str) -> Option<i64> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    if unsigned.is_empty() {
        return None;
    }
    let (mut rest, mut nanos) = (unsigned, 0_i128);
    while !rest.is_empty() {
        let number = rest.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number);
        let unit = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && part.is_empty() || part.contains('.') {
            return None;
        }
        let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i64>().ok() };
        nanos += i128::from(digits(whole)?) * unit;
        // Eighteen digits are finer than any unit.
        let part = &part[..part.len().min(18)];
        let scale = 10_i128.pow(u32::try_from(part.len()).ok()?);
        nanos += i128::from(digits(part)?) * unit / scale;
        rest = after;
    }
    if nanos > i128::from(i64::MAX) {
        return None;
    }
    let nanos = if text.starts_with('-') { -nanos } else { nanos };
    i64::try_from(-(-nanos).div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_does() {
        let cases = [
            ("10", Some(10.0)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("-1e3", Some(-1000.0)),
            ("1e-400", Some(0.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("+nan", None),
            ("", None),
            (" 5", None),
            ("70%", None),
        ];
        for (text, want) in cases {
            assert_eq!(float(text), want, "{text}");
        }
        assert!(float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn durations_are_read_as_go_does() {
        let cases = [
            ("0", Some(0)),
            ("1m30s", Some(90_000)),
            ("1h1h", Some(7_200_000)),
            (".5s", Some(500)),
            ("1.s", Some(1000)),
            ("1.5ms", Some(2)),
            ("1ns", Some(1)),
            ("3µs", Some(1)),
            ("-5s", Some(-5000)),
            ("-1.5ms", Some(-1)),
            ("+1m", Some(60_000)),
            ("", None),
            ("5", None),
            (".", None),
            (".s", None),
            ("1.2.3s", None),
            ("5d", None),
            ("-", None),
        ];
        for (text, want) in cases {
            assert_eq!(millis(text), want, "{text}");
        }
    }
}
