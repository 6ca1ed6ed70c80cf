//! The feed as a session sees it: one stream of news per topic.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::feed::{Delivery, Feed, Opened, Start, Stats, Subscription};
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Error, Topic};

/// What becomes of a subscription, from the wish to its end.
#[derive(Debug)]
pub enum News {
    /// The position is held; comes once, before any frame.
    Held(Cursor),
    /// One part of a `commits` frame, as it goes on the wire.
    Frame(Bytes),
    /// Ended: the client must start over.
    Reset(ResetReason),
    /// Ended: a channel of the topic is watched no longer.
    Unwatched,
    /// Never began: there is no channel of that name.
    UnknownChannel(String),
    /// Never began, or broke off.
    Failed(Error),
}

/// Where sessions get their subscriptions from: the feed, or what a test puts in its place.
pub trait Topics: Send + Sync + 'static {
    /// Subscribes and follows; the stream ends by itself after news of an end, and dropping it gives up.
    fn follow(&self, topic: Topic, start: Start) -> BoxStream<'static, News>;

    /// The counters of this node.
    fn stats(&self) -> &Stats;

    /// How many topics somebody listens to.
    fn topics(&self) -> usize;
}

impl Topics for Feed {
    fn follow(&self, topic: Topic, start: Start) -> BoxStream<'static, News> {
        stream::unfold(Following::Opening(self.clone(), topic, start), step).boxed()
    }

    fn stats(&self) -> &Stats {
        Feed::stats(self)
    }

    fn topics(&self) -> usize {
        Feed::topics(self)
    }
}

enum Following {
    Opening(Feed, Topic, Start),
    Live(Box<Subscription>),
    Over,
}

async fn step(following: Following) -> Option<(News, Following)> {
    match following {
        // Opening is short and its future large; boxed, it takes no room while the subscription lives.
        Following::Opening(feed, topic, start) => Some(Box::pin(open(feed, topic, start)).await),
        Following::Live(mut subscription) => {
            let news = match subscription.next().await {
                Some(Delivery::Frame(frame)) => {
                    return Some((News::Frame(frame), Following::Live(subscription)));
                }
                Some(Delivery::Reset(reason)) => News::Reset(reason),
                Some(Delivery::Unwatched) => News::Unwatched,
                None => News::Failed(
                    subscription.failure().unwrap_or_else(|| Error::unavailable("the feed stopped")),
                ),
            };
            Some((news, Following::Over))
        }
        Following::Over => None,
    }
}

async fn open(feed: Feed, topic: Topic, start: Start) -> (News, Following) {
    match feed.subscribe(topic, start).await {
        Ok(Opened::Held(subscription)) => {
            (News::Held(subscription.cursor().clone()), Following::Live(subscription))
        }
        Ok(Opened::Reset(reason)) => (News::Reset(reason), Following::Over),
        Ok(Opened::UnknownChannel(name)) => (News::UnknownChannel(name), Following::Over),
        Err(error) => (News::Failed(error), Following::Over),
    }
}
