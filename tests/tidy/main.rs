//! House rules that are tests: what a reviewer would have to say again and again.
//!
//! Every rule is a function from text to problems, one test that runs it over the project, and one that sees it
//! fail on a small text that breaks it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "clippy's leave for tests does not reach what tests share"
)]

mod codes;
mod floors;
mod imports;
mod leftovers;
mod length;
mod libraries;
mod migrations;
mod names;
mod project;
mod rust;
mod sql_in_rust;
mod sql_use;
