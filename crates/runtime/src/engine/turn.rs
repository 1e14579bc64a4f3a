//! A turn: those that are looked at together, from what is measured to what is written.

mod part;

use std::sync::Arc;

use futures::future::join_all;
use setpoint::group::{self, Sharing};
use tokio::sync::MutexGuard;
use tokio::time::Instant;

pub(super) use self::part::Part;
use self::part::{Decided, Underway};
use super::Shared;
use super::group::Crew;
use super::workload::Memory;

/// The turn of a workload that is alone, or of all members of a group.
pub(super) struct Turn {
    pub(super) shared: Arc<Shared>,
    /// What is due: the workload or the group.
    pub(super) key: Arc<str>,
    pub(super) crew: Crew,
    /// One a member of the crew, in its order.
    pub(super) parts: Vec<Part>,
}

/// Makes the next look due when this one ends, even if it panics.
struct Next<'a>(&'a Turn);

impl Drop for Next<'_> {
    fn drop(&mut self) {
        let Turn { shared, key, crew, .. } = self.0;
        // A group may have other members by now.
        let now = shared.crew(key).unwrap_or_else(|| crew.clone());
        if let Some(member) = now.members.first().filter(|_| !now.has_ended()) {
            let interval = member.plan().policy.interval.as_duration();
            shared.due().after(Arc::clone(key), Instant::now(), interval);
            shared.sooner.notify_one();
        }
    }
}

impl Turn {
    pub(super) async fn take(self) {
        let next = Next(&self);
        let seat = self.shared.seats.acquire().await.expect("nobody closes it");
        let memories = self.memories().await;
        let mut looks = join_all(self.parts.iter().zip(memories).map(|(part, memory)| part.look(memory))).await;
        if let Some(sharing) = &self.crew.sharing {
            share(sharing, &mut looks);
        }
        carry_out(looks.iter_mut().flatten().collect()).await;
        join_all(looks.into_iter().flatten().map(Underway::end)).await;
        drop(seat);
        // Only now: the next look is never before the end of this one.
        drop(next);
    }

    /// What the last looks left, one a part, in their order. Whoever has a member's is the only one to look at it.
    ///
    /// A group that is made due while it is looked at has two turns. They come for its members in one order, whatever the
    /// group's own is by now: neither can have one that the other needs, and need one that the other has.
    async fn memories(&self) -> Vec<MutexGuard<'_, Memory>> {
        let mut by_key: Vec<(usize, &Part)> = self.parts.iter().enumerate().collect();
        by_key.sort_unstable_by_key(|(_, part)| &part.workload.key);
        let mut memories = Vec::with_capacity(by_key.len());
        for (place, part) in by_key {
            memories.push((place, part.workload.memory.lock().await));
        }
        memories.sort_unstable_by_key(|(place, _)| *place);
        memories.into_iter().map(|(_, memory)| memory).collect()
    }
}

/// Makes of what was decided for each member what the group does.
fn share(sharing: &Sharing, looks: &mut [Option<Underway<'_>>]) {
    let mut parts: Vec<group::Part<'_>> = looks
        .iter_mut()
        .map(|look| match look {
            // It was let go meanwhile.
            None => group::Part::Absent(0),
            Some(look) => {
                let count = look.count();
                match &mut look.decided {
                    Some(Decided { decision, trace, .. }) => group::Part::Decided(decision, trace),
                    None => group::Part::Absent(count),
                }
            }
        })
        .collect();
    sharing.share(&mut parts);
}

/// Growth goes before shrinking, so that no member is at any time below both what it had and what it is to have: nobody is
/// without the others it needs. Where one can't grow, nobody shrinks: it may have been to make room for that one, or to its
/// ratio. What shrinks is then decided anew in the next turn.
async fn carry_out(looks: Vec<&mut Underway<'_>>) {
    let (shrinking, others): (Vec<_>, Vec<_>) = looks.into_iter().partition(|look| look.shrinks());
    let as_decided = join_all(others.into_iter().map(Underway::carry_out)).await;
    if as_decided.into_iter().all(|is_so| is_so) {
        join_all(shrinking.into_iter().map(Underway::carry_out)).await;
    } else {
        join_all(shrinking.into_iter().map(Underway::put_off)).await;
    }
}
