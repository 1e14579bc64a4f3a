//! A policy against the load it is meant for.

use std::time::Duration;

use setpoint::{Direction, Effect, Registry};

use super::budget::Budget;
use super::finding::{Finding, Level};
use super::probe::{self, Probe, Rest, Stop};
use super::stopped;
use super::subject::Subject;

/// Buckets that a trace is counted in. Fine ones see short periods; in coarse ones the chance of single requests is no
/// longer larger than the load's own ups and downs.
const BUCKETS: [usize; 2] = [720, 240];
/// How alike a load is to itself one period later, at least, to be taken as one that repeats: 1 is entirely.
const ALIKE: f64 = 0.3;
/// How high the hill of the first period is beside that of the best of its multiples, which chance may raise.
const HILL: f64 = 0.8;

/// How a load repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cycle {
    period: Duration,
    /// Its low as a share of its high.
    low: f64,
}

impl Cycle {
    /// Of `load`; none where it doesn't repeat.
    pub(super) fn of(load: &setpoint_sim::Load) -> Option<Self> {
        let mut found: Option<(f64, Self)> = None;
        for buckets in BUCKETS {
            let work = work(load, buckets);
            let Some((lag, alike)) = period(&work) else { continue };
            // What is as clear in fine buckets is more exact there.
            if found.is_none_or(|(before, _)| alike > before) {
                let bucket = load.duration() / u32::try_from(buckets).unwrap_or(u32::MAX);
                let period = bucket * u32::try_from(lag).unwrap_or(u32::MAX);
                found = Some((alike, Self { period, low: share(&work) }));
            }
        }
        found.map(|(_, cycle)| cycle)
    }
}

/// What is said of a load that doesn't repeat, so that silence isn't taken for praise.
pub(super) fn no_cycle() -> Finding {
    let why = "the load doesn't repeat: whether a policy is down before it is up again could not be told".to_owned();
    Finding { level: Level::Note, ..Finding::warning("no-period", "", why, "a trace of at least two whole periods") }
}

/// Down again before the load is up again? A load is low for about half of its period.
pub(super) fn check(
    subject: &Subject,
    registry: &Registry,
    cycle: Cycle,
    budget: &mut Budget,
    found: &mut Vec<Finding>,
) {
    let (min, max) = (subject.spec.min_replicas, subject.spec.max_replicas);
    let low = cycle.low * f64::from(max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of max")]
    let low = (low.ceil() as u32).clamp(min.max(1), max);
    if low == max {
        return;
    }
    match way(subject, registry, (max, low), cycle.period, budget) {
        Ok(None) => {}
        Ok(Some(way)) => found.push(slower(subject, cycle.period, &way)),
        // An algorithm that fails was told with the bounds.
        Err(Stop::Failed { .. }) if found.iter().any(|finding| finding.rule == stopped::FAILS) => {}
        Err(stop) => found.push(stopped::finding(subject, "whether it is down before the load is up again", &stop)),
    }
}

/// The way down after a high that needs `max` replicas to the `low` that are needed then, in words, where it takes
/// longer than half a period.
fn way(
    subject: &Subject,
    registry: &Registry,
    (max, low): (u32, u32),
    period: Duration,
    budget: &mut Budget,
) -> Result<Option<String>, Stop> {
    let Some(mut probe) = Probe::new(subject, registry, low) else { return Ok(None) };
    // Up as it goes up under load: what it may not do for a while after that counts too.
    probe.pass(probe::Load::For(max), period / 2, budget)?;
    let high = probe.replicas();
    match probe.down_to(low, budget) {
        Ok(rest) => Ok((rest.took * 2 > period).then(|| {
            format!(
                "from {high} replicas to the {} that its low needs this policy takes {}",
                rest.replicas,
                words(rest.took)
            )
        })),
        // It was watched for longer, and is not down.
        Err(Stop::Spent { rest, .. }) if rest.watched * 2 > period && is_on_its_way(&rest, low, period) => {
            Ok(Some(format!(
                "on its way from {high} replicas to the {low} that its low needs this policy is at {} after {}",
                rest.replicas,
                words(rest.watched)
            )))
        }
        Err(stop) => Err(stop),
    }
}

/// Whether it was still going after half a period, or is held by something that will let it go.
fn is_on_its_way(rest: &Rest, low: u32, period: Duration) -> bool {
    let waits = matches!(
        rest.cause.effect,
        Some(
            Effect::Stabilized { direction: Direction::Down, .. }
                | Effect::RateLimited { direction: Direction::Down, .. }
        )
    );
    rest.replicas > low && (rest.took * 2 > period || waits)
}

fn slower(subject: &Subject, period: Duration, way: &str) -> Finding {
    let why =
        format!("the load comes back every {}, and {way}: before it is down, the load is up again", words(period));
    let instead = format!("a shorter scale-down window, or larger steps down: {} in all", words(period / 4));
    Finding::warning("slower-than-the-load", way_down(subject), why, instead)
}

/// Where the way down is told, if it is.
fn way_down(subject: &Subject) -> String {
    let rules = subject.rules().find(|rules| rules.direction == Direction::Down).map(|rules| rules.field);
    let behavior = || subject.behaviors.first().map(|(field, _)| field.clone());
    rules.or_else(behavior).unwrap_or_else(|| {
        // The stage that stands for a manifest without `behavior` is not in it.
        match (subject.is_manifest, subject.spec.stages.is_empty()) {
            (true, _) => "spec.behavior",
            (false, false) => "spec.stages",
            (false, true) => "spec.algorithm",
        }
        .to_owned()
    })
}

fn words(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// The work that arrives in each bucket.
fn work(load: &setpoint_sim::Load, buckets: usize) -> Vec<f64> {
    let length = load.duration().as_micros().max(1);
    let mut work = vec![0.0; buckets];
    for request in load.requests(0) {
        let index = u128::from(request.at_micros) * buckets as u128 / length;
        if let Some(bucket) = usize::try_from(index).ok().and_then(|index| work.get_mut(index)) {
            #[expect(clippy::cast_precision_loss, reason = "a sum for comparison")]
            let micros = request.work_micros as f64;
            *bucket += micros;
        }
    }
    work
}

/// The lag at which the load is most like itself again, by autocorrelation, and how alike; none where it isn't. At least
/// two whole periods are needed to see one.
fn period(work: &[f64]) -> Option<(usize, f64)> {
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
    let foot = (valley..likeness.len()).find(|&lag| likeness[lag] >= HILL * best)?;
    let fall = (foot..likeness.len()).find(|&lag| likeness[lag] < HILL * best).unwrap_or(likeness.len());
    let top = (foot..fall).max_by(|&one, &other| likeness[one].total_cmp(&likeness[other]))?;
    Some((top, likeness[top]))
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

    const BUCKETS: usize = 720;

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
            assert_eq!(period(&work).map(|(lag, _)| lag), want, "{name}");
        }
        assert!((share(&wave(144)) - 0.1).abs() < 1e-9);
    }
}
