//! What was measured of a metric, as the decision took it.

use std::fmt;

use serde::Serialize;
use setpoint::{Effect, Judged, Metric, Observation, Reading, Short, Target, Trace};

/// A metric as it was found.
#[derive(Debug, Serialize)]
pub(crate) struct Measurement<'a> {
    pub(crate) name: &'a str,
    target: Target,
    /// `value`, `missing`, `stale` or `invalid`.
    state: &'a str,
    /// Why there is no value.
    #[serde(skip_serializing_if = "str::is_empty")]
    cause: &'a str,
    /// The reading as it was compared.
    reading: Option<f64>,
    /// What it was compared with.
    against: f64,
    /// Reading by target.
    ratio: Option<f64>,
    /// Whether the reading is a total that there were no replicas to share.
    #[serde(skip)]
    total: bool,
}

/// Every metric's own, in the policy's order: what the reasons tell of it, else what its target makes of the reading.
pub(crate) fn measurements<'a>(
    metrics: &'a [Metric],
    look: &Observation<'a>,
    trace: &'a Trace,
) -> Vec<Measurement<'a>> {
    let one = |(index, (metric, reading)): (usize, (&'a Metric, &'a Reading<'a>))| {
        let told = |effect: &Effect| match *effect {
            Effect::Proposed { metric, .. } | Effect::Unusable { metric, .. } => metric == index,
            _ => false,
        };
        let effect = trace.reasons().iter().map(|reason| reason.effect).find(told);
        Measurement::new(metric, reading, look, effect, trace)
    };
    metrics.iter().zip(look.readings).enumerate().map(one).collect()
}

impl<'a> Measurement<'a> {
    fn new(
        metric: &'a Metric,
        reading: &'a Reading<'a>,
        look: &Observation<'a>,
        effect: Option<Effect>,
        trace: &'a Trace,
    ) -> Self {
        let value = metric.value(*reading, look);
        let (state, cause) = match reading.state() {
            // A value of which nothing could be made, as samples of instances that don't count.
            ("value", _) if value.is_none() => ("invalid", "no usable samples"),
            told => told,
        };
        let plain = Self {
            name: &metric.name,
            target: metric.target,
            state,
            cause,
            reading: value,
            against: metric.amount(look.current),
            ratio: metric.ratio(*reading, look),
            total: false,
        };
        match effect {
            Some(Effect::Proposed { usage, target, ratio, how, .. }) => Self {
                state: "value",
                cause: "",
                reading: Some(usage),
                against: target,
                ratio: Some(ratio).filter(|ratio| ratio.is_finite()),
                total: how == Judged::FromZero,
                ..plain
            },
            Some(Effect::Unusable { state, cause, .. }) => {
                Self { state, cause: trace.kept(cause), reading: None, ratio: None, ..plain }
            }
            _ => plain,
        }
    }
}

/// What was measured, against what.
impl fmt::Display for Measurement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(reading) = self.reading else {
            return write!(f, "{}: {}", self.state, self.cause);
        };
        write!(f, "{}", Short(reading))?;
        match self.target {
            Target::Value(_) if self.total => write!(f, " in total, at {} a replica", Short(self.against)),
            Target::Value(_) => write!(f, " against {}", Short(self.against)),
            Target::Utilization(_) => write!(f, " % against {} %", Short(self.against)),
            Target::AverageValue(each) if self.total => write!(f, " in total, at {} a replica", Short(each.get())),
            // The reading is a share, or there is nobody to have one.
            Target::AverageValue(each) if self.against == each.get() || self.against == 0.0 => {
                write!(f, " against {} a replica", Short(each.get()))
            }
            Target::AverageValue(each) => {
                write!(f, " against {}, {} a replica", Short(self.against), Short(each.get()))
            }
        }?;
        match self.ratio {
            Some(ratio) => write!(f, ", ratio {}", Short(ratio)),
            None if self.total => Ok(()),
            None => f.write_str(", which makes no ratio"),
        }
    }
}
