//! Floor 1: the only owner of SQL and of `tokio_postgres`.

pub mod bell;
pub mod catalog;
pub mod connect;
pub mod embedded;
pub mod log;
pub mod migrate;
pub mod origin;
mod rows;
