//! The scenario that needs no file.

use std::time::Duration;

use super::{Distribution, Document, Scenario, Spec};
use crate::load::LoadSpec;
use crate::units::{Concurrency, Period, ReplicaCount, Span, Variation};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

impl Scenario {
    /// A day of a chat service: about a million requests in 24 h.
    ///
    /// A quiet night (2 requests/s), a steep morning from 7:30 on, the peak at 14:00 (about 19/s),
    /// a burst before work (9:00) and a short, sharp one in the evening (20:30), all with noise
    /// of 15 % a minute. A request takes 2 s (lognormal, cv 0.6), a replica serves four at once
    /// and takes 60 s to 90 s to start; the promise is 8 s. The day needs from 1 to 17 replicas: a
    /// fixed number wastes or fails, and a policy that follows slowly misses the bursts.
    pub fn builtin() -> Self {
        Self::try_from(Document::new("day-of-chat".into(), day())).expect("the scenario is valid")
    }
}

fn day() -> Spec {
    let load = LoadSpec::Sum(vec![
        LoadSpec::diurnal(2.0, 15.0, 24 * HOUR, 14 * HOUR),
        LoadSpec::ramp(0.0, 4.0, 7 * HOUR + 30 * MINUTE, 9 * HOUR),
        LoadSpec::burst(9 * HOUR, 12 * MINUTE, 14.0),
        LoadSpec::burst(20 * HOUR + 30 * MINUTE, 6 * MINUTE, 20.0),
        LoadSpec::noise(0.15, MINUTE),
    ]);
    let mut spec = Spec::new(load);
    spec.duration = Some(period(24 * HOUR));
    spec.service.time.mean = period(2 * SECOND);
    spec.service.time.distribution = Distribution::Lognormal;
    spec.service.time.cv = Some(Variation::try_from(0.6).expect("in range"));
    spec.service.concurrency = Concurrency::try_from(4.0).expect("in range");
    spec.replicas.initial = ReplicaCount::try_from(3.0).expect("in range");
    spec.replicas.startup_jitter = Span::try_from(30 * SECOND).expect("in range");
    spec.slo.latency = period(8 * SECOND);
    spec
}

fn period(duration: Duration) -> Period {
    Period::try_from(duration).expect("in range")
}
