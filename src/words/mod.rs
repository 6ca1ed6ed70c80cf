//! Floor 0: the words everything else is said in. No PostgreSQL, no sockets, no tasks.

pub mod address;
pub mod change;
pub mod config;
pub mod cursor;
pub mod error;
pub mod filter;
pub mod frame;
pub mod image;
pub mod merge;
pub mod query;
pub mod row;
pub mod time;
pub mod topic;

pub use change::{Change, Commit, CommitHead, Op};
pub use config::{FeedConfig, KeeperConfig, RestConfig, ServeConfig};
pub use cursor::{BadCursor, Cursor, Origin, Snapshot, Xid};
pub use error::{Error, Result};
pub use filter::{BadQuery, Comparison, Condition, Filter, Letters, Test, Truth};
pub use query::{Count, ListQuery, Ordering};
pub use row::RowBody;
pub use time::parse_time;
pub use topic::{BadTopic, Topic};
