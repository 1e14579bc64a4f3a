#![doc = include_str!("../docs/aibrix.md")]

mod annotations;
mod apa;
mod autoscaler;
mod collected;
mod control_loop;
mod cooldown;
mod fact;
mod go;
mod kpa;
mod limits;
mod panic;
mod policy;
mod spec;
mod window;

pub use annotations::read_annotations;
pub use apa::{Apa, ApaConfig};
pub use collected::Collected;
pub use control_loop::{AllFailed, ControlLoop, Decision, DecisionReason};
pub use fact::{Fact, How};
pub use kpa::{Kpa, KpaConfig};
pub use spec::{Factor, MetricSource, Settings, Spec, Strategy};

/// Whose state it is, in errors, and the stage name of the control loop's reasons.
const NAME: &str = "aibrix";
