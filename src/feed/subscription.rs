//! One topic for one session: behind, reading the log; then live.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Shared;
use super::backoff::Backoff;
use super::hub::{Event, Place};
use super::snapshot::{Frames, Told};
use crate::pg::log::{Channels, Reading, read_between};
use crate::words::frame::{CommitsEncoder, ResetReason};
use crate::words::{Cursor, Op, Result, Topic};

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing that committed before.
    Now,
    /// Exactly after this position.
    After(Cursor),
    /// With all rows of the topic's channels, then exactly after the snapshot they were read in.
    Snapshot,
}

/// What became of a wish to subscribe.
#[derive(Debug)]
pub enum Opened {
    /// The position is held.
    Held(Box<Subscription>),
    /// The position cannot be continued.
    Reset(ResetReason),
    /// There is no such channel.
    UnknownChannel(String),
}

/// What a subscription hands to its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// One part of a `commits` frame, or a `rows` frame, as it goes on the wire.
    Frame(Bytes),
    /// The subscription ended: the client must start over.
    Reset(ResetReason),
    /// The subscription ended: a channel of it is watched no longer.
    Unwatched,
    /// The subscription ended: the client read its rows more slowly than one transaction may live.
    SnapshotTooSlow,
    /// The subscription ended: the database went away while its rows were read.
    SnapshotLost,
}

/// A held position of one topic; dropped, it is given up.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    topic: Topic,
    /// After everything that was handed out whole.
    cursor: Arc<Cursor>,
    /// The place in the live stream.
    place: Place,
    /// The rows it begins with, while there are more.
    rows: Option<Frames>,
    /// The log between `cursor` and `place.position`, while there is something in it.
    behind: Option<Behind>,
    /// Parts of a frame that wait to be handed out, and the cursor after them.
    parts: VecDeque<Bytes>,
    after_parts: Arc<Cursor>,
    /// What ends the subscription once the parts are handed out.
    end: Option<Delivery>,
    ended: bool,
}

/// A read of the log on its way into a frame.
#[derive(Debug)]
struct Behind {
    until: Arc<Cursor>,
    /// The rows, while the connection lives.
    reading: Option<Reading>,
    encoder: CommitsEncoder,
    /// Changes already in the frame. A read that broke off is repeated, and yields the same changes in the same
    /// order, so these are passed over.
    taken: usize,
    /// A channel of the topic ended on the way.
    ended: bool,
    backoff: Backoff,
}

/// What one step through the log came to.
enum Step {
    Part(Bytes),
    Finished,
    Reset,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        topic: Topic,
        cursor: Arc<Cursor>,
        place: Place,
        rows: Option<Frames>,
    ) -> Self {
        shared.stats.subscriptions.hold();
        let until = Arc::clone(&place.position);
        let after_parts = Arc::clone(&cursor);
        let mut subscription = Self {
            shared,
            topic,
            cursor,
            place,
            rows,
            behind: None,
            parts: VecDeque::new(),
            after_parts,
            end: None,
            ended: false,
        };
        subscription.fall_behind(until);
        subscription
    }

    /// What it is about.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The position that is held: after the last frame delivered, whole.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// How far the log was read when this subscription took its place; what lies before is not in its stream.
    pub(super) fn position(&self) -> Arc<Cursor> {
        Arc::clone(&self.place.position)
    }

    /// Goes on from there: the caller knows that nothing of the topic lies between.
    pub(super) fn pass_over(&mut self) {
        self.behind = None;
        self.cursor = self.position();
    }

    /// The next thing to send; after `Reset` or `Unwatched`, none.
    ///
    /// Not cancel-safe: drive one call to its end, e.g. inside `futures::stream::unfold`.
    pub async fn next(&mut self) -> Option<Delivery> {
        while !self.ended {
            if let Some(rows) = &mut self.rows {
                let told = rows.recv().await;
                return Some(self.tell_rows(told));
            }
            if let Some(part) = self.parts.pop_front() {
                if self.parts.is_empty() {
                    self.cursor = Arc::clone(&self.after_parts);
                }
                return Some(Delivery::Frame(part));
            }
            let delivery = match (self.end.take(), self.behind.take()) {
                (Some(end), _) => Some(end),
                (None, Some(behind)) => self.read_on(behind).await,
                (None, None) => self.listen().await,
            };
            match delivery {
                Some(Delivery::Frame(part)) => return Some(Delivery::Frame(part)),
                Some(end) => {
                    self.ended = true;
                    return Some(end);
                }
                None => {}
            }
        }
        None
    }

    fn tell_rows(&mut self, told: Option<Told>) -> Delivery {
        match told {
            Some(Told::Rows(frame)) => return Delivery::Frame(frame),
            Some(Told::Last(frame)) => {
                self.rows = None;
                return Delivery::Frame(frame);
            }
            Some(Told::TooSlow) | None => self.ended = true,
        }
        if told.is_some() { Delivery::SnapshotTooSlow } else { Delivery::SnapshotLost }
    }

    fn fall_behind(&mut self, until: Arc<Cursor>) {
        if self.cursor.snapshot == until.snapshot {
            return;
        }
        let encoder = CommitsEncoder::new(&self.topic, self.shared.config.frame_limit);
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        self.shared.stats.catch_ups.add(1);
        self.behind = Some(Behind { until, reading: None, encoder, taken: 0, ended: false, backoff });
    }

    fn hold_parts(&mut self, parts: impl IntoIterator<Item = Bytes>, cursor: Arc<Cursor>) {
        self.parts.extend(parts);
        self.after_parts = cursor;
    }

    /// Follows the live stream.
    async fn listen(&mut self) -> Option<Delivery> {
        match self.place.events.recv().await {
            Ok(Event::Frame(parts, cursor)) => self.hold_parts(parts.iter().cloned(), cursor),
            Ok(Event::Behind(until)) => self.fall_behind(until),
            Ok(Event::Reset(reason)) => return Some(Delivery::Reset(reason)),
            Ok(Event::Last(parts, cursor)) => {
                self.hold_parts(parts.iter().cloned(), cursor);
                self.end = Some(Delivery::Unwatched);
            }
            Ok(Event::Unwatched) => return Some(Delivery::Unwatched),
            Err(RecvError::Lagged(_)) => return self.leave_stream(),
            // Every stream ends with a last word, so this place is not seen.
            Err(RecvError::Closed) => return Some(Delivery::Reset(ResetReason::Schema)),
        }
        None
    }

    /// Too slow for the stream: takes a new place and reads from the log what lies between.
    fn leave_stream(&mut self) -> Option<Delivery> {
        let Some(place) = self.shared.hub.rejoin(&self.topic, &self.place) else {
            return self.last_word();
        };
        let until = Arc::clone(&place.position);
        self.place = place;
        self.fall_behind(until);
        None
    }

    /// How the stream ended: its last event is still there, since nothing came after it.
    fn last_word(&mut self) -> Option<Delivery> {
        loop {
            match self.place.events.try_recv() {
                Ok(Event::Reset(reason)) => return Some(Delivery::Reset(reason)),
                Ok(Event::Unwatched) => return Some(Delivery::Unwatched),
                Ok(Event::Last(_, until)) => {
                    // The log has the frames that were missed, and the end after them.
                    self.fall_behind(until);
                    return None;
                }
                Ok(Event::Frame(..) | Event::Behind(_)) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => {
                    return Some(Delivery::Reset(ResetReason::Schema));
                }
            }
        }
    }

    /// Reads the log until a part is full or the end is reached.
    async fn read_on(&mut self, mut behind: Behind) -> Option<Delivery> {
        match self.step(&mut behind).await {
            Ok(Step::Part(part)) => {
                self.behind = Some(behind);
                Some(Delivery::Frame(part))
            }
            Ok(Step::Finished) => {
                let last = behind.encoder.finish(&behind.until);
                self.hold_parts([last], behind.until);
                self.end = behind.ended.then_some(Delivery::Unwatched);
                None
            }
            Ok(Step::Reset) => Some(Delivery::Reset(ResetReason::Schema)),
            Err(error) => {
                log::warn!("a subscriber's read of the log broke off and is repeated: {}", error.report());
                behind.reading = None;
                tokio::time::sleep(behind.backoff.pause()).await;
                self.behind = Some(behind);
                None
            }
        }
    }

    async fn step(&self, behind: &mut Behind) -> Result<Step> {
        let mut skip = 0;
        if behind.reading.is_none() {
            let channels =
                self.topic.channels().map_or(Channels::All, |names| Channels::Only(names.to_vec()));
            let (since, until) = (&self.cursor.snapshot, &behind.until.snapshot);
            behind.reading = Some(read_between(&self.shared.pool, since, until, &channels).await?);
            skip = behind.taken;
        }
        let Some(reading) = behind.reading.as_mut() else {
            return Ok(Step::Finished);
        };
        while let Some((head, change)) = reading.next().await? {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            match change.op {
                Op::Resync => return Ok(Step::Reset),
                Op::Unwatch if self.topic.channels().is_none() => return Ok(Step::Reset),
                // The topic's other channels go on to the end, which is what the cursor claims.
                Op::Unwatch => {
                    behind.ended = true;
                    continue;
                }
                Op::Insert | Op::Update | Op::Delete | Op::Truncate => {}
            }
            behind.taken += 1;
            if let Some(part) = behind.encoder.push(&head, &change) {
                return Ok(Step::Part(part));
            }
        }
        Ok(Step::Finished)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.stats.subscriptions.release();
    }
}
