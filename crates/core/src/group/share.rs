//! From what each member needs to what each gets: pure arithmetic.

use crate::bounds::Bounds;
use crate::decision::round_up;

/// One member's part in its group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Its part beside the others'; none: it follows nobody. Greater than 0.
    pub ratio: Option<f64>,
    /// The higher, the earlier it is served.
    pub priority: i32,
    /// Its own smallest and largest count.
    pub bounds: Bounds,
}

impl Share {
    /// Of a member within `bounds`, that follows nobody and goes before nobody.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { ratio: None, priority: 0, bounds }
    }
}

/// What a member wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// So many replicas, within its bounds.
    Need(u32),
    /// It is not to be touched, and has so many.
    Fixed(u32),
}

/// What became of a member's need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// At its ratio to the neediest.
    pub coupled: u32,
    /// Within the budget.
    pub granted: u32,
}

/// What each member gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// One a member, in their order.
    pub counts: Vec<Counts>,
    /// The member that the others with a ratio follow.
    pub neediest: Option<usize>,
}

/// What each of `members` gets of what each wants: see [the module](super).
///
/// Where the smallest counts and the untouchable ones are more than the budget already, each has its smallest count.
#[must_use]
pub fn share(members: &[Share], wanted: &[Wanted], budget: Option<u32>) -> Shared {
    let neediest = neediest(members, wanted);
    let coupled: Vec<u32> = members.iter().zip(wanted).enumerate().map(|member| couple(member, neediest)).collect();
    let mut granted = coupled.clone();
    if let Some(budget) = budget
        && total(&coupled) > u64::from(budget)
    {
        grant(members, wanted, budget, &mut granted);
    }
    let counts = coupled.into_iter().zip(granted).map(|(coupled, granted)| Counts { coupled, granted }).collect();
    Shared { counts, neediest: neediest.map(|(index, _)| index) }
}

fn total(counts: &[u32]) -> u64 {
    counts.iter().map(|&count| u64::from(count)).sum()
}

/// The first member that needs the most of its ratio, and how much that is.
fn neediest(members: &[Share], wanted: &[Wanted]) -> Option<(usize, f64)> {
    let scales = members.iter().zip(wanted).enumerate().filter_map(|(index, (member, wanted))| match wanted {
        Wanted::Need(need) => Some((index, f64::from(*need) / member.ratio?)),
        Wanted::Fixed(_) => None,
    });
    scales.reduce(|most, other| if other.1 > most.1 { other } else { most })
}

fn couple((index, (member, wanted)): (usize, (&Share, &Wanted)), neediest: Option<(usize, f64)>) -> u32 {
    match (*wanted, member.ratio, neediest) {
        (Wanted::Fixed(count), ..) => count,
        (Wanted::Need(need), Some(ratio), Some((leader, scale))) if leader != index => {
            // What is a whole number but for the last bits of a division is that number: 3 / 0.1 times 0.1.
            let exact = scale * ratio;
            let whole = exact.round();
            let follows = if (exact - whole).abs() < 1e-9 * whole.max(1.0) { whole } else { exact };
            member.bounds.clamp(round_up(follows).max(need))
        }
        (Wanted::Need(need), ..) => need,
    }
}

/// Cuts `counts` to the budget: first what goes to higher priorities, and to everybody the smallest count.
fn grant(members: &[Share], wanted: &[Wanted], budget: u32, counts: &mut [u32]) {
    let floor = |index: usize| match wanted[index] {
        Wanted::Fixed(count) => count,
        Wanted::Need(_) => members[index].bounds.min().min(counts[index]),
    };
    let floors: Vec<u32> = (0..members.len()).map(floor).collect();
    let mut left = u64::from(budget).saturating_sub(total(&floors));
    let mut priorities: Vec<i32> = members.iter().map(|member| member.priority).collect();
    priorities.sort_unstable_by(|a, b| b.cmp(a));
    priorities.dedup();
    for priority in priorities {
        let class: Vec<usize> = (0..members.len()).filter(|&index| members[index].priority == priority).collect();
        let above: u64 = class.iter().map(|&index| u64::from(counts[index] - floors[index])).sum();
        if above <= left {
            left -= above;
            continue;
        }
        divide(members, &class, &floors, left, counts);
        left = 0;
    }
}

/// Of one priority, everybody's floor and `left` more, in proportion to the ratios.
fn divide(members: &[Share], class: &[usize], floors: &[u32], left: u64, counts: &mut [u32]) {
    let wanted: Vec<u32> = class.iter().map(|&index| counts[index]).collect();
    let ratio = |index: usize| members[index].ratio.unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and it is clamped")]
    let at = |scale: f64, place: usize| {
        let index = class[place];
        ((scale * ratio(index)) as u32).clamp(floors[index], wanted[place])
    };
    let above =
        |scale: f64| -> u64 { (0..class.len()).map(|place| u64::from(at(scale, place) - floors[class[place]])).sum() };
    // The largest scale that fits: what fits at one scale fits at every smaller one.
    let (mut low, mut high) =
        (0.0, f64::from(u32::MAX) / class.iter().map(|&index| ratio(index)).fold(f64::MAX, f64::min));
    for _ in 0..128 {
        let middle = low + (high - low) / 2.0;
        if above(middle) <= left {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut rest = left - above(low);
    for (place, &index) in class.iter().enumerate() {
        counts[index] = at(low, place);
    }
    // Fewer are left than there are members at the next step: one each, in their order.
    for (place, &index) in class.iter().enumerate() {
        if rest > 0 && counts[index] < wanted[place] {
            counts[index] += 1;
            rest -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(ratio: Option<f64>, priority: i32, min: u32, max: u32) -> Share {
        Share { ratio, priority, bounds: Bounds::new(min, max).expect("bounds") }
    }

    #[test]
    fn members_follow_the_neediest_and_share_the_budget_by_priority() {
        use Wanted::{Fixed, Need};
        let pair = [member(Some(1.0), 0, 1, 20), member(Some(2.0), 10, 1, 20)];
        let equal = [member(Some(1.0), 0, 1, 20), member(Some(2.0), 0, 1, 20)];
        let tenths = [member(Some(0.1), 0, 1, 50), member(Some(0.3), 0, 1, 50)];
        let with_third = [pair[0], pair[1], member(None, 5, 2, 9)];
        type Case<'a> = (&'a str, &'a [Share], &'a [Wanted], Option<u32>, &'a [u32], &'a [u32]);
        let cases: [Case<'_>; 11] = [
            ("prefill leads", &pair, &[Need(3), Need(2)], None, &[3, 6], &[3, 6]),
            ("decode leads, rounded up", &pair, &[Need(1), Need(5)], None, &[3, 5], &[3, 5]),
            ("at the ratio", &pair, &[Need(2), Need(4)], None, &[2, 4], &[2, 4]),
            ("own bounds", &pair, &[Need(15), Need(1)], None, &[15, 20], &[15, 20]),
            ("the last bits of a division", &tenths, &[Need(3), Need(1)], None, &[3, 9], &[3, 9]),
            ("a budget that holds all", &pair, &[Need(3), Need(2)], Some(9), &[3, 6], &[3, 6]),
            ("priority first", &pair, &[Need(3), Need(2)], Some(8), &[3, 6], &[2, 6]),
            ("the low one keeps its minimum", &pair, &[Need(3), Need(2)], Some(5), &[3, 6], &[1, 4]),
            ("one priority, by ratio", &equal, &[Need(6), Need(2)], Some(9), &[6, 12], &[3, 6]),
            (
                "without a ratio nobody follows",
                &with_third,
                &[Need(3), Need(2), Need(9)],
                Some(12),
                &[3, 6, 9],
                &[1, 6, 5],
            ),
            ("hands off counts and leads nobody", &pair, &[Fixed(9), Need(4)], Some(11), &[9, 4], &[9, 2]),
        ];
        for (name, members, wanted, budget, coupled, granted) in cases {
            let shared = share(members, wanted, budget);
            assert_eq!(shared.counts.iter().map(|it| it.coupled).collect::<Vec<_>>(), coupled, "{name}");
            assert_eq!(shared.counts.iter().map(|it| it.granted).collect::<Vec<_>>(), granted, "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_at_all_leaves_everybody_the_smallest_count() {
        let members = [member(Some(1.0), 0, 3, 20), member(None, 1, 4, 20)];
        let shared = share(&members, &[Wanted::Need(9), Wanted::Need(9)], Some(5));
        assert_eq!(shared.counts.iter().map(|it| it.granted).collect::<Vec<_>>(), [3, 4]);
    }
}
