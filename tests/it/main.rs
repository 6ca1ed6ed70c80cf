//! The integration tests, in one binary.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach what tests share"
)]

mod socket;
