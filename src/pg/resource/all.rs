//! Several writes in one transaction: all of them, or none.
//!
//! They are first sent without waiting for one another's answers. Where one of them is not simply done, everything is
//! undone and tried again one by one, so that each finds what those before it left, and the first that fails is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::timeout_at;

use super::batch::{Limits, MOST_UNDER_WAY, Operation, Undone, kept, meanwhile};
use super::claim::Kept;
use super::each::replay;
use super::plan::{Strategy, Writer};
use super::refusal::{self, Failure, Refusal};
use super::session::{End, Session};
use super::table::Table;
use super::write::{self, Stored, Written};
use super::{Resources, TRIES};
use crate::words::Error;

/// Does the writes; the rows they leave.
pub(super) async fn write_all(
    resources: &Resources,
    session: Session,
    operations: &[Operation],
    writer: &Writer,
    limits: Limits,
) -> Result<Vec<Stored>, Undone> {
    let committing = AtomicBool::new(false);
    let whole = Whole { resources, session: &session, operations, writer, limits, committing: &committing };
    match timeout_at(limits.end, whole.run()).await {
        Ok(done) => done,
        Err(_) if committing.load(Ordering::Relaxed) => {
            Err(Failure::Unsure(Error::unavailable("the commit of a batch took too long")).into())
        }
        // The connection is closed with its transaction open, which is never committed then.
        Err(_) => Err(Failure::from(Refusal::TimedOut).into()),
    }
}

struct Whole<'a> {
    resources: &'a Resources,
    session: &'a Session,
    operations: &'a [Operation],
    writer: &'a Writer,
    limits: Limits,
    /// The commit was sent: from then on only its answer tells.
    committing: &'a AtomicBool,
}

impl Whole<'_> {
    async fn run(&self) -> Result<Vec<Stored>, Undone> {
        let (mut under_way, mut attempt, mut looked) = (MOST_UNDER_WAY, 1, false);
        loop {
            let tables = self.tables().await?;
            let undone = match self.once(&tables, under_way).await {
                Ok(stored) => return Ok(stored),
                Err(undone) => undone,
            };
            let failure = match undone.told {
                Err(Failure::Broken(error)) if error.is_unavailable() => {
                    return Err(Undone { place: undone.place, told: Err(error.into()) });
                }
                Err(failure @ Failure::Unsure(_)) => return Err(failure.into()),
                _ if under_way > 1 => {
                    under_way = 1;
                    continue;
                }
                Err(failure) => failure,
                told => return Err(Undone { place: undone.place, told }),
            };
            if failure.is_contended() && attempt < TRIES {
                tokio::time::sleep(refusal::pause(attempt)).await;
                attempt += 1;
                continue;
            }
            let Some(place) = undone.place else { return Err(explained(failure).into()) };
            let (table, change) = (&tables[place], &self.operations[place].change);
            if !looked && self.resources.altered(self.session, table, &failure).await?.is_some() {
                looked = true;
                continue;
            }
            let told = Err(write::explain(self.session, table, change, failure).await);
            return Err(Undone { place: Some(place), told });
        }
    }

    async fn tables(&self) -> Result<Vec<Arc<Table>>, Undone> {
        let mut tables = Vec::with_capacity(self.operations.len());
        for (place, operation) in self.operations.iter().enumerate() {
            let table = self.resources.0.known.table(self.session, &operation.channel).await;
            tables.push(table.map_err(|failure| Undone { place: Some(place), told: Err(failure) })?);
        }
        Ok(tables)
    }

    /// One try, with that many writes under way at once.
    async fn once(&self, tables: &[Arc<Table>], under_way: usize) -> Result<Vec<Stored>, Undone> {
        let kept = kept(self.session, self.operations, self.writer).await?;
        self.session.open().await?;
        let mut rows = Rows { stored: vec![None; self.operations.len()], undone: None, bytes: 0 };
        self.send(tables, under_way, &kept, &mut rows).await;
        if rows.bytes > self.limits.bytes {
            rows.undone.get_or_insert_with(|| Failure::from(Refusal::TooMuch).into());
        }
        if let Some(undone) = rows.undone {
            self.session.close(End::Undo).await?;
            return Err(undone);
        }
        self.committing.store(true, Ordering::Relaxed);
        let committed = self.session.close(End::Commit).await;
        self.committing.store(false, Ordering::Relaxed);
        match committed {
            Ok(()) => Ok(rows.stored.into_iter().flatten().collect()),
            Err(Failure::Broken(error)) => Err(Failure::Unsure(error).into()),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn send(
        &self,
        tables: &[Arc<Table>],
        under_way: usize,
        kept: &HashMap<String, Kept>,
        rows: &mut Rows,
    ) {
        let mut flight = FuturesUnordered::new();
        for (place, operation) in self.operations.iter().enumerate() {
            // What may be written a second time must find nothing of what comes after it.
            let settles = operation.change.strategy != Strategy::Reject;
            let alone = settles || write::reads_again(&tables[place], operation.change.verb);
            let waits = |rows: &Rows| operation.after.is_some_and(|earlier| rows.stored[earlier].is_none());
            while flight.len() >= under_way || (alone && !flight.is_empty()) || waits(rows) {
                let Some((at, told)) = flight.next().await else { break };
                rows.land(at, told);
            }
            if rows.undone.is_some() || rows.bytes > self.limits.bytes {
                break;
            }
            let change =
                operation.resolved(operation.after.and_then(|earlier| rows.stored[earlier].as_ref()));
            if let Some(told) = replay(&tables[place], &change, self.writer, kept) {
                rows.land(place, told);
                continue;
            }
            let ready = write::prepare(self.session, &tables[place], &change, self.writer);
            let _told_later = meanwhile(&mut flight, ready, |(at, told)| rows.land(at, told)).await;
            flight.push(async move {
                (place, write::write(self.session, &tables[place], &change, self.writer).await)
            });
            while alone && let Some((at, told)) = flight.next().await {
                rows.land(at, told);
            }
        }
        while let Some((at, told)) = flight.next().await {
            rows.land(at, told);
        }
    }
}

/// What became of each, as long as nothing failed.
struct Rows {
    stored: Vec<Option<Stored>>,
    undone: Option<Undone>,
    bytes: usize,
}

impl Rows {
    fn land(&mut self, place: usize, told: Result<Written, Failure>) {
        match told {
            Ok(Written::Done(stored)) => {
                self.bytes += stored.row.len();
                self.stored[place] = Some(stored);
            }
            told => {
                self.undone.get_or_insert(Undone { place: Some(place), told });
            }
        }
    }
}

/// A failure of the commit itself, which is about no write alone.
fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(Refusal::Contended) => Refusal::TimedOut.into(),
        Failure::Refused(Refusal::Taken(constraint)) => Refusal::Constraint(constraint).into(),
        other => other,
    }
}
