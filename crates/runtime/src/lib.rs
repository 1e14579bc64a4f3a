#![doc = include_str!("../docs/overview.md")]

mod chain;
mod clock;
mod engine;
mod look;
mod permit;
pub mod source;
mod store;

pub use chain::in_one_line;
pub use clock::{Clock, SystemClock, TokioClock};
pub use engine::{AddError, Engine, EngineBuilder, UnknownWorkload, UpdateError, member_key};
pub use look::{Listener, Look, LookFailure, Stage, Strange, Written};
pub use permit::{Always, Permit};
pub use source::{InstanceSample, Measured, Question, Source};
pub use store::{FileStore, MemoryStore, StateStore, StoreError};
