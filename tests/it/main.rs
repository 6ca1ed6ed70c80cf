//! Everything that needs a real PostgreSQL, in one binary.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach what tests share"
)]

mod connect;
mod cursor;
mod durable;
mod embedded;
mod feed;
mod migrate;
mod pool;
mod support;
mod tls;
mod triggers;
mod watching;
