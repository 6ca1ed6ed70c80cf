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
use super::live::deliver;
use super::mode::Mode;
use super::publish::Dispatch;
use super::rate::Thresholds;
use super::sifting::{Looked, Sifted};
use super::sleeper::Sleeper;
use super::steps::Step;
use crate::pg::backend::Backend;
use crate::pg::connect::Connector;
use crate::pg::leaf::Leaf;
use crate::pg::link::{Link, Message};
use crate::pg::log::{self as pg_log, Batch, Channels, Drain, Drained};
use crate::pg::{bell, catalog, migrate, origin};
use crate::words::{Cursor, Error, FeedConfig, Origin, Result, Snapshot};

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
    drain: Drain,
    /// The one leaf that has what comes, where that is known.
    leaf: Option<Leaf>,
    /// What the last drain of the whole log found dropped.
    floor: Option<Snapshot>,
    origin: Origin,
    backend: Backend,
    /// Channels whose writers never ring.
    silent: BTreeSet<Arc<str>>,
    catalog_read: Instant,
    /// When the log was looked at last.
    looked: Instant,
    /// When the filters of topics were last asked whether they still can tell.
    sifted: Looked,
}

/// Why the listener looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// A bell, which says that there is something to read.
    Bell,
    /// A heartbeat or a joiner, or the time has come.
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
        let FeedConfig { busy, calm, .. } = self.shared.config;
        let mut sleeper = Sleeper::new(Thresholds { busy, calm });
        loop {
            let begun = Instant::now();
            let lost = match self.listen_once(&mut sleeper).await {
                Ok(never) => match never {},
                Err(error) if error.is_refused() => return Err(error),
                Err(error) => error,
            };
            sleeper.lost();
            self.shared.stats.mode.set(sleeper.mode());
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

    async fn listen_once(&self, sleeper: &mut Sleeper) -> Result<std::convert::Infallible> {
        let connected = tokio::time::timeout(CONNECTING, self.connect()).await;
        let mut connected =
            connected.unwrap_or_else(|_| Err(Error::unavailable("the database did not answer in time")))?;
        log::info!("listening on {}", self.connector.describe());
        sleeper.connected();
        let mut heartbeat = tokio::time::interval(self.shared.config.heartbeat_drain);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let woken = self.wake(&mut connected, sleeper, &mut heartbeat).await;
            let backend = connected.backend;
            tokio::select! {
                // First, or an answer that came while this task had no turn would be taken for one that never does.
                biased;
                looked = self.look(&mut connected, sleeper, woken) => looked?,
                () = self.unanswered(backend) => {
                    return Err(Error::unavailable("the listening connection is open on this side only"));
                }
            }
            self.shared.hub.set_away(false);
        }
    }

    /// Reads what there is to read, for the reason the listener looked up.
    async fn look(&self, connected: &mut Connected, sleeper: &mut Sleeper, woken: Woken) -> Result<()> {
        match woken {
            Woken::Gap => return Err(Error::unavailable("the listening connection ended")),
            Woken::Catalog => self.read_catalog(connected).await?,
            Woken::Drain if connected.catalog_read.elapsed() >= CATALOG_AGE => {
                self.read_catalog(connected).await?
            }
            Woken::Bell | Woken::Drain => {}
        }
        let patience = self.shared.config.drain_patience;
        let drained = tokio::time::timeout(patience, self.drain(connected, sleeper, woken)).await;
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
        let (silent, now) = (BTreeSet::new(), Instant::now());
        let mut connected = Connected {
            link,
            drain,
            leaf: None,
            floor: None,
            origin,
            backend,
            silent,
            catalog_read: now,
            looked: now,
            sifted: Looked::never(),
        };
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
            deliver(hub.reset_all(reason)).await;
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
        let silent = channels.iter().filter(|channel| channel.notify == "never");
        connected.silent = silent.map(|channel| Arc::clone(&channel.name)).collect();
        self.shared.hub.set_catalog(channels.into_iter().map(|channel| channel.name).collect());
        connected.catalog_read = Instant::now();
        Ok(())
    }

    /// Waits for a reason to drain; bells that came together are one reason.
    async fn wake(
        &self,
        connected: &mut Connected,
        sleeper: &Sleeper,
        heartbeat: &mut tokio::time::Interval,
    ) -> Woken {
        let due = self.pause(connected, sleeper).map(|pause| connected.looked + pause);
        // While it looks all the time, a bell of another node's brings nothing that the next look would not find.
        let by_bell = sleeper.mode() != Mode::Pulling;
        let messages = &mut connected.link.messages;
        let mut woken = tokio::select! {
            message = messages.recv(), if by_bell => self.heard(message),
            // A joiner may name a channel that was watched a moment ago.
            () = self.shared.hub.wish.notified() => Woken::Catalog,
            _ = heartbeat.tick() => Woken::Drain,
            () = until(due) => Woken::Drain,
        };
        while let Ok(message) = messages.try_recv() {
            if matches!(self.heard(Some(message)), Woken::Catalog) {
                woken = Woken::Catalog;
            }
        }
        // The drain that follows is the one a joiner waits for, whatever else woke us.
        let wished = self.shared.hub.wish.notified().now_or_never().is_some();
        if wished && !matches!(woken, Woken::Gap) { Woken::Catalog } else { woken }
    }

    /// How long after the last look the next one is due, whatever rings.
    fn pause(&self, connected: &Connected, sleeper: &Sleeper) -> Option<Duration> {
        let silent = sleeper.wants_any(&connected.silent).then_some(self.shared.config.silent_drain);
        sleeper.pause().into_iter().chain(silent).min()
    }

    fn heard(&self, message: Option<Message>) -> Woken {
        match message {
            Some(Message::Bell { topic }) if topic == bell::CATALOG_BELL => Woken::Catalog,
            Some(Message::Bell { .. }) => {
                self.shared.stats.bells.add(1);
                Woken::Bell
            }
            Some(Message::Notice { .. }) => Woken::Drain,
            None => Woken::Gap,
        }
    }

    /// One read of the log, from the position reached to now, handed to every topic.
    async fn drain(&self, connected: &mut Connected, sleeper: &mut Sleeper, woken: Woken) -> Result<()> {
        let Shared { hub, config, stats, steps, .. } = &*self.shared;
        connected.looked = Instant::now();
        let (number, covered) = hub.begin_drain();
        // Heard before it is drained: what commits after the drain's snapshot rings.
        sleeper.prepare(&connected.link, covered.names(), steps).await?;
        steps.reached(Step::Drains).await;
        let from =
            hub.position().ok_or_else(|| Error::unexpected("a drain has no position to start from"))?;
        let drained = self.read_log(connected, &from.snapshot, &covered.channels(), woken).await?;
        if drained.floor.as_ref().is_some_and(|floor| !from.snapshot.covers_all_of(floor)) {
            // The next connection finds that its position is past retention.
            return Err(Error::unavailable("the log was emptied before it was read"));
        }
        let Drained { position, xmin, batch, floor, turns } = drained;
        let cursor = Arc::new(Cursor { origin: connected.origin, snapshot: position });
        if !cursor.fits() {
            log::warn!(
                "{} transactions are open: nothing is told until they are fewer, because no cursor could name them",
                cursor.snapshot.in_progress().len()
            );
            return Ok(());
        }
        connected.floor.clone_from(&floor);
        sleeper.looked(self.count(&batch), xmin);
        stats.mode.set(sleeper.mode());
        let sifted = Sifted::sift(&connected.link, &batch, hub.filters(), &mut connected.sifted).await?;
        let mut dispatch = Dispatch::prepare(&batch, &cursor, config.frame_limit, &sifted, hub.topic_names());
        let published = Published { number, covered, cursor: &cursor, quiet: config.quiet, floor };
        deliver(hub.publish(published, |topic, silent| dispatch.event_for(topic, silent))).await;
        deliver(hub.end_unwatched()).await;
        sleeper.look_after_writers(&connected.link).await?;
        stats.mode.set(sleeper.mode());
        connected.settle_on(turns).await
    }

    /// What came after a position. Who is woken by a bell reads the one leaf that has it, where that is known; every other
    /// look is at the whole log, and finds out which leaf it is.
    async fn read_log(
        &self,
        connected: &Connected,
        from: &Snapshot,
        channels: &Channels,
        woken: Woken,
    ) -> Result<Drained> {
        let (client, limit) = (&connected.link.client, self.shared.config.drain_limit);
        if self.overtaxed.load(Ordering::Relaxed) {
            return pg_log::pass_over(client, from).await;
        }
        if let Some(leaf) = connected.leaf.as_ref().filter(|_| woken == Woken::Bell) {
            let drained = leaf.drain(client, from, channels, limit, connected.floor.as_ref()).await?;
            if let Some(drained) = drained {
                return Ok(drained);
            }
        }
        pg_log::drain(client, &connected.drain, from, channels, limit).await
    }

    /// Counts a drain; how many commits it brought.
    fn count(&self, batch: &Batch) -> usize {
        let stats = &self.shared.stats;
        stats.drains.add(1);
        let commits = match batch {
            Batch::Commits(commits) => commits,
            // Of at least one; the rest is a guess that nothing depends on.
            Batch::TooLarge(_) => return 1,
        };
        let Some(newest) = commits.last() else {
            stats.empty_drains.add(1);
            return 0;
        };
        stats.commits.add(commits.len());
        stats.changes.add(commits.iter().map(|commit| commit.changes.len()).sum());
        let lag = SystemTime::now().duration_since(newest.head.at).unwrap_or_default();
        stats.lag_ms.set(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
        commits.len()
    }
}

impl Connected {
    /// Takes note which leaf has what comes after the position that was reached.
    async fn settle_on(&mut self, turns: Option<i64>) -> Result<()> {
        match turns {
            Some(turns) if self.leaf.as_ref().map(Leaf::turns) != Some(turns) => {
                self.leaf = Some(Leaf::prepare(&self.link.client, turns).await?);
            }
            Some(_) => {}
            None => self.leaf = None,
        }
        Ok(())
    }
}

/// Returns at that moment, or never where there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
