//! Floor 1: the only owner of SQL and of `tokio_postgres`.

// Getting there.
pub mod conninfo;
mod failure;
mod passfile;
mod target;
mod tls;
mod tls_verify;
pub mod fault;
pub mod link;
pub mod connect;
mod statement;
pub mod pool;
pub mod backend;
pub mod embedded;
// What is there.
mod rows;
pub mod schema;
pub mod migrate;
pub mod business;
pub mod seed;
pub mod origin;
pub mod catalog;
pub mod bell;
pub mod log;
pub mod leaf;
mod order;
pub mod retention;
pub mod part_way;
mod step;
mod whole_step;
pub mod catch_up;
pub mod keeper;
pub mod resource;
