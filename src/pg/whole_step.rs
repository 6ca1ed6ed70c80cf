//! A step of a walk read at once: rows as they were logged, put in order here.
//!
//! The order is that of `sql/queries/changes_since.sql`. PostgreSQL would sort a step four times for it, which costs
//! it five times as much as reading the rows; most commits are one row, and in order as they are.

use std::pin::pin;

use futures::TryStreamExt;
use postgres_types::{ToSql, Type};
use tokio_postgres::Client;

use super::fault::database_error;
use super::log::{Channels, read_change};
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::{Change, CommitHead, Op, Result, Snapshot, Xid};

const WHOLE_STEP: &str = include_str!("../../sql/queries/whole_step.sql");

/// What a step is, and how much of it may be read at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) since: &'a Snapshot,
    pub(super) goal: &'a Snapshot,
    /// Below which transaction it ends.
    pub(super) below: Xid,
    /// Commits whose last number is not below this one are left for later.
    pub(super) next_seq: i64,
    /// Rows at most.
    pub(super) most: usize,
    /// Bytes of images at most.
    pub(super) bytes: usize,
}

/// A step in order.
#[derive(Debug)]
pub(super) struct WholeStep {
    pub(super) changes: Vec<(CommitHead, Change)>,
    /// Transactions left for later.
    pub(super) deferred: Vec<Xid>,
}

/// Reads a step; none where it is more than may be read at once.
pub(super) async fn read(
    client: &Client,
    channels: &Channels,
    bounds: &Bounds<'_>,
) -> Result<Option<WholeStep>> {
    let failed = |error| database_error("could not read the log", error);
    let (since, goal) = (PgSnapshot(bounds.since.clone()), PgSnapshot(bounds.goal.clone()));
    let (below, names) = (Xid8(bounds.below), channels.names());
    // One more tells that there are too many.
    let most = i64::try_from(bounds.most).unwrap_or(i64::MAX).saturating_add(1);
    let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
        (&since, Type::PG_SNAPSHOT),
        (&goal, Type::PG_SNAPSHOT),
        (&below, Type::XID8),
        (&names, Type::TEXT_ARRAY),
        (&most, Type::INT8),
    ];
    // Not prepared: a pooler in transaction mode does not mind.
    let mut rows = pin!(client.query_typed_raw(WHOLE_STEP, parameters).await.map_err(failed)?);
    let mut commits: Vec<Logged> = Vec::new();
    let (mut count, mut weight) = (0, 0);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let Some((head, change)) = read_change(&row, 0)? else { continue };
        let row = Row { change, wanted: get(&row, 11)? };
        count += 1;
        weight += if row.wanted { row.change.weight() } else { 0 };
        if count > bounds.most || weight > bounds.bytes {
            return Ok(None);
        }
        match commits.last_mut() {
            Some(commit) if commit.head.xid == head.xid => {
                commit.head = head;
                commit.rows.push(row);
            }
            _ => commits.push(Logged { head, rows: vec![row] }),
        }
    }
    Ok(Some(in_order(commits, bounds.next_seq)))
}

/// One row of the log; of a channel that is not wanted without images.
#[derive(Debug)]
struct Row {
    change: Change,
    wanted: bool,
}

/// One commit as it was logged.
#[derive(Debug)]
struct Logged {
    /// Of its last row.
    head: CommitHead,
    rows: Vec<Row>,
}

impl Logged {
    fn last_seq(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.change.seq)
    }

    fn put_in_order(&mut self) {
        let places = places(&self.rows);
        let rank = |row: &Row| i32::from(row.change.op != Op::Delete);
        let mut placed: Vec<_> = places.into_iter().zip(self.rows.drain(..)).collect();
        placed.sort_by_key(|(place, row)| (*place, rank(row), row.change.seq));
        self.rows.extend(placed.into_iter().map(|(_, row)| row));
    }
}

/// Commits by their last number, and within each the rows by their places.
fn in_order(mut commits: Vec<Logged>, next_seq: i64) -> WholeStep {
    let deferred = commits.iter().filter(|commit| commit.last_seq() >= next_seq);
    let deferred = deferred.map(|commit| commit.head.xid).collect();
    commits.retain(|commit| commit.last_seq() < next_seq);
    commits.sort_by_key(Logged::last_seq);
    let mut changes = Vec::new();
    for mut commit in commits {
        if commit.rows.len() > 1 {
            commit.put_in_order();
        }
        let wanted = commit.rows.into_iter().filter(|row| row.wanted);
        changes.extend(wanted.map(|row| (commit.head.clone(), row.change)));
    }
    WholeStep { changes, deferred }
}

/// Where the rows of a commit belong in it. `sql/queries/changes_since.sql` says why.
fn places(rows: &[Row]) -> Vec<i64> {
    let next =
        if rows.iter().any(|row| row.change.op == Op::Delete) { next_versions(rows) } else { Vec::new() };
    let place = |(index, row): (usize, &Row)| {
        let change = &row.change;
        if change.op != Op::Delete {
            return change.version.unwrap_or(change.seq);
        }
        let moved = rows.get(index + 1).map(|row| &row.change);
        let moved = moved.filter(|next| next.op == Op::Insert && next.channel == change.channel);
        let moved =
            moved.and_then(|next| next.version).filter(|next| change.version.is_some_and(|own| *next > own));
        [next[index], moved].into_iter().flatten().fold(change.seq, i64::min)
    };
    rows.iter().enumerate().map(place).collect()
}

/// The version that the same row got next.
fn next_versions(rows: &[Row]) -> Vec<Option<i64>> {
    let mut indices: Vec<usize> = (0..rows.len()).collect();
    // Rows without a version come last, as PostgreSQL has it.
    indices.sort_by_key(|index| {
        let change = &rows[*index].change;
        (&change.channel, &change.id, change.version.is_none(), change.version, change.op == Op::Delete)
    });
    let mut next = vec![None; rows.len()];
    for pair in indices.windows(2) {
        let (this, that) = (&rows[pair[0]].change, &rows[pair[1]].change);
        if this.channel == that.channel && this.id == that.id {
            next[pair[0]] = that.version;
        }
    }
    next
}
