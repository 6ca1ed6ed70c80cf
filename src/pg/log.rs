//! Reading the log: what committed between two positions.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt;
use postgres_types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use super::fault::database_error;
use super::order::{self, in_order};
use super::retention;
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::{Change, Commit, CommitHead, Error, Op, Result, Snapshot, Xid};

const CHANGES_SINCE: &str = include_str!("../../sql/queries/changes_since.sql");
const CHANNELS_BETWEEN: &str = include_str!("../../sql/queries/channels_between.sql");
const POSITION_NOW: &str = include_str!("../../sql/queries/position_now.sql");
const FLUSH_LOG: &str = include_str!("../../sql/queries/flush_log.sql");

/// Which channels a read of the log returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channels {
    /// All of them.
    All,
    /// These.
    Only(Vec<Arc<str>>),
}

impl Channels {
    pub(super) fn names(&self) -> Option<Vec<&str>> {
        match self {
            Channels::All => None,
            Channels::Only(names) => Some(names.iter().map(|name| &**name).collect()),
        }
    }
}

/// The result of one drain.
#[derive(Debug)]
pub struct Drained {
    /// The position reached, cut.
    pub position: Snapshot,
    /// The oldest transaction that was still open.
    pub xmin: Xid,
    /// What committed on the way there.
    pub batch: Batch,
    /// What was dropped of the log by then: where the start does not cover it, the batch may have a hole.
    pub floor: Option<Snapshot>,
    /// How often the ring of leaves was turned, if one leaf has all rows that come after the position until the next turn.
    pub turns: Option<i64>,
}

/// What a drain brought.
#[derive(Debug)]
pub enum Batch {
    /// Commits in order.
    Commits(Vec<Commit>),
    /// More than fits into memory: whoever wants it reads the log by themselves. With the channels it is about,
    /// where they are known.
    TooLarge(Option<BTreeSet<String>>),
}

/// The position "now", cut and durable.
pub async fn position_now(client: &Client) -> Result<Snapshot> {
    let (snapshot, highest) = durable_now(client).await?;
    Ok(snapshot.cut(highest))
}

/// Goes from a position to "now" without reading what lies between, however much it is.
pub async fn pass_over(client: &Client, since: &Snapshot) -> Result<Drained> {
    let (snapshot, highest) = durable_now(client).await?;
    let position = position_after(&snapshot, highest, since);
    let (xmin, floor) = (snapshot.xmin(), retention::floor(client).await?);
    Ok(Drained { position, xmin, batch: Batch::TooLarge(None), floor, turns: None })
}

/// A snapshot of which everything is on disk, and the highest transaction that left a trace in it.
async fn durable_now(client: &Client) -> Result<(Snapshot, Xid)> {
    let failed = |error| database_error("could not read the position of the log", error);
    let row = client.query_one(POSITION_NOW, &[]).await.map_err(failed)?;
    let (PgSnapshot(snapshot), Xid8(highest)) = (get(&row, 0)?, get(&row, 1)?);
    wait_until_durable(client).await?;
    Ok((snapshot, highest))
}

/// A snapshot, cut; never claiming less than the position it started from.
pub(super) fn position_after(snapshot: &Snapshot, highest: Xid, since: &Snapshot) -> Snapshot {
    snapshot.cut(highest.max(since.xmax().saturating_sub(1)))
}

/// The statements of a connection that drains.
#[derive(Debug, Clone)]
pub struct Drain {
    changes: Statement,
    floor: Statement,
}

/// Prepares the drain of a listening connection.
pub async fn prepare_drain(client: &Client) -> Result<Drain> {
    let changes = client.prepare(CHANGES_SINCE).await;
    let changes = changes.map_err(|error| database_error("could not prepare to read the log", error))?;
    Ok(Drain { changes, floor: retention::prepare_floor(client).await? })
}

/// What a row weighs of which only the number is wanted.
const UNWANTED: usize = 64;

/// Reads everything that committed since a position, in at most `limit` bytes.
pub async fn drain(
    client: &Client,
    statements: &Drain,
    since: &Snapshot,
    channels: &Channels,
    limit: usize,
) -> Result<Drained> {
    let read = gather(client, &statements.changes, since, channels, limit);
    // Sent along with the first statement and answered after all of its rows, which is when the floor must be known.
    let (read, floor) = futures::join!(read, retention::prepared_floor(client, &statements.floor));
    let Some(read) = read? else { return pass_by(client, since).await };
    let floor = floor?;
    read.conclude(client, since, floor).await
}

/// Goes on to "now" past more than can be held, and says whom it concerns.
async fn pass_by(client: &Client, since: &Snapshot) -> Result<Drained> {
    let (snapshot, highest) = durable_now(client).await?;
    let position = position_after(&snapshot, highest, since);
    let batch = Batch::TooLarge(Some(channels_between(client, since, &position).await?));
    let (xmin, floor) = (snapshot.xmin(), retention::floor(client).await?);
    Ok(Drained { position, xmin, batch, floor, turns: None })
}

/// Reads what committed since a position; none where it is more than `limit` bytes.
pub(super) async fn gather(
    client: &Client,
    changes: &Statement,
    since: &Snapshot,
    channels: &Channels,
    limit: usize,
) -> Result<Option<Read>> {
    let (names, from) = (channels.names(), PgSnapshot(since.clone()));
    let parameters: [&(dyn ToSql + Sync); 2] = [&from, &names];
    let failed = |error| database_error("could not read the log", error);
    let mut rows = pin!(client.query_raw(changes, parameters).await.map_err(failed)?);
    let mut read = None;
    let mut weight = 0;
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let read = match &mut read {
            Some(read) => read,
            None => read.insert(Read::begin(&row)?),
        };
        weight += read.take(&row)?;
        if weight > limit {
            return Ok(None);
        }
    }
    read.map(Some).ok_or_else(|| Error::unexpected("the log was read without a position"))
}

/// The channels with changes between two positions.
async fn channels_between(client: &Client, since: &Snapshot, until: &Snapshot) -> Result<BTreeSet<String>> {
    let (from, to) = (PgSnapshot(since.clone()), PgSnapshot(until.clone()));
    let rows = client
        .query_typed(CHANNELS_BETWEEN, &[(&from, Type::PG_SNAPSHOT), (&to, Type::PG_SNAPSHOT)])
        .await
        .map_err(|error| database_error("could not look who has something to read", error))?;
    rows.iter().map(|row| get(row, 0)).collect()
}

/// Waits until everything visible now is on disk: what was sent to a client must survive a crash.
pub(super) async fn wait_until_durable(client: &Client) -> Result<()> {
    let failed = |error| database_error("could not wait for the write-ahead log", error);
    client.query_typed_one(FLUSH_LOG, &[]).await.map_err(failed)?;
    Ok(())
}

/// What one read of the log brought so far.
pub(super) struct Read {
    snapshot: Snapshot,
    /// How often the ring was turned in that snapshot; none where two leaves may take rows.
    pub(super) turns: Option<i64>,
    /// The highest transaction that left a trace among what is new.
    highest: Xid,
    /// True while all of it is on disk.
    durable: bool,
    rows: Vec<(CommitHead, order::Row)>,
}

impl Read {
    /// The first row says what was read from. A tick counts, here as in every position: one node must not claim less
    /// than another has handed out. Of the log what is new is enough: whoever reads on claims at least the position it
    /// came from, and so all that was there.
    fn begin(row: &Row) -> Result<Self> {
        let PgSnapshot(snapshot) = get(row, 0)?;
        let highest = get::<Option<Xid8>>(row, 1)?.map_or(0, |Xid8(xid)| xid);
        Ok(Self { snapshot, turns: get(row, 2)?, highest, durable: true, rows: Vec::new() })
    }

    /// Takes a row of the log, if it is one; what it weighs.
    fn take(&mut self, row: &Row) -> Result<usize> {
        if get::<Option<Xid8>>(row, 3)?.is_none() {
            return Ok(0);
        }
        let head = read_head(row, 3)?;
        self.highest = self.highest.max(head.xid);
        self.durable &= get::<bool>(row, 14)?;
        let change = if get(row, 15)? { Some(read_change_of(row, 4)?) } else { None };
        let weight = change.as_ref().map_or(UNWANTED, Change::weight);
        self.rows.push((head, order::Row { seq: get(row, 4)?, change }));
        Ok(weight)
    }

    /// What was read from a position on, once it is on disk.
    pub(super) async fn conclude(
        self,
        client: &Client,
        since: &Snapshot,
        floor: Option<Snapshot>,
    ) -> Result<Drained> {
        if !self.durable {
            wait_until_durable(client).await?;
        }
        let position = position_after(&self.snapshot, self.highest, since);
        let (xmin, turns) = (self.snapshot.xmin(), self.turns);
        Ok(Drained { position, xmin, batch: Batch::Commits(self.commits()), floor, turns })
    }

    fn commits(self) -> Vec<Commit> {
        let commits = in_order(self.rows).into_iter().map(|commit| {
            let head = commit.head.clone();
            Commit { head, changes: commit.into_changes() }
        });
        commits.filter(|commit| !commit.changes.is_empty()).collect()
    }
}

/// The commit and the change of a row whose columns begin with the transaction at `first`.
pub(super) fn read_change(row: &Row, first: usize) -> Result<Option<(CommitHead, Change)>> {
    if get::<Option<Xid8>>(row, first)?.is_none() {
        return Ok(None);
    }
    Ok(Some((read_head(row, first)?, read_change_of(row, first + 1)?)))
}

/// What such a row says of its commit.
fn read_head(row: &Row, first: usize) -> Result<CommitHead> {
    let Xid8(xid) = get(row, first)?;
    let (at, actor, branch) = (get(row, first + 8)?, get(row, first + 9)?, get(row, first + 10)?);
    Ok(CommitHead { xid, at, actor, branch })
}

/// The change of a row whose columns begin with the number at `first`.
pub(super) fn read_change_of(row: &Row, first: usize) -> Result<Change> {
    let word: &str = get(row, first + 2)?;
    let op = Op::from_word(word)
        .ok_or_else(|| Error::unexpected("the log holds an op this version does not know"))?;
    Ok(Change {
        seq: get(row, first)?,
        channel: Arc::from(get::<&str>(row, first + 1)?),
        op,
        id: get(row, first + 3)?,
        version: get(row, first + 4)?,
        row: get(row, first + 5)?,
        old: get(row, first + 6)?,
    })
}
