//! Rowbell turns the tables of any PostgreSQL into a live, resumable, transactional change feed.

pub mod feed;
pub mod pg;
pub mod words;
