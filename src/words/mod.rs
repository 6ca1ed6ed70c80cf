//! Floor 0: the words everything else is said in. No PostgreSQL, no sockets, no tasks.

pub mod change;
pub mod config;
pub mod cursor;
pub mod error;
pub mod frame;
pub mod topic;

pub use change::{Change, Commit, CommitHead, Op};
pub use config::{FeedConfig, ServeConfig};
pub use cursor::{BadCursor, Cursor, Origin, Snapshot, Xid};
pub use error::{Error, Result};
pub use topic::{BadTopic, Topic};
