//! Columns of answers, and PostgreSQL's types for positions on their way in and out.

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use std::error::Error as StdError;
use tokio_postgres::Row;

use crate::words::{Error, Snapshot, Xid};

type Failure = Box<dyn StdError + Sync + Send>;

/// A column of an answer.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column)
        .map_err(|error| Error::unexpected("an answer has a value of an unexpected type").with_source(error))
}

/// An `xid8`.
#[derive(Debug, Clone, Copy)]
pub struct Xid8(pub Xid);

impl<'a> FromSql<'a> for Xid8 {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(XID8);
}

impl ToSql for Xid8 {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.put_u64(self.0);
        Ok(IsNull::No)
    }

    accepts!(XID8);
    to_sql_checked!();
}

/// A snapshot in PostgreSQL's text form: `10:20:10,14`.
pub fn snapshot_text(snapshot: &Snapshot) -> String {
    let in_progress: Vec<_> = snapshot.in_progress().iter().map(ToString::to_string).collect();
    format!("{}:{}:{}", snapshot.xmin(), snapshot.xmax(), in_progress.join(","))
}

/// A `pg_snapshot`: count, xmin, xmax, then the ids in progress.
#[derive(Debug, Clone)]
pub struct PgSnapshot(pub Snapshot);

impl<'a> FromSql<'a> for PgSnapshot {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let (count, rest) = raw.split_first_chunk::<4>().ok_or("a snapshot that is too short")?;
        let numbers: Vec<u64> =
            rest.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_be_bytes).collect();
        match numbers.as_slice() {
            [_xmin, xmax, in_progress @ ..]
                if in_progress.len() == usize::try_from(u32::from_be_bytes(*count))? =>
            {
                Ok(Self(Snapshot::new(*xmax, in_progress.to_vec())))
            }
            _ => Err("a snapshot of the wrong length".into()),
        }
    }

    accepts!(PG_SNAPSHOT);
}

impl ToSql for PgSnapshot {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        out.put_i32(i32::try_from(self.0.in_progress().len())?);
        out.put_u64(self.0.xmin());
        out.put_u64(self.0.xmax());
        for xid in self.0.in_progress() {
            out.put_u64(*xid);
        }
        Ok(IsNull::No)
    }

    accepts!(PG_SNAPSHOT);
    to_sql_checked!();
}
