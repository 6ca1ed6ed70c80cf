//! The feed as a session sees it: one stream of news per topic.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};

use crate::feed::{Delivery, Feed, Opened, Polled, Portion, Sink, Start, Stats, Subscription};
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Error, Result, Topic};

/// What a client is told that reads the rows of a snapshot too slowly.
pub(super) const TOO_SLOW: &str = "the rows were read too slowly for one snapshot: page through them by REST, then \
    subscribe since the first page's Rowbell-Cursor";

/// What becomes of a subscription, from the wish to its end.
#[derive(Debug)]
pub enum News {
    /// The position is held; comes once, before any frame.
    Held(Cursor),
    /// One part of a `commits` frame, or a `rows` frame, as it goes on the wire.
    Frame(Bytes),
    /// Ended: the client must start over.
    Reset(ResetReason),
    /// Ended: a channel of the topic is watched no longer.
    Unwatched,
    /// Broke off: the client read its rows too slowly.
    SnapshotTooSlow,
    /// Never began: there is no channel of that name.
    UnknownChannel(String),
    /// Never began: the topic's filter cannot be meant. The wire's error code, and what to do.
    BadFilter(&'static str, String),
    /// Never began, or broke off.
    Failed(Error),
}

/// What there is after a position, for a client that asks anew each time.
pub enum Look {
    /// Commits: the body of the answer, piece by piece. After an error it stays broken off.
    Found(BoxStream<'static, Result<Bytes>>),
    /// Nothing up to this position, and what comes after it.
    Nothing(Cursor, BoxStream<'static, News>),
    /// The news that a subscription would have ended with.
    Ended(News),
}

/// Where sessions get their subscriptions from: the feed, or what a test puts in its place.
pub trait Topics: Send + Sync + 'static {
    /// Subscribes and follows; the stream ends by itself after news of an end, and dropping it gives up.
    fn follow(&self, topic: Topic, start: Start) -> BoxStream<'static, News>;

    /// The same for who has a shorter way for frames: whatever frames the sink takes are not in the stream.
    fn follow_into(&self, topic: Topic, start: Start, sink: Arc<dyn Sink>) -> BoxStream<'static, News> {
        drop(sink);
        self.follow(topic, start)
    }

    /// Looks for the first whole commits after a position, up to as many as hold `changes` changes.
    fn poll(&self, topic: Topic, since: Cursor, changes: u32) -> BoxFuture<'static, Look>;

    /// The counters of this node.
    fn stats(&self) -> &Stats;

    /// How many topics somebody listens to.
    fn topics(&self) -> usize;

    /// The topics most listened to, up to `most`, with how many subscriptions each has here.
    fn listened(&self, most: usize) -> Vec<(String, usize)>;
}

impl Topics for Feed {
    fn follow(&self, topic: Topic, start: Start) -> BoxStream<'static, News> {
        let opening = Opening { feed: self.clone(), topic, start, sink: None };
        stream::unfold(Following::Opening(Box::new(opening)), step).boxed()
    }

    fn follow_into(&self, topic: Topic, start: Start, sink: Arc<dyn Sink>) -> BoxStream<'static, News> {
        let opening = Opening { feed: self.clone(), topic, start, sink: Some(sink) };
        stream::unfold(Following::Opening(Box::new(opening)), step).boxed()
    }

    fn poll(&self, topic: Topic, since: Cursor, changes: u32) -> BoxFuture<'static, Look> {
        let feed = self.clone();
        async move { look(feed.poll(topic, since, changes).await) }.boxed()
    }

    fn stats(&self) -> &Stats {
        Feed::stats(self)
    }

    fn topics(&self) -> usize {
        Feed::topics(self)
    }

    fn listened(&self, most: usize) -> Vec<(String, usize)> {
        Feed::listened(self, most)
    }
}

/// What it takes to begin.
struct Opening {
    feed: Feed,
    topic: Topic,
    start: Start,
    sink: Option<Arc<dyn Sink>>,
}

enum Following {
    /// Boxed, or it would be room in every subscription for as long as that lasts.
    Opening(Box<Opening>),
    Live(Box<Subscription>),
    Over,
}

async fn step(following: Following) -> Option<(News, Following)> {
    match following {
        // Opening is short and its future large; boxed, it takes no room while the subscription lives.
        Following::Opening(opening) => Some(Box::pin(open(*opening)).await),
        Following::Live(mut subscription) => {
            let news = match subscription.next().await {
                Some(Delivery::Frame(frame)) => {
                    return Some((News::Frame(frame), Following::Live(subscription)));
                }
                Some(Delivery::Reset(reason)) => News::Reset(reason),
                Some(Delivery::Unwatched) => News::Unwatched,
                Some(Delivery::SnapshotTooSlow) => News::SnapshotTooSlow,
                None => News::Failed(
                    subscription.failure().unwrap_or_else(|| Error::unavailable("the feed stopped")),
                ),
            };
            Some((news, Following::Over))
        }
        Following::Over => None,
    }
}

fn look(polled: Result<Polled>) -> Look {
    match polled {
        Ok(Polled::Found(portion)) => Look::Found(stream::try_unfold(portion, piece).boxed()),
        Ok(Polled::Nothing(subscription)) => {
            let seen = subscription.cursor().clone();
            Look::Nothing(seen, stream::unfold(Following::Live(subscription), step).boxed())
        }
        Ok(Polled::Reset(reason)) => Look::Ended(News::Reset(reason)),
        Ok(Polled::UnknownChannel(name)) => Look::Ended(News::UnknownChannel(name)),
        Ok(Polled::BadFilter(code, told)) => Look::Ended(News::BadFilter(code, told)),
        Err(error) => Look::Ended(News::Failed(error)),
    }
}

async fn piece(mut portion: Box<Portion>) -> Result<Option<(Bytes, Box<Portion>)>> {
    Ok(portion.next().await?.map(|piece| (piece, portion)))
}

async fn open(opening: Opening) -> (News, Following) {
    let Opening { feed, topic, start, sink } = opening;
    match feed.subscribe(topic, start).await {
        Ok(Opened::Held(subscription)) => {
            if let Some(sink) = sink {
                subscription.hand_to(sink);
            }
            (News::Held(subscription.cursor().clone()), Following::Live(subscription))
        }
        Ok(Opened::Reset(reason)) => (News::Reset(reason), Following::Over),
        Ok(Opened::UnknownChannel(name)) => (News::UnknownChannel(name), Following::Over),
        Ok(Opened::BadFilter(code, told)) => (News::BadFilter(code, told), Following::Over),
        Err(error) => (News::Failed(error), Following::Over),
    }
}
