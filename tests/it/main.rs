//! Everything that needs a real PostgreSQL, in one binary.

mod connect;
mod embedded;
mod pool;
mod support;
mod tls;
