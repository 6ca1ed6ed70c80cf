//! Everything that needs connections or a real PostgreSQL, in one binary.

// Tests wait within tests' own waits, and the types of futures nest with them.
#![recursion_limit = "256"]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach what tests share"
)]

mod bell;
mod business;
mod catch_up;
mod claims;
mod cli;
mod client;
mod connect;
mod cursor;
mod durable;
mod embedded;
mod examples;
mod faults;
mod feed;
mod filtered;
mod flow;
mod keeper;
mod migrate;
mod operate;
mod parsers;
mod pool;
mod rest;
mod restart;
mod retention;
mod schema;
mod seam;
mod snapshot;
mod seed;
mod socket;
mod support;
mod tls;
mod transports;
mod triggers;
mod walk;
mod watching;
