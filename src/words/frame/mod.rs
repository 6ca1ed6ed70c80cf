//! The wire's messages: what clients send, what they are sent.

mod client;
mod commits;
mod rows;
mod server;

pub use client::{BadFrame, ClientFrame, Subscribe};
pub use commits::CommitsEncoder;
pub use rows::RowsEncoder;
pub use server::{ErrorFrame, ResetReason, error, pong, reset, subscribed, unsubscribed, unwatched, welcome};
