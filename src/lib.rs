//! Rowbell turns the tables of any PostgreSQL into a live, resumable, transactional change feed.
//!
//! A write anywhere in the database fires triggers that log it and ring a bell; a listener wakes, reads what
//! committed since its last look, and pushes it to whoever subscribed. No application ever publishes an event:
//!
//! ```text
//! any write -> row trigger -> rowbell.sync_log row (+ bell) -> COMMIT
//!        -> listener wakes -> drain -> hub -> session -> WebSocket | events | long poll -> client
//! ```
//!
//! # Words
//!
//! * *channel*: one watched table; what a client subscribes to
//! * *change*: one row inserted, updated or deleted; *commit*: all changes of one transaction, delivered whole
//! * *cursor*: a position in the feed, a PostgreSQL snapshot; *drain*: one read of all commits since a cursor
//! * *bell*: the `NOTIFY` that says there is something to read; it carries no data
//! * *topic*: the channels of one subscription; *hub*: who listens to which topic in this process
//! * *frame*: one message on the wire; *session*: one WebSocket, stream of events, or poll under way
//!
//! Modules stand in the order data flows; each imports only from those above it.
pub mod words;
pub mod pg;
pub mod feed;
pub mod problem;
pub mod auth;
pub mod body;
pub mod socket;
pub mod rest;
pub mod operate;
pub mod server;
pub mod client;
pub mod cli;

pub use client::Client;
