//! What is said of a probe that came to no rest.

use setpoint::FailureSpec;

use super::finding::{Finding, Level};
use super::probe::{Load, Stop};
use super::subject::Subject;

/// The rule of an algorithm that fails while it is tried.
pub(super) const FAILS: &str = "algorithm-fails";
const UNFINISHED: &str = "unfinished";

/// Says why `what` is not known.
pub(super) fn finding(subject: &Subject, what: &str, stop: &Stop) -> Finding {
    match stop {
        Stop::Failed { load, why } => failed(subject, *load, why),
        Stop::Spent { spent, rest } => {
            let watched = humantime::format_duration(rest.watched);
            unfinished(format!(
                "{what} could not be told: after {}, which were {watched} of its life, it was at {} and had not come to rest",
                spent.words(),
                rest.replicas
            ))
        }
        Stop::Remembers { looks } => {
            let every = humantime::format_duration(subject.spec.interval.as_duration());
            unfinished(format!(
                "{what} could not be told: what it remembers, at a look every {every}, is {looks} looks back, more than are tried"
            ))
        }
    }
}

fn unfinished(why: String) -> Finding {
    let instead = "nothing, if that is meant; `setpoint simulate` shows where it goes under a load of your own";
    Finding { level: Level::Note, ..Finding::warning(UNFINISHED, "spec", why, instead) }
}

fn failed(subject: &Subject, load: Load, why: &str) -> Finding {
    let load_words = match load {
        Load::None => "with no load at all".to_owned(),
        Load::Boundless => "under more load than can be served".to_owned(),
        Load::For(replicas) => format!("under a load for {replicas} replicas"),
        Load::Times(times) => format!("with each metric at {times} times its target"),
        Load::Reading(reading) => format!("with each metric at {reading}"),
    };
    let answer = match &subject.spec.on_failure {
        FailureSpec::Hold => "hold".to_owned(),
        FailureSpec::LastGood(last_good) => format!("the last good answer, for {}", last_good.r#for),
        FailureSpec::Replicas(replicas) => format!("{replicas} replicas"),
        FailureSpec::Algorithm(algorithm) => algorithm.name.clone().unwrap_or_default(),
    };
    let instead =
        format!("an algorithm or a configuration that answers: as it is, spec.onFailure decides then ({answer})");
    let finding = Finding::error(FAILS, "spec.algorithm", format!("{load_words} {why}"), instead);
    // No real load is like that, and an algorithm may refuse to take it for one.
    if load == Load::Boundless { Finding { level: Level::Warning, ..finding } } else { finding }
}
