//! The order in which changes are told, made of rows as they were logged.
//!
//! Commits come in the order of their last numbers, and within a commit rows by their versions: a number is drawn after
//! the write and a version before it, so only versions put nested writes in order. A delete comes before the same
//! transaction makes the row anew, or makes it elsewhere: a move between partitions logs the delete of one leaf and at
//! once the insert into the other. PostgreSQL would sort four times for it, which costs it five times as much as
//! reading the rows; most commits are one row, and in order as they are.

use crate::words::{Change, CommitHead, Op};

/// One row of the log.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seq: i64,
    /// None of a channel that is not wanted: such a row only helps to put commits in order.
    pub(super) change: Option<Change>,
}

/// One commit as it was logged.
#[derive(Debug)]
pub(super) struct Logged {
    /// Of its last row.
    pub(super) head: CommitHead,
    /// By their numbers.
    rows: Vec<Row>,
}

/// Rows, each with what it says of its commit, as commits in the order they are told.
pub(super) fn in_order(mut rows: Vec<(CommitHead, Row)>) -> Vec<Logged> {
    rows.sort_by_key(|(head, row)| (head.xid, row.seq));
    let mut commits: Vec<Logged> = Vec::with_capacity(rows.len());
    for (head, row) in rows {
        match commits.last_mut() {
            Some(commit) if commit.head.xid == head.xid => {
                commit.head = head;
                commit.rows.push(row);
            }
            _ => commits.push(Logged { head, rows: vec![row] }),
        }
    }
    commits.sort_by_key(Logged::last_seq);
    commits
}

impl Logged {
    pub(super) fn last_seq(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.seq)
    }

    /// What is wanted of it, in order.
    pub(super) fn into_changes(self) -> Vec<Change> {
        if self.rows.len() == 1 {
            return self.rows.into_iter().filter_map(|row| row.change).collect();
        }
        let places = places(&self.rows);
        let placed = places.into_iter().zip(self.rows);
        let mut placed: Vec<_> = placed.filter_map(|(place, row)| Some((place, row.change?))).collect();
        placed.sort_by_key(|(place, change)| (*place, change.op != Op::Delete, change.seq));
        placed.into_iter().map(|(_, change)| change).collect()
    }
}

/// Where the rows of a commit belong in it; of those that are not wanted it does not matter.
fn places(rows: &[Row]) -> Vec<i64> {
    let is_delete = |row: &Row| row.change.as_ref().is_some_and(|change| change.op == Op::Delete);
    let next = if rows.iter().any(is_delete) { next_versions(rows) } else { Vec::new() };
    let place = |(index, row): (usize, &Row)| {
        let Some(change) = &row.change else { return row.seq };
        if change.op != Op::Delete {
            return change.version.unwrap_or(change.seq);
        }
        let moved = rows.get(index + 1).and_then(|row| row.change.as_ref());
        let moved = moved.filter(|next| next.op == Op::Insert && next.channel == change.channel);
        let moved =
            moved.and_then(|next| next.version).filter(|next| change.version.is_some_and(|own| *next > own));
        [next[index], moved].into_iter().flatten().fold(change.seq, i64::min)
    };
    rows.iter().enumerate().map(place).collect()
}

/// The version that the same row got next.
fn next_versions(rows: &[Row]) -> Vec<Option<i64>> {
    let mut changes: Vec<(usize, &Change)> =
        rows.iter().enumerate().filter_map(|(index, row)| Some((index, row.change.as_ref()?))).collect();
    // Rows without a version come last, as PostgreSQL has it.
    changes.sort_by_key(|(_, change)| {
        (&change.channel, &change.id, change.version.is_none(), change.version, change.op == Op::Delete)
    });
    let mut next = vec![None; rows.len()];
    for pair in changes.windows(2) {
        let ((index, this), (_, that)) = (pair[0], pair[1]);
        if this.channel == that.channel && this.id == that.id {
            next[index] = that.version;
        }
    }
    next
}
