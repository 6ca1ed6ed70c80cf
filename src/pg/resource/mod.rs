//! Rows of watched tables, read and written by request. PostgreSQL does the typing: rows go in as JSON and come
//! out as the JSON it built; names come from the catalog alone.

mod all;
mod batch;
mod claim;
mod each;
mod described;
mod filter;
mod fit;
mod history;
mod judge;
mod key;
mod known;
mod list;
mod plan;
mod position;
mod refusal;
mod row;
mod session;
mod settle;
mod sift;
mod snapshot;
mod table;
mod takes;
mod write;

pub use batch::{Limits, Operation, Outcome, Undone};
pub use described::{DescribedColumn, DescribedTable, Kind};
pub use history::{AsOf, History, Moment, Page};
pub use judge::{Made, RowFilter, Verdict, judge_all};
pub use list::List;
pub use plan::{Change, Strategy, Verb, Writer};
pub use refusal::{Constraint, Failure, Refusal};
pub use row::CurrentRow;
pub use sift::Images;
pub use snapshot::{RowsPart, Snapshots, TableSnapshot, Taken};
pub use table::Role;
pub use write::{Conflict, Stored, Written};

use std::sync::Arc;

use super::pool::Pool;
use crate::words::ListQuery;
use known::Known;
use position::OnDisk;
use session::Session;
use table::Table;

/// How often a write is tried that other transactions stand in the way of.
const TRIES: u32 = 4;

/// The watched tables, for requests; cheap to clone.
///
/// A call that is dropped before its end is called off: what it was doing is done or not, and nothing in between.
#[derive(Debug, Clone)]
pub struct Resources(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    known: Known,
    on_disk: OnDisk,
    /// Bytes of a list that is still answered.
    answer_limit: usize,
}

impl Resources {
    /// Reads and writes through a pool; a list of more than `answer_limit` bytes is refused.
    pub fn new(pool: Pool, answer_limit: usize) -> Self {
        let shared = Shared { pool, known: Known::default(), on_disk: OnDisk::default(), answer_limit };
        Self(Arc::new(shared))
    }

    /// True for a channel that takes writes, false for one that is feed-only.
    pub async fn takes_writes(&self, channel: &str) -> Result<bool, Failure> {
        let takes = |table: &Table| table.version_name().is_some();
        if let Some(table) = self.0.known.young(channel) {
            return Ok(takes(&table));
        }
        let session = self.0.pool.session("could not look at a table").await?;
        self.0.known.renew(&session, channel).await.map(|table| takes(&table))
    }

    /// The rows a query wants, with the cursor of the snapshot they were read in.
    pub async fn list(&self, channel: &str, query: &ListQuery) -> Result<List, Failure> {
        let session = self.0.pool.session("could not read a list").await?;
        let table = self.0.known.table(&session, channel).await?;
        let list = async |table: &Table| {
            list::list(&session, table, query, &self.0.on_disk, self.0.answer_limit).await
        };
        let (failure, table) = match list(&table).await {
            Err(failure) => match self.altered(&session, &table, &failure).await? {
                Some(now) => (list(&now).await, now),
                None => (Err(failure), table),
            },
            done => (done, table),
        };
        match failure {
            Ok(list) => Ok(list),
            Err(failure) => Err(fit::explain_list(&session, &table, query, failure).await),
        }
    }

    /// One row as it is now; none where there is none.
    pub async fn row(&self, channel: &str, id: &str) -> Result<Option<CurrentRow>, Failure> {
        let session = self.0.pool.session("could not read a row").await?;
        let table = self.0.known.table(&session, channel).await?;
        let failure = match row::read(&session, &table, id).await {
            Err(failure) => failure,
            done => return done,
        };
        let failure = match self.altered(&session, &table, &failure).await? {
            Some(now) => match row::read(&session, &now, id).await {
                Err(failure) => failure,
                done => return done,
            },
            None => failure,
        };
        Err(row::explain(&session, &table, id, failure).await)
    }

    /// Does one write, and commits it.
    pub async fn write(&self, channel: &str, change: &Change, writer: &Writer) -> Result<Written, Failure> {
        let session = self.0.pool.session("could not write").await?;
        self.write_on(&session, channel, change, writer).await
    }

    /// Does several writes, each for itself, in their order; what became of each.
    pub async fn write_each(
        &self,
        operations: &[Operation],
        writer: &Writer,
        limits: Limits,
    ) -> Result<Vec<Outcome>, Failure> {
        let session = self.0.pool.session("could not write").await?;
        Ok(each::write_each(self, session, operations, writer, limits).await)
    }

    /// Does several writes in one transaction: all of them, or none.
    pub async fn write_all(
        &self,
        operations: &[Operation],
        writer: &Writer,
        limits: Limits,
    ) -> Result<Vec<Stored>, Undone> {
        let session = self.0.pool.session("could not write").await?;
        all::write_all(self, session, operations, writer, limits).await
    }

    /// Does one write on a connection on which others may be under way.
    async fn write_on(
        &self,
        session: &Session,
        channel: &str,
        change: &Change,
        writer: &Writer,
    ) -> Result<Written, Failure> {
        let mut table = self.0.known.table(session, channel).await?;
        let (mut attempt, mut looked) = (1, false);
        loop {
            let failure = match write::write(session, &table, change, writer).await {
                // Lost in the middle. What the database itself refused, it has not committed.
                Err(Failure::Broken(error)) if error.is_unavailable() => return Err(Failure::Unsure(error)),
                Err(failure) => failure,
                done => return done,
            };
            if failure.is_contended() && attempt < TRIES {
                tokio::time::sleep(refusal::pause(attempt)).await;
                attempt += 1;
                continue;
            }
            match self.altered(session, &table, &failure).await? {
                Some(now) if !looked => (table, looked) = (now, true),
                _ => return Err(write::explain(session, &table, change, failure).await),
            }
        }
    }

    /// The table's shape now, if it is another one and the failure may come from that.
    async fn altered(
        &self,
        session: &Session,
        table: &Table,
        failure: &Failure,
    ) -> Result<Option<Arc<Table>>, Failure> {
        if !failure.may_be_outdated() {
            return Ok(None);
        }
        let now = self.0.known.renew(session, &table.channel).await?;
        Ok(Some(now).filter(|now| **now != *table))
    }
}
