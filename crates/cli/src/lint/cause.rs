//! What kept a count where it is.

use setpoint::{Effect, Judged, Metric, Reason, Trace, aibrix, combinator, nomad};

/// The step of a decision that held it, and its words.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    /// None where the decision gave no reason.
    pub(super) effect: Option<Effect>,
    pub(super) why: String,
}

impl Cause {
    /// Of the decision in `trace`: the last step that held it back, and not one that only hands on.
    pub(super) fn of(trace: &Trace, metrics: &[Metric]) -> Self {
        let (reasons, mut records) = (trace.reasons(), trace.records(metrics));
        let Some(last) = reasons.len().checked_sub(1) else {
            return Self { effect: None, why: "no reason is given".to_owned() };
        };
        let find = |is_it: fn(&Effect) -> bool| reasons.iter().rposition(|reason| is_it(&reason.effect));
        let floor = find(|effect| matches!(effect, Effect::RatioFloor { .. }));
        let held = find(|effect| !hands_on(effect)).unwrap_or(last);
        let held = match reasons[held].effect {
            // A ratio raised to the tolerance: the floor did that.
            Effect::WithinTolerance { .. } => floor.unwrap_or(held),
            // Of several checks the winner's own words.
            Effect::Nomad(nomad::Fact::Won { check, .. }) => vote_of(reasons, check).unwrap_or(held),
            _ => held,
        };
        let effect = Some(reasons[held].effect);
        let why = if held < last && matches!(reasons[last].effect, Effect::RoundedUp) {
            format!("{}, and {}", records[held].text, records[last].text)
        } else {
            records.swap_remove(held).text
        };
        Self { effect, why }
    }

    /// Whether the policy says in so many words that the count goes no further.
    pub(super) fn is_asked_for(&self) -> bool {
        match self.effect {
            Some(Effect::RatioFloor { floor, .. }) => floor >= 1.0,
            Some(
                Effect::Nomad(nomad::Fact::Voted { why: nomad::Why::Fixed { .. }, .. })
                | Effect::Combined { fact: combinator::Fact::Limited { .. }, .. },
            ) => true,
            _ => false,
        }
    }

    /// Whether another reading may let the count go on. A cap or a rate holds whatever is read.
    pub(super) const fn depends_on_readings(&self) -> bool {
        matches!(
            self.effect,
            None | Some(
                Effect::Note { .. }
                    | Effect::Held { .. }
                    | Effect::NoOpinion
                    | Effect::Watermark(_)
                    | Effect::Nomad(_)
                    | Effect::Combined { .. }
            )
        )
    }
}

/// Where the vote stands that decided, of which `winner` is one. Where nobody wanted anything, that is the one that was
/// nearest to wanting something.
fn vote_of(reasons: &[Reason], winner: usize) -> Option<usize> {
    let votes = reasons.iter().enumerate().filter_map(|(index, reason)| match reason.effect {
        Effect::Nomad(nomad::Fact::Voted { check, direction, why, .. }) => Some((index, check, direction, why)),
        _ => None,
    });
    let (index, _, direction, why) = votes.clone().find(|(_, check, ..)| *check == winner)?;
    let short = |why| match why {
        nomad::Why::WithinBounds { within, trigger } => Some(trigger - within),
        _ => None,
    };
    if direction != nomad::Direction::None || short(why).is_none() {
        return Some(index);
    }
    let nearest = votes.filter_map(|(index, .., why)| Some((short(why)?, index))).min();
    nearest.map(|(_, index)| index)
}

/// Whether a step says only what became of the number of the one before.
fn hands_on(effect: &Effect) -> bool {
    match effect {
        Effect::RoundedUp
        | Effect::Bounded { .. }
        | Effect::Highest { .. }
        | Effect::MeanRatio { .. }
        | Effect::Smoothed { .. }
        | Effect::NoOpinion
        | Effect::Suspended => true,
        Effect::Proposed { how, .. } => *how == Judged::Multiplied,
        Effect::Aibrix(aibrix::Fact::Recommended { how, .. }) => *how == aibrix::How::Whole,
        _ => false,
    }
}
