//! The keeper: on one node at a time, it writes ticks, turns the ring of leaves, and empties what is past
//! retention.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use crate::pg::connect::Connector;
use crate::pg::keeper::{self as pg_keeper, Outcome};
use crate::pg::{origin, retention};
use crate::words::{Error, KeeperConfig, Result};

/// How long the work of one beat may take; none of it waits for others.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the log, or waits for its turn to; run by its owner.
pub struct Keeper {
    connector: Connector,
    config: KeeperConfig,
}

impl Keeper {
    /// A keeper that is not at work yet. `connector` leads to PostgreSQL itself: the lock goes with the session.
    pub fn new(connector: Connector, config: KeeperConfig) -> Self {
        Self { connector, config }
    }

    /// Works until it is told to stop. Whatever fails is tried again: the log only grows meanwhile.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.keep_trying() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn keep_trying(&self) {
        // No longer than a beat, so that another node takes over in time.
        let mut backoff = Backoff::new(Duration::from_millis(50), self.config.beat);
        loop {
            let begun = Instant::now();
            let error = match self.keep().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if begun.elapsed() > PATIENCE {
                backoff.reset();
            }
            log::debug!("the keeper's connection was lost, trying again: {}", error.report());
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn keep(&self) -> Result<std::convert::Infallible> {
        let link = self.connector.connect("keeper").await?;
        let mut beat = interval(self.config.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !in_time(pg_keeper::try_keep(&link.client)).await? {
            beat.tick().await;
        }
        log::info!("this node keeps the log");
        in_time(origin::open_origin(&link.client)).await?;
        let (mut tidied, mut warned): (Option<Instant>, bool) = (None, false);
        loop {
            in_time(pg_keeper::tick(&link.client)).await?;
            // Late it is only large: what else there is to do goes on.
            if let Err(error) = in_time(pg_keeper::turn(&link.client)).await
                && !std::mem::replace(&mut warned, true)
            {
                log::warn!("the log grows until it can be turned: {}", error.report());
            }
            in_time(pg_keeper::forget_answers(&link.client)).await?;
            if tidied.is_none_or(|at| at.elapsed() >= self.config.tidy) {
                let keep = in_time(retention::retention(&link.client)).await?;
                let outcomes = in_time(pg_keeper::prune(&link.client, keep)).await?;
                tell(&outcomes.unwrap_or_default());
                tidied = Some(Instant::now());
            }
            beat.tick().await;
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("the database did not answer in time")))
}

fn tell(outcomes: &[Outcome]) {
    for (leaf, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Emptied(bytes) => log::info!("emptied part {leaf} of the log, {bytes} bytes"),
            Outcome::Busy => log::info!("part {leaf} of the log is past retention but in use"),
            Outcome::Empty | Outcome::Current | Outcome::Young => {}
        }
    }
}
