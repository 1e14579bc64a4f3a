//! A decision's reasons, step by step.

use super::NAME;
use super::collector::Windows;
use super::fact::{Fact, PanicEvent};
use super::scale::{Averages, Panic, Scaled, Spec};
use crate::observation::Observation;
use crate::trace::{Direction, Effect, Reason, Trace};

/// What a decision was made for and by.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The metric's place in the policy.
    pub metric: usize,
    /// The [`Autoscaler`](super::Autoscaler)'s spec.
    pub spec: &'a Spec,
    /// The [`Collector`](super::Collector)'s windows.
    pub windows: Windows,
}

impl Scaled {
    /// Writes into `trace` how it came from the current count of `look` to what is desired.
    pub fn explain(&self, about: About<'_>, look: &Observation<'_>, trace: &mut Trace) {
        if trace.is_on() {
            explain(about, look, self, trace);
        }
    }
}

fn explain(about: About<'_>, look: &Observation<'_>, scaled: &Scaled, trace: &mut Trace) {
    let About { metric, spec, windows } = about;
    let Averages { stable, panic } = scaled.averages;
    let mut from = f64::from(look.current);
    let mut step = |to: f64, fact: Fact| {
        trace.push(|| Reason::new(NAME, from, to, Effect::Knative(fact)));
        from = to;
    };
    let averages = Fact::Averages {
        metric,
        stable,
        stable_window: windows.stable,
        panic,
        panic_window: windows.panic,
        target: spec.target,
        panic_need: scaled.panic_need,
    };
    step(scaled.stable_need, averages);
    let limited = f64::from(scaled.stable_limited);
    if limited != scaled.stable_need {
        let (most, least) = scaled.limits;
        let up = limited < scaled.stable_need;
        let (direction, limit) = if up { (Direction::Up, most) } else { (Direction::Down, least) };
        step(limited, Fact::ReadyLimit { direction, limit, ready: look.ready });
    }
    if scaled.stable != scaled.stable_limited {
        step(f64::from(scaled.stable), Fact::ActivationScale);
    }
    let undelayed = f64::from(scaled.undelayed);
    if let Some(until) = scaled.panic_until {
        let event = match scaled.panic {
            Panic::Began => PanicEvent::Began,
            Panic::Extended => PanicEvent::Extended,
            Panic::Continued | Panic::None | Panic::Ended => PanicEvent::Continued,
        };
        let (need, ready, threshold) = (scaled.panic_need, look.ready.max(1), spec.panic_threshold);
        let left = until.since(look.now);
        step(undelayed, Fact::Panic { event, need, ready, threshold, until, left });
    } else if scaled.panic == Panic::Ended {
        step(undelayed, Fact::PanicEnded);
    }
    let desired = f64::from(scaled.desired);
    if let Some(until) = scaled.delayed_until {
        step(desired, Fact::Delayed { until, left: until.since(look.now) });
    }
    if spec.target_burst_capacity > 0.0 {
        let (capacity, burst) = (scaled.excess_burst_capacity, spec.target_burst_capacity);
        step(desired, Fact::ExcessBurst { capacity, burst });
    }
}
