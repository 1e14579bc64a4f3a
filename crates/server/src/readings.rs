//! Readings that somebody sends, where nothing measures.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use setpoint::{BoxFuture, Metric};
use setpoint_runtime::{Clock, Measured, Question, Source};

use crate::database::{Database, Sent};
use crate::request::word;

/// How long a reading that was sent is acted on.
pub(crate) const VALID: Duration = Duration::from_secs(120);

/// What an autoscaler's metrics are called.
pub(crate) const METRICS: [&str; 7] =
    ["cpu", "memory", "gpu", "gpuMemory", "storageReadThroughputMbps", "storageWriteThroughputMbps", "storageIops"];

/// Answers with what was last sent to any instance.
pub(crate) struct Readings {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Source for Readings {
    fn name(&self) -> &'static str {
        "readings"
    }

    fn answers(&self, metric: &Metric) -> bool {
        metric.source.is_none()
    }

    fn read<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Vec<Measured>> {
        Box::pin(async move {
            let now = self.clock.now();
            // A day: one that is too old is told from one that never was.
            let since = (now - Duration::from_secs(86_400)).as_millis();
            let sent = match self.database.readings(since).await {
                Ok(sent) => sent,
                Err(error) => {
                    let why = format!("what was sent can't be read: {error}");
                    return questions.iter().map(|_| Measured::Missing(why.clone())).collect();
                }
            };
            let sent: HashMap<(&str, &str), &Sent> =
                sent.iter().map(|sent| ((sent.workload.as_str(), sent.metric.as_str()), sent)).collect();
            let answer = |asked: &Question| {
                let workload = word(&asked.target);
                let Some(sent) = sent.get(&(workload.as_str(), asked.metric.name.as_str())) else {
                    return Measured::Missing("nothing measures it, and none was sent in a day".to_owned());
                };
                let age = Duration::from_millis(u64::try_from(now.as_millis() - sent.measured_at).unwrap_or(0));
                if age > VALID {
                    return Measured::Stale(format!("sent {} s ago", age.as_secs()));
                }
                Measured::Value(sent.value)
            };
            questions.iter().map(answer).collect()
        })
    }
}
