//! How far one decision may go, and what it comes to.

use super::fact::How;
use super::spec::Settings;
use crate::trace::Direction;
use crate::units::Tolerances;

/// What decides, beside windows, and the count it starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) settings: &'a Settings,
    pub(super) tolerances: Tolerances,
    pub(super) current: i32,
}

/// Whole replicas for a need in replicas, rounded up, with the tolerance around the current count and within the rates.
/// From 0 it comes to 1 at least, for no rate leads away from there.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates at both ends")]
#[inline]
pub(super) fn limited(need: f64, terms: Terms<'_>) -> (i32, How) {
    let count = f64::from(terms.current);
    if need > count * (1.0 + terms.tolerances.up) {
        let most = (terms.settings.max_scale_up_rate * count).ceil().max(1.0);
        let wanted = need.ceil();
        let how = if wanted > most { How::Limited { direction: Direction::Up } } else { How::Whole };
        (wanted.min(most) as i32, how)
    } else if need < count * (1.0 - terms.tolerances.down) {
        let least = (count / terms.settings.max_scale_down_rate).floor();
        let wanted = need.ceil();
        let how = if wanted < least { How::Limited { direction: Direction::Down } } else { How::Whole };
        (wanted.max(least) as i32, how)
    } else {
        (terms.current, How::WithinTolerance)
    }
}
