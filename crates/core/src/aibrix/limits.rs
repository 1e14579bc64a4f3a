//! How far one decision may go, and what it comes to.

use super::fact::How;
use super::spec::Settings;
use crate::decision::round_up;
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
#[inline]
pub(super) fn limited(need: f64, terms: Terms<'_>) -> (i32, How) {
    let count = f64::from(terms.current);
    if need > count * (1.0 + terms.tolerances.up) {
        let most = round_up(terms.settings.max_scale_up_rate * count).max(1);
        let wanted = round_up(need);
        let how = if wanted > most { How::Limited { direction: Direction::Up } } else { How::Whole };
        (wanted.min(most).cast_signed(), how)
    } else if need < count * (1.0 - terms.tolerances.down) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
        let least = (count / terms.settings.max_scale_down_rate) as u32;
        let wanted = round_up(need);
        let how = if wanted < least { How::Limited { direction: Direction::Down } } else { How::Whole };
        (wanted.max(least).cast_signed(), how)
    } else {
        (terms.current, How::WithinTolerance)
    }
}
