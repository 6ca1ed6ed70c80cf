//! The snapshot cursor, step by step with named sessions, and then by luck.

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::pg::catch_up::{Stride, Walk};
use rowbell::pg::link::Link;
use rowbell::pg::log::{self, Channels};
use rowbell::pg::pool::PoolOptions;
use rowbell::words::{Change, Commit, Snapshot};
use tokio_util::sync::CancellationToken;

use crate::support::cluster::database;
use crate::support::database::Database;
use crate::support::mirror::{LogReader, Mirror, line};

async fn item() -> Mirror {
    Mirror::of(
        "create table item (id integer primary key, note text); create table other (id integer primary key);
         select rowbell.watch('item', feed_only => true); select rowbell.watch('other')",
    )
    .await
}

async fn run(session: &Link, sql: &str) {
    session.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn xid(session: &Link) -> u64 {
    let row = session.client.query_one("select pg_current_xact_id()::text", &[]).await.unwrap();
    row.get::<_, &str>(0).parse().unwrap()
}

/// Runs a statement that must wait for another session; returns once the server says it does.
async fn blocked<'a>(session: &'a Link, observer: &Link, sql: &'a str) -> impl Future<Output = ()> + 'a {
    let pid: i32 = session.client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut running = Box::pin(run(session, sql));
    let waits = "select cardinality(pg_blocking_pids($1)) > 0";
    let seen = async {
        while !observer.client.query_one(waits, &[&pid]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { () = &mut running => panic!("{sql} did not wait"), () = crate::support::soon(seen) => {} }
    running
}

fn lines(commits: &[Commit]) -> Vec<Vec<String>> {
    let id = |change: &Change| line(change).split(" {").next().unwrap_or_default().to_owned();
    commits.iter().map(|commit| commit.changes.iter().map(id).collect()).collect()
}

#[tokio::test]
async fn a_slow_transaction_with_lower_numbers_is_not_lost() {
    let mut item = item().await;
    let (slow, quick) = (item.database.link().await, item.database.link().await);
    run(&slow, "begin; insert into item values (1)").await;
    run(&quick, "insert into item values (2)").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 2"]]);
    run(&slow, "insert into item values (3)").await;
    assert!(item.reader.drain().await.is_empty());
    run(&slow, "commit").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 1", "insert 3"]]);
    assert!(item.reader.drain().await.is_empty());
}

#[tokio::test]
async fn a_newer_transaction_with_lower_numbers_is_not_lost() {
    let mut item = item().await;
    let (old, new) = (item.database.link().await, item.database.link().await);
    run(&old, "begin").await;
    let older = xid(&old).await;
    run(&new, "begin; insert into item values (1)").await;
    assert!(xid(&new).await > older);
    run(&old, "insert into item values (2); commit").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 2"]]);
    run(&new, "commit").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 1"]]);
}

#[tokio::test]
async fn two_versions_of_one_row_by_crossing_transactions_keep_their_order() {
    let mut item = item().await;
    run(&item.writer, "insert into other values (1)").await;
    run(&item.writer, "alter table other add count integer not null default 0").await;
    item.reader.drain().await;
    let (old, new) = (item.database.link().await, item.database.link().await);
    run(&old, "begin").await;
    let older = xid(&old).await;
    // The newer transaction changes the row first; the older one then changes it again.
    run(&new, "begin; update other set count = 1").await;
    assert!(xid(&new).await > older);
    run(&new, "commit").await;
    run(&old, "update other set count = 2; commit").await;
    let commits = item.reader.drain().await;
    let counts: Vec<&str> = commits
        .iter()
        .map(|commit| commit.changes[0].row.as_deref().unwrap())
        .map(|row| &row[row.len() - 10..])
        .collect();
    assert_eq!(counts, [r#""count":1}"#, r#""count":2}"#]);
    assert!(commits[0].head.xid > commits[1].head.xid);
}

#[tokio::test]
async fn a_row_made_by_a_transaction_that_waited_comes_after_its_delete() {
    let mut item = item().await;
    run(&item.writer, "insert into other values (1)").await;
    item.changes().await;
    let (first, second) = (item.database.link().await, item.database.link().await);
    run(&first, "begin; delete from other").await;
    // It has its version already when it waits for the first to commit.
    let waiting = blocked(&second, &item.reader.link, "insert into other values (1)").await;
    run(&first, "insert into item values (7); commit").await;
    waiting.await;
    let changes = item.changes().await;
    let order: Vec<String> =
        changes.iter().map(|change| format!("{} {}", change.op.word(), change.channel)).collect();
    assert_eq!(order, ["delete other", "insert item", "insert other"]);
}

#[tokio::test]
async fn aborted_and_nested_transactions() {
    let mut item = item().await;
    let (doomed, nested) = (item.database.link().await, item.database.link().await);
    run(&doomed, "begin; insert into item values (1)").await;
    run(&nested, "begin; savepoint a; insert into item values (2); savepoint b; insert into item values (3); rollback to b; insert into item values (4); release a; insert into item values (5)").await;
    run(&item.writer, "insert into item values (6)").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 6"]]);
    run(&doomed, "rollback").await;
    assert!(item.reader.drain().await.is_empty());
    run(&nested, "commit").await;
    assert_eq!(lines(&item.reader.drain().await), [["insert 2", "insert 4", "insert 5"]]);
}

#[tokio::test]
async fn a_writer_in_another_database_holds_nothing_back() {
    let mut item = item().await;
    let elsewhere = database().await.connect("test").await.unwrap();
    run(&elsewhere, "begin; create table t (id integer)").await;
    let long = xid(&elsewhere).await;
    for id in 1..4 {
        run(&item.writer, &format!("insert into item values ({id})")).await;
        assert_eq!(lines(&item.reader.drain().await), [[format!("insert {id}")]]);
    }
    assert!(item.reader.position.in_progress().contains(&long));
    run(&elsewhere, "commit").await;
    assert!(item.reader.drain().await.is_empty());
}

#[tokio::test]
async fn a_position_claims_nothing_that_left_no_trace() {
    let mut item = item().await;
    run(&item.writer, "insert into item values (1)").await;
    let last = item.reader.drain().await[0].head.xid;
    assert!(item.reader.position.covers(last));
    // A finished transaction without a log row: its id could come again after a crash.
    let ghost = xid(&item.writer).await;
    let future = item.database.link().await;
    run(&future, "begin").await;
    let open = xid(&future).await;
    xid(&item.writer).await;
    assert!(item.reader.drain().await.is_empty());
    let now = log::position_now(&item.reader.link.client).await.unwrap();
    for position in [&item.reader.position, &now] {
        assert!(position.covers(last) && !position.covers(ghost) && !position.covers(open), "{position:?}");
        assert_eq!(position.xmax(), last + 1);
    }
    item.reader.position = now;
    run(&future, "insert into item values (2); commit").await;
    let commits = item.reader.drain().await;
    assert_eq!((lines(&commits), commits[0].head.xid), (vec![vec!["insert 2".to_owned()]], open));
}

#[tokio::test]
async fn other_channels_move_the_position_too() {
    let mut item = item().await;
    run(&item.writer, "insert into other values (1)").await;
    let before = item.reader.position.clone();
    let only = Channels::Only(vec!["item".into()]);
    assert!(item.reader.drain_of(&only).await.is_empty());
    assert!(item.reader.position.xmax() > before.xmax());
    run(&item.writer, "begin; insert into item values (1); insert into other values (2); commit").await;
    assert_eq!(lines(&item.reader.drain_of(&only).await), [["insert 1"]]);
    assert!(item.reader.drain().await.is_empty());
}

#[tokio::test]
async fn commits_are_ordered_by_their_last_change() {
    let mut item = item().await;
    let sessions = [item.database.link().await, item.database.link().await, item.database.link().await];
    for (id, session) in sessions.iter().enumerate() {
        run(session, &format!("begin; insert into item values ({id})")).await;
    }
    for (id, session) in [(11, 1), (12, 2), (10, 0)] {
        run(&sessions[session], &format!("insert into item values ({id})")).await;
    }
    for session in [2, 0, 1] {
        run(&sessions[session], "commit").await;
    }
    let expected = [["insert 1", "insert 11"], ["insert 2", "insert 12"], ["insert 0", "insert 10"]];
    assert_eq!(lines(&item.reader.drain().await), expected);
}

/// Everything a walk says, with the transaction of each change.
async fn between(item: &Mirror, since: &Snapshot, until: &Snapshot) -> Vec<(u64, Change)> {
    let pool = item.database.connector.pool(PoolOptions::of(2)).unwrap();
    let stride = Stride { bytes: 1 << 20, rows: 1000 };
    let mut walk = Walk::new(since.clone(), until.clone(), Channels::All, stride);
    let mut changes = Vec::new();
    loop {
        let chunk = walk.read(&pool).await.unwrap();
        changes.extend(chunk.changes.into_iter().map(|(head, change)| (head.xid, change)));
        if chunk.reached.as_ref() == Some(until) {
            return changes;
        }
    }
}

#[tokio::test]
async fn reading_between_two_positions_is_exact() {
    let mut item = item().await;
    let (slow, slower) = (item.database.link().await, item.database.link().await);
    run(&slow, "begin; insert into item values (1)").await;
    run(&slower, "begin; insert into item values (2)").await;
    run(&item.writer, "insert into item values (3)").await;
    item.reader.drain().await;
    let since = item.reader.position.clone();
    run(
        &item.writer,
        "insert into item values (4); delete from item where id = 3; insert into item values (3)",
    )
    .await;
    run(&slow, "commit").await;
    let drained = item.reader.drain().await;
    let until = item.reader.position.clone();
    run(&slower, "commit").await;
    run(&item.writer, "insert into item values (5)").await;
    let flat: Vec<(u64, Change)> = drained
        .into_iter()
        .flat_map(|commit| commit.changes.into_iter().map(move |change| (commit.head.xid, change)))
        .collect();
    assert_eq!(flat.len(), 4);
    assert_eq!(between(&item, &since, &until).await, flat);
    assert_eq!(between(&item, &until, &until).await, []);
    assert_eq!(lines(&item.reader.drain().await), [["insert 2"], ["insert 5"]]);
}

const WRITERS: u64 = 8;

#[tokio::test]
async fn every_change_once_by_luck() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let database = Database::new().await;
    database
        .run("create table item (id integer primary key, writer bigint); select rowbell.watch('item'); create sequence ids")
        .await;
    let (mut reader, naive) = (LogReader::new(&database).await, database.link().await);
    let done = CancellationToken::new();
    let writing = async {
        join_all((0..WRITERS).map(|writer| write(&database, writer, StdRng::seed_from_u64(seed ^ writer))))
            .await;
        done.cancel();
    };
    let (mut told, mut last, mut by_number) = (Vec::new(), 0i64, 0);
    let reading = async {
        loop {
            let over = done.is_cancelled();
            for commit in reader.drain().await {
                told.extend(commit.changes.into_iter().map(|change| change.seq));
            }
            let sql = "select count(*), coalesce(max(seq), $1) from rowbell.sync_log where seq > $1 and op <> 'resync'";
            let row = naive.client.query_one(sql, &[&last]).await.unwrap();
            by_number += row.get::<_, i64>(0);
            last = row.get(1);
            if over {
                return;
            }
        }
    };
    tokio::join!(writing, reading);
    let sql = "select coalesce(array_agg(seq order by seq), '{}') from rowbell.sync_log where op <> 'resync'";
    let all: Vec<i64> = naive.client.query_one(sql, &[]).await.unwrap().get(0);
    println!("{} changes, by number {by_number}", all.len());
    assert!(all.len() > 300, "too few to say anything");
    told.sort_unstable();
    assert_eq!(told, all);
}

/// Short and long transactions, savepoints, rollbacks, on own and shared rows.
async fn write(database: &Database, writer: u64, mut random: StdRng) {
    let link = database.link().await;
    for _ in 0..40 {
        let wait = random.random_range(0..8);
        let own = format!("insert into item values (nextval('ids'), {writer})");
        let shared = format!("update item set writer = {writer} where id = {}", random.random_range(1..20));
        let sql = match random.random_range(0..5) {
            0 => own,
            1 => format!("begin; {own}; select pg_sleep(0.00{wait}); {own}; commit"),
            2 => format!("begin; {own}; savepoint s; {own}; rollback to s; {own}; commit"),
            3 => format!("begin; {own}; rollback"),
            _ => format!("begin; {shared}; select pg_sleep(0.00{wait}); commit; {own}"),
        };
        run(&link, &sql).await;
    }
}
