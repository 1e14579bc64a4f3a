//! A host in a program whose threads belong to a runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use setpoint::{FailureSpec, Observation, Outcome, Reading, Timestamp, Trace};

use crate::{hostile, manager};

/// Turns of another task that show that it had the worker while the plugin had its call.
const TURNS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_only_worker_goes_on_while_a_plugin_spins() {
    let turns = Arc::new(AtomicU64::new(0));
    let other = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let mut manager = manager();
    let policy = hostile("endless-loop").with_on_failure(FailureSpec::Replicas(6));
    let workload = manager.add(&policy).expect("a good policy");
    let asking = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            tokio::task::block_in_place(|| {
                let before = turns.load(Ordering::Relaxed);
                let look = Observation::new(Timestamp::default(), 4, &[Reading::Value(620.0)]);
                let decision = manager.decide(workload, &look, &mut Trace::off()).expect("a decision");
                (decision, turns.load(Ordering::Relaxed) - before)
            })
        }
    });
    let (decision, meanwhile) = asking.await.expect("no panic");
    other.abort();
    assert_eq!((decision.outcome, decision.desired), (Outcome::Fallback, 6));
    assert!(meanwhile > TURNS, "{meanwhile} turns of the other task");
}
