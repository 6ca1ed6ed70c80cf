//! What a session does about its topics: begins to follow them, passes on their news, lets them go.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, AbortHandle};
use serde_json::Value;

use super::{End, Event, Flow, Session};
use crate::feed::Start;
use crate::socket::close::Close;
use crate::socket::outlet::Spout;
use crate::socket::topics::{News, TOO_SLOW};
use crate::socket::wish::Wish;
use crate::words::frame::{self, ErrorFrame, Subscribe};
use crate::words::{Error, Topic};

/// A topic of a session, from the wish on.
pub(super) struct Following {
    topic: Topic,
    /// Echoed by `subscribed`, or by the error in its place.
    reference: Option<Value>,
    /// True when it continues from a cursor.
    recovered: bool,
    asked_by: AskedBy,
    abort: AbortHandle,
    /// What the feed writes this topic's frames to.
    spout: Arc<Spout>,
}

impl Following {
    /// Nothing of the topic follows what the session says from now on.
    pub(super) fn let_go(&self) {
        self.spout.shut();
        // An aborted source yields nothing more.
        self.abort.abort();
    }
}

/// Who asked for a topic: an unknown one in the URL ends the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AskedBy {
    Frame,
    Url,
}

impl Session {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe, asked_by: AskedBy) -> Flow {
        let wish = match Wish::read(&subscribe) {
            Ok(wish) => wish,
            Err(told) => {
                let no_topic = matches!(told.code, "unknown_channel" | "bad_filter");
                self.say(frame::error(told));
                return if no_topic { unknown_topic(asked_by) } else { Flow::Continue(()) };
            }
        };
        let reference = subscribe.reference;
        let limit = self.edge.config().max_topics;
        if self.place_of(&wish.topic).is_some() {
            self.complain(
                "already_subscribed",
                "this topic is subscribed to already",
                &wish.topic,
                reference,
            );
        } else if self.topics.len() >= limit {
            let message = format!("a session holds at most {limit} topics; one topic may name many channels");
            self.complain("too_many_topics", message, &wish.topic, reference);
        } else {
            self.follow(wish, reference, asked_by);
        }
        Flow::Continue(())
    }

    fn follow(&mut self, wish: Wish, reference: Option<Value>, asked_by: AskedBy) {
        let Wish { topic, start } = wish;
        let recovered = matches!(start, Start::After(_));
        let named = topic.clone();
        let spout = Arc::new(Spout::new(&self.outlet));
        let news = self.edge.feed().follow_into(topic.clone(), start, Arc::<Spout>::clone(&spout));
        let (news, abort) = stream::abortable(news.map(move |news| Event::News(named.clone(), news)));
        self.sources.push(news.boxed());
        self.topics.reserve_exact(1);
        self.topics.push(Following { topic, reference, recovered, asked_by, abort, spout });
    }

    fn place_of(&self, topic: &Topic) -> Option<usize> {
        self.topics.iter().position(|following| following.topic == *topic)
    }

    fn forget(&mut self, topic: &Topic) -> Option<Following> {
        self.place_of(topic).map(|place| self.topics.swap_remove(place))
    }

    pub(super) fn unsubscribe(&mut self, topic: String, reference: Option<Value>) {
        let topic = match Topic::parse(&topic) {
            Ok(topic) => topic,
            Err(bad) => {
                let topic = Some(topic);
                let told = ErrorFrame { code: bad.code, message: bad.message, topic, reference };
                return self.say(frame::error(told));
            }
        };
        match self.forget(&topic) {
            Some(following) => {
                following.let_go();
                self.say(frame::unsubscribed(&topic, reference));
            }
            None => self.complain("not_subscribed", "this topic is not subscribed to", &topic, reference),
        }
    }

    /// Passes on what became of a subscription.
    pub(super) fn tell(&mut self, topic: Topic, news: News) -> Flow {
        match news {
            News::Frame(payload) => self.send(payload),
            News::Held(cursor) => {
                if let Some(place) = self.place_of(&topic) {
                    let following = &mut self.topics[place];
                    let (recovered, reference) = (following.recovered, following.reference.take());
                    self.say(frame::subscribed(&topic, &cursor, recovered, reference));
                }
            }
            News::Reset(reason) => {
                self.forget(&topic);
                self.say(frame::reset(&topic, reason));
            }
            News::Unwatched => {
                self.forget(&topic);
                self.say(frame::unwatched(&topic));
            }
            News::SnapshotTooSlow => {
                self.forget(&topic);
                self.complain("snapshot_too_slow", TOO_SLOW, &topic, None);
            }
            News::UnknownChannel(name) => {
                let following = self.forget(&topic);
                let asked_by = following.as_ref().map_or(AskedBy::Frame, |following| following.asked_by);
                let reference = following.and_then(|following| following.reference);
                self.complain("unknown_channel", format!("there is no channel {name:?}"), &topic, reference);
                return unknown_topic(asked_by);
            }
            News::BadFilter(code, told) => {
                let reference = self.forget(&topic).and_then(|following| following.reference);
                self.complain(code, told, &topic, reference);
            }
            News::Failed(error) => return self.fail(&topic, &error),
        }
        Flow::Continue(())
    }

    fn fail(&mut self, topic: &Topic, error: &Error) -> Flow {
        let reference = self.forget(topic).and_then(|following| following.reference);
        if error.is_usage() {
            self.complain("bad_value", error.to_string(), topic, reference);
            return Flow::Continue(());
        }
        if !error.is_unavailable() {
            log::error!("could not serve a subscription: {}", error.report());
            return Flow::Break(End::Closed(Close::Internal));
        }
        log::debug!("could not serve a subscription: {}", error.report());
        self.complain("database_unavailable", "the database is away; try again", topic, reference);
        Flow::Continue(())
    }

    fn complain(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        topic: &Topic,
        reference: Option<Value>,
    ) {
        let topic = Some(topic.text().to_owned());
        self.say(frame::error(ErrorFrame { code, message: message.into(), topic, reference }));
    }
}

fn unknown_topic(asked_by: AskedBy) -> Flow {
    match asked_by {
        AskedBy::Frame => Flow::Continue(()),
        AskedBy::Url => Flow::Break(End::Closed(Close::UnknownTopic)),
    }
}
