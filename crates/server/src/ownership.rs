//! Which instance acts on which autoscaler.
//!
//! Each autoscaler has a lease: who holds it, and how often it was taken or renewed. A holder may write until its deadline,
//! which it reckons from the moment before it asked the database. Others take a lease that they have seen unchanged for as
//! long as it lasts, reckoned from the moment after they read it. Nobody compares clocks: all that is assumed is that a
//! second is as long here as there.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint_runtime::{AddError, Engine, Permit};
use tokio::time::Instant;

use crate::database::{Database, Lease, Row};
use crate::request;

/// Until when this instance may write each autoscaler's workload.
#[derive(Debug)]
pub(crate) struct Deadlines {
    lasts: Duration,
    until: Mutex<HashMap<String, Instant>>,
}

impl Deadlines {
    pub(crate) fn new(lease: Duration) -> Self {
        // A write that was permitted at the last moment still has the engine's timeout to end.
        Self { lasts: lease.saturating_sub(setpoint_runtime::EngineBuilder::TIMEOUT), until: Mutex::default() }
    }

    /// A lease was taken or renewed; asked for at `asked`.
    pub(crate) fn extend(&self, id: &str, asked: Instant) {
        self.lock().insert(id.to_owned(), asked + self.lasts);
    }

    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        // A panic elsewhere can't leave a map half changed.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit for Deadlines {
    fn may_write(&self, key: &str) -> bool {
        self.lock().get(key).is_some_and(|until| Instant::now() < *until)
    }
}

/// Takes leases and renews them, and keeps the engine at what is held.
pub(crate) struct Ownership {
    pub(crate) database: Database,
    pub(crate) engine: Engine,
    pub(crate) deadlines: Arc<Deadlines>,
    /// This instance.
    pub(crate) holder: Arc<str>,
    /// How long a lease lasts.
    pub(crate) lease: Duration,
    /// How often a workload is looked at.
    pub(crate) interval: Duration,
    /// Leases of others, and since when each was seen as it is.
    pub(crate) seen: HashMap<String, (Lease, Instant)>,
}

impl Ownership {
    /// Goes round until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut rounds = tokio::time::interval(self.lease / 8);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if let Err(error) = self.round().await {
                // Leases run out by themselves: without a database nobody acts.
                tracing::error!(%error, "leases can't be renewed");
            }
        }
    }

    /// Renews what is held, takes what is free or was given up, and lets go of what is gone.
    async fn round(&mut self) -> Result<(), sqlx::Error> {
        let rows = self.database.list().await?;
        let mut held = HashSet::new();
        for row in &rows {
            let ours = row.lease.holder == *self.holder;
            if !ours && !self.is_free(row) {
                continue;
            }
            let asked = Instant::now();
            if self.database.take(&row.id, &row.lease, &self.holder).await? {
                self.seen.remove(&row.id);
                self.deadlines.extend(&row.id, asked);
                held.insert(row.id.as_str());
                act(&self.engine, row, self.interval);
            }
        }
        let known: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        self.seen.retain(|id, _| known.contains(id.as_str()));
        for key in self.engine.keys() {
            if !held.contains(key.as_ref()) && !self.is_ours_by_now(&key).await? {
                self.deadlines.end(&key);
                // Unknown: it was deleted meanwhile.
                let _gone = self.engine.release(&key).await;
            }
        }
        Ok(())
    }

    /// One that is not among those of this round can have been created since.
    async fn is_ours_by_now(&self, id: &str) -> Result<bool, sqlx::Error> {
        Ok(self.database.get(id).await?.is_some_and(|row| row.lease.holder == *self.holder))
    }

    /// Whether nobody holds the lease, or whoever does has not renewed it for as long as it lasts.
    fn is_free(&mut self, row: &Row) -> bool {
        if row.lease.holder.is_empty() {
            return true;
        }
        let now = Instant::now();
        let (lease, since) = self.seen.entry(row.id.clone()).or_insert_with(|| (row.lease.clone(), now));
        if *lease != row.lease {
            (*lease, *since) = (row.lease.clone(), now);
        }
        now.duration_since(*since) >= self.lease
    }
}

/// Has the engine look at an autoscaler, if it doesn't yet.
pub(crate) fn act(engine: &Engine, row: &Row, interval: Duration) {
    let wanted = serde_json::from_str(&row.request)
        .map_err(|error| error.to_string())
        .and_then(|request| request::read(&request, interval).map_err(|error| error.to_string()));
    let added = wanted.and_then(|wanted| match engine.add(&row.id, &wanted.policy, wanted.target) {
        Ok(()) | Err(AddError::Taken(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    });
    if let Err(error) = added {
        tracing::error!(autoscaler = %row.id, %error, "it was created by a version that knew more");
    }
}
