//! When something may happen: the pause after a change, and how long something has to be so before one.
//!
//! Parts for algorithms and stages, a user's own too. Like everything here they read no clock: each look brings its time.
//! The stages [`Cooled`](crate::Cooled) and [`Delayed`](crate::Delayed) put them around any algorithm.

mod cooldown;
mod since;

pub use cooldown::Cooldown;
pub use since::Since;
