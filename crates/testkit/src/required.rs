//! What a test needs that not every machine has.

/// Whether the environment says that tests which need `what` must not be skipped: `SETPOINT_REQUIRE` is a list, with commas,
/// of such. CI sets it.
#[must_use]
pub fn is_required(what: &str) -> bool {
    std::env::var("SETPOINT_REQUIRE").is_ok_and(|list| list.split(',').any(|one| one.trim() == what))
}

/// Says that a test is skipped, for what it needs is not here; panics where that is [required](is_required).
pub fn skip(what: &str, how_to_get_it: &str) {
    assert!(!is_required(what), "{what} is required, and it is not here: {how_to_get_it}");
    eprintln!("skipped: it needs {what}. {how_to_get_it}");
}
