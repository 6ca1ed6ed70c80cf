//! Positions between two steps of a walk, for readers who stop where they have enough.

use postgres_types::{ToSql, Type};

use super::fault::database_error;
use super::log::Channels;
use super::pool::Pool;
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::{Error, Result, Snapshot, Xid};

const TOLD_SO_FAR: &str = include_str!("../../sql/queries/told_so_far.sql");
const COMMIT_STARTS_OVER: &str = include_str!("../../sql/queries/commit_starts_over.sql");

/// The step that a read was part of, for who wants a position inside it.
#[derive(Debug, Clone)]
pub struct Within {
    /// Everything up to here had been read before.
    pub(super) since: Snapshot,
    /// The same as a position, which claims nothing that left no trace.
    pub(super) position: Snapshot,
    /// What the step reads from.
    pub(super) goal: Snapshot,
    /// The transaction after the last it may tell.
    pub(super) below: Xid,
}

impl Within {
    /// The position right after a commit that the step tells.
    ///
    /// It covers this commit and all that are told before it, of all channels, and claims nothing above the highest of
    /// them, so that few are left over: those of one step, and those that were open.
    pub async fn position_after(&self, pool: &Pool, commit: Xid) -> Result<Snapshot> {
        let attempted = "could not place a commit in the log";
        let client = pool.client(attempted).await?;
        let (since, goal) = (PgSnapshot(self.since.clone()), PgSnapshot(self.goal.clone()));
        let (below, commit) = (Xid8(self.below), Xid8(commit));
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&since, Type::PG_SNAPSHOT),
            (&goal, Type::PG_SNAPSHOT),
            (&below, Type::XID8),
            (&commit, Type::XID8),
        ];
        let row = client.query_typed_one(TOLD_SO_FAR, &parameters).await;
        let row = row.map_err(|error| database_error(attempted, error))?;
        let xids = |column| -> Result<Vec<Xid>> {
            Ok(get::<Vec<Xid8>>(&row, column)?.iter().map(|xid| xid.0).collect())
        };
        let (told, untold) = (xids(0)?, xids(1)?);
        if told.is_empty() {
            return Err(Error::unavailable("a part of the log was dropped before it was read"));
        }
        Ok(self.goal.part_way(&self.position, &told, &untold))
    }
}

/// True when a commit changes the meaning of one of these channels, so that who reads them must start over.
pub async fn starts_over(pool: &Pool, commit: Xid, channels: &Channels) -> Result<bool> {
    let attempted = "could not look what a commit is about";
    let client = pool.client(attempted).await?;
    let (commit, names) = (Xid8(commit), channels.names());
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&commit, Type::XID8), (&names, Type::TEXT_ARRAY)];
    let row = client.query_typed_one(COMMIT_STARTS_OVER, &parameters).await;
    get(&row.map_err(|error| database_error(attempted, error))?, 0)
}
