//! Who sleeps, who looks all the time, and that no commit falls between the two.

mod modes;
mod steps;
mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rowbell::feed::{Feed, Mode, Step};
use rowbell::words::FeedConfig;
use tokio::sync::Notify;

use crate::support::database::{Database, shop};
use crate::support::{soon, soon_at};

/// A heartbeat that never comes: whatever is told, a bell brought, or a look on the way to sleep.
fn no_heartbeat() -> FeedConfig {
    FeedConfig { heartbeat_drain: Duration::from_secs(3600), ..FeedConfig::default() }
}

/// Looks all the time after a few commits, and sleeps again a second later.
fn restless() -> FeedConfig {
    FeedConfig { busy: 30, calm: 10, ..no_heartbeat() }
}

#[track_caller]
fn until(feed: &Feed, mode: Mode) -> impl Future<Output = ()> {
    let line = std::panic::Location::caller();
    soon_at(line, async move {
        while feed.stats().mode.get() != mode {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

/// Waits until a node sleeps. Tests beside this one hold transactions of their own open, which may keep it until its next
/// look; so it is made to look, without a bell.
#[track_caller]
pub fn asleep<'a>(shop: &'a Database, feed: &'a Feed) -> impl Future<Output = ()> + 'a {
    let line = std::panic::Location::caller();
    soon_at(line, async move {
        while feed.stats().mode.get() != Mode::Asleep {
            tokio::time::sleep(Duration::from_millis(20)).await;
            shop.run("select rowbell.ring_catalog()").await;
        }
    })
}

/// How many locks of the bell are held in this database.
async fn locks(shop: &Database) -> i64 {
    let held =
        "select count(*) from pg_locks where locktype = 'advisory' and classid = 1380074828 and granted
        and database = (select oid from pg_database where datname = current_database())";
    shop.link().await.client.query_one(held, &[]).await.unwrap().get(0)
}

/// Commits often enough for a restless feed to look all the time.
async fn hurry(shop: &Database, feed: &Feed, first: i32) -> i32 {
    let writer = shop.link().await;
    let mut id = first;
    while feed.stats().mode.get() != Mode::Pulling {
        writer.client.batch_execute(&format!("insert into orders values ({id}, 'hurry')")).await.unwrap();
        id += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    id
}

/// A place where the listener is held once, until it may go on.
struct Stop {
    arrived: Arc<Notify>,
    go: Arc<Notify>,
}

impl Stop {
    fn at(feed: &Feed, step: Step) -> Self {
        let (arrived, go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()), AtomicBool::new(false));
        let stop = Self { arrived: Arc::clone(&arrived), go: Arc::clone(&go) };
        feed.steps().hold(move |reached| {
            let holds = reached == step && !done.swap(true, Ordering::Relaxed);
            let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
            async move {
                if holds {
                    arrived.notify_one();
                    go.notified().await;
                }
            }
        });
        stop
    }

    /// Waits until the listener is there.
    #[track_caller]
    fn arrived(&self) -> impl Future<Output = ()> {
        soon(self.arrived.notified())
    }

    fn go(self) {
        self.go.notify_one();
    }
}
