#![doc = include_str!("../docs/overview.md")]

mod api;
mod auth;
mod database;
mod error;
mod ownership;
mod page;
mod progress;
mod queries;
mod readings;
mod recorder;
mod request;
mod server;
mod webhook;

pub use auth::Token;
pub use error::ServeError;
pub use queries::{Queries, QueryError};
pub use server::{Server, Settings};
pub use webhook::{Webhook, WebhookError};
