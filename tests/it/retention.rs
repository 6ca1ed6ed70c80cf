//! Emptying what is past retention: what stays, who is told, and that nobody waits.

use std::time::Duration;

use rowbell::feed::{Delivery, Feed, Opened, Start};
use rowbell::pg::catch_up::{Stride, Walk};
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::keeper::{self, Outcome};
use rowbell::pg::link::Link;
use rowbell::pg::log::{self, Channels};
use rowbell::pg::migrate::migrate_up;
use rowbell::pg::pool::PoolOptions;
use rowbell::pg::retention::{floor, keep_for, retention};
use rowbell::words::frame::ResetReason;
use rowbell::words::{Cursor, FeedConfig, Topic};

use crate::bell::asleep;
use crate::support::cluster::fast_options;
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::scratch::Scratch;
use crate::support::soon;

const HOUR: Duration = Duration::from_secs(3600);

async fn orders() -> Database {
    watched(Database::new().await).await
}

/// The same on a server of its own: a transaction of another database that was open when a cursor was taken counts as
/// one it has not seen.
async fn orders_alone(scratch: &Scratch) -> (Cluster, Database) {
    let cluster = Cluster::open(&fast_options(scratch)).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).expect("a good URL");
    migrate_up(&connector).await.expect("migrates");
    let database = Database { connector, url: cluster.url() };
    (cluster, watched(database).await)
}

async fn watched(database: Database) -> Database {
    database
        .run(
            "create table orders (id integer primary key, note text); create table clients (id integer primary key);
             select rowbell.watch('orders'); select rowbell.watch('clients')",
        )
        .await;
    database
}

/// Makes everything that was logged up to now two hours old, in the leaf that is so many slots from the present one.
async fn age(database: &Database, leaf: i16) {
    let link = database.link().await;
    keeper::tick(&link.client).await.unwrap();
    let sql = format!(
        "update rowbell.tick set at = at - interval '2 hours';
         update rowbell.sync_log set slot = (rowbell.slot() + {leaf}) % 8, logged_at = logged_at - interval '2 hours'"
    );
    link.client.batch_execute(&sql).await.unwrap();
}

async fn prune(link: &Link) -> Vec<Outcome> {
    // Far less than the time an open transaction is held in these tests.
    let pruned = tokio::time::timeout(Duration::from_secs(10), keeper::prune(&link.client, HOUR)).await;
    pruned.expect("it waits for nobody").unwrap().expect("nobody else empties the log")
}

/// The ring as it is after the time of a slot.
async fn turned(link: &Link) {
    link.client.batch_execute("update rowbell.retention set slot_since = '-infinity'").await.unwrap();
    keeper::turn(&link.client).await.unwrap();
}

/// Which leaf takes rows, and how far the ring has come on its way there.
async fn slot(link: &Link) -> (i16, String) {
    let row =
        link.client.query_one("select rowbell.slot(), stage from rowbell.retention", &[]).await.unwrap();
    (row.get(0), row.get(1))
}

fn emptied(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Emptied(_))).count()
}

async fn opened(feed: &Feed, cursor: &Cursor) -> Opened {
    soon(feed.subscribe(Topic::parse("orders").unwrap(), Start::After(cursor.clone()))).await.unwrap()
}

#[tokio::test]
async fn only_who_missed_something_that_was_dropped_starts_over() {
    let scratch = Scratch::new("missed");
    let (cluster, database) = orders_alone(&scratch).await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let early = Reader::open(&feed, "orders", Start::Now).await.cursor.clone();
    database.run("insert into orders values (1, 'a')").await;
    // Has seen all that will be dropped, and nothing happens on its topic any more.
    let quiet = Reader::open(&feed, "orders", Start::Now).await.cursor.clone();
    age(&database, 3).await;
    database.run("insert into orders values (2, 'b')").await;
    let link = database.link().await;
    assert_eq!(floor(&link.client).await.unwrap(), None);
    let outcomes = prune(&link).await;
    assert_eq!(emptied(&outcomes), 1, "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::Current), "{outcomes:?}");
    assert!(matches!(opened(&feed, &quiet).await, Opened::Held(_)));
    let mut reader = Reader::open(&feed, "orders", Start::After(quiet)).await;
    reader.until(1).await;
    assert_eq!(reader.told(), ["insert 2"]);
    // The feed knows the floor from its next drain; before that the way through the log finds it.
    match opened(&feed, &early).await {
        Opened::Reset(reason) => assert_eq!(reason, ResetReason::Expired),
        Opened::Held(mut held) => {
            assert_eq!(soon(held.next()).await, Some(Delivery::Reset(ResetReason::Expired)));
        }
        other => panic!("{other:?}"),
    }
    let _drained = Reader::open(&feed, "orders", Start::Now).await;
    assert!(matches!(opened(&feed, &early).await, Opened::Reset(ResetReason::Expired)));
    // Emptying again is no news, and leaves no trace in a database where nothing happens.
    let xid = "select pg_snapshot_xmax(pg_current_snapshot())::text";
    let before: String = link.client.query_one(xid, &[]).await.unwrap().get(0);
    assert_eq!(emptied(&prune(&link).await), 0);
    keeper::tick(&link.client).await.unwrap();
    let drawn = link.client.query_one(xid, &[]).await.unwrap().get::<_, String>(0);
    keeper::tick(&link.client).await.unwrap();
    assert_eq!(drawn, link.client.query_one(xid, &[]).await.unwrap().get::<_, String>(0));
    assert!(before <= drawn);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_leaf_with_a_young_row_stays() {
    let database = orders().await;
    database.run("insert into orders values (1, 'a')").await;
    age(&database, 3).await;
    let link = database.link().await;
    // A ring that came round before the leaf was emptied.
    database
        .run(
            "insert into orders values (2, 'b'); update rowbell.sync_log set slot = (rowbell.slot() + 3) % 8",
        )
        .await;
    let outcomes = prune(&link).await;
    assert!(emptied(&outcomes) == 0 && outcomes.contains(&Outcome::Young), "{outcomes:?}");
    assert_eq!(floor(&link.client).await.unwrap(), None);
}

#[tokio::test]
async fn open_transactions_keep_their_leaf_and_wait_for_nobody() {
    let database = orders().await;
    database.run("insert into orders values (1, 'a')").await;
    age(&database, 3).await;
    let (link, session) = (database.link().await, database.link().await);
    let write = "insert into rowbell.sync_log (seq, slot, channel, op) values (nextval('rowbell.seq'), (rowbell.slot() + 3) % 8, 'orders', 'truncate')";
    let read = "select from rowbell.sync_log limit 1";
    for (first, last) in [(write, "rollback"), (read, "commit")] {
        // A writer that had its slot before it came to an end, and a reader that is idle in its transaction.
        session.client.batch_execute(&format!("begin; {first}")).await.unwrap();
        let outcomes = prune(&link).await;
        assert!(emptied(&outcomes) == 0 && outcomes.contains(&Outcome::Busy), "{outcomes:?}");
        // Nobody queues, so others get by; and they may go on in their transaction.
        database
            .run(&format!(
                "set lock_timeout = '1s'; select count(*) from rowbell.sync_log; begin; {write}; rollback"
            ))
            .await;
        session.client.batch_execute(&format!("{first}; {last}")).await.unwrap();
    }
    assert_eq!(emptied(&prune(&link).await), 1);
}

#[tokio::test]
async fn a_row_that_was_committed_in_the_last_moment_is_not_dropped() {
    let database = orders().await;
    database.run("insert into orders values (1, 'a')").await;
    let session = database.link().await;
    session.client.batch_execute("begin; insert into orders values (2, 'slow')").await.unwrap();
    // Or the open one would not be among those in progress, but beyond all that the tick knows.
    database.run("insert into clients values (1)").await;
    age(&database, 3).await;
    // It was open when the tick was taken, has an id below those of the tick, and its row is in the old leaf.
    session
        .client
        .batch_execute("update rowbell.sync_log set slot = (rowbell.slot() + 3) % 8; commit")
        .await
        .unwrap();
    let link = database.link().await;
    let outcomes = prune(&link).await;
    assert!(emptied(&outcomes) == 0 && outcomes.contains(&Outcome::Young), "{outcomes:?}");
}

#[tokio::test]
async fn a_catch_up_that_races_a_drop_is_told_so() {
    let scratch = Scratch::new("races");
    let (cluster, database) = orders_alone(&scratch).await;
    let link = database.link().await;
    let since = log::position_now(&link.client).await.unwrap();
    database.run("insert into orders select n, repeat('x', 100) from generate_series(1, 50) n").await;
    database
        .run("do $$ begin for i in 51..100 loop insert into orders values (i, 'x'); commit; end loop; end $$")
        .await;
    age(&database, 3).await;
    let until = log::position_now(&link.client).await.unwrap();
    let pool = database.connector.pool(PoolOptions::of(1)).unwrap();
    for reads in [0, 1, 3] {
        let stride = Stride { bytes: 1000, rows: 10 };
        let mut walk = Walk::new(since.clone(), until.clone(), Channels::All, stride);
        for _ in 0..reads {
            assert!(!walk.read(&pool).await.unwrap().expired);
        }
        if reads == 3 {
            assert_eq!(emptied(&prune(&link).await), 1);
            assert!(walk.read(&pool).await.unwrap().expired);
        }
    }
    let mut late = Walk::new(since, until.clone(), Channels::All, Stride { bytes: 1000, rows: 10 });
    assert!(late.read(&pool).await.unwrap().expired);
    let mut after = Walk::new(
        until.clone(),
        log::position_now(&link.client).await.unwrap(),
        Channels::All,
        Stride { bytes: 1000, rows: 10 },
    );
    assert!(!after.read(&pool).await.unwrap().expired);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_listener_that_was_away_while_its_log_was_dropped_starts_everybody_over() {
    let database = orders().await;
    let config = FeedConfig { heartbeat_drain: HOUR, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    asleep(&database, &feed).await;
    // Without a bell the feed does not look.
    database.run("alter table orders disable trigger \"!rowbell_log\"").await;
    database
        .run("insert into rowbell.sync_log (seq, channel, op, row_id, row) values (nextval('rowbell.seq'), 'orders', 'insert', 1, '{}')")
        .await;
    age(&database, 3).await;
    let link = database.link().await;
    turned(&link).await;
    assert_eq!(emptied(&prune(&link).await), 1);
    database.run("select rowbell.ring('orders')").await;
    assert_eq!(reader.step().await, Some(Delivery::Reset(ResetReason::Expired)));
}

#[tokio::test]
async fn the_retention_is_the_databases_and_stays_cheap() {
    let database = orders().await;
    let link = database.link().await;
    let week = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(retention(&link.client).await.unwrap(), week);
    let insert = link.client.prepare("insert into orders values ($1, 'x')").await.unwrap();
    link.client.execute(&insert, &[&1]).await.unwrap();
    assert_eq!(keep_for(&link.client, HOUR).await.unwrap(), week);
    assert_eq!(keep_for(&link.client, HOUR).await.unwrap(), HOUR);
    let plan = "explain (verbose, costs off) insert into rowbell.sync_log (seq, channel, op) values (1, 'orders', 'update')";
    let plan: Vec<String> =
        link.client.query(plan, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(plan.concat().contains("'0'::smallint"), "the slot is not inlined: {plan:?}");
    // A plan that was made before has the new slot.
    link.client
        .batch_execute("update rowbell.retention set slot_since = slot_since - interval '600 s'")
        .await
        .unwrap();
    keeper::turn(&link.client).await.unwrap();
    link.client.execute(&insert, &[&2]).await.unwrap();
    let slots = "select array_agg(slot order by seq) from rowbell.sync_log where op = 'insert'";
    assert_eq!(link.client.query_one(slots, &[]).await.unwrap().get::<_, Vec<i16>>(0), [0, 1]);
    for keep in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(1 << 30)] {
        let error = keep_for(&link.client, keep).await.unwrap_err();
        assert!(error.is_refused() && error.hint().is_some_and(|hint| hint.contains("36h")), "{error:?}");
    }
    assert_eq!(retention(&link.client).await.unwrap(), HOUR);
}

#[tokio::test]
async fn ticks_are_trimmed_but_never_all() {
    let database = orders().await;
    let link = database.link().await;
    for id in 0..5 {
        database.run(&format!("insert into orders values ({id}, 'a')")).await;
        keeper::tick(&link.client).await.unwrap();
    }
    database.run("update rowbell.tick set at = at - interval '30 days'").await;
    prune(&link).await;
    let left = "select count(*) from rowbell.tick";
    // The newest, and the one the generation began with is none that another found.
    assert_eq!(link.client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_ring_settles_when_whoever_was_at_work_has_ended() {
    let database = orders().await;
    let (link, early, other) = (database.link().await, database.link().await, database.link().await);
    assert_eq!(slot(&link).await, (0, "settled".into()));
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (0, "settled".into()), "it is not time yet");
    let many = "insert into orders select n, pg_sleep(0.2)::text from generate_series(1, 5) n";
    let writing = tokio::spawn(async move { early.client.batch_execute(many).await.map(|()| early) });
    other.client.batch_execute("begin; insert into orders values (10, 'a')").await.unwrap();
    soon(async {
        let busy = "select count(*) from pg_stat_activity where query like '%pg_sleep(0.2)%' and state = 'active' and pid <> pg_backend_pid()";
        while link.client.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    turned(&link).await;
    assert_eq!(slot(&link).await, (1, "waiting".into()));
    other.client.batch_execute("insert into orders values (11, 'b')").await.unwrap();
    writing.await.unwrap().unwrap();
    other.client.batch_execute("prepare transaction 'turning'").await.unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "prepared".into()));
    // One that comes later is not waited for.
    let later = "begin; insert into clients values (1); prepare transaction 'later'";
    database.run("select rowbell.unwatch('clients')").await;
    other.client.batch_execute(later).await.unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "prepared".into()));
    other.client.batch_execute("commit prepared 'turning'").await.unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "settled".into()));
    other.client.batch_execute("rollback prepared 'later'").await.unwrap();
    // Nobody is open, so it goes all the way at once.
    turned(&link).await;
    assert_eq!(slot(&link).await, (2, "settled".into()));
}

#[tokio::test]
async fn the_ring_waits_for_the_end_of_whoever_turned_it() {
    let database = orders().await;
    let (link, other) = (database.link().await, database.link().await);
    // What PostgreSQL shows of a turn before it has told everybody: the commit, and the transaction that is not over.
    let holder = "select l.virtualtransaction from pg_locks l where l.locktype = 'virtualxid' and l.pid = pg_backend_pid()";
    other.client.batch_execute("begin; select 1").await.unwrap();
    let holder: String = other.client.query_one(holder, &[]).await.unwrap().get(0);
    link.client
        .batch_execute("update rowbell.retention set slot_since = '-infinity'; select rowbell.turn()")
        .await
        .unwrap();
    let turned: Vec<String> =
        link.client.query_one("select waits_for from rowbell.retention", &[]).await.unwrap().get(0);
    assert_eq!(turned.len(), 1, "who turned it is noted");
    link.client.execute("update rowbell.retention set waits_for = array[$1]", &[&holder]).await.unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "turned".into()));
    other.client.batch_execute("commit").await.unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "settled".into()));
}

#[tokio::test]
async fn a_ring_that_was_put_back_stands_where_its_record_says() {
    let database = orders().await;
    let link = database.link().await;
    turned(&link).await;
    // As in a dump that was taken while the ring turned; and of another database.
    link.client
        .batch_execute(
            "update rowbell.retention set turns = 4; update rowbell.installation set database_oid = 1",
        )
        .await
        .unwrap();
    link.client.batch_execute("select rowbell.install()").await.unwrap();
    assert_eq!(slot(&link).await, (4, "turned".into()));
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (4, "settled".into()));
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_the_ring() {
    let database = orders().await;
    let link = database.link().await;
    link.client
        .batch_execute("update rowbell.retention set slot_since = now() + interval '30 s'")
        .await
        .unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (0, "settled".into()));
    link.client
        .batch_execute("update rowbell.retention set slot_since = now() + interval '1 day'")
        .await
        .unwrap();
    keeper::turn(&link.client).await.unwrap();
    assert_eq!(slot(&link).await, (1, "settled".into()));
}
