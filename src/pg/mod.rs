//! Floor 1: the only owner of SQL and of `tokio_postgres`.

pub mod connect;
pub mod embedded;
