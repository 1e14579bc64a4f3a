//! Reasons as they are written: into JSON, reports and logs.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Effect, Reason, TextId, Trace, render};
use crate::metric::Metric;

/// A reason in words, as it is written into JSON, reports and logs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonRecord {
    /// The stage, as policies call it.
    pub stage: String,
    /// The exact number of replicas before.
    #[serde(serialize_with = "whole_where_possible")]
    pub from: f64,
    /// The exact number of replicas after.
    #[serde(serialize_with = "whole_where_possible")]
    pub to: f64,
    /// What happened, in words.
    pub text: String,
}

/// A reason in words and in data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetailedReason {
    /// In words.
    #[serde(flatten)]
    pub record: ReasonRecord,
    /// The [`Effect`] as data: its `kind` and its fields, metrics by name, times in milliseconds.
    pub effect: Map<String, Value>,
}

impl Trace {
    /// The reasons as records with their text, for whoever writes or shows them. `metrics` names what the
    /// reasons refer to by number: the policy's metrics, in order.
    #[must_use]
    pub fn records(&self, metrics: &[Metric]) -> Vec<ReasonRecord> {
        self.reasons().iter().map(|reason| self.record(reason, metrics)).collect()
    }

    /// The reasons whole: as [`records`](Self::records) with the data that their text is made from.
    ///
    /// ```
    /// use setpoint::{MaxRatio, Metric, Observation, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
    /// let metrics = [Metric::new("p99", Target::value(500.0)?)];
    /// let mut trace = Trace::new();
    /// let readings = [Reading::Value(620.0)];
    /// let look = Observation::new(Timestamp::default(), 4, &readings);
    /// MaxRatio::new(&metrics, &Default::default()).evaluate(&look, &mut trace)?;
    /// let effect = &trace.details(&metrics)[0].effect;
    /// assert_eq!((&effect["kind"], &effect["metric"], &effect["ratio"]), (&"proposed".into(), &"p99".into(), &1.24.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn details(&self, metrics: &[Metric]) -> Vec<DetailedReason> {
        let detail = |reason: &Reason| {
            let Ok(Value::Object(mut effect)) = serde_json::to_value(reason.effect) else {
                unreachable!("an effect is a map with a `kind`");
            };
            if let Some(metric) = effect.get_mut("metric")
                && let Some(known) = metric.as_u64().and_then(|index| metrics.get(usize::try_from(index).ok()?))
            {
                *metric = known.name.clone().into();
            }
            if let Some((field, text)) = told(&reason.effect) {
                effect.insert(field.to_owned(), self.kept(text).into());
            }
            DetailedReason { record: self.record(reason, metrics), effect }
        };
        self.reasons().iter().map(detail).collect()
    }

    fn record(&self, reason: &Reason, metrics: &[Metric]) -> ReasonRecord {
        ReasonRecord {
            stage: reason.stage.to_owned(),
            from: reason.from,
            to: reason.to,
            text: render::text(reason, self, metrics).to_string(),
        }
    }
}

/// The field of an effect whose text the trace keeps. A note's is its whole text, and stands beside it.
const fn told(effect: &Effect) -> Option<(&'static str, TextId)> {
    match *effect {
        Effect::Unusable { cause, .. } => Some(("cause", cause)),
        Effect::Failed { message, .. } => Some(("message", message)),
        Effect::FellBack { fallback } => Some(("fallback", fallback)),
        Effect::Combined { member, .. } => Some(("member", member)),
        _ => None,
    }
}

// 4, not 4.0: most of these are whole counts.
fn whole_where_possible<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

pub(crate) fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
