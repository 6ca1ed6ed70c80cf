//! Rowbell turns the tables of any PostgreSQL into a live, resumable, transactional change feed.

pub mod auth;
pub mod feed;
pub mod pg;
pub mod problem;
pub mod socket;
pub mod words;
