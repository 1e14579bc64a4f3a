//! Several algorithms asked about one workload, and one answer made of theirs.

mod fact;
mod member;
mod rule;

pub use self::fact::Fact;
pub use self::member::{Answer, Member, Role};
pub use self::rule::Rule;

use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::observation::Observation;
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::trace::{Direction, Effect, Hold, Reason, Trace};

/// One answer made of several algorithms' by a [`Rule`], and kept between floors and ceilings.
///
/// Each [`Member`] is asked at each look, so that one whose answer isn't needed today has its windows full when it is.
/// A member's need is settled and exact; a hold is the current count; a suspend suspends the whole. A member that fails,
/// or has no opinion, is treated as its rule says: see [`Rule`].
///
/// A member with the [`Role::Floor`] doesn't take part in the rule: the answer is at least its need. One with the
/// [`Role::Ceiling`] likewise from above, and where the two cross the ceiling wins, as a budget does. While a floor fails,
/// nothing is taken away; a ceiling that fails limits nothing.
///
/// ```
/// use setpoint::{AlgorithmManager, Metric, Observation, PolicySpec, Reading, Target, Timestamp, Trace};
/// use serde_json::json;
///
/// let spec: PolicySpec = serde_json::from_value(json!({
///     "maxReplicas": 20,
///     "metrics": [
///         { "name": "queue", "target": { "averageValue": 10 } },
///         { "name": "p99", "target": { "value": 500 } },
///     ],
///     "algorithm": { "name": "max", "of": [
///         { "algorithm": { "name": "max-ratio" }, "metrics": ["queue"] },
///         { "algorithm": { "name": "capped-smooth-ratio" }, "metrics": ["p99"] },
///     ] },
/// }))?;
/// let mut manager = AlgorithmManager::new();
/// let workload = manager.add(&spec)?;
/// let readings = [Reading::Value(80.0), Reading::Value(1000.0)];
/// let decision = manager.decide(workload, &Observation::new(Timestamp::default(), 4, &readings), &mut Trace::off())?;
/// // The queue asks for 8; twice the latency for 8 too, but no more than half of what there is at once: 6.
/// assert_eq!(decision.desired, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Combined {
    rule: Rule,
    members: Vec<Member>,
    /// The voters' answers of this look, and room for their order.
    answers: Vec<(usize, Answer)>,
    order: Vec<f64>,
}

impl Combined {
    const STATE_VERSION: u8 = 1;

    /// The answers of `members` by `rule`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a member that takes part in the rule.
    pub fn new(rule: Rule, members: Vec<Member>) -> Result<Self, ConfigError> {
        let voters = members.iter().filter(|member| member.role() == Role::Vote).count();
        if voters == 0 {
            return Err(ConfigError::new("of", "at least one member without a role of floor or ceiling is needed"));
        }
        Ok(Self { rule, members, answers: Vec::with_capacity(voters), order: Vec::with_capacity(voters) })
    }

    /// Raised to the floors, then cut to the ceilings.
    fn limit(&self, need: f64, limits: &Limits, trace: &mut Trace) -> f64 {
        let mut at = need;
        for (member, limit, direction) in [(limits.floor, Direction::Up), (limits.ceiling, Direction::Down)]
            .into_iter()
            .filter_map(|(limit, direction)| limit.map(|(member, limit)| (member, limit, direction)))
        {
            let outside = if direction == Direction::Up { at < limit } else { at > limit };
            if outside {
                let name = self.members[member].name();
                let name = trace.keep(format_args!("{name}"));
                let fact = Fact::Limited { direction };
                trace.push(|| Reason::new(self.rule.name(), at, limit, Effect::Combined { fact, member: name }));
                at = limit;
            }
        }
        at
    }
}

/// What the floors and ceilings of a look say: the strictest of each, and which member that is.
#[derive(Default)]
struct Limits {
    floor: Option<(usize, f64)>,
    ceiling: Option<(usize, f64)>,
    floor_failed: bool,
}

impl Limits {
    fn note(&mut self, member: usize, role: Role, answer: &Answer, current: f64) {
        self.floor_failed |= role == Role::Floor && matches!(answer, Answer::Failed(_));
        let Some(need) = answer.need(current) else { return };
        match role {
            Role::Floor if self.floor.is_none_or(|(_, floor)| need > floor) => self.floor = Some((member, need)),
            Role::Ceiling if self.ceiling.is_none_or(|(_, ceiling)| need < ceiling) => {
                self.ceiling = Some((member, need));
            }
            _ => {}
        }
    }
}

impl ScalingAlgorithm for Combined {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let current = f64::from(look.current);
        let mut limits = Limits::default();
        let mut suspended = false;
        self.answers.clear();
        for (index, member) in self.members.iter_mut().enumerate() {
            let answer = member.ask(look, trace);
            suspended |= matches!(answer, Answer::Suspend);
            match member.role() {
                Role::Vote => self.answers.push((index, answer)),
                role => limits.note(index, role, &answer, current),
            }
        }
        if suspended {
            return Ok(Proposal::Suspend);
        }
        let Some(chosen) = self.rule.choose(current, &self.answers, &mut self.order) else {
            // Nobody has an answer: that of the first to fail, if any did.
            let failed = self.answers.drain(..).find_map(|(_, answer)| match answer {
                Answer::Failed(error) => Some(error),
                _ => None,
            });
            return failed.map_or(Ok(Proposal::NoOpinion), Err);
        };
        if trace.is_on() {
            let name = trace.keep(format_args!("{}", chosen.member.map_or("", |member| self.members[member].name())));
            let fact = Fact::Chosen { rule: self.rule, of: self.answers.len(), answered: chosen.answered };
            trace.push(|| Reason::new(self.rule.name(), current, chosen.need, Effect::Combined { fact, member: name }));
        }
        let mut need = chosen.need;
        if need < current && (chosen.must_not_shrink || limits.floor_failed) {
            trace.push(|| Reason::new(self.rule.name(), need, current, Effect::ShrinkBlocked));
            need = current;
        }
        let limited = self.limit(need, &limits, trace);
        let holds = |(_, answer): &(usize, Answer)| !matches!(answer, Answer::Replicas(_));
        if limited == current && self.answers.iter().all(holds) {
            return Ok(Proposal::Hold(Hold::Said));
        }
        Ok(Need::replicas(limited)?.into())
    }

    // Version, how many members, and each one's state behind its length.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        let count = u32::try_from(self.members.len()).expect("a policy has fewer members than that");
        state.push(Self::STATE_VERSION);
        state.extend(count.to_le_bytes());
        self.members.iter_mut().try_for_each(|member| member.write(state))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(self.rule.name(), Self::STATE_VERSION, state)?;
        if usize::try_from(reader.u32()?) != Ok(self.members.len()) {
            return Err(reader.damaged("it is of another number of members"));
        }
        let parts = self.members.iter().map(|_| reader.part()).collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        let mut before = vec![Vec::new(); self.members.len()];
        let mut members = self.members.iter_mut().zip(&mut before);
        members.try_for_each(|(member, own)| member.snapshot(own))?;
        let mut members = self.members.iter_mut().zip(parts);
        let restored = members.try_for_each(|(member, part)| member.restore(part));
        if restored.is_err() {
            // On an error nothing has changed.
            let mut members = self.members.iter_mut().zip(&before);
            members.try_for_each(|(member, own)| member.restore(own))?;
        }
        restored
    }
}
