//! Long polls: the first whole commits after a position, for clients that ask anew each time.
//!
//! A poll takes its position as a subscription does. If the log holds anything between the client's cursor and that
//! position, it is answered from there, up to as many changes as it wants; else the subscription, which has nothing
//! left to read, waits for what comes.

use std::sync::Arc;

use bytes::Bytes;

use super::{Feed, Opened, Start, Subscription};
use crate::pg::log::{self, Channels, Reach, Reading};
use crate::words::frame::{AnswerEncoder, ResetReason};
use crate::words::{Cursor, Error, Op, Result, Topic, Xid};

/// What became of a poll.
#[derive(Debug)]
pub enum Polled {
    /// There are commits.
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
    reading: Reading,
    /// None once the last piece is out.
    encoder: Option<AnswerEncoder>,
    since: Cursor,
    until: Arc<Cursor>,
    reach: Reach,
    /// The commit that is being read; those before it are in the answer.
    commits: usize,
    open: Option<Xid>,
    /// Bytes of images read, and after how many no further commit begins.
    weight: usize,
    enough: usize,
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
        let channels = topic.channels().map_or(Channels::All, |names| Channels::Only(names.to_vec()));
        let (from, to, pool) = (&since.snapshot, &until.snapshot, &self.0.pool);
        let reach = log::first_commits(pool, from, to, &channels, changes).await?;
        if reach.starts_over {
            return Ok(Polled::Reset(ResetReason::Schema));
        }
        if reach.taken.is_empty() {
            subscription.pass_over();
            return Ok(Polled::Nothing(subscription));
        }
        drop(subscription);
        let reached = reach.position(from, to, reach.taken.len());
        let reading = log::read_between(pool, from, &reached, &channels).await?;
        let encoder = Some(AnswerEncoder::new(self.0.config.frame_limit));
        let enough = self.0.config.drain_limit;
        let (commits, open, weight) = (0, None, 0);
        Ok(Polled::Found(Box::new(Portion {
            reading,
            encoder,
            since,
            until,
            reach,
            commits,
            open,
            weight,
            enough,
        })))
    }
}

impl Portion {
    /// The next piece of the body; after the last, none. An error means that the body stays broken off.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(None);
        };
        while let Some((head, change)) = self.reading.next().await? {
            if matches!(change.op, Op::Resync | Op::Unwatch) {
                continue;
            }
            if self.open != Some(head.xid) {
                if self.weight >= self.enough {
                    return self.finish().await;
                }
                self.open = Some(head.xid);
                self.commits += 1;
            }
            self.weight += change.weight();
            if let Some(piece) = encoder.push(&head, &change) {
                return Ok(Some(piece));
            }
        }
        self.finish().await
    }

    async fn finish(&mut self) -> Result<Option<Bytes>> {
        // Looked at after reading: a part of it may have been dropped before the read began.
        if self.reading.floor().await?.is_some_and(|floor| !self.since.snapshot.covers_all_of(&floor)) {
            return Err(Error::unavailable("a part of the log was dropped before it was read"));
        }
        let snapshot = self.reach.position(&self.since.snapshot, &self.until.snapshot, self.commits);
        let cursor = Cursor { origin: self.until.origin, snapshot };
        let more = self.reach.more || self.commits < self.reach.taken.len();
        Ok(self.encoder.take().map(|encoder| encoder.finish(&cursor, more)))
    }
}
