//! One topic for one session: behind, reading the log; then live.

use bytes::Bytes;

use crate::words::frame::ResetReason;
use crate::words::{Cursor, Topic};

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing that committed before.
    Now,
    /// Exactly after this position.
    After(Cursor),
}

/// What became of a wish to subscribe.
#[derive(Debug)]
pub enum Opened {
    /// The position is held.
    Held(Subscription),
    /// The position cannot be continued.
    Reset(ResetReason),
    /// There is no such channel.
    UnknownChannel(String),
}

/// What a subscription hands to its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// One part of a `commits` frame, as it goes on the wire.
    Frame(Bytes),
    /// The subscription ended: the client must start over.
    Reset(ResetReason),
    /// The subscription ended: a channel of it is watched no longer.
    Unwatched,
}

/// A held position of one topic; dropped, it is given up.
#[derive(Debug)]
pub struct Subscription {
    topic: Topic,
    cursor: Cursor,
}

impl Subscription {
    /// What it is about.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The position that is held: after the last frame delivered, whole.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The next thing to send; after `Reset` or `Unwatched`, none.
    ///
    /// Not cancel-safe: drive one call to its end, e.g. inside `futures::stream::unfold`.
    pub async fn next(&mut self) -> Option<Delivery> {
        std::future::pending().await
    }
}
