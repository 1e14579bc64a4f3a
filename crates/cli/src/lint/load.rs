//! A policy against the load it is meant for.

use std::time::Duration;

use setpoint::Registry;

use super::finding::Finding;
use super::probe::{self, Probe};
use super::subject::Subject;

/// Buckets that a trace is counted in.
const BUCKETS: usize = 720;
/// How alike a load is to itself one period later, at least, to be taken as one that repeats: 1 is entirely.
const ALIKE: f64 = 0.3;

/// Down again before the load is up again? A load is low for about half of its period.
pub(super) fn check(subject: &Subject, registry: &Registry, load: &setpoint_sim::Load, found: &mut Vec<Finding>) {
    let work = work(load);
    let Some(lag) = period(&work) else { return };
    let bucket = load.duration() / u32::try_from(BUCKETS).unwrap_or(u32::MAX);
    let period = bucket * u32::try_from(lag).unwrap_or(u32::MAX);
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let low = share(&work) * f64::from(max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of max")]
    let low = (low.ceil() as u32).clamp(min.max(1), max);
    if low == max {
        return;
    }
    let Some(mut probe) = Probe::new(subject, registry, max) else { return };
    if probe.rest(probe::Load::For(max)).is_none() {
        return;
    }
    let Some(rest) = probe.rest(probe::Load::For(low)) else { return };
    if rest.took * 2 <= period {
        return;
    }
    let words = |duration: Duration| humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    let why = format!(
        "the load comes back every {}, and from {max} to the {} replicas that its low needs this policy takes {}: \
         before it is down, the load is up again",
        words(period),
        rest.replicas,
        words(rest.took),
    );
    let instead = format!("a shorter scale-down window, or larger steps down: {} in all", words(period / 4));
    // Where the way down is told, if it is.
    let down = subject.rules().find(|rules| rules.direction == setpoint::Direction::Down).map(|rules| rules.field);
    let field = down.unwrap_or_else(|| if subject.spec.stages.is_empty() { "spec" } else { "spec.stages" }.to_owned());
    found.push(Finding::warning("slower-than-the-load", field, why, instead));
}

/// The work that arrives in each bucket.
fn work(load: &setpoint_sim::Load) -> Vec<f64> {
    let length = load.duration().as_micros().max(1);
    let mut work = vec![0.0; BUCKETS];
    for request in load.requests(0) {
        let index = u128::from(request.at_micros) * BUCKETS as u128 / length;
        if let Some(bucket) = usize::try_from(index).ok().and_then(|index| work.get_mut(index)) {
            #[expect(clippy::cast_precision_loss, reason = "a sum for comparison")]
            let micros = request.work_micros as f64;
            *bucket += micros;
        }
    }
    work
}

/// The lag at which the load is most like itself again, by autocorrelation; none where it isn't. At least two whole
/// periods are needed to see one.
fn period(work: &[f64]) -> Option<usize> {
    let count = work.len();
    let mean = work.iter().sum::<f64>() / count as f64;
    let away: Vec<f64> = work.iter().map(|it| it - mean).collect();
    let variance = away.iter().map(|it| it * it).sum::<f64>() / count as f64;
    if variance <= 0.0 {
        return None;
    }
    let alike = |lag: usize| {
        let pairs = away.iter().zip(&away[lag..]);
        pairs.map(|(one, other)| one * other).sum::<f64>() / (count - lag) as f64 / variance
    };
    let likeness: Vec<f64> = (0..=count / 2).map(alike).collect();
    // Past the hill around zero, on which every load is like itself.
    let valley = likeness.iter().position(|&alike| alike < 0.0)?;
    let best = likeness[valley..].iter().copied().fold(ALIKE, f64::max);
    // Two periods later it is as much alike: the first of such hills, and its top.
    let foot = (valley..likeness.len()).find(|&lag| likeness[lag] >= 0.9 * best)?;
    let fall = (foot..likeness.len()).find(|&lag| likeness[lag] < 0.9 * best).unwrap_or(likeness.len());
    (foot..fall).max_by(|&one, &other| likeness[one].total_cmp(&likeness[other]))
}

/// The load's low as a share of its high: the twentieth and the nineteenth twentieth, so that no single bucket counts.
fn share(work: &[f64]) -> f64 {
    let mut sorted = work.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |twentieths: usize| sorted[(sorted.len() - 1) * twentieths / 20];
    if at(19) > 0.0 { at(1) / at(19) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(buckets_a_period: usize) -> Vec<f64> {
        (0..BUCKETS).map(|bucket| if bucket % buckets_a_period < buckets_a_period / 3 { 10.0 } else { 1.0 }).collect()
    }

    #[test]
    fn a_period_is_found_where_there_is_one() {
        let once: Vec<f64> = (0..BUCKETS).map(|bucket| bucket as f64).collect();
        let cases = [
            ("five waves", wave(BUCKETS / 5), Some(BUCKETS / 5)),
            ("two waves", wave(BUCKETS / 2), Some(BUCKETS / 2)),
            ("one climb", once, None),
            ("flat", vec![3.0; BUCKETS], None),
        ];
        for (name, work, want) in cases {
            assert_eq!(period(&work), want, "{name}");
        }
        assert!((share(&wave(144)) - 0.1).abs() < 1e-9);
    }
}
