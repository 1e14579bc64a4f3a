//! A source whose readings are set by hand: for examples, tests, and a laptop.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use setpoint::{BoxFuture, Metric};

use super::{Measured, Question, Source};

/// Answers by the metric's name with what was last set. One that was never set is missing.
#[derive(Debug, Default)]
pub struct Fixed {
    readings: Mutex<BTreeMap<String, Measured>>,
}

/// A source with these readings, by the names of their metrics.
pub fn fixed<'a>(readings: impl IntoIterator<Item = (&'a str, Measured)>) -> Fixed {
    let readings = readings.into_iter().map(|(name, measured)| (name.to_owned(), measured)).collect();
    Fixed { readings: Mutex::new(readings) }
}

impl Fixed {
    /// From now on the reading of metrics called `name` is `measured`.
    pub fn set(&self, name: impl Into<String>, measured: Measured) {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), measured);
    }
}

impl Source for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn answers(&self, metric: &Metric) -> bool {
        metric.source.is_none()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let never = || Measured::Missing("it was never set".to_owned());
        let answers = questions.iter().map(|asked| readings.get(&asked.metric.name).cloned().unwrap_or_else(never));
        Box::pin(std::future::ready(answers.collect()))
    }
}
