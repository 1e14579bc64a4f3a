#![doc = include_str!("../docs/overview.md")]
#![cfg(unix)]

mod command;
mod executable;
mod gate;
mod guard;
pub mod pool;
mod tree;

pub use command::{CommandError, Limits, Output, Program, Stream};
pub use pool::{PoolSpec, ProcessPool, ReadyWhen, Restarts};
