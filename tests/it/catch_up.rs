//! Going through the log in small steps tells the same as one drain, in order, and holds nothing between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::feed::{Delivery, Start};
use rowbell::pg::catch_up::{Stride, Walk};
use rowbell::pg::log::Channels;
use rowbell::pg::pool::PoolOptions;
use rowbell::words::{Change, FeedConfig, Snapshot};

use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::mirror::{LogReader, Mirror};
use crate::support::soon;

/// Every step as small as it can be, and every commit of more than four rows in parts.
const SMALL: Stride = Stride { bytes: 300, rows: 1 };

/// All that a walk tells, with its transaction, and the positions it passes with how much was told there.
async fn walk(
    database: &Database,
    since: &Snapshot,
    until: &Snapshot,
    channels: &Channels,
    stride: Stride,
) -> (Vec<(u64, Change)>, Vec<(Snapshot, usize)>) {
    let pool = database.connector.pool(PoolOptions::of(1)).unwrap();
    let mut walk = Walk::new(since.clone(), until.clone(), channels.clone(), stride);
    let (mut told, mut passed) = (Vec::new(), Vec::new());
    for read in 0.. {
        assert!(read < 10_000, "it does not get on");
        let chunk = soon(walk.read(&pool)).await.unwrap();
        let weight: usize = chunk.changes.iter().rev().skip(1).map(|(_, change)| change.weight()).sum();
        assert!(weight <= stride.bytes, "{weight} bytes at once");
        told.extend(chunk.changes.into_iter().map(|(head, change)| (head.xid, change)));
        if let Some(position) = chunk.reached {
            passed.push((position.clone(), told.len()));
            if position == *until {
                break;
            }
        }
    }
    (told, passed)
}

/// The same as one drain tells it.
async fn drained(reader: &mut LogReader) -> Vec<(u64, Change)> {
    let flat = |commit: rowbell::words::Commit| {
        commit.changes.into_iter().map(move |change| (commit.head.xid, change))
    };
    reader.drain().await.into_iter().flat_map(flat).collect()
}

#[tokio::test]
async fn a_transaction_that_went_on_after_a_later_one_is_told_after_it() {
    let mirror = Mirror::of(
        "create table item (id integer primary key, n integer); insert into item values (1, 0);
         select rowbell.watch('item')",
    )
    .await;
    let (old, new) = (mirror.database.link().await, mirror.database.link().await);
    let since = mirror.reader.position.clone();
    old.client.batch_execute("begin; insert into item values (10, 0)").await.unwrap();
    new.client.batch_execute("update item set n = 1 where id = 1").await.unwrap();
    new.client.batch_execute("insert into item values (11, 0)").await.unwrap();
    old.client.batch_execute("update item set n = n + 1 where id = 1; commit").await.unwrap();
    new.client.batch_execute("insert into item values (12, 0)").await.unwrap();
    let mut reader = mirror.reader;
    let expected = drained(&mut reader).await;
    let (told, passed) = walk(&mirror.database, &since, &reader.position, &Channels::All, SMALL).await;
    let ids: Vec<_> = told.iter().map(|(_, change)| change.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["1", "11", "10", "1", "12"]);
    assert_eq!(told, expected);
    assert!(passed.len() > 3, "{passed:?}");
}

#[tokio::test]
async fn a_tick_that_saw_nothing_but_ids_without_a_trace_stops_nobody() {
    let database = orders().await;
    let mut reader = LogReader::new(&database).await;
    let (since, link) = (reader.position.clone(), database.link().await);
    for _ in 0..3 {
        link.client.batch_execute("begin; select pg_current_xact_id(); rollback").await.unwrap();
    }
    database.run("insert into rowbell.tick (generation) select nonce from rowbell.generation").await;
    database
        .run("do $$ begin for i in 1..200 loop insert into orders values (i, 'x'); commit; end loop; end $$")
        .await;
    let expected = drained(&mut reader).await;
    let (told, passed) = walk(&database, &since, &reader.position, &Channels::All, SMALL).await;
    assert_eq!(told, expected);
    // No position claims what left no trace, or it would be ahead of every feed.
    assert!(passed.iter().all(|(position, _)| reader.position.covers_all_of(position)), "{passed:?}");
}

#[tokio::test]
async fn a_commit_in_parts_has_the_order_of_a_drain() {
    let mut mirror = Mirror::of(
        "create table item (id integer primary key, kind integer, note text);
         create table part (id integer, kind integer, primary key (id, kind)) partition by list (kind);
         create table part_1 partition of part for values in (1); create table part_2 partition of part for values in (2);
         create function again() returns trigger language plpgsql as $$ begin
            update item set note = note || '!' where id = new.id and length(note) < 3; return null; end $$;
         create trigger again after insert or update on item for each row execute function again();
         select rowbell.watch('item'); select rowbell.watch('part')",
    )
    .await;
    mirror.changes().await;
    let since = mirror.reader.position.clone();
    mirror
        .write(
            "begin;
             insert into item select n, n % 3, 'a' from generate_series(1, 30) n;
             insert into part select n, 1 from generate_series(1, 20) n;
             with gone as (delete from item where kind = 1 returning *) insert into item select id + 100, 1, note from gone;
             update part set kind = 2 where id % 2 = 0; delete from item where kind = 2;
             insert into item select n, 9, 'b' from generate_series(1, 60) n where n % 3 = 2; update item set id = id + 1000 where kind = 0;
             delete from part where id = 3; insert into part values (3, 1), (3, 2); commit",
        )
        .await;
    let expected = drained(&mut mirror.reader).await;
    assert!(expected.len() > 150);
    let until = mirror.reader.position.clone();
    for stride in [SMALL, Stride { bytes: 3000, rows: 7 }, Stride { bytes: 1 << 20, rows: 2048 }] {
        let (told, _) = walk(&mirror.database, &since, &until, &Channels::All, stride).await;
        assert_eq!(told, expected);
        let only = Channels::Only(vec!["part".into()]);
        let (told, _) = walk(&mirror.database, &since, &until, &only, stride).await;
        let part: Vec<_> =
            expected.iter().filter(|(_, change)| &*change.channel == "part").cloned().collect();
        assert_eq!(told, part);
    }
}

/// Transactions of all lengths; each counts one shared row up, now early and now late.
async fn count_up(database: &Database, writer: i32, mut random: StdRng) {
    let link = database.link().await;
    for _ in 0..15 {
        let own = format!("insert into item values (nextval('ids'), {writer})");
        let count = "update counter set n = n + 1";
        let wait = format!("select pg_sleep(0.0{:02})", random.random_range(0..30));
        let sql = match random.random_range(0..4) {
            0 => format!("begin; {own}; {wait}; {count}; {own}; commit"),
            1 => format!("begin; {count}; {own}; commit; {wait}"),
            2 => format!("begin; {own}; {own}; {own}; {own}; {own}; {own}; {wait}; commit"),
            _ => format!("begin; {own}; {count}; rollback; {own}"),
        };
        link.client.batch_execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn small_steps_through_any_load_are_exact_at_every_position() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let database = Database::new().await;
    database
        .run(
            "create table item (id integer primary key, writer integer); create table counter (id integer primary key, n integer);
             insert into counter values (1, 0); select rowbell.watch('item'); select rowbell.watch('counter'); create sequence ids",
        )
        .await;
    let mut reader = LogReader::new(&database).await;
    let since = reader.position.clone();
    let ticking = async {
        let link = database.link().await;
        for _ in 0..8 {
            let tick = "insert into rowbell.tick (generation) select nonce from rowbell.generation";
            link.client.batch_execute(tick).await.unwrap();
            link.client.batch_execute("select pg_sleep(0.02)").await.unwrap();
        }
    };
    let writing = join_all((0..6).map(|writer| {
        count_up(&database, writer, StdRng::seed_from_u64(seed ^ u64::try_from(writer).unwrap()))
    }));
    tokio::join!(ticking, writing);
    let expected: BTreeMap<i64, u64> =
        drained(&mut reader).await.into_iter().map(|(xid, change)| (change.seq, xid)).collect();
    for stride in [Stride { bytes: 600, rows: 4 }, Stride { bytes: 2000, rows: 20 }] {
        let (told, passed) = walk(&database, &since, &reader.position, &Channels::All, stride).await;
        println!("{} changes, {} positions", told.len(), passed.len());
        assert_eq!(told.len(), expected.len());
        let counts: Vec<i64> = told
            .iter()
            .filter(|(_, change)| &*change.channel == "counter")
            .map(|(_, change)| {
                serde_json::from_str::<serde_json::Value>(change.row.as_deref().unwrap()).unwrap()["n"]
                    .as_i64()
                    .unwrap()
            })
            .collect();
        assert_eq!(counts, (1..=i64::try_from(counts.len()).unwrap()).collect::<Vec<_>>());
        for (position, count) in &passed {
            let seqs: BTreeSet<i64> = told[..*count].iter().map(|(_, change)| change.seq).collect();
            let covered: BTreeSet<i64> =
                expected.iter().filter(|(_, xid)| position.covers(**xid)).map(|(seq, _)| *seq).collect();
            assert_eq!(seqs, covered, "{position:?}");
        }
        assert!(passed.windows(2).all(|pair| pair[1].0.covers_all_of(&pair[0].0)));
    }
}

async fn orders() -> Database {
    let database = Database::new().await;
    database
        .run(
            "create table orders (id integer primary key, note text); create table clients (id integer primary key, note text);
             select rowbell.watch('orders'); select rowbell.watch('clients')",
        )
        .await;
    database
}

#[tokio::test]
async fn slow_clients_hold_no_connection() {
    let database = orders().await;
    let config = FeedConfig { pool: 1, chunk: 60_000, frame_limit: 20_000, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let start = Reader::open(&feed, "orders", Start::Now).await.cursor.clone();
    database.run("insert into orders select n, repeat('x', 100) from generate_series(1, 5000) n").await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut reader = Reader::open(&feed, "orders", Start::After(start.clone())).await;
        // In the middle of the commit, and then it reads nothing more.
        reader.step().await;
        slow.push(reader);
    }
    let mut quick = Reader::open(&feed, "orders", Start::After(start)).await;
    quick.until(5000).await;
    let open = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'rowbell pool'
                and state <> 'idle'";
    assert_eq!(database.link().await.client.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
    slow[7].until(5000).await;
    assert_eq!(slow[7].told(), quick.told());
}

#[tokio::test]
async fn a_long_way_is_told_with_cursors_on_it() {
    let database = orders().await;
    let config = FeedConfig { step: 100, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config.clone());
    let away = Reader::open(&feed, "orders", Start::Now).await.cursor.clone();
    drop(feed);
    database
        .run("do $$ begin for i in 1..1000 loop insert into orders values (i, 'x'); commit; end loop; end $$")
        .await;
    let feed = RunningFeed::new(&database.connector, config);
    let mut told = Vec::new();
    let mut cursor = away;
    // A client whose connection breaks after every frame gets on nevertheless.
    while told.len() < 1000 {
        let mut reader = Reader::open(&feed, "orders", Start::After(cursor.clone())).await;
        reader.until(1).await;
        assert!(reader.changes.len() < 200 && reader.cursor != cursor);
        cursor = reader.cursor.clone();
        told.extend(reader.told());
    }
    assert_eq!(told, (1..=1000).map(|id| format!("insert {id}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_large_drain_concerns_only_its_channels() {
    let database = orders().await;
    let config = FeedConfig { drain_limit: 10_000, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let mut orders = Reader::open(&feed, "orders", Start::Now).await;
    let mut clients = Reader::open(&feed, "clients", Start::Now).await;
    let before = feed.stats().catch_ups.get();
    database.run("insert into orders select n, repeat('x', 100) from generate_series(1, 1000) n").await;
    orders.until(1000).await;
    database.run("insert into clients values (1, 'a')").await;
    clients.until(1).await;
    assert_eq!((clients.told(), feed.stats().catch_ups.get() - before), (vec!["insert 1".to_owned()], 1));
}

#[tokio::test]
async fn a_fault_that_waiting_cannot_mend_ends_the_subscription() {
    let database = orders().await;
    let config =
        FeedConfig { drain_limit: 0, heartbeat_drain: Duration::from_secs(3600), ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    database.run("alter function rowbell.steps rename to gone; insert into orders values (1, 'a')").await;
    assert_eq!(reader.step().await, None);
    let failure = reader.failure().expect("a reason");
    assert!(!failure.is_unavailable() && failure.report().contains("steps"), "{failure:?}");
}

#[tokio::test]
async fn a_read_that_breaks_off_goes_on_where_it_was() {
    let database = orders().await;
    let config = FeedConfig { drain_limit: 0, chunk: 5_000, frame_limit: 2_000, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    database.run("insert into orders select n, repeat('x', 100) from generate_series(1, 2000) n").await;
    for _ in 0..5 {
        assert!(matches!(reader.step().await, Some(Delivery::Frame(_))));
        database
            .run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'rowbell pool'")
            .await;
    }
    reader.until(2000).await;
    assert_eq!(reader.told(), (1..=2000).map(|id| format!("insert {id}")).collect::<Vec<_>>());
}
