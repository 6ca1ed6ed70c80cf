//! What a subscription that is behind does: reads the log in bounded steps and makes frames of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::backoff::Backoff;
use crate::pg::catch_up::{Chunk, Stride, Walk};
use crate::pg::log::Channels;
use crate::pg::resource::RowFilter;
use crate::words::frame::{CommitsEncoder, ResetReason};
use crate::words::{Change, CommitHead, Cursor, Error, Op, Result, Snapshot, Topic};

/// A walk through the log on its way into frames.
///
/// While the client takes what was read, the next read is under way. Besides its two chunks it holds one unfinished
/// part of a frame, and between reads neither connection nor snapshot.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// The read that is under way; none before the first, and while the database is away.
    ahead: Option<AbortOnDropHandle<(Walk, Result<Chunk>)>>,
    /// The walk while no read is under way.
    walk: Option<Walk>,
    until: Arc<Cursor>,
    encoder: CommitsEncoder,
    /// The frame holds changes already, or parts of it have left.
    begun: bool,
    /// A channel of the topic ended on the way.
    ended: bool,
    backoff: Backoff,
}

/// Parts of frames; with each that ends a frame comes its cursor.
pub(super) type Parts = Vec<(Bytes, Option<Arc<Cursor>>)>;

/// What one read came to.
pub(super) enum Step {
    /// There may be more to read.
    On(Parts),
    /// The end is reached.
    Arrived(Parts, Ended),
    /// The client must start over.
    Reset(ResetReason),
    /// Trying again cannot help.
    Failed(Error),
}

/// Whether a channel of the topic ended on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Yes,
    No,
}

impl CatchUp {
    pub(super) fn new(
        shared: &Shared,
        topic: &Topic,
        filter: Option<&Arc<RowFilter>>,
        since: &Snapshot,
        until: Arc<Cursor>,
    ) -> Self {
        let channels = topic.channels().map_or(Channels::All, |names| Channels::Only(names.to_vec()));
        let stride = Stride { bytes: shared.config.chunk, rows: shared.config.step };
        let walk = Walk::new(since.clone(), until.snapshot.clone(), channels, stride);
        let walk = walk.filtered(filter.cloned());
        let encoder = CommitsEncoder::new(topic, shared.config.frame_limit);
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        Self { ahead: None, walk: Some(walk), until, encoder, begun: false, ended: false, backoff }
    }

    /// Reads on. While the database is away it waits and tries again, from where it was.
    pub(super) async fn step(&mut self, shared: &Shared, topic: &Topic) -> Step {
        self.read_ahead(shared);
        let chunk = match self.next_chunk().await {
            Ok(chunk) => chunk,
            Err(error) if error.is_unavailable() => {
                log::warn!("a subscriber's read of the log broke off and is repeated: {}", error.report());
                tokio::time::sleep(self.backoff.pause()).await;
                return Step::On(Parts::new());
            }
            Err(error) => return Step::Failed(error),
        };
        self.backoff.reset();
        if chunk.expired {
            return Step::Reset(ResetReason::Expired);
        }
        if chunk.altered {
            return Step::Reset(ResetReason::Schema);
        }
        if chunk.reached.as_ref() != Some(&self.until.snapshot) {
            self.read_ahead(shared);
        }
        let mut parts = Parts::new();
        for (head, change) in &chunk.changes {
            if let Some(reason) = self.take(topic, head, change, &mut parts) {
                return Step::Reset(reason);
            }
        }
        let Some(position) = chunk.reached else { return Step::On(parts) };
        if position == self.until.snapshot {
            parts.push(self.finish(shared, topic, Arc::clone(&self.until)));
            return Step::Arrived(parts, if self.ended { Ended::Yes } else { Ended::No });
        }
        let cursor = Cursor { origin: self.until.origin, snapshot: position };
        // A step with nothing to say is told with the next; so is one whose cursor nobody could send back.
        if self.begun && cursor.fits() {
            parts.push(self.finish(shared, topic, Arc::new(cursor)));
        }
        Step::On(parts)
    }

    /// Begins the next read, unless one is under way.
    fn read_ahead(&mut self, shared: &Shared) {
        let Some(mut walk) = self.walk.take() else { return };
        let pool = shared.pool.clone();
        let read = async move {
            let chunk = walk.read(&pool).await;
            (walk, chunk)
        };
        self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(read)));
    }

    /// What the read under way brings.
    async fn next_chunk(&mut self) -> Result<Chunk> {
        let stopped = || Error::unexpected("a read of the log did not come to its end");
        let (walk, chunk) =
            self.ahead.take().ok_or_else(stopped)?.await.map_err(|error| stopped().with_source(error))?;
        self.walk = Some(walk);
        chunk
    }

    /// Puts a change into the frame; a reason where the client must start over instead.
    fn take(
        &mut self,
        topic: &Topic,
        head: &CommitHead,
        change: &Change,
        parts: &mut Parts,
    ) -> Option<ResetReason> {
        match change.op {
            Op::Resync => return Some(ResetReason::Schema),
            Op::Unwatch if topic.channels().is_none() => return Some(ResetReason::Schema),
            // The topic's other channels go on to the end, which is what the cursor claims.
            Op::Unwatch => {
                self.ended = true;
                return None;
            }
            Op::Insert | Op::Update | Op::Delete | Op::Truncate | Op::Enter | Op::Leave => {}
        }
        self.begun = true;
        parts.extend(self.encoder.push(head, change).map(|part| (part, None)));
        None
    }

    fn finish(
        &mut self,
        shared: &Shared,
        topic: &Topic,
        cursor: Arc<Cursor>,
    ) -> (Bytes, Option<Arc<Cursor>>) {
        let next = CommitsEncoder::new(topic, shared.config.frame_limit);
        let last = std::mem::replace(&mut self.encoder, next).finish(&cursor);
        self.begun = false;
        (last, Some(cursor))
    }
}
