//! The wire's messages: what clients send, what they are sent.

mod answer;
mod client;
mod commits;
mod outline;
mod rows;
mod server;

pub use answer::AnswerEncoder;
pub use client::{BadFrame, ClientFrame, Subscribe, Token};
pub use commits::{CommitsEncoder, told_alone};
pub use outline::Outline;
pub use rows::RowsEncoder;
pub use server::{ErrorFrame, ResetReason, error, pong, reset, subscribed, unsubscribed, unwatched, welcome};
