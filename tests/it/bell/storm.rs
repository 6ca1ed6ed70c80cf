//! By luck: delays at every step of writers and listeners, and what became of each commit. A run prints its seed;
//! `ROWBELL_SEED=7` repeats one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::feed::{Feed, Start};
use rowbell::pg::connect::Connector;
use rowbell::pg::keeper;
use rowbell::pg::link::Link;
use rowbell::words::FeedConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{asleep, no_heartbeat, shop};
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::soon;

fn seed() -> u64 {
    let given = std::env::var("ROWBELL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("seed {seed}: repeat with ROWBELL_SEED={seed}");
    seed
}

fn up_to(random: &mut StdRng, most: u64) -> Duration {
    Duration::from_micros(random.random_range(0..most * 1000))
}

/// From now on the listener loiters at every step.
fn loiter(feed: &Feed, most: u64) {
    feed.steps().hold(move |_| tokio::time::sleep(up_to(&mut StdRng::from_os_rng(), most)));
}

/// One commit of each writer, with a pause between the row and the commit, while the listener falls asleep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_falls_asleep_leaves_a_commit_behind() {
    let mut random = StdRng::seed_from_u64(seed());
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let writers = [shop.link().await, shop.link().await, shop.link().await];
    let mut cursor = Reader::open(&feed, "clients", Start::Now).await.cursor;
    let (mut left, mut id) = (0, 0);
    loiter(&feed, 8);
    for _ in 0..80 {
        // A look that finds the last subscriber of orders gone lets its lock go.
        drop(Reader::open(&feed, "clients", Start::Now).await);
        let mut pauses = [(); 3].map(|()| (up_to(&mut random, 30), up_to(&mut random, 80)));
        let mut write = |writer: usize| {
            let (before, within) = std::mem::take(&mut pauses[writer]);
            let (client, begin) =
                (&writers[writer].client, format!("begin; insert into orders values ({id}, 'n')"));
            id += 1;
            async move {
                tokio::time::sleep(before).await;
                client.batch_execute(&begin).await.unwrap();
                tokio::time::sleep(within).await;
                client.batch_execute("commit").await.unwrap();
            }
        };
        let (one, two, three) = (write(0), write(1), write(2));
        let read = async {
            let mut reader = Reader::open(&feed, "orders", Start::After(cursor.clone())).await;
            // Far longer than a look takes, far shorter than the next heartbeat.
            if tokio::time::timeout(Duration::from_secs(5), reader.until(3)).await.is_err() {
                shop.run("select pg_notify('rowbell:orders', '')").await;
                reader.until(3).await;
                return (reader, 1);
            }
            (reader, 0)
        };
        let ((), (), (), (reader, missing)) = tokio::join!(one, two, three, read);
        assert!(reader.counts().values().all(|count| *count == 1));
        left += missing;
        cursor = reader.cursor.clone();
    }
    assert_eq!(left, 0, "falls asleep that left a commit without a bell, of 80");
}

/// When each row was committed, as far as its writer knows; none where it was not.
type Committed = BTreeMap<i32, Instant>;

/// What writers share.
#[derive(Clone)]
struct Writing {
    connector: Connector,
    next: Arc<AtomicI32>,
    stop: CancellationToken,
}

impl Writing {
    fn id(&self) -> i32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Commits after a delay, often in a hurry, sometimes as two phases of a channel that never rings; and cancels
    /// what it has begun.
    fn start(self, table: &'static str, mut random: StdRng) -> JoinHandle<Committed> {
        tokio::spawn(async move {
            let (mut committed, link) = (Committed::new(), self.connector.connect("writer").await.unwrap());
            while !self.stop.is_cancelled() {
                let id = self.id();
                let insert = format!("insert into {table} values ({id}, 'n')");
                let (sql, lasts) = match random.random_range(0..10) {
                    0 => (
                        format!(
                            "set statement_timeout = 2; insert into {table} select -n, 'cancelled' from generate_series(1, 100000) n"
                        ),
                        false,
                    ),
                    1 => (
                        format!(
                            "begin; {insert}; select pg_sleep({}); rollback",
                            up_to(&mut random, 40).as_secs_f64()
                        ),
                        false,
                    ),
                    2 if table == "never" => {
                        (format!("begin; {insert}; prepare transaction 'storm_{id}'"), true)
                    }
                    2..5 => (
                        format!(
                            "begin; {insert}; select pg_sleep({}); commit",
                            up_to(&mut random, 80).as_secs_f64()
                        ),
                        true,
                    ),
                    _ => (insert, true),
                };
                let done = link.client.batch_execute(&sql).await;
                assert_eq!(done.is_ok(), !sql.contains("cancelled"), "{sql}: {done:?}");
                link.client.batch_execute("set statement_timeout = 0").await.unwrap();
                if sql.contains("prepare") {
                    tokio::time::sleep(up_to(&mut random, 40)).await;
                    link.client.batch_execute(&format!("commit prepared 'storm_{id}'")).await.unwrap();
                }
                if lasts {
                    committed.insert(id, Instant::now());
                }
                // In turns so seldom and so often that the nodes change their modes.
                let quiet = self.next.load(Ordering::Relaxed) / 200 % 2 == 0;
                tokio::time::sleep(up_to(&mut random, if quiet { 150 } else { 4 })).await;
            }
            committed
        })
    }

    /// Transactions that stay open for long: one that is told in the end, one in another database.
    fn start_long(self, database: &str) -> JoinHandle<Committed> {
        let here = database == self.connector.database();
        let connector = self.connector.with_database(database);
        tokio::spawn(async move {
            let mut committed = Committed::new();
            while !self.stop.is_cancelled() {
                let link = connector.connect("writer").await.unwrap();
                let id = self.id();
                let write = if here {
                    format!("insert into orders values ({id}, 'long')")
                } else {
                    "select pg_current_xact_id()".into()
                };
                let sql = format!("begin; {write}; select pg_sleep(2.5); commit");
                link.client.batch_execute(&sql).await.unwrap();
                if here {
                    committed.insert(id, Instant::now());
                }
            }
            committed
        })
    }
}

/// Reads everything of a node, and when.
fn follow(feed: &RunningFeed, told: &Arc<std::sync::Mutex<Vec<(i32, Instant)>>>) -> JoinHandle<()> {
    let (feed, told) = ((**feed).clone(), Arc::clone(told));
    tokio::spawn(async move {
        let mut reader = Reader::open(&feed, "never,orders", Start::Now).await;
        told.lock().unwrap().push((0, Instant::now()));
        while reader.step().await.is_some() {
            let now = Instant::now();
            let ids = reader.changes.drain(..).map(|change| change["id"].as_str().unwrap().parse().unwrap());
            told.lock().unwrap().extend(ids.map(|id: i32| (id, now)));
        }
    })
}

/// Subscribers that come and go, so that channels are gained and lost all the time.
async fn come_and_go(feed: &Feed, random: &mut StdRng, until: Instant) {
    while Instant::now() < until {
        let topic = ["clients", "orders", "clients,orders", "*"][random.random_range(0..4)];
        let reader = Reader::open(feed, topic, Start::Now).await;
        tokio::time::sleep(up_to(random, 60)).await;
        drop(reader);
    }
}

/// Turns the ring of leaves whenever it can be turned.
fn turn(connector: &Connector, stop: &CancellationToken) -> JoinHandle<usize> {
    let (connector, stop) = (connector.clone(), stop.clone());
    tokio::spawn(async move {
        let (link, mut turns) = (connector.connect("turner").await.unwrap(), 0);
        let due = "update rowbell.retention set slot_since = '-infinity' where stage = 'settled'";
        while !stop.is_cancelled() {
            turns += link.client.execute(due, &[]).await.unwrap();
            keeper::turn(&link.client).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        usize::try_from(turns).unwrap()
    })
}

/// One after the other, as fast as they are told.
async fn write_on(
    link: Link,
    table: &'static str,
    next: Arc<AtomicI32>,
    mut random: StdRng,
    stop: CancellationToken,
) -> Vec<i32> {
    let insert = link.client.prepare(&format!("insert into {table} values ($1, 'n')")).await.unwrap();
    let mut committed = Vec::new();
    while !stop.is_cancelled() {
        let ids: Vec<i32> =
            (0..random.random_range(1..4)).map(|_| next.fetch_add(1, Ordering::Relaxed)).collect();
        // In its transaction before it has an id, and with plans that it made before it waits.
        link.client.batch_execute("begin; select 1").await.unwrap();
        for id in &ids {
            if random.random_bool(0.5) {
                tokio::time::sleep(up_to(&mut random, 25)).await;
            }
            link.client.execute(&insert, &[id]).await.unwrap();
        }
        if random.random_bool(0.5) {
            tokio::time::sleep(up_to(&mut random, 60)).await;
        }
        if table == "never" {
            let name = ids[0];
            link.client.batch_execute(&format!("prepare transaction 'turning_{name}'")).await.unwrap();
            tokio::time::sleep(up_to(&mut random, 60)).await;
            link.client.batch_execute(&format!("commit prepared 'turning_{name}'")).await.unwrap();
        } else {
            link.client.batch_execute("commit").await.unwrap();
        }
        committed.extend(ids);
    }
    committed
}

/// The ring turns all the time, and a node that is woken by bells alone reads the leaf that takes rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_is_told_while_the_ring_turns() {
    let seed = seed();
    let shop = storm_shop().await;
    let asleep_always = FeedConfig { busy: u32::MAX, calm: u32::MAX, ..no_heartbeat() };
    let feed = RunningFeed::new(&shop.connector, asleep_always);
    let mut reader = Reader::open(&feed, "never,orders", Start::Now).await;
    let (stop, next) = (CancellationToken::new(), Arc::new(AtomicI32::new(1)));
    let turning = turn(&shop.connector, &stop);
    let mut writers = Vec::new();
    for n in 0..5 {
        let table = ["orders", "never"][usize::from(n == 4)];
        let (next, random, stop) = (Arc::clone(&next), StdRng::seed_from_u64(seed ^ n), stop.clone());
        writers.push(tokio::spawn(write_on(shop.link().await, table, next, random, stop)));
    }
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        let _ = tokio::time::timeout(Duration::from_millis(50), reader.step()).await;
    }
    stop.cancel();
    let mut committed = Vec::new();
    for writer in writers {
        committed.extend(soon(writer).await.unwrap());
    }
    let turns = soon(turning).await.unwrap();
    reader.until(committed.len()).await;
    let mut told: Vec<i32> =
        reader.changes.iter().map(|change| change["id"].as_str().unwrap().parse().unwrap()).collect();
    told.sort_unstable();
    committed.sort_unstable();
    assert_eq!(told, committed, "seed {seed}");
    println!("{} commits of rows, {turns} turns", committed.len());
    assert!(turns > 5, "only {turns} turns");
}

async fn storm_shop() -> Database {
    let shop = shop().await;
    shop.run("create table never (id integer primary key, note text); select rowbell.watch('never', notify => 'never')")
        .await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_commit_is_told_once_and_soon_whatever_writers_and_nodes_do() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let shop = storm_shop().await;
    // One changes its mode with every turn of the writers, one sleeps whenever it can.
    let modes = [(60, 40), (u32::MAX, u32::MAX)];
    let feeds = modes.map(|(busy, calm)| {
        RunningFeed::new(&shop.connector, FeedConfig { busy, calm, ..FeedConfig::default() })
    });
    let told = [(); 2].map(|()| Arc::new(std::sync::Mutex::new(Vec::new())));
    let reading: Vec<_> = feeds.iter().zip(&told).map(|(feed, told)| follow(feed, told)).collect();
    soon(async {
        while told.iter().any(|told| told.lock().unwrap().is_empty()) {
            tokio::task::yield_now().await
        }
    })
    .await;
    feeds.iter().for_each(|feed| loiter(feed, 5));
    let (stop, next) = (CancellationToken::new(), Arc::new(AtomicI32::new(1)));
    let writing = Writing { connector: shop.connector.clone(), next, stop: stop.clone() };
    let mut writers: Vec<_> = (0..4)
        .map(|n| {
            writing.clone().start(["orders", "never"][usize::from(n == 3)], StdRng::seed_from_u64(seed ^ n))
        })
        .collect();
    writers.extend([shop.connector.database(), "postgres"].map(|name| writing.clone().start_long(name)));
    let turning = turn(&shop.connector, &stop);
    come_and_go(&feeds[0], &mut random, Instant::now() + Duration::from_secs(12)).await;
    stop.cancel();
    let mut committed = Committed::new();
    for writer in writers {
        committed.extend(soon(writer).await.unwrap());
    }
    println!("{} turns of the ring", soon(turning).await.unwrap());
    for (node, told) in told.iter().enumerate() {
        let mine = || told.lock().unwrap().clone();
        soon(async {
            while mine().len() <= committed.len() {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
        })
        .await;
        let mut ids: Vec<_> = mine().iter().map(|(id, _)| *id).skip(1).collect();
        ids.sort_unstable();
        assert_eq!(ids, committed.keys().copied().collect::<Vec<_>>(), "node {node}, seed {seed}");
        let mut delays: Vec<_> =
            mine().iter().skip(1).map(|(id, at)| at.saturating_duration_since(committed[id])).collect();
        delays.sort_unstable();
        let (worst, stats) = (delays[delays.len() - 1], feeds[node].stats());
        println!(
            "node {node}: {} commits, delay p50 {:?} worst {worst:?}; {} bells, {} drains, {} of them empty",
            delays.len(),
            delays[delays.len() / 2],
            stats.bells.get(),
            stats.drains.get(),
            stats.empty_drains.get(),
        );
        // The heartbeat is 1 s; the rest is for a machine that is busy with other tests.
        assert!(worst < Duration::from_secs(6), "node {node}, seed {seed}: {worst:?}");
    }
    reading.iter().for_each(JoinHandle::abort);
    asleep(&shop, &feeds[0]).await;
}
