//! What was measured of one metric, owned: observations borrow from it.

use setpoint::{Reading, Sample, Samples};

/// A reading that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Measured {
    Value(f64),
    /// Several values that add up, in thousandths.
    Series(Vec<i64>),
    /// A value an instance: see [`Samples`].
    Instances {
        of_instances: Vec<Option<Sample>>,
        requests: Vec<i64>,
        of_others: Vec<i64>,
    },
    Missing(String),
    Stale(String),
    Invalid(String),
}

impl Measured {
    /// The samples, for those that have some: what [`reading`](Self::reading) borrows.
    pub(crate) fn samples(&self) -> Samples<'_> {
        match self {
            Self::Instances { of_instances, requests, of_others } => {
                Samples::new(of_instances).with_requests(requests).with_others(of_others)
            }
            _ => Samples::default(),
        }
    }

    pub(crate) fn reading<'a>(&'a self, samples: &'a Samples<'a>) -> Reading<'a> {
        match self {
            Self::Value(value) => Reading::Value(*value),
            Self::Series(values) => Reading::Series(values),
            Self::Instances { .. } => Reading::Samples(samples),
            Self::Missing(why) => Reading::Missing(why),
            Self::Stale(why) => Reading::Stale(why),
            Self::Invalid(why) => Reading::Invalid(why),
        }
    }
}

/// All readings of a look, and their samples to borrow from.
pub(crate) fn samples(measured: &[Measured]) -> Vec<Samples<'_>> {
    measured.iter().map(Measured::samples).collect()
}

/// All readings of a look, in the order of the metrics.
pub(crate) fn readings<'a>(measured: &'a [Measured], samples: &'a [Samples<'a>]) -> Vec<Reading<'a>> {
    measured.iter().zip(samples).map(|(measured, samples)| measured.reading(samples)).collect()
}
