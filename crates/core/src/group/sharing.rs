//! From what was decided for each member to what the group makes of it.

use super::document::GroupSpec;
use super::fact::Fact;
use super::share::{Share, Wanted, share};
use crate::bounds::Bounds;
use crate::config::ConfigError;
use crate::decision::{Decision, Outcome};
use crate::policy::Pause;
use crate::trace::{Effect, Reason, Trace};

/// The stage name of a group's reasons.
const NAME: &str = "group";

/// How the members of a group share, whoever decides for each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharing {
    budget: Option<u32>,
    names: Vec<String>,
    shares: Vec<Share>,
    pauses: Vec<Pause>,
}

/// A member's part in one look at the group.
#[derive(Debug)]
pub enum Part<'a> {
    /// What its own policy decided, and why: the group's reasons are added, and the count is made the group's.
    Decided(&'a mut Decision, &'a mut Trace),
    /// Nothing could be decided for it. It is taken to have so many replicas, which count against the budget, and nobody
    /// follows it.
    Absent(u32),
}

impl Sharing {
    /// As `spec` has it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `spec`, as for [`ScalingGroup::from_value`](super::ScalingGroup::from_value).
    pub fn new(spec: &GroupSpec) -> Result<Self, ConfigError> {
        spec.check()?;
        let share = |(index, member): (usize, &super::GroupMember)| {
            let bounds = member.policy.bounds().map_err(|error| error.under(&format!("members[{index}].policy")))?;
            Ok(Share { ratio: member.ratio.map(|ratio| ratio.get()), priority: member.priority, bounds })
        };
        Ok(Self {
            budget: spec.max_replicas,
            names: spec.members.iter().map(|member| member.name.clone()).collect(),
            shares: spec.members.iter().enumerate().map(share).collect::<Result<_, _>>()?,
            pauses: spec.members.iter().map(|member| member.policy.pause).collect(),
        })
    }

    /// Makes each decided count the group's: one part a member, in their order.
    ///
    /// # Panics
    ///
    /// Unless there is a part for each member.
    pub fn share(&self, parts: &mut [Part<'_>]) {
        assert_eq!(parts.len(), self.shares.len(), "a part for each member");
        let mut shares = self.shares.clone();
        let wanted = shares.iter_mut().zip(&self.pauses).zip(parts.iter()).map(|((share, pause), part)| match part {
            Part::Decided(decision, _) if decision.outcome == Outcome::Suspend => Wanted::Fixed(decision.current),
            Part::Decided(decision, _) => match unpaused(share.bounds, *pause, decision.current) {
                None => Wanted::Fixed(decision.current),
                Some(bounds) => {
                    share.bounds = bounds;
                    Wanted::Need(decision.desired)
                }
            },
            Part::Absent(count) => Wanted::Fixed(*count),
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let shared = share(&shares, &wanted, self.budget);
        for (index, (part, counts)) in parts.iter_mut().zip(&shared.counts).enumerate() {
            let Part::Decided(decision, trace) = part else { continue };
            if let Some(leader) = shared.neediest
                && leader != index
                && counts.coupled != decision.desired
            {
                let member = trace.keep(format_args!("{}", self.names[leader]));
                let effect = Effect::Grouped { fact: Fact::Coupled, member };
                trace.push(|| Reason::new(NAME, f64::from(decision.desired), f64::from(counts.coupled), effect));
            }
            if let Some(budget) = self.budget
                && counts.granted != counts.coupled
            {
                let member = trace.keep(format_args!("{}", self.names[index]));
                let fact = Fact::Budget { budget, priority: self.shares[index].priority };
                let effect = Effect::Grouped { fact, member };
                trace.push(|| Reason::new(NAME, f64::from(counts.coupled), f64::from(counts.granted), effect));
            }
            decision.desired = counts.granted;
        }
    }
}

/// What a pause leaves of `bounds` to a count that is `current`: none where that can't change at all.
fn unpaused(bounds: Bounds, pause: Pause, current: u32) -> Option<Bounds> {
    match pause {
        Pause::None => Some(bounds),
        Pause::All => None,
        // Of 0, which are no bounds, nothing is left.
        Pause::Up => Bounds::new(bounds.min().min(current), bounds.max().min(current)).ok(),
        Pause::Down => Bounds::new(bounds.min().max(current), bounds.max().max(current)).ok(),
    }
}
