//! A step of a walk read at once: rows as they were logged, put in order here.

use std::pin::pin;

use futures::TryStreamExt;
use postgres_types::{ToSql, Type};
use tokio_postgres::Client;

use super::fault::database_error;
use super::log::{Channels, read_change};
use super::order::{Logged, Row, in_order};
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::{Change, CommitHead, Result, Snapshot, Xid};

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
    let mut logged = Vec::new();
    let mut weight = 0;
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let Some((head, change)) = read_change(&row, 0)? else { continue };
        let (seq, wanted) = (change.seq, get::<bool>(&row, 11)?);
        weight += if wanted { change.weight() } else { 0 };
        logged.push((head, Row { seq, change: wanted.then_some(change) }));
        if logged.len() > bounds.most || weight > bounds.bytes {
            return Ok(None);
        }
    }
    let (told, deferred): (Vec<Logged>, Vec<Logged>) =
        in_order(logged).into_iter().partition(|commit| commit.last_seq() < bounds.next_seq);
    let changes = told.into_iter().flat_map(|commit| {
        let head = commit.head.clone();
        commit.into_changes().into_iter().map(move |change| (head.clone(), change))
    });
    let deferred = deferred.iter().map(|commit| commit.head.xid).collect();
    Ok(Some(WholeStep { changes: changes.collect(), deferred }))
}
