#![doc = include_str!("../docs/overview.md")]

mod api;
mod auth;
mod database;
mod error;
mod ownership;
mod page;
mod progress;
mod readings;
mod recorder;
mod request;
mod server;

pub use auth::Token;
pub use error::ServeError;
pub use server::{Server, Settings};
