//! Reading the log from one position to another in bounded steps.
//!
//! A walk holds no connection and no snapshot between its reads: each takes what comes next from where the last one
//! ended, up to some bytes. What it remembers is changed only when a read has succeeded, so a read that failed is
//! simply asked again.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt;
use postgres_types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::fault::database_error;
use super::log::{Channels, position_after, read_change, read_change_of};
use super::part_way::Within;
use super::pool::Pool;
use super::resource::RowFilter;
use super::retention;
use super::rows::{PgSnapshot, Xid8, get};
use super::step::{After, Large, Place, START, Step};
use super::whole_step::{self, Bounds};
use crate::words::{Change, CommitHead, Result, Snapshot, Xid};

const CATCH_UP_PLAN: &str = include_str!("../../sql/queries/catch_up_plan.sql");
const CHANGES_BETWEEN: &str = include_str!("../../sql/queries/changes_between.sql");
const LARGE_COMMIT_PARTS: &str = include_str!("../../sql/queries/large_commit_parts.sql");
const LARGE_COMMIT_CHANGES: &str = include_str!("../../sql/queries/large_commit_changes.sql");

/// How much one read may be.
#[derive(Debug, Clone, Copy)]
pub struct Stride {
    /// Bytes of images that are read at once, besides the last row.
    pub bytes: usize,
    /// Log rows of a step, of all channels.
    pub rows: usize,
}

/// Steps a plan looks ahead where nobody says less.
const STEPS_AHEAD: usize = 64;
/// Steps worth of rows that make a commit large.
const LARGE: i64 = 4;
/// Steps that are not read whole after one that was too much for it: its neighbours are likely to be alike.
const APART: u8 = 16;

/// A way through the log, for some channels.
#[derive(Debug)]
pub struct Walk {
    channels: Channels,
    /// Which rows of the one channel it is for, where not for all.
    filter: Option<Arc<RowFilter>>,
    stride: Stride,
    /// Log rows a plan looks ahead, while there are ticks to stop it.
    ahead: usize,
    /// Everything up to here was read.
    since: Snapshot,
    /// The same as a position, which claims nothing that left no trace.
    position: Snapshot,
    until: Snapshot,
    /// The steps before us; empty before the first read and after each plan's last.
    plan: VecDeque<Step>,
    /// How far the present step was read.
    place: Place,
    /// The commit that is read in parts.
    large: Option<Large>,
    /// How many steps from here on are not tried to be read whole.
    apart: u8,
}

/// What one read brought.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Changes in order, each with its commit.
    pub changes: Vec<(CommitHead, Change)>,
    /// The position after them, where one is reached: nothing before it is left to read.
    pub reached: Option<Snapshot>,
    /// The step they are part of; none where there was nothing to read.
    pub within: Option<Within>,
    /// Some of what was to be read is past retention and gone: the changes may have a hole.
    pub expired: bool,
    /// The filter cannot tell any more which changes to return.
    pub altered: bool,
}

type Read = (Vec<(CommitHead, Change)>, After);

impl Walk {
    /// A walk between two positions, of which the later covers the earlier.
    pub fn new(since: Snapshot, until: Snapshot, channels: Channels, stride: Stride) -> Self {
        let position = since.clone();
        let ahead = stride.rows.max(1).saturating_mul(STEPS_AHEAD);
        Self {
            channels,
            filter: None,
            stride,
            ahead,
            since,
            position,
            until,
            plan: VecDeque::new(),
            place: START,
            large: None,
            apart: 0,
        }
    }

    /// The same for the rows that pass a filter: changes are returned as what they are to those.
    #[must_use]
    pub fn filtered(mut self, filter: Option<Arc<RowFilter>>) -> Self {
        self.filter = filter;
        self
    }

    /// The same for who will read only some of the way: plans look no further than about so many log rows.
    #[must_use]
    pub fn looking_ahead(self, rows: usize) -> Self {
        Self { ahead: rows.max(1), ..self }
    }

    /// Reads on. The walk is over when the position it goes to is reached.
    pub async fn read(&mut self, pool: &Pool) -> Result<Chunk> {
        if self.since == self.until {
            return Ok(Chunk { reached: Some(self.until.clone()), ..Chunk::default() });
        }
        let client = pool.client("could not read the log").await?;
        if self.plan.is_empty() {
            self.plan = self.make_plan(&client).await?;
        }
        let Some(step) = self.plan.front().cloned() else {
            return Ok(Chunk::default());
        };
        let (changes, after) = match &self.large {
            Some(large) => self.read_large(&client, &step, large.clone()).await?,
            None => match self.read_whole(&client, &step).await? {
                Some(read) => read,
                None => self.read_step(&client, &step).await?,
            },
        };
        // Looked at after reading: a leaf may have been emptied under the statement that was about to read it.
        let floor = retention::floor(&client).await?;
        let expired = floor.is_some_and(|floor| !self.since.covers_all_of(&floor));
        let (since, position) = (self.since.clone(), self.position.clone());
        let (goal, (below, _)) = (step.goal.clone(), step.ends_below());
        let within = Some(Within { since, position, goal, below });
        drop(client);
        let sifted = match &self.filter {
            Some(filter) => filter.sift(pool, changes).await?,
            None => Some(changes),
        };
        let Some(changes) = sifted else { return Ok(Chunk { altered: true, ..Chunk::default() }) };
        Ok(Chunk { changes, reached: self.go_on(after), within, expired, altered: false })
    }

    /// Remembers where a read has ended; the position, where it ended a step.
    fn go_on(&mut self, after: After) -> Option<Snapshot> {
        match after {
            After::Row(place) => self.place = place,
            After::Commit(large, place) => (self.large, self.place) = (Some(large), place),
            After::Part(large) => self.large = large,
            After::Step { since, position } => {
                self.plan.pop_front();
                (self.place, self.since) = (START, since);
                self.position.clone_from(&position);
                return Some(position);
            }
        }
        None
    }

    async fn make_plan(&self, client: &Client) -> Result<VecDeque<Step>> {
        let rows = i64::try_from(self.stride.rows).unwrap_or(i64::MAX).max(1);
        let ahead = i64::try_from(self.ahead).unwrap_or(i64::MAX);
        let (since, until) = (PgSnapshot(self.since.clone()), PgSnapshot(self.until.clone()));
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&since, Type::PG_SNAPSHOT),
            (&until, Type::PG_SNAPSHOT),
            (&rows, Type::INT8),
            (&ahead, Type::INT8),
        ];
        let found = client.query_typed(CATCH_UP_PLAN, &parameters).await;
        let found = found.map_err(|error| database_error("could not plan a way through the log", error))?;
        let mut plan = VecDeque::new();
        let mut last = None;
        for row in &found {
            let PgSnapshot(goal) = get(row, 0)?;
            let highest = get::<Option<Xid8>>(row, 1)?.map_or(0, |Xid8(xid)| xid);
            // A tick may claim transactions that left nothing in the log; nobody's position does.
            let end = if goal == self.until {
                goal.clone()
            } else {
                position_after(&goal, highest, &self.position)
            };
            if let Some(Xid8(boundary)) = get(row, 2)? {
                let bound = Some((boundary, get(row, 3)?));
                plan.push_back(Step { goal: goal.clone(), bound, end: end.clone() });
            }
            last = Some(Step { goal, bound: None, end });
        }
        plan.extend(last);
        Ok(plan)
    }

    /// Reads a step at once; none where it is too much for that.
    async fn read_whole(&mut self, client: &Client, step: &Step) -> Result<Option<Read>> {
        if self.place != START {
            return Ok(None);
        }
        if self.apart > 0 {
            self.apart -= 1;
            return Ok(None);
        }
        let (below, next_seq) = step.ends_below();
        let most = usize::try_from(self.large_size()).unwrap_or(usize::MAX);
        let bounds =
            Bounds { since: &self.since, goal: &step.goal, below, next_seq, most, bytes: self.stride.bytes };
        let Some(whole) = whole_step::read(client, &self.channels, &bounds).await? else {
            self.apart = APART;
            return Ok(None);
        };
        Ok(Some((whole.changes, step.over(whole.deferred))))
    }

    async fn read_step(&self, client: &Client, step: &Step) -> Result<Read> {
        let failed = |error| database_error("could not read the log", error);
        let (since, goal) = (PgSnapshot(self.since.clone()), PgSnapshot(step.goal.clone()));
        let (below, next_seq) = step.ends_below();
        let below = Xid8(below);
        let names = self.channels.names();
        let Place(last_seq, place, rank, seq) = self.place;
        let bytes = i64::try_from(self.stride.bytes).unwrap_or(i64::MAX);
        let large = self.large_size();
        let parameters: [(&(dyn ToSql + Sync), Type); 11] = [
            (&since, Type::PG_SNAPSHOT),
            (&goal, Type::PG_SNAPSHOT),
            (&below, Type::XID8),
            (&next_seq, Type::INT8),
            (&names, Type::TEXT_ARRAY),
            (&last_seq, Type::INT8),
            (&place, Type::INT8),
            (&rank, Type::INT4),
            (&seq, Type::INT8),
            (&bytes, Type::INT8),
            (&large, Type::INT8),
        ];
        // Not prepared: a pooler in transaction mode does not mind.
        let mut rows = pin!(client.query_typed_raw(CHANGES_BETWEEN, parameters).await.map_err(failed)?);
        let mut read = StepRead::default();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            read.take(&row)?;
        }
        self.after_step_read(client, step, read).await
    }

    async fn after_step_read(&self, client: &Client, step: &Step, read: StepRead) -> Result<Read> {
        let after = if let Some((head, Place(last_seq, ..))) = read.large {
            let parts = self.parts_of(client, step, head.xid).await?;
            After::Commit(Large { head, parts, place: (0, 0, 0) }, Place(last_seq, i64::MAX, 0, 0))
        } else if let Some(last) = read.last.filter(|_| read.available > read.changes.len()) {
            After::Row(last)
        } else {
            step.over(read.deferred)
        };
        Ok((read.changes, after))
    }

    async fn parts_of(&self, client: &Client, step: &Step, xid: Xid) -> Result<VecDeque<(i64, i64, i64)>> {
        let (commit, next, goal) = (Xid8(xid), Xid8(xid.saturating_add(1)), PgSnapshot(step.goal.clone()));
        let names = self.channels.names();
        let bytes = i64::try_from(self.stride.bytes).unwrap_or(i64::MAX).max(1);
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&commit, Type::XID8),
            (&next, Type::XID8),
            (&goal, Type::PG_SNAPSHOT),
            (&names, Type::TEXT_ARRAY),
            (&bytes, Type::INT8),
        ];
        let rows = client.query_typed(LARGE_COMMIT_PARTS, &parameters).await;
        let rows = rows.map_err(|error| database_error("could not divide a large commit", error))?;
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?))).collect()
    }

    async fn read_large(&self, client: &Client, step: &Step, mut large: Large) -> Result<Read> {
        let Some(&(upto, from_seq, to_seq)) = large.parts.front() else {
            return Ok((Vec::new(), After::Part(None)));
        };
        let xid = large.head.xid;
        let (commit, next, goal) = (Xid8(xid), Xid8(xid.saturating_add(1)), PgSnapshot(step.goal.clone()));
        let names = self.channels.names();
        let (place, rank, seq) = large.place;
        let bytes = i64::try_from(self.stride.bytes).unwrap_or(i64::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 11] = [
            (&commit, Type::XID8),
            (&next, Type::XID8),
            (&goal, Type::PG_SNAPSHOT),
            (&from_seq, Type::INT8),
            (&to_seq, Type::INT8),
            (&names, Type::TEXT_ARRAY),
            (&place, Type::INT8),
            (&rank, Type::INT4),
            (&seq, Type::INT8),
            (&upto, Type::INT8),
            (&bytes, Type::INT8),
        ];
        let rows = client.query_typed(LARGE_COMMIT_CHANGES, &parameters).await;
        let rows = rows.map_err(|error| database_error("could not read a large commit", error))?;
        let available = rows.first().map_or(Ok(0), |row| get::<i64>(row, 0))?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            large.place = (get(row, 1)?, get(row, 2)?, get(row, 3)?);
            changes.push((large.head.clone(), read_change_of(row, 3)?));
        }
        if available <= i64::try_from(rows.len()).unwrap_or(i64::MAX) {
            large.parts.pop_front();
            large.place = (upto, 2, 0);
        }
        Ok((changes, After::Part(Some(large))))
    }

    fn large_size(&self) -> i64 {
        i64::try_from(self.stride.rows).unwrap_or(i64::MAX).saturating_mul(LARGE)
    }
}

/// The rows of one read of a step.
#[derive(Default)]
struct StepRead {
    changes: Vec<(CommitHead, Change)>,
    deferred: Vec<Xid>,
    available: usize,
    last: Option<Place>,
    /// The commit that stopped it; rows after that one are read again.
    large: Option<(CommitHead, Place)>,
}

impl StepRead {
    fn take(&mut self, row: &Row) -> Result<()> {
        if self.last.is_none() {
            self.deferred = get::<Vec<Xid8>>(row, 0)?.into_iter().map(|Xid8(xid)| xid).collect();
            self.available = usize::try_from(get::<i64>(row, 1)?).unwrap_or(usize::MAX);
        }
        let Some(last_seq) = get(row, 2)? else { return Ok(()) };
        let place = Place(last_seq, get(row, 3)?, get(row, 4)?, get(row, 7)?);
        let Some((head, change)) = read_change(row, 6)?.filter(|_| self.large.is_none()) else {
            return Ok(());
        };
        self.last = Some(place);
        if get(row, 5)? {
            self.large = Some((head, place));
        } else {
            self.changes.push((head, change));
        }
        Ok(())
    }
}
