//! From several answers to one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::member::Answer;

/// How several answers become one.
///
/// In all but [`AllAgreeDown`](Self::AllAgreeDown) a member without an opinion is left out, and one that failed is left
/// out of growing and forbids shrinking: what it can't see might be needed (the rule that HPA has for its metrics).
/// [`First`](Self::First) is there for members that fail. Where nobody has an answer there is none: the policy's
/// `onFailure` answers if somebody failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The largest need: HPA's rule for its metrics, Nomad's for its checks.
    Max,
    /// The smallest need.
    Min,
    /// The need in the middle; of an even number the mean of the two in the middle.
    Median,
    /// Anyone may move the count: the largest need if anybody wants more, else the smallest if anybody wants less.
    AnyOf,
    /// Anyone may take the count up, to the largest need, and only all together take it down, to the largest need too.
    /// A member without an answer doesn't agree.
    AllAgreeDown,
    /// The first, in their order, that has an answer: a fallback chain.
    First,
}

/// What a rule made of the answers.
pub(super) struct Chosen {
    pub(super) need: f64,
    /// Whose it is; none for a mean.
    pub(super) member: Option<usize>,
    /// How many had an answer.
    pub(super) answered: usize,
    /// Somebody's answer is missing that might have been more.
    pub(super) must_not_shrink: bool,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 6] = [Self::Max, Self::Min, Self::Median, Self::AnyOf, Self::AllAgreeDown, Self::First];

    /// Its name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
            Self::Median => "median",
            Self::AnyOf => "any-of",
            Self::AllAgreeDown => "all-agree-down",
            Self::First => "first",
        }
    }

    /// What it does, in a sentence.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::Max => "the largest need of several algorithms",
            Self::Min => "the smallest need of several algorithms",
            Self::Median => "the need in the middle of several algorithms'",
            Self::AnyOf => "any of several algorithms moves the count, and more wins over less",
            Self::AllAgreeDown => "any of several algorithms adds replicas, and only all together remove some",
            Self::First => "a fallback chain: the first of several algorithms that has an answer",
        }
    }

    /// The answer made of those of the voters. `order` is room that is reused.
    pub(super) fn choose(self, current: f64, answers: &[(usize, Answer)], order: &mut Vec<f64>) -> Option<Chosen> {
        let needs = || answers.iter().filter_map(|(member, answer)| answer.need(current).map(|need| (*member, need)));
        let answered = needs().count();
        // The first of equals, in the members' order.
        let largest = || needs().reduce(|most, other| if other.1 > most.1 { other } else { most });
        let smallest = || needs().reduce(|least, other| if other.1 < least.1 { other } else { least });
        let (member, need) = match self {
            Self::Max | Self::AllAgreeDown => largest().map(whose)?,
            Self::Min => smallest().map(whose)?,
            Self::AnyOf => {
                let most = largest()?;
                whose(if most.1 > current { most } else { smallest()? })
            }
            Self::Median => {
                order.clear();
                order.extend(needs().map(|(_, need)| need));
                order.sort_unstable_by(f64::total_cmp);
                let (low, high) = (*order.get(answered.checked_sub(1)? / 2)?, *order.get(answered / 2)?);
                let middle = low + (high - low) / 2.0;
                (needs().find(|&(_, need)| need == middle).map(|(member, _)| member), middle)
            }
            Self::First => needs().next().map(whose)?,
        };
        let must_not_shrink = match self {
            Self::First => false,
            Self::AllAgreeDown => answered < answers.len(),
            _ => answers.iter().any(|(_, answer)| matches!(answer, Answer::Failed(_))),
        };
        Some(Chosen { need, member, answered, must_not_shrink })
    }
}

fn whose((member, need): (usize, f64)) -> (Option<usize>, f64) {
    (Some(member), need)
}
