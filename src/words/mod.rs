//! Floor 0: the words everything else is said in. No PostgreSQL, no sockets, no tasks.

pub mod error;

pub use error::{Error, Result};
