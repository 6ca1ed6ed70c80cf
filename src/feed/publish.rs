//! From a drain to the event each topic gets.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::live::Event;
use super::sifting::{Sifted, Told};
use crate::pg::log::Batch;
use crate::words::frame::{CommitsEncoder, ResetReason};
use crate::words::{Commit, Cursor, Op, Topic};

/// One drain, encoded at most once per topic.
#[derive(Debug)]
pub struct Dispatch<'a> {
    batch: &'a Batch,
    cursor: &'a Arc<Cursor>,
    frame_limit: usize,
    /// What the batch is to topics with a filter.
    sifted: &'a Sifted,
    /// Events made before the hub was locked.
    prepared: HashMap<Topic, Option<Event>>,
}

impl<'a> Dispatch<'a> {
    /// Encodes for the topics known so far.
    pub fn prepare(
        batch: &'a Batch,
        cursor: &'a Arc<Cursor>,
        frame_limit: usize,
        sifted: &'a Sifted,
        topics: Vec<Topic>,
    ) -> Self {
        let mut dispatch = Self { batch, cursor, frame_limit, sifted, prepared: HashMap::new() };
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
        // A filter that was not looked after cannot claim that there is nothing to tell.
        let unsure = topic.filter().is_some() && self.sifted.told(topic).is_none();
        if event.is_some() || !silent || unsure {
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
        let mut told = match (topic.filter(), self.sifted.told(topic)) {
            (None, _) => None,
            (Some(_), Some(Told::Changes(told))) => Some(told.iter()),
            (Some(_), Some(Told::Altered)) => return Some(self.altered(topic, commits)),
            (Some(_), None) => return self.left_to_the_log(topic, commits),
        };
        let mut encoder = CommitsEncoder::new(topic, self.frame_limit);
        let mut parts = Vec::new();
        let (mut any, mut ended) = (false, false);
        for commit in commits {
            for change in commit.changes.iter().filter(|change| topic.holds(&change.channel)) {
                let op = match &mut told {
                    None => change.op,
                    Some(told) => match told.next().copied().flatten() {
                        Some(op) => op,
                        None => continue,
                    },
                };
                match op {
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
                    Op::Insert | Op::Update | Op::Delete | Op::Truncate | Op::Enter | Op::Leave => {}
                }
                any = true;
                parts.extend(encoder.push_as(op, &commit.head, change));
            }
        }
        if !any {
            return ended.then_some(Event::Unwatched);
        }
        let (parts, cursor) = self.frame(parts, encoder);
        Some(if ended { Event::Last(parts, cursor) } else { Event::Frame(parts, cursor) })
    }

    /// A topic whose filter cannot tell any more; where its channel ended as well, that is what it is told.
    fn altered(&self, topic: &Topic, commits: &[Commit]) -> Event {
        let mut changes = commits.iter().flat_map(|commit| &commit.changes);
        match changes.any(|change| change.op == Op::Unwatch && topic.holds(&change.channel)) {
            true => Event::Unwatched,
            false => Event::Reset(ResetReason::Schema),
        }
    }

    /// A topic that came while the batch was sifted for the others.
    fn left_to_the_log(&self, topic: &Topic, commits: &[Commit]) -> Option<Event> {
        let mut changes = commits.iter().flat_map(|commit| &commit.changes);
        let concerned = changes.any(|change| topic.holds(&change.channel));
        concerned.then(|| Event::Behind(Arc::clone(self.cursor)))
    }

    fn frame(&self, mut parts: Vec<Bytes>, encoder: CommitsEncoder) -> (Arc<[Bytes]>, Arc<Cursor>) {
        parts.push(encoder.finish(self.cursor));
        (parts.into(), Arc::clone(self.cursor))
    }
}
