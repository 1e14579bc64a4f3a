//! Which store a workload's instance lives in.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use setpoint::{EvaluateError, Timestamp};

use crate::cell::Cell;
use crate::plugin::Inner;
use crate::sandbox::Grants;

/// The stores that a plugin's workloads share: those with the same grants, up to so many a store.
#[derive(Debug)]
pub(crate) struct Cells {
    /// How many workloads a new store takes.
    capacity: AtomicUsize,
    open: Mutex<Vec<Weak<Shared>>>,
}

#[derive(Debug)]
struct Shared {
    grants: Grants,
    capacity: usize,
    residents: AtomicUsize,
    broken: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// Nobody has called into it yet.
    #[default]
    New,
    Open(Cell),
    Broken,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::Open(_) => "Open",
            Self::Broken => "Broken",
        })
    }
}

/// One workload's place in a store. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.residents.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A store, for as long as nobody else may call into it.
pub(crate) struct Entered<'a> {
    shared: &'a Shared,
    state: MutexGuard<'a, State>,
}

impl Cells {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity: AtomicUsize::new(capacity), open: Mutex::new(Vec::new()) }
    }

    /// A place among others with the same grants.
    pub(crate) fn shared(&self, grants: Grants) -> Place {
        let mut open = lock(&self.open);
        // The newest is at the end, and usually has room.
        if let Some(place) = open.last().and_then(|cell| Place::take(&cell.upgrade()?, grants)) {
            return place;
        }
        open.retain(|cell| cell.upgrade().is_some_and(|cell| !cell.broken.load(Ordering::Relaxed)));
        let with_room = open.iter().position(|cell| cell.upgrade().is_some_and(|cell| cell.has_room(grants)));
        if let Some(index) = with_room {
            let cell = open.remove(index);
            open.push(cell);
        } else {
            let capacity = self.capacity.load(Ordering::Relaxed);
            let cell = Arc::new(Shared::new(grants, capacity));
            open.push(Arc::downgrade(&cell));
            // Before anybody else can see it.
            cell.residents.fetch_add(1, Ordering::Relaxed);
            return Place(cell);
        }
        match open.last().and_then(|cell| Place::take(&cell.upgrade()?, grants)) {
            Some(place) => place,
            // Its last workload went just now, and took it along.
            None => Place::alone(grants),
        }
    }

    /// New stores take half as many workloads: one has run out of memory.
    pub(crate) fn halve(&self) -> usize {
        let halved = |capacity: usize| Some((capacity / 2).max(1));
        let before = self.capacity.fetch_update(Ordering::Relaxed, Ordering::Relaxed, halved);
        (before.unwrap_or_else(|capacity| capacity) / 2).max(1)
    }
}

impl Shared {
    fn new(grants: Grants, capacity: usize) -> Self {
        Self {
            grants,
            capacity,
            residents: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            state: Mutex::new(State::New),
        }
    }

    fn has_room(&self, grants: Grants) -> bool {
        self.grants == grants
            && !self.broken.load(Ordering::Relaxed)
            && self.residents.load(Ordering::Relaxed) < self.capacity
    }
}

impl Place {
    /// A place in a store that nobody else gets.
    pub(crate) fn alone(grants: Grants) -> Self {
        let cell = Shared::new(grants, 1);
        cell.residents.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(cell))
    }

    /// Places are taken under the lock of the list alone, so counting them is no race.
    fn take(cell: &Arc<Shared>, grants: Grants) -> Option<Self> {
        cell.has_room(grants).then(|| {
            cell.residents.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(cell))
        })
    }

    /// How many live there.
    pub(crate) fn residents(&self) -> usize {
        self.0.residents.load(Ordering::Relaxed)
    }

    /// Whether others live there too.
    pub(crate) fn has_neighbours(&self) -> bool {
        self.residents() > 1
    }

    /// Whether others could live there.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.capacity > 1
    }

    /// Whether what lived there is gone.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Acquire)
    }

    /// Whether both are in the same store.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits for others' calls, and keeps them waiting.
    pub(crate) fn enter(&self) -> Entered<'_> {
        let state = self.0.state.lock().unwrap_or_else(|poisoned| {
            // Somebody's thread panicked within a call: nobody knows how far it came.
            let mut state = poisoned.into_inner();
            *state = State::Broken;
            self.0.broken.store(true, Ordering::Release);
            self.0.state.clear_poison();
            state
        });
        Entered { shared: &self.0, state }
    }
}

impl Entered<'_> {
    /// The store, opened by who comes first; None once it is broken.
    pub(crate) fn cell(&mut self, plugin: &Inner, now: Timestamp) -> Result<Option<&mut Cell>, EvaluateError> {
        if matches!(*self.state, State::New) {
            match Cell::open(plugin, self.shared.grants, now) {
                Ok(cell) => *self.state = State::Open(cell),
                Err(error) => {
                    self.break_up();
                    return Err(error);
                }
            }
        }
        Ok(self.open())
    }

    /// The store, if it is open.
    pub(crate) fn open(&mut self) -> Option<&mut Cell> {
        match &mut *self.state {
            State::Open(cell) => Some(cell),
            State::New | State::Broken => None,
        }
    }

    /// Drops the store, for all that live in it.
    pub(crate) fn break_up(&mut self) {
        *self.state = State::Broken;
        self.shared.broken.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it guards is whole between any two of its operations.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
