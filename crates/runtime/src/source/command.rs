//! What a program prints.

use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use serde_json::Value;
use setpoint::{BoxFuture, CommandQuery, Metric, MetricSource};

use super::http::number_at;
use super::{Measured, Question, Source};

/// Runs a program to its end, within bounds, and gives what it printed, or why it failed, in words.
pub trait RunProgram: Send + Sync {
    /// Runs `command`, a program and its arguments.
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// Reads metrics with a `command` source. Only for those who run their own policies: who may write one of these may run
/// any program as this process' user.
#[derive(Clone)]
pub struct Command {
    programs: Arc<dyn RunProgram>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

impl Command {
    /// Runs programs through `programs`, which bounds them.
    #[must_use]
    pub fn new(programs: Arc<dyn RunProgram>) -> Self {
        Self { programs }
    }

    async fn ask(&self, metric: &Metric) -> Measured {
        match query(metric) {
            None => Measured::Missing("it has no program".to_owned()),
            Some(query) => match self.programs.run(&query.command).await {
                Ok(printed) => read(&printed),
                Err(problem) => Measured::Missing(format!("{}: {problem}", query.command[0])),
            },
        }
    }
}

fn query(metric: &Metric) -> Option<&CommandQuery> {
    match &metric.source {
        Some(MetricSource::Command(query)) => Some(query),
        _ => None,
    }
}

impl Source for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn answers(&self, metric: &Metric) -> bool {
        query(metric).is_some()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(join_all(questions.iter().map(|asked| self.ask(&asked.metric))))
    }
}

/// A number, or JSON with one under `value`.
fn read(printed: &[u8]) -> Measured {
    let printed = printed.trim_ascii();
    if printed.is_empty() {
        return Measured::Missing("it printed nothing".to_owned());
    }
    match serde_json::from_slice::<Value>(printed) {
        Ok(document @ Value::Object(_)) => number_at(&document, "/value"),
        Ok(document) => number_at(&document, ""),
        Err(_) => {
            let text = String::from_utf8_lossy(printed);
            // As `wc` and `awk` print them: 3e2 and 1_0 differ, `+5` is no JSON.
            match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
                Some(number) => Measured::Value(number),
                None => Measured::Invalid(format!("it printed {text:.60?}, which is no number")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_a_number_or_said_to_be_none() {
        let cases = [
            ("a number", "12\n", Some(12.0)),
            ("with a sign", "+5", Some(5.0)),
            ("an object", r#"{"value": 3, "unit": "jobs"}"#, Some(3.0)),
            ("an object without", r#"{"count": 3}"#, None),
            ("nothing", "  \n", None),
            ("words", "12 jobs", None),
            ("NaN", "nan", None),
        ];
        for (name, printed, want) in cases {
            assert_eq!(read(printed.as_bytes()).usable(), want, "{name}");
        }
    }
}
