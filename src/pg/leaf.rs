//! Reading the one leaf of the log that takes rows: the way of a listener that is woken by a bell.
//!
//! Which leaf that is, a drain of the whole log says (`Drained::turns`): in its snapshot nobody could write to another any
//! more. As long as the ring is not turned, all that comes after it is in that leaf.

use tokio_postgres::{Client, Statement};

use super::fault::database_error;
use super::log::{Channels, Drained, gather};
use super::statement::fill;
use crate::words::{Result, Snapshot};

const CHANGES_IN_LEAF: &str = include_str!("../../sql/queries/changes_in_leaf.sql");

/// Leaves of the ring.
pub(super) const LEAVES: i16 = 8;

/// The statements of a connection that drains one leaf.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// How often the ring was turned when this leaf came to take rows.
    turns: i64,
    /// From a position in which no transaction was in progress that counts.
    alone: Statement,
    /// From any position.
    among: Statement,
}

impl Leaf {
    /// Prepares the drain of a leaf.
    pub async fn prepare(client: &Client, turns: i64) -> Result<Self> {
        let failed = |error| database_error("could not prepare to read a part of the log", error);
        let prepare = async |still_open: &str| {
            let sql = fill(
                CHANGES_IN_LEAF,
                &[("leaf", &(turns % i64::from(LEAVES)).to_string()), ("still_open", still_open)],
            );
            client.prepare(&sql).await.map_err(failed)
        };
        let alone = prepare("").await?;
        let among = prepare("or l.xid = any (array(select pg_snapshot_xip($1)))").await?;
        Ok(Self { turns, alone, among })
    }

    /// How often the ring was turned when it came to take rows.
    pub fn turns(&self) -> i64 {
        self.turns
    }

    /// Reads everything that committed since a position, if it is in this leaf and at most `limit` bytes; none where the
    /// whole log has to be read. `floor` is what was dropped by then: nothing is dropped of a leaf that takes rows.
    pub async fn drain(
        &self,
        client: &Client,
        since: &Snapshot,
        channels: &Channels,
        limit: usize,
        floor: Option<&Snapshot>,
    ) -> Result<Option<Drained>> {
        let statement = if since.in_progress().is_empty() { &self.alone } else { &self.among };
        match gather(client, statement, since, channels, limit).await? {
            Some(read) if read.turns == Some(self.turns) => {
                read.conclude(client, since, floor.cloned()).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}
