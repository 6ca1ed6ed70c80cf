//! One topic for one session: behind, reading the log; then live.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::catch_up::{CatchUp, Ended, Step};
use super::live::{Event, Place, Sink, Taken};
use super::snapshot::{Frames, Told};
use crate::pg::resource::RowFilter;
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Error, Topic};

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing that committed before.
    Now,
    /// Exactly after this position.
    After(Cursor),
    /// With all rows of the topic's channels, then exactly after the snapshot they were read in.
    Snapshot,
    /// After the newest position known that is not later than this time: all that committed since, and what committed
    /// a moment before.
    At(SystemTime),
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
    /// The topic's filter cannot be meant: the wire's error code, and what to do.
    BadFilter(&'static str, String),
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
}

/// A held position of one topic; dropped, it is given up.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    topic: Topic,
    /// Which rows it is about, where not about all.
    filter: Option<Arc<RowFilter>>,
    /// After everything that was handed out whole.
    cursor: Arc<Cursor>,
    /// The place in the live stream.
    place: Place,
    /// The rows it begins with, while there are more.
    rows: Option<Frames>,
    /// The log between `cursor` and `place.position`, while there is something in it.
    /// In a box, because most have nothing there.
    behind: Option<Box<CatchUp>>,
    /// Parts of frames that wait to be handed out; with each that ends a frame the cursor after it.
    parts: VecDeque<(Bytes, Option<Arc<Cursor>>)>,
    /// What ends the subscription once the parts are handed out.
    end: Option<Delivery>,
    ended: bool,
    /// Why it ended, where that was a fault.
    failure: Option<Error>,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        topic: Topic,
        filter: Option<Arc<RowFilter>>,
        cursor: Arc<Cursor>,
        place: Place,
        rows: Option<Frames>,
    ) -> Self {
        shared.stats.subscriptions.hold();
        let until = Arc::clone(&place.position);
        let mut subscription = Self {
            shared,
            topic,
            filter,
            cursor,
            place,
            rows,
            behind: None,
            parts: VecDeque::new(),
            end: None,
            ended: false,
            failure: None,
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

    /// From now on frames go to a sink on the spot, whenever it has room and `next` waits for one; `next` does not
    /// return those. Others, and all that is no frame, come by `next` as before, in their order.
    pub fn hand_to(&self, sink: Arc<dyn Sink>) {
        self.place.hand_to(sink);
    }

    /// How far the log was read when this subscription took its place; what lies before is not in its stream.
    pub(super) fn position(&self) -> Arc<Cursor> {
        Arc::clone(&self.place.position)
    }

    /// Which rows it is about, where not about all.
    pub(super) fn filter(&self) -> Option<Arc<RowFilter>> {
        self.filter.clone()
    }

    /// Goes on from there: the caller knows that nothing of the topic lies between.
    pub(super) fn pass_over(&mut self) {
        self.behind = None;
        self.cursor = self.position();
    }

    /// Why the subscription ended without a last delivery; taken once.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// The next thing to send; after `Reset` or `Unwatched`, none. None without either is a fault: see `failure`.
    ///
    /// Not cancel-safe: drive one call to its end, e.g. inside `futures::stream::unfold`.
    pub async fn next(&mut self) -> Option<Delivery> {
        while !self.ended {
            if let Some(rows) = &mut self.rows {
                let told = rows.recv().await;
                return self.tell_rows(told);
            }
            if let Some((part, cursor)) = self.parts.pop_front() {
                self.cursor = cursor.unwrap_or_else(|| Arc::clone(&self.cursor));
                return Some(Delivery::Frame(part));
            }
            let end = match (self.end.take(), self.behind.take()) {
                (Some(end), _) => Some(end),
                // Boxed, or those that are live would keep room for it.
                (None, Some(behind)) => Box::pin(self.read_on(behind)).await,
                (None, None) => self.listen().await,
            };
            if end.is_some() {
                self.ended = true;
                return end;
            }
        }
        None
    }

    fn tell_rows(&mut self, told: Option<Told>) -> Option<Delivery> {
        match told {
            Some(Told::Rows(frame)) => Some(Delivery::Frame(frame)),
            Some(Told::Last(frame)) => {
                self.rows = None;
                Some(Delivery::Frame(frame))
            }
            Some(Told::TooSlow) => {
                self.ended = true;
                Some(Delivery::SnapshotTooSlow)
            }
            None => {
                self.ended = true;
                self.failure = Some(Error::unavailable("the database went away while the rows were read"));
                None
            }
        }
    }

    fn fall_behind(&mut self, until: Arc<Cursor>) {
        if self.cursor.snapshot == until.snapshot {
            return;
        }
        self.shared.stats.catch_ups.add(1);
        let behind =
            CatchUp::new(&self.shared, &self.topic, self.filter.as_ref(), &self.cursor.snapshot, until);
        self.behind = Some(Box::new(behind));
    }

    /// Holds the parts of one frame, of which the last carries the cursor.
    fn hold_frame(&mut self, parts: &[Bytes], cursor: Arc<Cursor>) {
        self.parts.extend(parts.iter().map(|part| (part.clone(), None)));
        if let Some((_, after)) = self.parts.back_mut() {
            *after = Some(cursor);
        }
    }

    /// Follows the live stream.
    async fn listen(&mut self) -> Option<Delivery> {
        let taken = self.place.next().await;
        self.cursor = self.place.passed().unwrap_or_else(|| Arc::clone(&self.cursor));
        match taken {
            Taken::Event(Event::Frame(parts, cursor)) => self.hold_frame(&parts, cursor),
            Taken::Event(Event::Behind(until)) => self.fall_behind(until),
            Taken::Event(Event::Reset(reason)) => return Some(Delivery::Reset(reason)),
            Taken::Event(Event::Last(parts, cursor)) => {
                self.hold_frame(&parts, cursor);
                self.end = Some(Delivery::Unwatched);
            }
            Taken::Event(Event::Unwatched) => return Some(Delivery::Unwatched),
            Taken::Lagged => return self.leave_stream(),
        }
        None
    }

    /// Too slow for the stream: goes to its end and reads from the log what lies between.
    fn leave_stream(&mut self) -> Option<Delivery> {
        if !self.shared.hub.rejoin(&self.topic, &mut self.place) {
            return self.last_word();
        }
        self.fall_behind(Arc::clone(&self.place.position));
        None
    }

    /// How the stream ended: its last event is still there, since nothing came after it.
    fn last_word(&mut self) -> Option<Delivery> {
        self.place.skip_lost();
        loop {
            match self.place.try_next() {
                Some(Taken::Event(Event::Reset(reason))) => return Some(Delivery::Reset(reason)),
                Some(Taken::Event(Event::Unwatched)) => return Some(Delivery::Unwatched),
                Some(Taken::Event(Event::Last(_, until))) => {
                    // The log has the frames that were missed, and the end after them.
                    self.fall_behind(until);
                    return None;
                }
                Some(Taken::Event(Event::Frame(..) | Event::Behind(_))) => {}
                // Every stream ends with a last word, so this place is not seen.
                Some(Taken::Lagged) | None => return Some(Delivery::Reset(ResetReason::Schema)),
            }
        }
    }

    /// Reads the log once more.
    async fn read_on(&mut self, mut behind: Box<CatchUp>) -> Option<Delivery> {
        match behind.step(&self.shared, &self.topic).await {
            Step::On(parts) => {
                self.parts.extend(parts);
                self.behind = Some(behind);
            }
            Step::Arrived(parts, ended) => {
                self.parts.extend(parts);
                self.end = (ended == Ended::Yes).then_some(Delivery::Unwatched);
            }
            Step::Reset(reason) => return Some(Delivery::Reset(reason)),
            Step::Failed(error) => {
                self.failure = Some(error);
                self.ended = true;
            }
        }
        None
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.stats.subscriptions.release();
    }
}
