//! The one listening connection: bells in, drains out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::backoff::Backoff;
use super::hub::Published;
use super::publish::Dispatch;
use crate::pg::backend::Backend;
use crate::pg::connect::Connector;
use crate::pg::link::{Link, Message};
use crate::pg::log::{self as pg_log, Batch, Drained, Statement};
use crate::pg::{bell, catalog, migrate, origin};
use crate::words::{Cursor, Error, Origin, Result};

/// A connection that lived this long was healthy: the next trouble starts with the shortest pause.
const HEALTHY: Duration = Duration::from_secs(10);
/// How long a new connection may take until it can drain.
const CONNECTING: Duration = Duration::from_secs(20);
/// How long an answer may take before the server is asked on another connection whether it will come at all.
const UNANSWERED: Duration = Duration::from_secs(2);
/// How often the catalog is read although nobody announced a change: a dropped table rings no bell.
const CATALOG_AGE: Duration = Duration::from_secs(5);

/// Drives a feed; made by `Feed::new`, run by its owner.
pub struct Listener {
    connector: Connector,
    shared: Arc<Shared>,
    /// The last read of the log took too long; the next would take as long, so it passes over what is there.
    overtaxed: AtomicBool,
}

/// One listening connection, ready to drain.
struct Connected {
    link: Link,
    drain: Statement,
    origin: Origin,
    backend: Backend,
    /// Channels whose bells this connection hears.
    heard: BTreeSet<Arc<str>>,
    catalog_read: Instant,
}

/// Why the listener looked up.
enum Woken {
    /// A bell, a heartbeat or a joiner.
    Drain,
    /// The same, and the catalog changed or may have.
    Catalog,
    /// The connection is gone.
    Gap,
}

impl Listener {
    pub(super) fn new(connector: Connector, shared: Arc<Shared>) -> Self {
        Self { connector, shared, overtaxed: AtomicBool::new(false) }
    }

    /// Listens and drains until it is told to stop; a lost connection is made anew.
    ///
    /// An error ends it only where waiting cannot help: an old schema, a log written in another database.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        tokio::select! {
            result = self.keep_listening() => result,
            () = shutdown.cancelled() => Ok(()),
        }
    }

    async fn keep_listening(&self) -> Result<()> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(300));
        loop {
            let begun = Instant::now();
            let lost = match self.listen_once().await {
                Ok(never) => match never {},
                Err(error) if error.is_refused() => return Err(error),
                Err(error) => error,
            };
            self.shared.hub.set_away(true);
            self.shared.stats.reconnects.add(1);
            if begun.elapsed() >= HEALTHY {
                backoff.reset();
            }
            let pause = backoff.pause();
            log::warn!(
                "the listening connection was lost, trying again in {} ms: {}",
                pause.as_millis(),
                lost.report()
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn listen_once(&self) -> Result<std::convert::Infallible> {
        let connected = tokio::time::timeout(CONNECTING, self.connect()).await;
        let mut connected =
            connected.unwrap_or_else(|_| Err(Error::unavailable("the database did not answer in time")))?;
        log::info!("listening on {}", self.connector.describe());
        let mut heartbeat = tokio::time::interval(self.shared.config.heartbeat_drain);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let woken = self.wake(&mut connected, &mut heartbeat).await;
            let backend = connected.backend;
            tokio::select! {
                // First, or an answer that came while this task had no turn would be taken for one that never does.
                biased;
                looked = self.look(&mut connected, woken) => looked?,
                () = self.unanswered(backend) => {
                    return Err(Error::unavailable("the listening connection is open on this side only"));
                }
            }
            self.shared.hub.set_away(false);
        }
    }

    /// Reads what there is to read, for the reason the listener looked up.
    async fn look(&self, connected: &mut Connected, woken: Woken) -> Result<()> {
        match woken {
            Woken::Gap => return Err(Error::unavailable("the listening connection ended")),
            Woken::Catalog => self.read_catalog(connected).await?,
            Woken::Drain if connected.catalog_read.elapsed() >= CATALOG_AGE => {
                self.read_catalog(connected).await?
            }
            Woken::Drain => {}
        }
        let patience = self.shared.config.drain_patience;
        let drained = tokio::time::timeout(patience, self.drain(connected)).await;
        // Or it would be read from the same position again, and never in time.
        self.overtaxed.store(drained.is_err(), Ordering::Relaxed);
        drained.unwrap_or_else(|_| Err(Error::unavailable("the log could not be read in time")))
    }

    /// Returns when an answer is waited for that will never come.
    async fn unanswered(&self, backend: Backend) {
        loop {
            tokio::time::sleep(UNANSWERED).await;
            match tokio::time::timeout(CONNECTING, backend.owes_nothing(&self.connector)).await {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) => {}
                // Who cannot be asked is away, which shows on the listening connection too.
                Ok(Err(error)) => log::debug!("could not look after an answer: {}", error.report()),
                Err(_) => log::debug!("could not look after an answer in time"),
            }
        }
    }

    async fn connect(&self) -> Result<Connected> {
        let link = self.connector.connect("listener").await?;
        migrate::check_schema(&link.client).await?;
        bell::prepare_listener(&link.client).await?;
        let origin = origin::open_origin(&link.client).await?;
        let drain = pg_log::prepare_drain(&link.client).await?;
        let backend = Backend::of(&link.client).await?;
        let (heard, catalog_read) = (BTreeSet::new(), Instant::now());
        let mut connected = Connected { link, drain, origin, backend, heard, catalog_read };
        self.settle_position(&connected).await?;
        self.read_catalog(&mut connected).await?;
        Ok(connected)
    }

    /// Continues from where the last connection stopped, if this database can still tell what came after.
    async fn settle_position(&self, connected: &Connected) -> Result<()> {
        let hub = &self.shared.hub;
        if let Some(position) = hub.position() {
            let Some(reason) = origin::judge(&connected.link.client, connected.origin, &position).await?
            else {
                return Ok(());
            };
            log::error!(
                "the database is not what it was ({}): every subscription starts over",
                reason.word()
            );
            hub.reset_all(reason);
        }
        let snapshot = pg_log::position_now(&connected.link.client).await?;
        hub.begin_at(Arc::new(Cursor { origin: connected.origin, snapshot }));
        Ok(())
    }

    async fn read_catalog(&self, connected: &mut Connected) -> Result<()> {
        // An older state may be put back in one transaction, without a connection noticing.
        if origin::open_origin(&connected.link.client).await? != connected.origin {
            return Err(Error::unavailable("the log is not the one that was opened"));
        }
        let channels = catalog::channels(&connected.link.client).await?;
        self.shared.hub.set_catalog(channels.into_iter().map(|channel| channel.name).collect());
        connected.catalog_read = Instant::now();
        Ok(())
    }

    /// Waits for a reason to drain; bells that came together are one reason.
    async fn wake(&self, connected: &mut Connected, heartbeat: &mut tokio::time::Interval) -> Woken {
        let messages = &mut connected.link.messages;
        let mut woken = tokio::select! {
            message = messages.recv() => Self::heard(message),
            // A joiner may name a channel that was watched a moment ago.
            () = self.shared.hub.wish.notified() => Woken::Catalog,
            _ = heartbeat.tick() => Woken::Drain,
        };
        while let Ok(message) = messages.try_recv() {
            if matches!(Self::heard(Some(message)), Woken::Catalog) {
                woken = Woken::Catalog;
            }
        }
        // The drain that follows is the one a joiner waits for, whatever else woke us.
        let wished = self.shared.hub.wish.notified().now_or_never().is_some();
        if wished && !matches!(woken, Woken::Gap) { Woken::Catalog } else { woken }
    }

    fn heard(message: Option<Message>) -> Woken {
        match message {
            Some(Message::Bell { topic }) if topic == bell::CATALOG_BELL => Woken::Catalog,
            Some(Message::Bell { .. } | Message::Notice { .. }) => Woken::Drain,
            None => Woken::Gap,
        }
    }

    /// One read of the log, from the position reached to now, handed to every topic.
    async fn drain(&self, connected: &mut Connected) -> Result<()> {
        let Shared { hub, config, stats, .. } = &*self.shared;
        let (number, covered) = hub.begin_drain();
        // Heard before it is drained: what commits after the drain's snapshot rings.
        bell::listen_for(&connected.link.client, &mut connected.heard, covered.names()).await?;
        let from =
            hub.position().ok_or_else(|| Error::unexpected("a drain has no position to start from"))?;
        let client = &connected.link.client;
        let drained = if self.overtaxed.load(Ordering::Relaxed) {
            pg_log::pass_over(client, &from.snapshot).await?
        } else {
            let channels = covered.channels();
            pg_log::drain(client, &connected.drain, &from.snapshot, &channels, config.drain_limit).await?
        };
        if drained.floor.as_ref().is_some_and(|floor| !from.snapshot.covers_all_of(floor)) {
            // The next connection finds that its position is past retention.
            return Err(Error::unavailable("the log was emptied before it was read"));
        }
        let Drained { position, batch, floor } = drained;
        let cursor = Arc::new(Cursor { origin: connected.origin, snapshot: position });
        if !cursor.fits() {
            log::warn!(
                "{} transactions are open: nothing is told until they are fewer, because no cursor could name them",
                cursor.snapshot.in_progress().len()
            );
            return Ok(());
        }
        stats.drains.add(1);
        self.count(&batch);
        let mut dispatch = Dispatch::prepare(&batch, &cursor, config.frame_limit, hub.topic_names());
        let published = Published { number, covered, cursor: &cursor, quiet: config.quiet, floor };
        hub.publish(published, |topic, silent| dispatch.event_for(topic, silent));
        hub.end_unwatched();
        Ok(())
    }

    fn count(&self, batch: &Batch) {
        let Batch::Commits(commits) = batch else {
            return;
        };
        self.shared.stats.commits.add(commits.len());
        self.shared.stats.changes.add(commits.iter().map(|commit| commit.changes.len()).sum());
        if let Some(commit) = commits.last() {
            let lag = SystemTime::now().duration_since(commit.head.at).unwrap_or_default();
            self.shared.stats.lag_ms.set(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
        }
    }
}
