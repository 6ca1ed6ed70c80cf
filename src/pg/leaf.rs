//! Reading the one leaf of the log that takes rows: the way of a listener that is woken by a bell.
//!
//! Which leaf that is, a drain of the whole log says (`Drained::leaf`): in its snapshot nobody could write to another any
//! more. As long as the slot is the same, all that comes after it is in that leaf.

use tokio_postgres::{Client, Statement};

use super::fault::database_error;
use super::log::{Channels, Drained, gather};
use super::statement::fill;
use crate::words::{Result, Snapshot};

const CHANGES_IN_LEAF: &str = include_str!("../../sql/queries/changes_in_leaf.sql");

/// The statements of a connection that drains one leaf.
#[derive(Debug, Clone)]
pub struct Leaf {
    number: i16,
    /// From a position in which no transaction was in progress that counts.
    alone: Statement,
    /// From any position.
    among: Statement,
}

impl Leaf {
    /// Prepares the drain of a leaf.
    pub async fn prepare(client: &Client, number: i16) -> Result<Self> {
        let failed = |error| database_error("could not prepare to read a part of the log", error);
        let prepare = async |still_open: &str| {
            let sql = fill(CHANGES_IN_LEAF, &[("leaf", &number.to_string()), ("still_open", still_open)]);
            client.prepare(&sql).await.map_err(failed)
        };
        let alone = prepare("").await?;
        let among = prepare("or l.xid = any (array(select pg_snapshot_xip($1)))").await?;
        Ok(Self { number, alone, among })
    }

    /// Its number.
    pub fn number(&self) -> i16 {
        self.number
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
            Some(read) if read.leaf == Some(self.number) => {
                read.conclude(client, since, floor.cloned()).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}
