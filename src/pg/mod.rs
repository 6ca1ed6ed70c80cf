//! Floor 1: the only owner of SQL and of `tokio_postgres`.

mod failure;
mod passfile;
mod target;
mod tls;
mod tls_verify;

pub mod connect;
pub mod conninfo;
pub mod embedded;
pub mod fault;
pub mod link;
pub mod pool;
