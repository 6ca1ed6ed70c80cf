//! From a drain to the event each topic gets.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::hub::Event;
use crate::pg::log::Batch;
use crate::words::frame::{CommitsEncoder, ResetReason};
use crate::words::{Cursor, Op, Topic};

/// One drain, encoded at most once per topic.
#[derive(Debug)]
pub struct Dispatch<'a> {
    batch: &'a Batch,
    cursor: &'a Arc<Cursor>,
    frame_limit: usize,
    /// Events made before the hub was locked.
    prepared: HashMap<Topic, Option<Event>>,
}

impl<'a> Dispatch<'a> {
    /// Encodes for the topics known so far.
    pub fn prepare(
        batch: &'a Batch,
        cursor: &'a Arc<Cursor>,
        frame_limit: usize,
        topics: Vec<Topic>,
    ) -> Self {
        let mut dispatch = Self { batch, cursor, frame_limit, prepared: HashMap::new() };
        dispatch.prepared = topics
            .into_iter()
            .map(|topic| {
                let event = dispatch.encode(&topic);
                (topic, event)
            })
            .collect();
        dispatch
    }

    /// The event of a topic; none when it has nothing to say. A topic that was silent for long gets an empty frame.
    pub fn event_for(&mut self, topic: &Topic, silent: bool) -> Option<Event> {
        let event = self.prepared.remove(topic).unwrap_or_else(|| self.encode(topic));
        if event.is_some() || !silent {
            return event;
        }
        let (parts, cursor) = self.frame(vec![], CommitsEncoder::new(topic, self.frame_limit));
        Some(Event::Frame(parts, cursor))
    }

    fn encode(&self, topic: &Topic) -> Option<Event> {
        let commits = match self.batch {
            Batch::Commits(commits) => commits,
            Batch::TooLarge(channels) => {
                let concerned =
                    channels.as_ref().is_none_or(|names| names.iter().any(|name| topic.holds(name)));
                return concerned.then(|| Event::Behind(Arc::clone(self.cursor)));
            }
        };
        let mut encoder = CommitsEncoder::new(topic, self.frame_limit);
        let mut parts = Vec::new();
        let (mut any, mut ended) = (false, false);
        for commit in commits {
            for change in commit.changes.iter().filter(|change| topic.holds(&change.channel)) {
                match change.op {
                    // What comes before in the same drain is left out: the client starts over anyway.
                    Op::Resync => return Some(Event::Reset(ResetReason::Schema)),
                    Op::Unwatch if topic.channels().is_none() => {
                        return Some(Event::Reset(ResetReason::Schema));
                    }
                    // The topic's other channels go on to the end of the drain, which is what the cursor claims.
                    Op::Unwatch => {
                        ended = true;
                        continue;
                    }
                    Op::Insert | Op::Update | Op::Delete | Op::Truncate => {}
                }
                any = true;
                parts.extend(encoder.push(&commit.head, change));
            }
        }
        if !any {
            return ended.then_some(Event::Unwatched);
        }
        let (parts, cursor) = self.frame(parts, encoder);
        Some(if ended { Event::Last(parts, cursor) } else { Event::Frame(parts, cursor) })
    }

    fn frame(&self, mut parts: Vec<Bytes>, encoder: CommitsEncoder) -> (Arc<[Bytes]>, Arc<Cursor>) {
        parts.push(encoder.finish(self.cursor));
        (parts.into(), Arc::clone(self.cursor))
    }
}
