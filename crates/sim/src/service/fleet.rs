//! The replicas: starting, ready or draining, and which of them has a free slot.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::random::{Random, Stream};
use crate::scenario::ReplicaSpec;
use crate::units::{MAX_REPLICAS, Micros};

/// A place in the fleet; it is used again after its replica is gone.
pub(super) type Place = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Gone,
    Starting,
    Ready,
    Draining,
}

#[derive(Debug)]
struct Replica {
    state: State,
    busy: u32,
    /// How many replicas were started before this one.
    birth: u64,
}

#[derive(Debug)]
pub(super) struct Fleet {
    concurrency: u32,
    startup: Micros,
    jitter: Micros,
    draws: Random,
    replicas: Vec<Replica>,
    vacant: Vec<Place>,
    /// Starting and ready replicas, oldest first: those that were asked for.
    asked: Vec<Place>,
    births: u64,
    /// When a replica becomes ready, with its birth: one cancelled before is not found any more.
    startups: BinaryHeap<Reverse<(Micros, u64, Place)>>,
    /// Ready replicas with a free slot.
    open: BitSet,
    /// Where the round goes on.
    cursor: Place,
    ready: u32,
    draining: u32,
    busy: u64,
}

impl Fleet {
    pub(super) fn new(spec: &ReplicaSpec, concurrency: u32, seed: u64) -> Self {
        let mut fleet = Self {
            concurrency,
            startup: spec.startup.micros(),
            jitter: spec.startup_jitter.micros(),
            draws: Random::new(seed, Stream::Startup),
            replicas: Vec::new(),
            vacant: Vec::new(),
            asked: Vec::new(),
            births: 0,
            startups: BinaryHeap::new(),
            open: BitSet::default(),
            cursor: 0,
            ready: 0,
            draining: 0,
            busy: 0,
        };
        for _ in 0..spec.initial.get() {
            let place = fleet.create();
            fleet.become_ready(place);
        }
        fleet
    }

    pub(super) fn asked(&self) -> u32 {
        self.asked.len() as u32
    }

    pub(super) fn ready(&self) -> u32 {
        self.ready
    }

    pub(super) fn starting(&self) -> u32 {
        self.asked() - self.ready
    }

    pub(super) fn draining(&self) -> u32 {
        self.draining
    }

    /// Busy slots of ready replicas.
    pub(super) fn busy(&self) -> u64 {
        self.busy
    }

    /// Ask for a number of replicas. Starting ones go first, the newest before the others.
    pub(super) fn scale_to(&mut self, count: u32, now: Micros) {
        let count = count.min(MAX_REPLICAS);
        for _ in self.asked()..count {
            let place = self.create();
            let jitter = (self.draws.uniform() * self.jitter as f64) as Micros;
            let birth = self.replicas[place as usize].birth;
            self.startups.push(Reverse((now + self.startup + jitter, birth, place)));
        }
        let surplus = self.asked().saturating_sub(count);
        let left = self.dismiss(State::Starting, surplus);
        self.dismiss(State::Ready, left);
    }

    /// Let up to `count` replicas in `state` go, the newest first; how many more are to go.
    fn dismiss(&mut self, state: State, mut count: u32) -> u32 {
        let mut index = self.asked.len();
        while count > 0 && index > 0 {
            index -= 1;
            let place = self.asked[index];
            if self.replicas[place as usize].state == state {
                // From the end on, so that what is moved is short when the newest go.
                self.asked.remove(index);
                self.retire(place);
                count -= 1;
            }
        }
        count
    }

    fn retire(&mut self, place: Place) {
        let replica = &mut self.replicas[place as usize];
        if replica.state == State::Ready {
            self.ready -= 1;
            self.busy -= u64::from(replica.busy);
            self.open.remove(place);
        }
        if replica.busy > 0 {
            replica.state = State::Draining;
            self.draining += 1;
        } else {
            replica.state = State::Gone;
            self.vacant.push(place);
        }
    }

    fn create(&mut self) -> Place {
        let replica = Replica { state: State::Starting, busy: 0, birth: self.births };
        self.births += 1;
        let place = match self.vacant.pop() {
            Some(place) => {
                self.replicas[place as usize] = replica;
                place
            }
            None => {
                self.replicas.push(replica);
                (self.replicas.len() - 1) as Place
            }
        };
        self.asked.push(place);
        place
    }

    fn become_ready(&mut self, place: Place) {
        self.replicas[place as usize].state = State::Ready;
        self.ready += 1;
        self.open.insert(place);
    }

    /// When the next replica becomes ready.
    pub(super) fn next_startup(&mut self) -> Option<Micros> {
        while let Some(&Reverse((at, birth, place))) = self.startups.peek() {
            let replica = &self.replicas[place as usize];
            if replica.birth == birth && replica.state == State::Starting {
                return Some(at);
            }
            self.startups.pop();
        }
        None
    }

    /// Make the replica of [`next_startup`](Self::next_startup) ready.
    pub(super) fn start_next(&mut self) {
        if let Some(Reverse((.., place))) = self.startups.pop() {
            self.become_ready(place);
        }
    }

    /// Take a slot of the next ready replica in the round that has one.
    pub(super) fn take_slot(&mut self) -> Option<Place> {
        let place = self.open.next_from(self.cursor)?;
        self.cursor = place + 1;
        let replica = &mut self.replicas[place as usize];
        replica.busy += 1;
        self.busy += 1;
        if replica.busy == self.concurrency {
            self.open.remove(place);
        }
        Some(place)
    }

    /// Give a slot back; the last one of a draining replica ends it.
    pub(super) fn free_slot(&mut self, place: Place) {
        let replica = &mut self.replicas[place as usize];
        replica.busy -= 1;
        match replica.state {
            State::Draining if replica.busy == 0 => {
                replica.state = State::Gone;
                self.draining -= 1;
                self.vacant.push(place);
            }
            State::Draining => {}
            _ => {
                self.busy -= 1;
                self.open.insert(place);
            }
        }
    }
}

/// A set of places, searched a word at a time.
#[derive(Debug, Default)]
struct BitSet {
    words: Vec<u64>,
    len: u32,
}

impl BitSet {
    fn insert(&mut self, place: Place) {
        let (word, bit) = (place as usize / 64, 1_u64 << (place % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.len += u32::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    fn remove(&mut self, place: Place) {
        let bit = 1_u64 << (place % 64);
        if let Some(word) = self.words.get_mut(place as usize / 64) {
            self.len -= u32::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    /// The first place from `start` on, or else the first of all.
    fn next_from(&self, start: Place) -> Option<Place> {
        if self.len == 0 {
            return None;
        }
        let first_in = |index: usize, word: u64| (index * 64) as Place + word.trailing_zeros();
        let begin = start as usize / 64;
        if let Some(word) = self.words.get(begin) {
            let ahead = word & (u64::MAX << (start % 64));
            if ahead != 0 {
                return Some(first_in(begin, ahead));
            }
        }
        let after = self.words.iter().enumerate().skip(begin + 1);
        let mut places = after.chain(self.words.iter().enumerate());
        places.find(|(_, word)| **word != 0).map(|(index, word)| first_in(index, *word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_visits_each_place_and_wraps() {
        let mut set = BitSet::default();
        for place in [3, 63, 64, 200] {
            set.insert(place);
            set.insert(place);
        }
        let cases = [(0, 3), (3, 3), (4, 63), (64, 64), (65, 200), (201, 3), (100_000, 3)];
        for (start, want) in cases {
            assert_eq!(set.next_from(start), Some(want), "from {start}");
        }
        for place in [3, 63, 64, 200, 9_999] {
            set.remove(place);
        }
        assert_eq!(set.next_from(0), None);
    }
}
