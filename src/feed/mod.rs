//! Floor 2: commits, cursors and topics in memory.
//!
//! One listening connection per process drains the log when a bell rings; everyone else subscribes here.

mod backoff;
mod catch_up;
mod hub;
mod keeper;
mod listener;
mod live;
mod mode;
mod poll;
mod publish;
mod sifting;
mod rate;
mod sleeper;
mod snapshot;
mod steps;
mod subscription;
pub mod stats;

pub use backoff::Backoff;
pub use keeper::Keeper;
pub use listener::Listener;
pub use live::Sink;
pub use mode::Mode;
pub use poll::{Polled, Portion};
pub use stats::Stats;
pub use steps::{Step, Steps};
pub use subscription::{Delivery, Opened, Start, Subscription};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::pg::connect::Connector;
use crate::pg::origin;
use crate::pg::pool::Pool;
use crate::pg::resource::{Made, RowFilter, Snapshots, TableSnapshot, Taken};
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Error, FeedConfig, Origin, Result, Topic};
use hub::{Hub, Joined};
use live::{Backlog, Place};

/// How long a joiner waits for the database before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The feed of one node; cheap to clone, every session holds one.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

/// What sessions, subscriptions and the listener share.
#[derive(Debug)]
struct Shared {
    config: FeedConfig,
    /// Connections for those behind; the listener has its own.
    pool: Pool,
    snapshots: Snapshots,
    hub: Arc<Hub>,
    stats: Stats,
    steps: Steps,
}

impl Feed {
    /// A feed and the listener that drives it; the caller runs the listener.
    ///
    /// `listen` leads to PostgreSQL itself, never to a pooler in transaction mode.
    pub fn new(config: FeedConfig, listen: Connector, pool: Pool) -> (Self, Listener) {
        let hub = Arc::new(Hub::new(Backlog { events: config.backlog, bytes: config.backlog_bytes }));
        let snapshots = Snapshots::new(listen.clone(), config.snapshots);
        let shared = Arc::new(Shared {
            config,
            pool,
            snapshots,
            hub,
            stats: Stats::default(),
            steps: Steps::default(),
        });
        (Self(Arc::clone(&shared)), Listener::new(listen, shared))
    }

    /// Holds a position for a topic: from now on, or continuing where the client was.
    ///
    /// An error means that the database is away (`is_unavailable`), where the caller may try again, or that the time
    /// to start at is still to come (`is_usage`).
    pub async fn subscribe(&self, topic: Topic, start: Start) -> Result<Opened> {
        let waiting = tokio::time::timeout(PATIENCE, self.open(topic, start)).await;
        waiting.unwrap_or_else(|_| Err(Error::unavailable("the database did not answer in time")))
    }

    async fn open(&self, topic: Topic, start: Start) -> Result<Opened> {
        let hub = &self.0.hub;
        let filter = match (topic.channels(), topic.filter()) {
            (Some([channel]), Some(filter)) => match RowFilter::make(&self.0.pool, channel, filter).await? {
                Made::Filter(filter) => Some(filter),
                Made::UnknownChannel => return Ok(Opened::UnknownChannel(channel.to_string())),
                Made::Bad(code, told) => return Ok(Opened::BadFilter(code, told)),
            },
            _ => None,
        };
        let _wanted = hub.announce(&topic);
        let (seen, rows) = match start {
            Start::Now => (None, None),
            Start::After(cursor) => (Some(cursor), None),
            Start::At(time) => match self.position_at(time).await? {
                Some(cursor) => (Some(cursor), None),
                None => return Ok(Opened::Reset(ResetReason::Expired)),
            },
            Start::Snapshot => match self.0.snapshots.open(topic.channels(), filter.as_deref()).await? {
                Taken::Open(taken) => (Some(taken.cursor.clone()), Some(taken)),
                Taken::UnknownChannel(name) => return Ok(Opened::UnknownChannel(name)),
            },
        };
        let mut judged = None;
        // "From now on" means after a snapshot taken from now on; who continues may take any that is far enough.
        let mut fresh = false;
        if seen.is_none() {
            hub.drained(hub.next_drain()).await;
            fresh = true;
        }
        loop {
            let seen_by = match (&seen, judged) {
                (None, _) => None,
                (Some(cursor), Some(origin)) => Some((cursor, origin)),
                (Some(cursor), None) => match self.judge(cursor).await? {
                    (origin, None) => Some((cursor, *judged.insert(origin))),
                    (_, Some(reason)) => return Ok(Opened::Reset(reason)),
                },
            };
            match hub.join(&topic, filter.as_ref(), seen_by, fresh) {
                Joined::Held(place) => {
                    return Ok(Opened::Held(Box::new(self.hold(topic, filter, seen, rows, place))));
                }
                Joined::Unknown(name) => return Ok(Opened::UnknownChannel(name.to_string())),
                // A fresh snapshot of the same database covers whatever it has ever handed out.
                Joined::Ahead => return Ok(Opened::Reset(ResetReason::Lost)),
                Joined::Moved => {
                    judged = None;
                    continue;
                }
                Joined::NeedsDrain => hub.drained(hub.next_drain()).await,
            }
            fresh = true;
        }
    }

    /// The position of a time; none from before the first that is known.
    async fn position_at(&self, time: SystemTime) -> Result<Option<Cursor>> {
        let here = self.here().await;
        let client = self.0.pool.client("could not look for a position by its time").await?;
        origin::position_at(&client, here.installation, time).await
    }

    /// Which database the feed speaks of, once it knows.
    async fn here(&self) -> Origin {
        let hub = &self.0.hub;
        loop {
            match hub.position() {
                Some(position) => return position.origin,
                None => hub.drained(hub.next_drain()).await,
            }
        }
    }

    /// Why a cursor cannot be continued, none where it can; and the origin for which that holds.
    async fn judge(&self, cursor: &Cursor) -> Result<(Origin, Option<ResetReason>)> {
        let here = self.here().await;
        if cursor.origin == here {
            return Ok((here, self.0.hub.is_expired(&cursor.snapshot).then_some(ResetReason::Expired)));
        }
        let client = self.0.pool.client("could not judge a cursor").await?;
        Ok((here, origin::judge(&client, here, cursor).await?))
    }

    fn hold(
        &self,
        topic: Topic,
        filter: Option<Arc<RowFilter>>,
        seen: Option<Cursor>,
        rows: Option<Box<TableSnapshot>>,
        place: Place,
    ) -> Subscription {
        let cursor = seen.map_or_else(|| Arc::clone(&place.position), Arc::new);
        let FeedConfig { frame_limit, snapshot_patience, .. } = self.0.config;
        let rows = rows.map(|rows| snapshot::read(*rows, &topic, frame_limit, snapshot_patience));
        Subscription::new(Arc::clone(&self.0), topic, filter, cursor, place, rows)
    }

    /// The counters of this node.
    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }

    /// Where a test may hold the listener.
    pub fn steps(&self) -> &Steps {
        &self.0.steps
    }

    /// How many topics somebody listens to.
    pub fn topics(&self) -> usize {
        self.0.hub.topics()
    }

    /// The topics most listened to, up to `most`, with how many subscriptions each has on this node.
    pub fn listened(&self, most: usize) -> Vec<(String, usize)> {
        self.0.hub.listened(most)
    }

    /// For how long the listening connection has been away; none while it is there.
    pub fn away_for(&self) -> Option<Duration> {
        self.0.hub.away_for()
    }
}
