//! From answers by name to columns in the order of the instances.

use std::collections::HashMap;

use setpoint::{Instance, Reading, Sample, Samples};

use super::Measured;

/// An answer, laid out as an observation wants it.
pub(crate) struct Aligned<'a> {
    measured: &'a Measured,
    of_instances: Vec<Option<Sample>>,
    requests: Vec<i64>,
    of_others: Vec<i64>,
    problem: Option<String>,
}

impl<'a> Aligned<'a> {
    /// `measured` in the order of `instances`. Where the target is a `utilization`, each instance's request is needed:
    /// HPA's rule, for a percentage of nothing is no percentage.
    pub(crate) fn new(measured: &'a Measured, instances: &[Instance], utilization: bool) -> Self {
        let mut aligned =
            Self { measured, of_instances: Vec::new(), requests: Vec::new(), of_others: Vec::new(), problem: None };
        let Measured::Samples(samples) = measured else { return aligned };
        let places: HashMap<&str, usize> =
            instances.iter().enumerate().map(|(place, instance)| (instance.name.as_str(), place)).collect();
        aligned.of_instances = vec![None; instances.len()];
        let mut requests = vec![None; instances.len()];
        for one in samples {
            match places.get(one.instance.as_str()) {
                Some(&place) => (aligned.of_instances[place], requests[place]) = (one.sample, one.request),
                None => aligned.of_others.extend(one.sample.map(|sample| sample.value)),
            }
        }
        if utilization {
            match requests.iter().position(Option::is_none) {
                Some(place) => {
                    let name = &instances[place].name;
                    aligned.problem = Some(format!("{name} requests none of it, and a utilization is a part of that"));
                }
                None => aligned.requests = requests.into_iter().flatten().collect(),
            }
        }
        aligned
    }

    /// The samples, for [`reading_of`](Self::reading_of) to borrow.
    pub(crate) fn samples(&self) -> Samples<'_> {
        Samples::new(&self.of_instances).with_requests(&self.requests).with_others(&self.of_others)
    }

    /// The reading, of which `samples` are these.
    pub(crate) fn reading_of<'b>(&'b self, samples: &'b Samples<'b>) -> Reading<'b> {
        match (self.measured, &self.problem) {
            (_, Some(problem)) => Reading::Invalid(problem),
            (Measured::Value(value), _) => Reading::Value(*value),
            (Measured::Series(series), _) => Reading::Series(series),
            (Measured::Samples(_), _) => Reading::Samples(samples),
            (Measured::Missing(why), _) => Reading::Missing(why),
            (Measured::Stale(why), _) => Reading::Stale(why),
            (Measured::Invalid(why), _) => Reading::Invalid(why),
        }
    }
}
