//! The feed in one process: live, resumed, ahead, ended.

use std::time::Duration;

use rowbell::feed::{Delivery, Opened, Start};
use rowbell::words::frame::ResetReason;
use rowbell::words::{Cursor, FeedConfig, Origin, Snapshot, Topic};

use crate::support::database::{Database, shop};
use crate::support::feed::{Reader, RunningFeed};
use crate::support::soon;

/// A feed that drains only when a bell rings: what it delivers, a bell brought.
fn bells_only() -> FeedConfig {
    FeedConfig { heartbeat_drain: Duration::from_secs(3600), ..FeedConfig::default() }
}

#[tokio::test]
async fn a_write_is_delivered_and_nothing_from_before() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, bells_only());
    shop.run("insert into orders values (1, 'before')").await;
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    shop.run("insert into clients values (1, 'other channel')").await;
    shop.run("begin; insert into orders values (2, 'a'); update orders set note = 'b' where id = 2; delete from orders where id = 1; commit").await;
    reader.until(3).await;
    assert_eq!(reader.told(), ["insert 2", "update 2", "delete 1"]);
    assert_eq!(reader.changes[1]["old"]["note"], "a");
    assert!(reader.changes[1]["old"].get("id").is_none());
    assert_eq!(reader.changes[2]["old"]["note"], "before");
}

#[tokio::test]
async fn one_commit_over_two_channels_is_one_commit() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, bells_only());
    let mut both = Reader::open(&feed, "orders,clients", Start::Now).await;
    let mut all = Reader::open(&feed, "*", Start::Now).await;
    shop.run("begin; insert into orders values (1, 'a'); insert into clients values (7, 'b'); commit").await;
    for reader in [&mut both, &mut all] {
        reader.until(2).await;
        assert_eq!(reader.told(), ["insert 1", "insert 7"]);
        assert_eq!(reader.changes[0]["xid"], reader.changes[1]["xid"]);
    }
}

#[tokio::test]
async fn a_cursor_continues_on_another_node() {
    let shop = shop().await;
    let (one, other) =
        (RunningFeed::new(&shop.connector, bells_only()), RunningFeed::new(&shop.connector, bells_only()));
    let mut reader = Reader::open(&one, "orders", Start::Now).await;
    shop.run("insert into orders values (1, 'a')").await;
    let cursor = reader.until(1).await.cursor.clone();
    drop(reader);
    shop.run("insert into orders values (2, 'b')").await;
    shop.run("insert into orders values (3, 'c')").await;
    let mut again = Reader::open(&other, "orders", Start::After(cursor)).await;
    again.until(2).await;
    shop.run("insert into orders values (4, 'd')").await;
    again.until(3).await;
    assert_eq!(again.told(), ["insert 2", "insert 3", "insert 4"]);
}

#[tokio::test]
async fn a_client_ahead_of_its_node_is_told_nothing_twice() {
    let shop = shop().await;
    let (ahead, late) =
        (RunningFeed::new(&shop.connector, bells_only()), RunningFeed::new(&shop.connector, bells_only()));
    // The late node holds the topic, but hears no bell: its position stays where it is.
    let _holder = Reader::open(&late, "orders", Start::Now).await;
    let mut reader = Reader::open(&ahead, "orders", Start::Now).await;
    shop.run("alter table orders disable trigger \"!rowbell_log\"").await;
    shop.run(
        "insert into rowbell.sync_log (seq, channel, op, row_id, row)
         values (nextval('rowbell.seq'), 'orders', 'insert', 1, '{}'); select rowbell.ring('clients')",
    )
    .await;
    let _woken = Reader::open(&ahead, "orders", Start::Now).await;
    let cursor = reader.until(1).await.cursor.clone();
    let mut moved = Reader::open(&late, "orders", Start::After(cursor)).await;
    shop.run("alter table orders enable trigger \"!rowbell_log\"; insert into orders values (2, 'b')").await;
    moved.until(1).await;
    assert_eq!(moved.told(), ["insert 2"]);
}

#[tokio::test]
async fn what_cannot_be_continued_is_told_so() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig::default());
    let reader = Reader::open(&feed, "orders", Start::Now).await;
    let Cursor { origin, snapshot } = reader.cursor.clone();
    let topic = || Topic::parse("orders").unwrap();
    let open = async |origin: Origin, snapshot: Snapshot| {
        let opened = feed.subscribe(topic(), Start::After(Cursor { origin, snapshot })).await.unwrap();
        match opened {
            Opened::Reset(reason) => Some(reason),
            _ => None,
        }
    };
    assert_eq!(open(origin, snapshot.clone()).await, None);
    let foreign = Origin { installation: origin.installation ^ 1, ..origin };
    assert_eq!(open(foreign, snapshot.clone()).await, Some(ResetReason::Foreign));
    let forgotten = Origin { generation: origin.generation ^ 1, ..origin };
    assert_eq!(open(forgotten, snapshot.clone()).await, Some(ResetReason::Lost));
    let future = Snapshot::new(snapshot.xmax() + 1_000_000, vec![]);
    assert_eq!(open(origin, future).await, Some(ResetReason::Lost));
    let unknown = feed.subscribe(Topic::parse("orders,nothing").unwrap(), Start::Now).await.unwrap();
    assert!(matches!(unknown, Opened::UnknownChannel(name) if name == "nothing"));
}

#[tokio::test]
async fn a_cursor_from_before_the_watch_starts_over() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig::default());
    let cursor = Reader::open(&feed, "orders", Start::Now).await.cursor.clone();
    shop.run("create table stock (id integer primary key); select rowbell.watch('stock')").await;
    let mut reader = Reader::open(&feed, "stock", Start::After(cursor)).await;
    assert_eq!(reader.step().await, Some(Delivery::Reset(ResetReason::Schema)));
    assert_eq!(reader.step().await, None);
}

#[tokio::test]
async fn unwatch_ends_a_topic_after_its_last_commit() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, bells_only());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut all = Reader::open(&feed, "*", Start::Now).await;
    let away = reader.cursor.clone();
    shop.run("begin; insert into orders values (1, 'a'); select rowbell.unwatch('orders'); commit").await;
    reader.until(1).await;
    assert_eq!(reader.step().await, Some(Delivery::Unwatched));
    assert_eq!(all.step().await, Some(Delivery::Reset(ResetReason::Schema)));
    // Who was away learns it from the catalog.
    let late = feed.subscribe(Topic::parse("orders").unwrap(), Start::After(away)).await.unwrap();
    assert!(matches!(late, Opened::UnknownChannel(_)), "{late:?}");
}

#[tokio::test]
async fn a_dropped_table_ends_its_topic() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig::default());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    shop.run("drop table orders").await;
    assert_eq!(reader.step().await, Some(Delivery::Unwatched));
}

#[tokio::test]
async fn resync_starts_everybody_over() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, bells_only());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    shop.run("select rowbell.resync('orders')").await;
    assert_eq!(reader.step().await, Some(Delivery::Reset(ResetReason::Schema)));
    // And at once a new subscription holds.
    let mut again = Reader::open(&feed, "orders", Start::Now).await;
    shop.run("insert into orders values (1, 'a')").await;
    again.until(1).await;
}

#[tokio::test]
async fn a_quiet_topic_moves_its_cursor() {
    let shop = shop().await;
    let config = FeedConfig {
        quiet: Duration::ZERO,
        heartbeat_drain: Duration::from_millis(20),
        ..FeedConfig::default()
    };
    let feed = RunningFeed::new(&shop.connector, config);
    let mut quiet = Reader::open(&feed, "clients", Start::Now).await;
    let before = quiet.cursor.clone();
    shop.run("insert into orders values (1, 'a')").await;
    while quiet.cursor == before {
        quiet.step().await;
    }
    assert!(quiet.changes.is_empty());
}

#[tokio::test]
async fn a_large_commit_is_read_from_the_log_in_parts() {
    let shop = shop().await;
    let config = FeedConfig { drain_limit: 20_000, frame_limit: 10_000, ..bells_only() };
    let feed = RunningFeed::new(&shop.connector, config);
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut other = Reader::open(&feed, "clients", Start::Now).await;
    shop.run("insert into orders select n, repeat('x', 100) from generate_series(1, 2000) n").await;
    reader.until(2000).await;
    shop.run("insert into orders values (0, 'after'); insert into clients values (1, 'c')").await;
    reader.until(2001).await;
    other.until(1).await;
    assert!(reader.counts().values().all(|count| *count == 1));
    assert_eq!(reader.changes[2000]["id"], "0");
    assert_eq!(other.told(), ["insert 1"]);
}

#[tokio::test]
async fn a_commit_too_large_to_be_read_in_time_holds_nobody_up() {
    let shop = shop().await;
    let config = FeedConfig { drain_patience: Duration::from_millis(100), ..FeedConfig::default() };
    let feed = RunningFeed::new(&shop.connector, config);
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut other = Reader::open(&feed, "clients", Start::Now).await;
    shop.run("insert into orders select n, repeat('x', 300) from generate_series(1, 20000) n").await;
    shop.run("insert into clients values (1, 'c')").await;
    other.until(1).await;
    reader.until(20_000).await;
    shop.run("insert into orders values (0, 'after')").await;
    reader.until(20_001).await;
    assert!(reader.counts().values().all(|count| *count == 1));
    assert!(feed.stats().reconnects.get() >= 1, "the commit was read in time, which proves nothing");
}

/// Two readers of orders after that many commits, of which the first has read none.
async fn slow_and_quick(shop: &Database, feed: &RunningFeed, commits: usize) -> (Reader, Reader) {
    let slow = Reader::open(feed, "orders", Start::Now).await;
    let mut quick = Reader::open(feed, "orders", Start::Now).await;
    for id in 0..commits {
        shop.run(&format!("insert into orders values ({id}, 'n')")).await;
        quick.until(id + 1).await;
    }
    (slow, quick)
}

#[tokio::test]
async fn a_slow_reader_is_fed_from_the_log() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig { backlog: 4, ..bells_only() });
    let (mut slow, quick) = slow_and_quick(&shop, &feed, 50).await;
    slow.until(50).await;
    assert_eq!(slow.told(), quick.told());
}

/// What a promotion that lost commits leaves behind, without the promotion: another generation on another timeline.
const PROMOTE: &str = "delete from rowbell.generation; select rowbell.open_generation();
    update rowbell.generation_start set timeline = 99 where number = (select max(number) from rowbell.generation_start);
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'rowbell listener' and datname = current_database()";

#[tokio::test]
async fn who_waits_to_join_while_commits_are_lost_starts_over() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, bells_only());
    let holder = Reader::open(&feed, "clients", Start::Now).await;
    let (session, observer) = (shop.link().await, shop.link().await);
    // The listener is held up in its drain, so that the cursor was judged long before the position is taken.
    let block = "begin; lock table rowbell.sync_log in access exclusive mode";
    session.client.batch_execute(block).await.unwrap();
    let start = Start::After(holder.cursor.clone());
    let joining = tokio::spawn({
        let feed = feed.clone();
        async move { feed.subscribe(Topic::parse("orders").unwrap(), start).await }
    });
    let waits =
        "select exists (select from pg_locks where not granted and relation = 'rowbell.sync_log'::regclass)";
    soon(async { while !observer.client.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {} }).await;
    session.client.batch_execute(&format!("{PROMOTE}; commit")).await.unwrap();
    let opened = soon(joining).await.unwrap().unwrap();
    assert!(matches!(opened, Opened::Reset(ResetReason::Lost)), "{opened:?}");
}

#[tokio::test]
async fn who_was_too_slow_to_hear_that_commits_were_lost_starts_over() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig { backlog: 2, ..bells_only() });
    let (mut slow, mut quick) = slow_and_quick(&shop, &feed, 5).await;
    shop.run(&format!("begin; {PROMOTE}; commit")).await;
    assert_eq!(quick.step().await, Some(Delivery::Reset(ResetReason::Lost)));
    // The topic lives on for others.
    let _new = Reader::open(&feed, "orders", Start::Now).await;
    assert_eq!(slow.step().await, Some(Delivery::Reset(ResetReason::Lost)));
}

#[tokio::test]
async fn who_was_too_slow_to_hear_that_a_channel_ended_hears_it_after_its_last_commit() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, FeedConfig { backlog: 2, ..bells_only() });
    let (mut slow, mut quick) = slow_and_quick(&shop, &feed, 5).await;
    shop.run("begin; insert into orders values (5, 'last'); select rowbell.unwatch('orders'); commit").await;
    quick.until(6).await;
    assert_eq!(quick.step().await, Some(Delivery::Unwatched));
    slow.until(6).await;
    assert_eq!(slow.step().await, Some(Delivery::Unwatched));
    assert_eq!(slow.told(), quick.told());
}

#[tokio::test]
async fn the_cursor_of_a_topic_that_ends_claims_only_what_was_told() {
    let shop = shop().await;
    // The second feed reads every drain from the log.
    for drain_limit in [FeedConfig::default().drain_limit, 0] {
        let feed = RunningFeed::new(&shop.connector, FeedConfig { drain_limit, ..bells_only() });
        shop.run("select rowbell.watch('orders'); truncate orders, clients").await;
        let mut both = Reader::open(&feed, "clients,orders", Start::Now).await;
        shop.run(
            "begin; insert into orders values (1, 'a'); select rowbell.unwatch('orders'); insert into clients values (1, 'b'); commit",
        )
        .await;
        both.until(1).await;
        let cursor = both.cursor.clone();
        shop.run("insert into clients values (2, 'c')").await;
        let mut clients = Reader::open(&feed, "clients", Start::After(cursor)).await;
        clients.until(1).await;
        let told: Vec<_> = both.told().into_iter().chain(clients.told()).collect();
        assert_eq!(told, ["insert 1", "insert 1", "insert 2"]);
        while both.step().await != Some(Delivery::Unwatched) {}
    }
}
