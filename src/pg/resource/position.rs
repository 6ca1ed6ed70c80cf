//! The position of the feed that belongs to what was read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Row;

use super::refusal::Failure;
use crate::pg::rows::{PgSnapshot, Xid8, get, snapshot_text};
use crate::words::{Cursor, Origin, Snapshot};

/// A position of which everything is known to be on disk; none at first.
#[derive(Debug, Default)]
pub(super) struct OnDisk(Mutex<Option<Cursor>>);

impl OnDisk {
    fn known(&self) -> MutexGuard<'_, Option<Cursor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position for `rowbell.position` to start from.
    pub(super) fn text(&self) -> String {
        let nothing = Snapshot::new(1, Vec::new());
        snapshot_text(self.known().as_ref().map_or(&nothing, |known| &known.snapshot))
    }

    /// Moves on to a position that was cut: what it claims cannot be taken back, so no crash makes it untrue.
    ///
    /// In another life of the database it begins anew, since a promotion may hand out again what was claimed.
    pub(super) fn reach(&self, position: &Cursor) {
        let mut known = self.known();
        let further = |known: &Cursor| {
            known.origin != position.origin || position.snapshot.covers_all_of(&known.snapshot)
        };
        if known.as_ref().is_none_or(further) {
            *known = Some(position.clone());
        }
    }

    /// Whether "durable beyond the known position" says anything in this life of the database.
    fn speaks_of(&self, origin: Origin) -> bool {
        self.known().as_ref().is_none_or(|known| known.origin == origin)
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
    pub(super) fn read(row: &Row, on_disk: &OnDisk) -> Result<Option<Self>, Failure> {
        let (PgSnapshot(snapshot), Xid8(highest)) = (get(row, 0)?, get(row, 1)?);
        let (installation, generation): (Option<i64>, Option<i64>) = (get(row, 2)?, get(row, 3)?);
        let durable: bool = get(row, 4)?;
        Ok(installation.zip(generation).map(|(installation, generation)| {
            let origin = Origin { installation, generation };
            Self {
                cursor: Cursor { origin, snapshot: snapshot.cut(highest) },
                durable: durable && on_disk.speaks_of(origin),
            }
        }))
    }
}
