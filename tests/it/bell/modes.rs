//! Bell mode and pull mode, one after the other and side by side.

use rowbell::feed::{Mode, Start};
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::migrate::migrate_up;
use rowbell::words::FeedConfig;

use super::{asleep, hurry, locks, no_heartbeat, restless, shop, until};
use crate::support::cluster::fast_options;
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::scratch::Scratch;
use crate::support::soon;

#[tokio::test]
async fn writers_of_what_nobody_follows_stay_silent() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig::default());
    let mut orders = Reader::open(&feed, "orders", Start::Now).await;
    assert_eq!(locks(&shop).await, 1);
    let listener = shop.link().await;
    listener.client.batch_execute("listen \"rowbell:clients\"; listen \"rowbell:orders\"").await.unwrap();
    shop.run("insert into clients values (1, 'silent')").await;
    shop.run("insert into orders values (1, 'rings')").await;
    orders.until(1).await;
    let mut listener = listener;
    let first = soon(listener.messages.recv()).await.unwrap();
    assert_eq!(first, rowbell::pg::link::Message::Bell { topic: "rowbell:orders".into() });
    // All channels, and then none.
    let all = Reader::open(&feed, "*", Start::Now).await;
    assert_eq!(locks(&shop).await, 2);
    drop((orders, all));
    soon(async { while locks(&shop).await > 0 {} }).await;
}

#[tokio::test]
async fn a_writer_whom_another_keeps_from_the_lock_stays_silent() {
    let shop = shop().await;
    let mut listener = shop.link().await;
    listener.client.batch_execute("listen \"rowbell:orders\"; listen told").await.unwrap();
    let (other, sleeper) = (shop.link().await, shop.link().await);
    let [lock, share] = ["lock", "lock_shared"]
        .map(|kind| format!("select pg_advisory_{kind}(1380074828, rowbell.bell_key('orders'))"));
    other.client.batch_execute(&lock).await.unwrap();
    shop.run("insert into orders values (1, 'silent')").await;
    other.client.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
    sleeper.client.batch_execute(&share).await.unwrap();
    shop.run("insert into orders values (2, 'rings')").await;
    // Who rang has let go of both.
    sleeper.client.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
    soon(async { while locks(&shop).await > 0 {} }).await;
    shop.run("notify told").await;
    for topic in ["rowbell:orders", "told"] {
        let heard = soon(listener.messages.recv()).await.unwrap();
        assert_eq!(heard, rowbell::pg::link::Message::Bell { topic: topic.into() });
    }
}

#[tokio::test]
async fn a_hurry_is_read_without_bells_and_a_calm_with_them() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, restless());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut told = 0;
    for _ in 0..2 {
        asleep(&shop, &feed).await;
        let bells = feed.stats().bells.get();
        shop.run(&format!("insert into orders values ({told}, 'rings')")).await;
        reader.until(told + 1).await;
        assert_eq!((feed.stats().bells.get(), locks(&shop).await), (bells + 1, 1));
        told = usize::try_from(hurry(&shop, &feed, i32::try_from(told + 1).unwrap()).await).unwrap();
        soon(async { while locks(&shop).await > 0 {} }).await;
        let (bells, drains) = (feed.stats().bells.get(), feed.stats().drains.get());
        shop.run(&format!("insert into orders values ({told}, 'silent')")).await;
        told += 1;
        reader.until(told).await;
        assert_eq!(feed.stats().bells.get(), bells);
        assert!(feed.stats().drains.get() > drains + 1, "it does not look all the time");
    }
    assert!(feed.stats().empty_drains.get() > 0);
    assert!(reader.counts().values().all(|count| *count == 1));
}

#[tokio::test]
async fn writers_who_wait_for_one_another_to_ring_are_let_be() {
    let shop = shop().await;
    // No rate is too high for this one.
    let feed = RunningFeed::new(&shop.connector, FeedConfig { busy: u32::MAX, calm: 0, ..no_heartbeat() });
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let writers = (0..8).map(async |writer| {
        let link = shop.link().await;
        let mut told = 0;
        while feed.stats().mode.get() != Mode::Pulling {
            let sql = format!("insert into orders values ({}, 'n')", 8 * told + writer);
            link.client.batch_execute(&sql).await.unwrap();
            told += 1;
        }
        told
    });
    let told: usize = soon(futures::future::join_all(writers)).await.into_iter().sum();
    reader.until(told).await;
    soon(async { while locks(&shop).await > 0 {} }).await;
    assert!(reader.counts().values().all(|count| *count == 1));
}

#[tokio::test]
async fn nodes_in_different_modes_tell_the_same() {
    let shop = shop().await;
    let always = FeedConfig { busy: 0, calm: 0, ..no_heartbeat() };
    let pulls = RunningFeed::new(&shop.connector, always);
    let sleeps = RunningFeed::new(&shop.connector, no_heartbeat());
    let mut first = Reader::open(&pulls, "orders", Start::Now).await;
    let mut second = Reader::open(&sleeps, "orders", Start::Now).await;
    let hurried = hurry(&shop, &pulls, 0).await;
    asleep(&shop, &sleeps).await;
    for id in hurried..hurried + 20 {
        shop.run(&format!("insert into orders values ({id}, 'n')")).await;
    }
    let told = usize::try_from(hurried).unwrap() + 20;
    first.until(told).await;
    second.until(told).await;
    assert_eq!(first.told(), second.told());
    assert!(sleeps.stats().bells.get() > 0);
    // Without the one that sleeps, nobody rings.
    drop(sleeps);
    soon(async { while locks(&shop).await > 0 {} }).await;
    let bells = pulls.stats().bells.get();
    shop.run("insert into orders values (-1, 'silent')").await;
    first.until(told + 1).await;
    assert_eq!(pulls.stats().bells.get(), bells);
    drop(first);
    asleep(&shop, &pulls).await;
}

#[tokio::test]
async fn a_channel_that_never_rings_is_looked_at_all_the_same() {
    let shop = shop().await;
    shop.run("select rowbell.watch('orders', notify => 'never')").await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    shop.run("insert into orders values (1, 'a')").await;
    reader.until(1).await;
    let name = format!("silent_{}", shop.connector.database());
    shop.run(&format!("begin; insert into orders values (2, 'b'); prepare transaction '{name}'")).await;
    shop.run(&format!("commit prepared '{name}'")).await;
    reader.until(2).await;
    assert_eq!((reader.told(), feed.stats().bells.get()), (vec!["insert 1".into(), "insert 2".into()], 0));
}

#[tokio::test]
async fn while_a_lock_cannot_be_had_the_log_is_looked_at() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let holder = shop.link().await;
    let hold = "select pg_advisory_lock(1380074828, rowbell.bell_key('orders'))";
    holder.client.batch_execute(hold).await.unwrap();
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    until(&feed, Mode::Locking).await;
    // The holder itself finds the lock free.
    holder.client.batch_execute("insert into orders values (1, 'silent')").await.unwrap();
    reader.until(1).await;
    assert_eq!((feed.stats().bells.get(), feed.stats().mode.get()), (0, Mode::Locking));
    holder.client.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
    asleep(&shop, &feed).await;
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_hurry_loses_nothing() {
    let scratch = Scratch::new("bell-crash");
    let cluster = Cluster::open(&fast_options(&scratch)).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    let shop = Database { connector: connector.clone(), url: cluster.url() };
    shop.run("create table orders (id integer primary key, note text); select rowbell.watch('orders')").await;
    let feed = RunningFeed::new(&connector, restless());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut told = 0;
    for mode in [StopMode::Immediate, StopMode::Fast, StopMode::Immediate] {
        told = hurry(&shop, &feed, told).await;
        cluster.restart(mode).await.expect("restarts");
        // Nobody is there to hear it.
        shop.run(&format!("insert into orders values ({told}, 'after')")).await;
        told += 1;
        reader.until(usize::try_from(told).unwrap()).await;
        asleep(&shop, &feed).await;
    }
    assert!(reader.counts().values().all(|count| *count == 1));
    cluster.stop(StopMode::Immediate).await.expect("stops");
}
