//! The position of the feed that belongs to what was read.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::Row;

use super::refusal::Failure;
use super::table::get;
use crate::pg::rows::{PgSnapshot, Xid8, snapshot_text};
use crate::words::{Cursor, Origin, Snapshot};

/// A position of which everything is known to be on disk.
#[derive(Debug)]
pub(super) struct OnDisk(Mutex<Snapshot>);

impl Default for OnDisk {
    fn default() -> Self {
        Self(Mutex::new(Snapshot::new(1, Vec::new())))
    }
}

impl OnDisk {
    pub(super) fn text(&self) -> String {
        snapshot_text(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves on to a position that was cut: what it claims cannot be taken back, so no crash makes it untrue.
    pub(super) fn reach(&self, position: &Snapshot) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if position.covers_all_of(&known) {
            known.clone_from(position);
        }
    }
}

/// What `rowbell.position` said.
pub(super) struct Position {
    pub(super) cursor: Cursor,
    /// A crash could take nothing of it back.
    pub(super) durable: bool,
}

impl Position {
    /// Reads the first five columns of a row; none until the database's generation has been opened.
    pub(super) fn read(row: &Row) -> Result<Option<Self>, Failure> {
        let (PgSnapshot(snapshot), Xid8(highest)) = (get(row, 0)?, get(row, 1)?);
        let (installation, generation): (Option<i64>, Option<i64>) = (get(row, 2)?, get(row, 3)?);
        let durable = get(row, 4)?;
        Ok(installation.zip(generation).map(|(installation, generation)| {
            let origin = Origin { installation, generation };
            Self { cursor: Cursor { origin, snapshot: snapshot.cut(highest) }, durable }
        }))
    }
}
