//! The simulated service: one queue in order of arrival, and replicas with slots, event by event.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

mod fleet;
mod meter;

pub(crate) use meter::Meter;

use fleet::{Fleet, Place};
use meter::Level;

use setpoint::Reading;

use crate::load::{Load, Request, Requests};
use crate::readings::{Monitor, Source};
use crate::scenario::Scenario;
use crate::score::{Report, Score};
use crate::units::Micros;

/// A service under a load, at one instant of virtual time.
///
/// A request goes to a ready replica with a free slot, in rounds over the replicas, or waits until
/// there is one; with the queue full it is refused. It is served for as long as its work takes.
///
/// At one instant completions come first, then replicas that become ready, then arrivals; what is
/// measured at that instant comes after all of them.
#[derive(Debug)]
pub struct Service<'a> {
    requests: Requests<'a>,
    next: Option<Request>,
    end: Micros,
    queue: VecDeque<Request>,
    queue_limit: usize,
    in_service: BinaryHeap<Reverse<InService>>,
    fleet: Fleet,
    concurrency: u32,
    meter: Meter,
    monitor: Monitor,
    score: Score,
}

/// In order of completion; ties by place, then arrival, so there is one order only.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InService {
    until: Micros,
    place: Place,
    arrived: Micros,
}

impl<'a> Service<'a> {
    /// A service at the start of a load, with its first replicas ready.
    pub fn new(scenario: &Scenario, load: &'a Load, seed: u64) -> Self {
        let spec = scenario.spec();
        let concurrency = spec.service.concurrency.get();
        let mut requests = load.requests(seed);
        let next = requests.next();
        let fleet = Fleet::new(&spec.replicas, concurrency, seed);
        let score = Score::new(spec, load.duration_micros(), fleet.asked());
        Self {
            requests,
            next,
            end: load.duration_micros(),
            queue: VecDeque::new(),
            queue_limit: spec.service.max_queue.get() as usize,
            in_service: BinaryHeap::new(),
            fleet,
            concurrency,
            meter: Meter::default(),
            monitor: Monitor::new(&spec.metrics),
            score,
        }
    }

    /// The present, from the start.
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.meter.at)
    }

    /// Replicas that were asked for.
    pub fn current(&self) -> u32 {
        self.fleet.asked()
    }

    /// Replicas that take requests.
    pub fn ready(&self) -> u32 {
        self.fleet.ready()
    }

    /// Replicas on their way to ready.
    pub fn starting(&self) -> u32 {
        self.fleet.starting()
    }

    /// Replicas that only finish what they serve.
    pub fn draining(&self) -> u32 {
        self.fleet.draining()
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What monitoring shows now.
    pub fn reading(&self, source: Source) -> Reading<'static> {
        self.monitor.reading(source, self.meter.at)
    }

    /// Let time pass until `time` from the start, at most to the end of the load. A time that is
    /// past changes nothing.
    pub fn advance_to(&mut self, time: Duration) {
        let time = Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX);
        self.advance(time.min(self.end));
    }

    /// Ask for a number of replicas, now: new ones start, starting ones are cancelled before ready
    /// ones drain, the newest first. Above [`MAX_REPLICAS`](crate::MAX_REPLICAS) counts as that.
    pub fn scale_to(&mut self, replicas: u32) {
        let before = self.fleet.asked();
        self.fleet.scale_to(replicas, self.meter.at);
        self.score.scaled(before, self.fleet.asked(), self.level().billed);
        // A startup of zero is over now.
        self.advance(self.meter.at);
    }

    /// Let time pass to the end, and score the whole run.
    pub fn finish(mut self) -> Report {
        self.advance(self.end);
        let left = self.queue.len() + self.in_service.len();
        self.score.finish(&self.meter, left as u64)
    }

    fn advance(&mut self, until: Micros) {
        loop {
            let completion = self.in_service.peek().map_or(Micros::MAX, |Reverse(first)| first.until);
            let startup = self.fleet.next_startup().unwrap_or(Micros::MAX);
            let arrival = self.next.as_ref().map_or(Micros::MAX, |request| request.at_micros);
            let mark = self.monitor.next_mark().min(self.score.next_mark());
            let at = completion.min(startup).min(arrival).min(mark);
            if at > until {
                break;
            }
            self.pass(at);
            if at == completion {
                self.complete();
            } else if at == startup {
                self.fleet.start_next();
                self.dispatch();
            } else if at == arrival {
                self.arrive();
            } else {
                self.mark();
            }
        }
        if until > self.meter.at {
            self.pass(until);
        }
    }

    fn level(&self) -> Level {
        Level {
            asked: self.fleet.asked(),
            ready: self.fleet.ready(),
            billed: self.fleet.asked() + self.fleet.draining(),
            busy: self.fleet.busy(),
            in_service: self.in_service.len() as u64,
            waiting: self.queue.len() as u64,
            concurrency: self.concurrency,
        }
    }

    fn pass(&mut self, at: Micros) {
        let level = self.level();
        self.meter.advance(at, &level);
    }

    fn complete(&mut self) {
        if let Some(Reverse(done)) = self.in_service.pop() {
            self.fleet.free_slot(done.place);
            let latency = done.until - done.arrived;
            self.monitor.completed(done.until, latency);
            self.score.served(latency);
            self.dispatch();
        }
    }

    fn arrive(&mut self) {
        let Some(request) = self.next.take() else { return };
        self.next = self.requests.next();
        self.meter.arrived += 1;
        self.meter.work += u128::from(request.work_micros);
        // A slot is free only when nobody waits, so to serve at once is in order.
        if let Some(place) = self.fleet.take_slot() {
            self.serve(&request, place);
        } else if self.queue.len() < self.queue_limit {
            self.queue.push_back(request);
        } else {
            self.score.refused();
        }
    }

    /// Serve who waits longest, while there is a slot.
    fn dispatch(&mut self) {
        while !self.queue.is_empty() {
            let Some(place) = self.fleet.take_slot() else { return };
            if let Some(request) = self.queue.pop_front() {
                self.serve(&request, place);
            }
        }
    }

    fn serve(&mut self, request: &Request, place: Place) {
        let until = self.meter.at + request.work_micros;
        self.in_service.push(Reverse(InService { until, place, arrived: request.at_micros }));
    }

    fn mark(&mut self) {
        if self.monitor.next_mark() == self.meter.at {
            self.monitor.mark(&self.meter);
        }
        if self.score.next_mark() == self.meter.at {
            self.score.mark(&self.meter);
        }
    }
}

#[cfg(test)]
mod tests;
