//! Does what the listener's mode asks for: listens, takes locks and lets go of them, draws the fence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mode::{Event, Mode};
use super::rate::{Looks, Rate, Thresholds};
use super::steps::{Step, Steps};
use crate::pg::bell;
use crate::pg::link::Link;
use crate::words::{Result, Xid};

/// The listener's mode, and what its connection holds for it.
#[derive(Debug)]
pub struct Sleeper {
    mode: Mode,
    /// When it last began to try for locks, or to wait until the fence is passed.
    since: Instant,
    /// Channels whose bells the connection hears.
    heard: BTreeSet<Arc<str>>,
    /// Channels whose lock the connection holds, so that their writers ring.
    held: BTreeSet<Arc<str>>,
    /// No writer that stayed silent has a larger transaction id.
    fence: Xid,
    rate: Rate,
    /// When to look whether writers wait for one another.
    looks: Looks,
}

impl Sleeper {
    /// Of a listener that has no connection yet.
    pub fn new(thresholds: Thresholds) -> Self {
        let now = Instant::now();
        let (heard, held) = (BTreeSet::new(), BTreeSet::new());
        let rate = Rate::new(thresholds, now);
        Self { mode: Mode::default(), since: now, heard, held, fence: 0, rate, looks: Looks::new(now) }
    }

    /// How it learns of commits.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// A connection was made, which hears and holds nothing.
    pub fn connected(&mut self) {
        self.heard.clear();
        self.held.clear();
        self.on(Event::Connected);
    }

    /// The connection ended, and PostgreSQL let go of what it held.
    pub fn lost(&mut self) {
        self.on(Event::Lost);
    }

    /// How long after the last look the next one is due; none where a bell or the heartbeat will tell.
    pub fn pause(&self) -> Option<Duration> {
        self.mode.pause(self.since.elapsed())
    }

    /// Whether any of these channels has a subscriber.
    pub fn wants_any(&self, channels: &BTreeSet<Arc<str>>) -> bool {
        !self.heard.is_disjoint(channels)
    }

    /// Before a look at the channels that have subscribers: when it returns, every bell is heard that is rung later.
    pub async fn prepare(&mut self, link: &Link, wanted: &BTreeSet<Arc<str>>, steps: &Steps) -> Result<()> {
        bell::listen_for(&link.client, &mut self.heard, wanted).await?;
        steps.reached(Step::Listened).await;
        if wanted.is_empty() {
            self.on(Event::Deserted);
        } else if !wanted.is_subset(&self.held) {
            self.on(Event::Gained);
        }
        let keeps: &BTreeSet<_> = if self.mode == Mode::Pulling { &BTreeSet::new() } else { wanted };
        if !self.held.is_subset(keeps) {
            bell::let_go(&link.client, self.held.difference(keeps)).await?;
            self.held.retain(|name| keeps.contains(name));
            steps.reached(Step::LetGo).await;
        }
        self.fall_asleep(link, wanted, steps).await
    }

    /// Goes as many steps as can be gone before the next look.
    async fn fall_asleep(&mut self, link: &Link, wanted: &BTreeSet<Arc<str>>, steps: &Steps) -> Result<()> {
        loop {
            match self.mode {
                Mode::Locking => {
                    let had = bell::sleep_on(&link.client, wanted.difference(&self.held)).await?;
                    self.held.extend(had);
                    if !wanted.is_subset(&self.held) {
                        self.on(Event::Missed);
                        return Ok(());
                    }
                    steps.reached(Step::Locked).await;
                    self.on(Event::Locked);
                }
                Mode::Fencing => {
                    self.fence = bell::draw_fence(&link.client).await?;
                    steps.reached(Step::Fenced).await;
                    self.on(Event::Fenced);
                }
                Mode::Away | Mode::Settling | Mode::Asleep | Mode::Pulling => return Ok(()),
            }
        }
    }

    /// After a look that brought so many commits, by a snapshot that saw everything below `xmin` ended.
    pub fn looked(&mut self, commits: usize, xmin: Xid) {
        if self.mode == Mode::Settling && xmin > self.fence {
            self.on(Event::Passed);
        }
        self.looks.count(commits);
        if let Some(event) = self.rate.count(commits, Instant::now()) {
            self.on(event);
        }
    }

    /// Looks whether writers wait for one another to ring. Then commits come too often for this server's disk, however
    /// seldom that is: on a slow disk 32 writers that rang made 340 commits a second, and 2,500 silent.
    pub async fn look_after_writers(&mut self, link: &Link) -> Result<()> {
        let rings = !matches!(self.mode, Mode::Away | Mode::Pulling);
        if rings && self.looks.due(Instant::now()) && bell::waiting_to_ring(&link.client).await? > 1 {
            self.on(Event::Busy);
        }
        Ok(())
    }

    fn on(&mut self, event: Event) {
        let before = self.mode;
        self.mode = before.on(event);
        if self.mode == before {
            return;
        }
        // Each of the two has its own time of quick looks: on a busy machine the locks may take longer than that.
        if matches!(self.mode, Mode::Locking | Mode::Settling) {
            self.since = Instant::now();
        }
        if self.mode == Mode::Pulling {
            self.rate.start_over(Instant::now());
            self.looks = Looks::new(Instant::now());
        }
        if self.mode == Mode::Pulling || before == Mode::Pulling {
            log::info!("commits are read in {} mode from now on", self.mode.word());
        }
    }
}
