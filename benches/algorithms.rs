//! Does each decision cost at most 150 ns: warm and untraced, of every algorithm that there is?
//!
//! Every algorithm of [`Registry::builtin`] decides by each of `examples/policies/` that names it, with its metrics,
//! configuration, bounds and interval, and without stages; one that none names decides by the metrics of the first
//! policy, with its default configuration. So a new algorithm is measured as soon as it is there.
//!
//! A decision is the manager's: look-up, algorithm, rounding, bounds. Observations are prepared: the count follows what
//! was decided, and the load goes up and down within 64 looks, so that windows and rates have something to remember.
//! The best of criterion's samples is the answer, for what else a machine does is no part of a decision.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Map, Value, json};
use setpoint::{AlgorithmManager, AlgorithmSpec, Observation, Policy, PolicySpec, Reading, Registry, Timestamp, Trace};

/// What a decision may cost.
const LIMIT: Duration = Duration::from_nanos(150);
/// So many looks, over and over: longer than the longest window is in looks.
const ROUND: usize = 1024;

/// The policies of the examples with their names, by file.
fn examples() -> Vec<(String, PolicySpec)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the examples").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |file: &Path| {
        let text = fs::read_to_string(file).expect("text");
        let value = yaml::read(&text).unwrap_or_else(|| panic!("{} holds more than plain YAML", file.display()));
        let policy = Policy::from_value(&value).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (policy.metadata.name, policy.spec)
    };
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .map(|file| read(file))
        .collect()
}

/// What `algorithm` is to decide by, with what to call it.
fn policies(algorithm: &str, examples: &[(String, PolicySpec)]) -> Vec<(String, PolicySpec)> {
    let bare = |(name, policy): &(String, PolicySpec)| {
        let mut policy = policy.clone();
        policy.stages.clear();
        policy.behavior = None;
        (format!("{algorithm}/{} metrics of {name}", policy.metrics.len()), policy)
    };
    let names_it = |(_, policy): &&(String, PolicySpec)| policy.algorithm.name.as_deref() == Some(algorithm);
    let own: Vec<_> = examples.iter().filter(names_it).map(bare).collect();
    if !own.is_empty() {
        return own;
    }
    let (name, mut policy) = bare(&examples[0]);
    policy.algorithm = AlgorithmSpec::named(algorithm, json!({}));
    vec![(name, policy)]
}

/// The load at a look, in replicas: up and down, a little uneven.
fn load(look: usize) -> f64 {
    let up = (look % 64).min(64 - look % 64) as f64 / 32.0;
    let uneven = ((look * 37) % 64) as f64 / 64.0;
    4.0 + 10.0 * up + uneven
}

/// What there was to see at each look, from a round in which what was decided was done.
fn prepare(policy: &PolicySpec) -> Vec<(u32, Vec<Reading<'static>>)> {
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(policy).expect("it was built before");
    let mut current = 4;
    let look = |look: usize| {
        let share = load(look) / f64::from(current);
        let readings = policy.metrics.iter().map(|metric| Reading::Value(metric.amount(current) * share));
        let readings: Vec<Reading<'static>> = readings.collect();
        let now = Timestamp::default() + policy.interval.as_duration() * u32::try_from(look).unwrap_or(u32::MAX);
        let observation = Observation::new(now, current, &readings);
        let decision = manager.decide(workload, &observation, &mut Trace::off()).expect("a known workload");
        let seen = (current, readings);
        current = decision.desired;
        seen
    };
    (0..ROUND).map(look).collect()
}

fn decide(criterion: &mut Criterion, name: &str, policy: &PolicySpec) -> Duration {
    let seen = prepare(policy);
    let mut round: Vec<Observation<'_>> =
        seen.iter().map(|(current, readings)| Observation::new(Timestamp::default(), *current, readings)).collect();
    let mut manager = AlgorithmManager::new();
    let workload = manager.add(policy).expect("it was built before");
    let (mut trace, mut now, mut next) = (Trace::off(), Timestamp::default(), 0);
    let mut look = || {
        now = now + policy.interval.as_duration();
        next = (next + 1) % ROUND;
        round[next].now = now;
        let decision = manager.decide(workload, black_box(&round[next]), &mut trace);
        black_box(decision.expect("a known workload").desired)
    };
    // Until windows are full, and have been moved.
    for _ in 0..2 * ROUND {
        look();
    }
    let mut best = Duration::MAX;
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            for _ in 0..times {
                look();
            }
            let took = start.elapsed();
            // A few of them are too short to measure.
            if times >= 1000 {
                best = best.min(took.div_f64(times as f64));
            }
            took
        });
    });
    best
}

fn algorithms(criterion: &mut Criterion) {
    let examples = examples();
    let mut answers = Vec::new();
    for (algorithm, _) in Registry::builtin().algorithms() {
        for (name, policy) in policies(algorithm, &examples) {
            if let Err(error) = AlgorithmManager::new().add(&policy) {
                answers.push(format!("?          {name}: {error}"));
                continue;
            }
            let took = decide(criterion, &format!("decide/{name}"), &policy);
            // Criterion may have been asked for others.
            if took < Duration::MAX {
                let answer = if took <= LIMIT { "yes" } else { "NO" };
                answers.push(format!("{answer:3} {:4} ns  {name}", took.as_nanos()));
            }
        }
    }
    println!("at most {} ns a decision?\n  {}", LIMIT.as_nanos(), answers.join("\n  "));
}

/// YAML as the examples use it: no aliases, anchors or tags. The command reads it with more care.
mod yaml {
    use super::{Map, Value};
    use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

    /// None for anything else.
    pub(super) fn read(text: &str) -> Option<Value> {
        let mut events = Parser::new_from_str(text);
        loop {
            match next(&mut events)? {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                event => return value(event, &mut events),
            }
        }
    }

    fn next<'a>(events: &mut Parser<'a, StrInput<'a>>) -> Option<Event<'a>> {
        events.next()?.ok().map(|(event, _)| event)
    }

    fn value<'a>(event: Event<'a>, events: &mut Parser<'a, StrInput<'a>>) -> Option<Value> {
        match event {
            // A plain scalar is what JSON takes it for, and a string otherwise.
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => {
                Some(serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned())))
            }
            Event::Scalar(text, _, 0, None) => Some(Value::String(text.into_owned())),
            Event::SequenceStart(0, None) => {
                let mut items = Vec::new();
                loop {
                    match next(events)? {
                        Event::SequenceEnd => return Some(Value::Array(items)),
                        event => items.push(value(event, events)?),
                    }
                }
            }
            Event::MappingStart(0, None) => {
                let mut fields = Map::new();
                loop {
                    let key = match next(events)? {
                        Event::MappingEnd => return Some(Value::Object(fields)),
                        Event::Scalar(key, ..) => key.into_owned(),
                        _ => return None,
                    };
                    let event = next(events)?;
                    fields.insert(key, value(event, events)?);
                }
            }
            _ => None,
        }
    }
}

criterion_group!(benches, algorithms);
criterion_main!(benches);
