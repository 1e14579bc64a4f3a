//! From what was decided for each member to what the group makes of it.

use super::document::{GroupMember, GroupSpec};
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
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq)]
struct Member {
    name: String,
    share: Share,
    pause: Pause,
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
        let member = |(index, member): (usize, &GroupMember)| {
            let bounds = member.policy.bounds().map_err(|error| error.under(&format!("members[{index}].policy")))?;
            let share = Share { ratio: member.ratio.map(|ratio| ratio.get()), priority: member.priority, bounds };
            Ok(Member { name: member.name.clone(), share, pause: member.policy.pause })
        };
        let members = spec.members.iter().enumerate().map(member).collect::<Result<_, _>>()?;
        Ok(Self { budget: spec.max_replicas, members })
    }

    /// Makes each decided count the group's: one part a member, in their order.
    ///
    /// # Panics
    ///
    /// Unless there is a part for each member.
    pub fn share(&self, parts: &mut [Part<'_>]) {
        assert_eq!(parts.len(), self.members.len(), "a part for each member");
        let wants = |(&Member { share, pause, .. }, part): (&Member, &Part<'_>)| match part {
            Part::Decided(decision, _) if decision.outcome == Outcome::Suspend => {
                (share, Wanted::Fixed(decision.current))
            }
            Part::Decided(decision, _) => match unpaused(share.bounds, pause, decision.current) {
                None => (share, Wanted::Fixed(decision.current)),
                Some(bounds) => (Share { bounds, ..share }, Wanted::Need(decision.desired)),
            },
            Part::Absent(count) => (share, Wanted::Fixed(*count)),
        };
        let (shares, wanted): (Vec<Share>, Vec<Wanted>) = self.members.iter().zip(&*parts).map(wants).unzip();
        let shared = share(&shares, &wanted, self.budget);
        for (index, (part, counts)) in parts.iter_mut().zip(&shared.counts).enumerate() {
            let Part::Decided(decision, trace) = part else { continue };
            if let Some(leader) = shared.neediest
                && leader != index
                && counts.coupled != decision.desired
            {
                let member = trace.keep(format_args!("{}", self.members[leader].name));
                let effect = Effect::Grouped { fact: Fact::Coupled, member };
                trace.push(|| Reason::new(NAME, f64::from(decision.desired), f64::from(counts.coupled), effect));
            }
            if let Some(budget) = self.budget
                && counts.granted != counts.coupled
            {
                let member = trace.keep(format_args!("{}", self.members[index].name));
                let fact = Fact::Budget { budget, priority: self.members[index].share.priority };
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
