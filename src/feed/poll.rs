//! Long polls: the first whole commits after a position, for clients that ask anew each time.
//!
//! A poll takes its position as a subscription does. If the log holds anything between the client's cursor and that
//! position, it is answered from there, up to as many changes as it wants; else the subscription, which has nothing
//! left to read, waits for what comes. It walks as a subscription that is behind does, so between two reads an answer
//! holds neither connection nor snapshot, however slowly it is taken and however large its commits are.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Feed, Opened, Shared, Start, Subscription};
use crate::pg::catch_up::{Chunk, Stride, Walk};
use crate::pg::log::Channels;
use crate::pg::part_way::{self, Within};
use crate::words::frame::{AnswerEncoder, ResetReason};
use crate::words::{Change, CommitHead, Cursor, Error, Op, Result, Snapshot, Topic, Xid};

/// Reads that bring nothing after which an answer ends where it is: somebody waits for it.
const FRUITLESS: u32 = 512;

/// Bytes a read asks for at least: one commit may be large, however few changes are wanted.
const LEAST_READ: usize = 128 << 10;

/// What an answer goes on with, in changes or bytes, when no cursor fits where it should end.
const MORE_CHANGES: usize = 256;
const MORE_BYTES: usize = 1 << 20;

/// What became of a poll.
#[derive(Debug)]
pub enum Polled {
    /// There are commits, or at least a way to go on.
    Found(Box<Portion>),
    /// Nothing yet; what comes, comes down this subscription, which holds no connection.
    Nothing(Box<Subscription>),
    /// The position cannot be continued.
    Reset(ResetReason),
    /// There is no such channel.
    UnknownChannel(String),
    /// The topic's filter cannot be meant: the wire's error code, and what to do.
    BadFilter(&'static str, String),
}

/// Whole commits on their way into the body of an answer.
#[derive(Debug)]
pub struct Portion {
    ahead: Ahead,
    /// None once the last piece is out.
    encoder: Option<AnswerEncoder>,
    /// The commit being told, once its first change is; all before it are in the answer.
    open: Option<Open>,
    /// Changes told, and after how many no further commit begins.
    changes: usize,
    wanted: usize,
    /// Bytes of images told, and after how many no further commit begins.
    weight: usize,
    enough: usize,
}

/// A commit of which something was told.
#[derive(Debug)]
struct Open {
    xid: Xid,
    /// The step it is part of.
    within: Option<Within>,
}

/// The log from a position on, one change after the other.
#[derive(Debug)]
struct Ahead {
    shared: Arc<Shared>,
    channels: Channels,
    walk: Walk,
    /// Where the walk ends.
    end: Arc<Cursor>,
    /// Changes that were read and not told.
    pending: VecDeque<(CommitHead, Change)>,
    /// The step of those.
    within: Option<Within>,
    /// The position after those, where one is reached.
    reached: Option<Snapshot>,
    /// The commit that was looked at as a whole, since it did not end where a read did.
    known: Option<Xid>,
    /// The newest position that was passed since a change was told.
    passed: Option<Snapshot>,
    /// Reads since a change was told.
    fruitless: u32,
}

/// What comes next.
enum Next {
    /// The next change is of this commit.
    Commit(Xid),
    /// A commit that changes the meaning of a channel, or of the topic's filter.
    StartsOver,
    /// Nothing up to this position, which is the end, or as far as it is worth to look for now.
    Nothing(Snapshot),
}

impl Feed {
    /// The first whole commits of a topic after a position: so many that they hold `changes` changes, or all there
    /// are. A portion also ends with the commit in which it grows beyond `drain_limit`.
    pub async fn poll(&self, topic: Topic, since: Cursor, changes: u32) -> Result<Polled> {
        let mut subscription = match self.subscribe(topic.clone(), Start::After(since.clone())).await? {
            Opened::Held(subscription) => subscription,
            Opened::Reset(reason) => return Ok(Polled::Reset(reason)),
            Opened::UnknownChannel(name) => return Ok(Polled::UnknownChannel(name)),
            Opened::BadFilter(code, told) => return Ok(Polled::BadFilter(code, told)),
        };
        let until = subscription.position();
        if until.snapshot == since.snapshot {
            return Ok(Polled::Nothing(subscription));
        }
        let wanted = usize::try_from(changes).unwrap_or(usize::MAX);
        let mut ahead = Ahead::new(Arc::clone(&self.0), &topic, &since.snapshot, Arc::clone(&until), wanted);
        ahead.walk = ahead.walk.filtered(subscription.filter());
        match ahead.next().await {
            Ok(Next::Commit(_)) => {}
            Ok(Next::Nothing(position)) if position == until.snapshot => {
                subscription.pass_over();
                return Ok(Polled::Nothing(subscription));
            }
            Ok(Next::Nothing(_)) => {}
            Ok(Next::StartsOver) => return Ok(Polled::Reset(ResetReason::Schema)),
            Err(Stop::Expired) => return Ok(Polled::Reset(ResetReason::Expired)),
            Err(Stop::Failed(error)) => return Err(error),
        }
        drop(subscription);
        let encoder = Some(AnswerEncoder::new(self.0.config.frame_limit));
        let enough = self.0.config.drain_limit;
        let (open, changes, weight) = (None, 0, 0);
        Ok(Polled::Found(Box::new(Portion { ahead, encoder, open, changes, wanted, weight, enough })))
    }
}

/// Why there is no next.
enum Stop {
    /// Some of it is past retention and gone.
    Expired,
    /// The log could not be read.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Expired => Error::unavailable("a part of the log was dropped before it was read"),
            Stop::Failed(error) => error,
        }
    }
}

impl Ahead {
    fn new(shared: Arc<Shared>, topic: &Topic, since: &Snapshot, end: Arc<Cursor>, wanted: usize) -> Self {
        let channels = topic.channels().map_or(Channels::All, |names| Channels::Only(names.to_vec()));
        // Who wants few changes does not read, nor look ahead, as far as one who wants all.
        let bytes = shared.config.chunk.min(wanted.saturating_mul(1024).max(LEAST_READ));
        let stride = Stride { bytes, rows: shared.config.step };
        let walk = Walk::new(since.clone(), end.snapshot.clone(), channels.clone(), stride)
            .looking_ahead(shared.config.step.max(wanted));
        Self {
            shared,
            channels,
            walk,
            end,
            pending: VecDeque::new(),
            within: None,
            reached: None,
            known: None,
            passed: None,
            fruitless: 0,
        }
    }

    /// Looks at what comes next; reads only where nothing that was read is left.
    async fn next(&mut self) -> Result<Next, Stop> {
        loop {
            if let Some((head, change)) = self.pending.front() {
                if self.starts_over(change.op) {
                    return Ok(Next::StartsOver);
                }
                if change.op == Op::Unwatch {
                    self.pending.pop_front();
                    continue;
                }
                let xid = head.xid;
                return Ok(if self.commit_starts_over(xid).await? {
                    Next::StartsOver
                } else {
                    Next::Commit(xid)
                });
            }
            if let Some(reached) = self.reached.take() {
                let looked_enough = self.fruitless >= FRUITLESS && self.cursor(reached.clone()).fits();
                if reached == self.end.snapshot || looked_enough {
                    self.reached = Some(reached.clone());
                    return Ok(Next::Nothing(reached));
                }
                self.passed = Some(reached);
            }
            let Chunk { changes, reached, within, expired, altered } =
                self.walk.read(&self.shared.pool).await?;
            if expired {
                return Err(Stop::Expired);
            }
            if altered {
                return Ok(Next::StartsOver);
            }
            self.fruitless = self.fruitless.saturating_add(1);
            (self.pending, self.reached, self.within) = (changes.into(), reached, within);
        }
    }

    fn starts_over(&self, op: Op) -> bool {
        op == Op::Resync || op == Op::Unwatch && self.channels == Channels::All
    }

    /// Whether anything in a commit changes the meaning of a channel: none of it may be told then.
    async fn commit_starts_over(&mut self, xid: Xid) -> Result<bool> {
        if self.known == Some(xid) {
            return Ok(false);
        }
        let of_it = self.pending.iter().take_while(|(head, _)| head.xid == xid);
        let found = of_it.clone().any(|(_, change)| self.starts_over(change.op));
        let whole = of_it.count() < self.pending.len() || self.reached.is_some();
        let starts_over =
            found || !whole && part_way::starts_over(&self.shared.pool, xid, &self.channels).await?;
        self.known = Some(xid);
        Ok(starts_over)
    }

    fn cursor(&self, snapshot: Snapshot) -> Cursor {
        Cursor { origin: self.end.origin, snapshot }
    }

    /// The next change, if it is of this commit.
    fn take(&mut self, xid: Xid) -> Option<(CommitHead, Change)> {
        let (head, change) = self.pending.front()?;
        if head.xid != xid || matches!(change.op, Op::Resync | Op::Unwatch) {
            return None;
        }
        (self.fruitless, self.passed) = (0, None);
        self.pending.pop_front()
    }
}

impl Portion {
    /// The next piece of the body; after the last, none. An error means that the body stays broken off.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.encoder.is_some() {
            match self.ahead.next().await? {
                Next::Commit(xid) => {
                    if self.is_enough(xid)
                        && let Some(cursor) = self.cursor().await?
                    {
                        return Ok(self.finish(&cursor));
                    }
                    if let Some(piece) = self.tell(xid) {
                        return Ok(Some(piece));
                    }
                }
                // What is told so far is whole, and the next poll begins with the reason to start over.
                Next::StartsOver => {
                    let cursor = self.cursor().await?;
                    let cursor = cursor
                        .ok_or_else(|| Error::unavailable("no cursor could name all open transactions"))?;
                    return Ok(self.finish(&cursor));
                }
                Next::Nothing(position) => {
                    let cursor = self.ahead.cursor(position);
                    return Ok(self.finish(&cursor));
                }
            }
        }
        Ok(None)
    }

    /// Whether the answer is to end before this commit.
    fn is_enough(&self, next: Xid) -> bool {
        let between = self.open.as_ref().is_some_and(|open| open.xid != next);
        between && (self.changes >= self.wanted || self.weight >= self.enough)
    }

    /// Writes what there is of a commit; a piece, once there is one.
    fn tell(&mut self, xid: Xid) -> Option<Bytes> {
        while let Some((head, change)) = self.ahead.take(xid) {
            if self.open.as_ref().is_none_or(|open| open.xid != xid) {
                self.open = Some(Open { xid, within: self.ahead.within.clone() });
            }
            self.changes += 1;
            self.weight += change.weight();
            let piece = self.encoder.as_mut().and_then(|encoder| encoder.push(&head, &change));
            if piece.is_some() {
                return piece;
            }
        }
        None
    }

    /// The cursor after what was told, which is whole; none where nobody could send it back. Then more is told.
    async fn cursor(&mut self) -> Result<Option<Cursor>> {
        let position = match (&self.ahead.passed, &self.open) {
            (Some(passed), _) => passed.clone(),
            (None, Some(Open { xid, within: Some(within) })) => {
                within.position_after(&self.ahead.shared.pool, *xid).await?
            }
            _ => return Ok(None),
        };
        let cursor = self.ahead.cursor(position);
        if !cursor.fits() {
            self.wanted = self.changes.saturating_add(MORE_CHANGES);
            self.enough = self.weight.saturating_add(MORE_BYTES);
            return Ok(None);
        }
        Ok(Some(cursor))
    }

    fn finish(&mut self, cursor: &Cursor) -> Option<Bytes> {
        let more = cursor.snapshot != self.ahead.end.snapshot;
        self.encoder.take().map(|encoder| encoder.finish(cursor, more))
    }
}
