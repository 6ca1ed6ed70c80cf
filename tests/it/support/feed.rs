//! A feed on a test's database, and a subscriber that keeps books.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::Location;

use rowbell::feed::{Delivery, Feed, Opened, Start, Subscription};
use rowbell::pg::connect::Connector;
use rowbell::pg::pool::PoolOptions;
use rowbell::words::{Cursor, Error, FeedConfig, Topic};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{soon, soon_at};

/// A feed whose listener runs as long as this lives.
pub struct RunningFeed {
    feed: Feed,
    _stop: DropGuard,
}

impl RunningFeed {
    pub fn new(connector: &Connector, config: FeedConfig) -> Self {
        let pool = connector.pool(PoolOptions::of(config.pool)).expect("a pool");
        let (feed, listener) = Feed::new(config, connector.clone(), pool);
        let stop = CancellationToken::new();
        tokio::spawn(listener.run(stop.clone()));
        Self { feed, _stop: stop.drop_guard() }
    }
}

impl Deref for RunningFeed {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        &self.feed
    }
}

/// A subscriber and everything it was told.
pub struct Reader {
    subscription: Box<Subscription>,
    /// Changes in the order they came.
    pub changes: Vec<Value>,
    /// After the last whole frame.
    pub cursor: Cursor,
}

impl Reader {
    #[track_caller]
    pub fn open(feed: &Feed, topic: &str, start: Start) -> impl Future<Output = Self> {
        let wish = feed.subscribe(Topic::parse(topic).expect("a topic"), start);
        let opened = soon(wish);
        async move {
            match opened.await.expect("the database is there") {
                Opened::Held(subscription) => {
                    let cursor = subscription.cursor().clone();
                    Self { subscription, changes: Vec::new(), cursor }
                }
                other => panic!("not held: {other:?}"),
            }
        }
    }

    /// Reads one delivery; frames go into the books.
    #[track_caller]
    pub fn step(&mut self) -> impl Future<Output = Option<Delivery>> + '_ {
        let line = Location::caller();
        async move {
            let delivery = soon_at(line, self.subscription.next()).await?;
            if let Delivery::Frame(part) = &delivery {
                let frame: Value = serde_json::from_slice(part).expect("a frame is JSON");
                for commit in frame["commits"].as_array().expect("commits") {
                    for change in commit["changes"].as_array().expect("changes") {
                        let mut change = change.clone();
                        change["xid"] = commit["xid"].clone();
                        self.changes.push(change);
                    }
                }
                match frame["cursor"].as_str() {
                    Some(text) => self.cursor = Cursor::parse(text).expect("a cursor"),
                    None => assert_eq!(frame["more"], true),
                }
            }
            Some(delivery)
        }
    }

    /// Why the subscription ended, where that was a fault.
    pub fn failure(&mut self) -> Option<Error> {
        self.subscription.failure()
    }

    /// Reads until there are that many changes, and then to the end of the frame.
    #[track_caller]
    pub fn until(&mut self, count: usize) -> impl Future<Output = &mut Self> {
        let line = Location::caller();
        async move {
            let mut open = false;
            while self.changes.len() < count || open {
                let Some(Delivery::Frame(part)) = self.step().await else { panic!("ended early at {line}") };
                open = part.ends_with(br#""more":true}"#);
            }
            self
        }
    }

    /// What happened, as words: `insert 1`.
    pub fn told(&self) -> Vec<String> {
        let word = |change: &Value| {
            format!("{} {}", change["op"].as_str().unwrap_or("?"), change["id"].as_str().unwrap_or("-"))
        };
        self.changes.iter().map(word).collect()
    }

    /// How often each change of the log was told, by its number.
    pub fn counts(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change["seq"].as_i64().expect("a seq")).or_default() += 1;
        }
        counts
    }
}
