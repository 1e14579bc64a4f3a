//! One policy against one load, from start to end.

use std::fmt;
use std::time::Duration;

use setpoint::Reading;

use crate::load::Load;
use crate::readings::Source;
use crate::scenario::Scenario;
use crate::score::Report;
use crate::service::Service;
use crate::units::Period;

/// The instant of one evaluation, and what a policy may know at it.
pub struct Tick<'a> {
    /// From the start of the run.
    pub now: Duration,
    /// Replicas that were asked for.
    pub current: u32,
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas on their way to ready.
    pub starting: u32,
    service: &'a Service<'a>,
}

impl<'a> Tick<'a> {
    fn of(service: &'a Service<'a>, now: Duration) -> Self {
        let (current, ready, starting) = (service.current(), service.ready(), service.starting());
        Self { now, current, ready, starting, service }
    }

    /// What monitoring shows.
    pub fn reading(&self, source: Source) -> Reading<'static> {
        self.service.reading(source)
    }
}

impl fmt::Debug for Tick<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tick = f.debug_struct("Tick");
        tick.field("now", &self.now).field("current", &self.current).field("ready", &self.ready);
        tick.finish_non_exhaustive()
    }
}

/// Replay a load against a policy.
///
/// `decide` is asked for the number of replicas at `interval`, `2·interval`, … up to and including
/// the end. `progress` hears the part of the run that is over, after each hundredth.
pub fn run(
    scenario: &Scenario,
    load: &Load,
    seed: u64,
    interval: Period,
    mut decide: impl FnMut(&Tick<'_>) -> u32,
    progress: impl FnMut(f64),
) -> Report {
    let services = vec![Service::new(scenario, load, seed)];
    let decide = |ticks: &[Tick<'_>]| ticks.iter().map(&mut decide).collect();
    let mut reports = in_lockstep(services, load.duration(), interval, decide, progress);
    reports.pop().expect("a report a service")
}

/// Let time pass for all `services` alike until `end`: at each interval all of them are seen, and only
/// then is any of them scaled. `decide` gives a count for each, in their order.
pub(crate) fn in_lockstep(
    mut services: Vec<Service<'_>>,
    end: Duration,
    interval: Period,
    mut decide: impl FnMut(&[Tick<'_>]) -> Vec<u32>,
    mut progress: impl FnMut(f64),
) -> Vec<Report> {
    let interval = interval.duration();
    let mut now = interval;
    let mut told = 0;
    while now <= end {
        services.iter_mut().for_each(|service| service.advance_to(now));
        let tick = |service| Tick::of(service, now);
        let counts = decide(&services.iter().map(tick).collect::<Vec<_>>());
        for (service, replicas) in services.iter_mut().zip(counts) {
            if replicas != service.current() {
                service.scale_to(replicas);
            }
        }
        let percent = now.as_micros() * 100 / end.as_micros();
        if percent > told {
            told = percent;
            progress(percent as f64 / 100.0);
        }
        now += interval;
    }
    let reports = services.into_iter().map(Service::finish).collect();
    if told < 100 {
        progress(1.0);
    }
    reports
}

#[cfg(test)]
mod tests;
