//! What a subscription knows: where it is, what it may hand out, and what it asks for next. No sockets, no time.

use std::collections::VecDeque;

use serde_json::json;
use serde_json::value::RawValue;

use super::change::Commit;
use super::error::{Error, Result};
use super::frame::{Frame, ResetReason};

/// What a subscription tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The position is held: nothing after `cursor` is missed. Comes on every connection that is made, but not on one
    /// that brings a snapshot, whose last `Rows` carry the cursor.
    Subscribed {
        /// Where the subscription is.
        cursor: String,
        /// True when it continues from a cursor.
        recovered: bool,
    },
    /// A snapshot begins: forget what earlier rows and commits built. Only after [`Subscribe::snapshot`].
    ///
    /// [`Subscribe::snapshot`]: super::Subscribe::snapshot
    SnapshotBegins,
    /// Some rows of the snapshot.
    Rows(Rows),
    /// Whole commits, in order; to be applied together with their cursor.
    Commits(Commits),
    /// Part of a frame that goes on; void unless its `Commits` follows. Only after [`Subscribe::in_parts`].
    ///
    /// A commit cut in two comes in both parts under the same `xid`.
    ///
    /// [`Subscribe::in_parts`]: super::Subscribe::in_parts
    Part(Vec<Commit>),
    /// The subscription cannot be continued: commits may be missing. With a snapshot it begins anew by itself;
    /// otherwise this is the last event: read the rows anew, then subscribe since their cursor.
    Reset(ResetReason),
    /// The channel is watched no longer; the last event.
    Unwatched,
    /// The connection is lost, or could not be made; the next one is made by itself. Parts and rows since the last
    /// cursor are void.
    Disconnected(Error),
}

/// Rows of one channel in a snapshot.
#[derive(Debug)]
pub struct Rows {
    /// The channel they are of.
    pub channel: String,
    /// Each row as JSON text.
    pub rows: Vec<Box<RawValue>>,
    /// The position of the snapshot, with the last rows of all; commits continue exactly there.
    pub cursor: Option<String>,
}

/// What one drain of the server yielded.
#[derive(Debug)]
pub struct Commits {
    /// Whole transactions in order; none when only the cursor moves.
    pub commits: Vec<Commit>,
    /// The position after them: store it together with what you applied.
    pub cursor: String,
}

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    Since(String),
    Snapshot,
}

/// How frames are handed out that come in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Put together, up to so many bytes.
    Whole(usize),
    /// As they come.
    Apart,
}

/// What the connection is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Read,
    /// Begin anew on another connection.
    Reconnect,
    /// Nothing more will come.
    End,
}

/// One subscription across all its connections; owned by its stream.
#[derive(Debug)]
pub(super) struct Course {
    topic: String,
    start: Start,
    parts: Parts,
    /// The last cursor whose whole frame was handed out.
    position: Option<String>,
    /// True once `SnapshotBegins` was told on this connection.
    in_snapshot: bool,
    /// Of the frame that is not whole yet.
    gathered: Vec<Commit>,
    gathered_bytes: usize,
    /// What is to be told: at most what one frame leads to, since nothing is read while anything stands here.
    told: VecDeque<Result<Event>>,
}

impl Course {
    pub(super) fn new(topic: String, start: Start, parts: Parts) -> Self {
        let position = if let Start::Since(since) = &start { Some(since.clone()) } else { None };
        Self {
            topic,
            start,
            parts,
            position,
            in_snapshot: false,
            gathered: Vec::new(),
            gathered_bytes: 0,
            told: VecDeque::new(),
        }
    }

    /// The `subscribe` frame of the next connection.
    pub(super) fn wish(&self) -> String {
        match &self.position {
            Some(since) => json!({"type": "subscribe", "topic": self.topic, "since": since}),
            None if self.start == Start::Snapshot => {
                json!({"type": "subscribe", "topic": self.topic, "snapshot": true})
            }
            None => json!({"type": "subscribe", "topic": self.topic}),
        }
        .to_string()
    }

    /// What is to be told next.
    pub(super) fn take(&mut self) -> Option<Result<Event>> {
        self.told.pop_front()
    }

    /// Takes one frame; `bytes` is what it took on the wire.
    pub(super) fn heard(&mut self, frame: Frame, bytes: usize) -> Next {
        match frame {
            Frame::Welcome { .. } | Frame::Other => Next::Read,
            Frame::Subscribed { cursor, recovered } => self.subscribed(cursor, recovered),
            Frame::Rows { channel, rows, cursor } => self.rows(Rows { channel, rows, cursor }),
            Frame::Commits { commits, cursor } => self.commits(commits, cursor, bytes),
            Frame::Reset(reason) => self.reset(reason),
            Frame::Unsubscribed => {
                self.tell(Event::Unwatched);
                Next::End
            }
            Frame::Refused(error) => self.failed(error),
        }
    }

    /// The connection is lost, was refused, or spoke nonsense.
    pub(super) fn failed(&mut self, error: Error) -> Next {
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.in_snapshot = false;
        if error.is_temporary() {
            self.tell(Event::Disconnected(error));
            return Next::Reconnect;
        }
        self.told.push_back(Err(error));
        Next::End
    }

    fn subscribed(&mut self, cursor: String, recovered: bool) -> Next {
        if self.in_first_rows() {
            self.begin_snapshot();
            return Next::Read;
        }
        // A time is where a subscription begins once; from then on it is at a cursor.
        if self.position.as_ref().is_none_or(|since| since.contains(':')) {
            self.position = Some(cursor.clone());
        }
        self.tell(Event::Subscribed { cursor, recovered });
        Next::Read
    }

    fn rows(&mut self, rows: Rows) -> Next {
        if !self.in_first_rows() {
            return self.failed(Error::unexpected("rows came that nobody asked for"));
        }
        self.begin_snapshot();
        let cursor = rows.cursor.clone();
        self.tell(Event::Rows(rows));
        if cursor.is_some() {
            self.position = cursor;
            self.in_snapshot = false;
        }
        Next::Read
    }

    /// True until the snapshot that was asked for is whole.
    fn in_first_rows(&self) -> bool {
        self.start == Start::Snapshot && self.position.is_none()
    }

    fn begin_snapshot(&mut self) {
        if !std::mem::replace(&mut self.in_snapshot, true) {
            self.tell(Event::SnapshotBegins);
        }
    }

    fn commits(&mut self, commits: Vec<Commit>, cursor: Option<String>, bytes: usize) -> Next {
        if self.position.is_none() {
            return self.failed(Error::unexpected("commits came before the subscription was held"));
        }
        match (cursor, self.parts) {
            (Some(cursor), _) => {
                join(&mut self.gathered, commits);
                self.gathered_bytes = 0;
                self.position = Some(cursor.clone());
                let commits = std::mem::take(&mut self.gathered);
                self.tell(Event::Commits(Commits { commits, cursor }));
            }
            (None, Parts::Apart) => self.tell(Event::Part(commits)),
            (None, Parts::Whole(limit)) => {
                self.gathered_bytes += bytes;
                if self.gathered_bytes > limit {
                    let told = format!("one frame is over {limit} bytes: allow more, or take it in parts");
                    return self.failed(Error::too_large(told));
                }
                join(&mut self.gathered, commits);
            }
        }
        Next::Read
    }

    fn reset(&mut self, reason: ResetReason) -> Next {
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.in_snapshot = false;
        self.tell(Event::Reset(reason));
        if self.start != Start::Snapshot {
            return Next::End;
        }
        self.position = None;
        Next::Reconnect
    }

    fn tell(&mut self, event: Event) {
        self.told.push_back(Ok(event));
    }
}

/// Appends the commits of the next part, of which the first may be the rest of the last one.
fn join(gathered: &mut Vec<Commit>, commits: Vec<Commit>) {
    for commit in commits {
        match gathered.last_mut().filter(|last| last.xid == commit.xid) {
            Some(last) => last.changes.extend(commit.changes),
            None => gathered.push(commit),
        }
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
