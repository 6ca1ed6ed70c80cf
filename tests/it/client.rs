//! The Rust client against the running server, through a network that misbehaves, and against servers that do.

mod consumer;
mod events;
mod example;
mod faults;
mod kept;
mod rows;
mod strange;
mod tls;
