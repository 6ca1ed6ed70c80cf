//! Rowbell turns the tables of any PostgreSQL into a live, resumable, transactional change feed.

pub mod words;
pub mod pg;
