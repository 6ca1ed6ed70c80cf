//! One keeper at a time, its ticks, and times as places to start from.

use std::time::{Duration, SystemTime};

use rowbell::feed::{Keeper, Opened, Start};
use rowbell::pg::keeper;
use rowbell::pg::link::Link;
use rowbell::words::frame::ResetReason;
use rowbell::words::{FeedConfig, KeeperConfig, Topic};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::program::{rowbell, run};
use crate::support::soon;

const HOLDER: &str =
    "select pid from pg_locks where locktype = 'advisory' and classid = 1380931395 and objid = 1 and granted
    and database = (select oid from pg_database where datname = current_database())";

async fn orders() -> Database {
    let database = Database::new().await;
    database
        .run("create table orders (id integer primary key, note text); select rowbell.watch('orders')")
        .await;
    database
}

/// The session that keeps the log, if one does.
async fn holder(link: &Link) -> Option<i32> {
    let rows = link.client.query(HOLDER, &[]).await.unwrap();
    assert!(rows.len() <= 1, "{} keepers", rows.len());
    rows.first().map(|row| row.get(0))
}

/// The next keeper after one, and how long it took.
async fn next_holder(link: &Link, before: Option<i32>) -> (i32, Duration) {
    let begun = std::time::Instant::now();
    let pid = soon(async {
        loop {
            match holder(link).await {
                Some(pid) if Some(pid) != before => return pid,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    (pid.await, begun.elapsed())
}

async fn count(link: &Link, what: &str) -> i64 {
    link.client.query_one(&format!("select count(*) from {what}"), &[]).await.unwrap().get(0)
}

fn keep(database: &Database, config: KeeperConfig) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(Keeper::new(database.connector.clone(), config).run(stop.clone()));
    stop.drop_guard()
}

fn quick() -> KeeperConfig {
    let (beat, tidy) = (Duration::from_millis(20), Duration::from_millis(50));
    KeeperConfig { beat, tidy, ..KeeperConfig::default() }
}

#[tokio::test]
async fn one_node_keeps_the_log_and_another_takes_over_within_two_seconds() {
    let database = orders().await;
    let link = database.link().await;
    let one = Api::on(&database.url).await;
    let (first, _) = next_holder(&link, None).await;
    let _two = Api::on(&database.url).await;
    let waiting =
        "pg_stat_activity where application_name = 'rowbell keeper' and datname = current_database()";
    soon(async { while count(&link, waiting).await < 2 {} }).await;
    link.client.execute("select pg_terminate_backend($1)", &[&first]).await.unwrap();
    let (second, took) = next_holder(&link, Some(first)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    // A whole node goes: the one that keeps, or the other.
    drop(one);
    soon(async { while count(&link, waiting).await > 1 {} }).await;
    let begun = std::time::Instant::now();
    let third = next_holder(&link, None).await.0;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?} {second} {third}", begun.elapsed());
    assert_eq!(holder(&link).await, Some(third));
}

#[tokio::test]
async fn ticks_come_with_changes_and_an_idle_database_stays_idle() {
    let database = orders().await;
    let link = database.link().await;
    let _keeper = keep(&database, quick());
    next_holder(&link, None).await;
    for id in 0..3 {
        let before = count(&link, "rowbell.tick").await;
        database.run(&format!("insert into orders values ({id}, 'a')")).await;
        soon(async { while count(&link, "rowbell.tick").await == before {} }).await;
    }
    // A transaction that was open while the last tick was written.
    let session = database.link().await;
    session.client.batch_execute("begin; insert into orders values (7, 'slow')").await.unwrap();
    let before = count(&link, "rowbell.tick").await;
    database.run("insert into orders values (8, 'b')").await;
    soon(async { while count(&link, "rowbell.tick").await == before {} }).await;
    session.client.batch_execute("commit").await.unwrap();
    soon(async { while count(&link, "rowbell.tick").await == before + 1 {} }).await;
    let ticks = count(&link, "rowbell.tick").await;
    // Some twenty beats; a transaction that the keeper began would show in the xids of this database's rows.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(count(&link, "rowbell.tick").await, ticks);
}

#[tokio::test]
async fn the_keeper_empties_what_is_past_retention() {
    let database = orders().await;
    let link = database.link().await;
    database.run("insert into orders values (1, 'a')").await;
    keeper::tick(&link.client).await.unwrap();
    database
        .run(
            "update rowbell.tick set at = at - interval '8 days';
             update rowbell.sync_log set slot = (rowbell.slot() + 3) % 8, logged_at = logged_at - interval '8 days'",
        )
        .await;
    let _keeper = keep(&database, quick());
    soon(async { while count(&link, "rowbell.sync_log").await > 0 {} }).await;
    let _other = keep(&database, quick());
    database.run("insert into orders values (2, 'b')").await;
    assert_eq!(count(&link, "rowbell.sync_log").await, 1);
}

/// Inserts a row and writes a tick; the tick's time.
async fn tick(database: &Database, id: i32) -> SystemTime {
    let link = database.link().await;
    link.client.execute("insert into orders values ($1, 'a')", &[&id]).await.unwrap();
    // Ids that leave nothing in the log: the tick's snapshot covers them, no position of a feed does.
    for _ in 0..3 {
        link.client.batch_execute("begin; select pg_current_xact_id(); rollback").await.unwrap();
    }
    keeper::tick(&link.client).await.unwrap();
    link.client.query_one("select max(at) from rowbell.tick", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_time_is_a_place_to_start_from() {
    let database = orders().await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let times = [tick(&database, 1).await, tick(&database, 2).await, tick(&database, 3).await];
    for (time, told) in
        [(times[0], vec!["insert 2", "insert 3"]), (times[1] + Duration::from_micros(1), vec!["insert 3"])]
    {
        let mut reader = Reader::open(&feed, "orders", Start::At(time)).await;
        reader.until(told.len()).await;
        assert_eq!(reader.told(), told);
    }
    // With nothing after it, it is as good as now; ticks move no position beyond what is in the log.
    let mut reader = Reader::open(&feed, "orders", Start::At(times[2])).await;
    database.run("insert into orders values (4, 'd')").await;
    reader.until(1).await;
    assert_eq!(reader.told(), ["insert 4"]);

    let topic = || Topic::parse("orders").unwrap();
    let opened = feed.subscribe(topic(), Start::At(SystemTime::UNIX_EPOCH)).await.unwrap();
    assert!(matches!(opened, Opened::Reset(ResetReason::Expired)), "{opened:?}");
    let later = SystemTime::now() + Duration::from_secs(3600);
    let error = feed.subscribe(topic(), Start::At(later)).await.unwrap_err();
    assert!(error.is_usage(), "{error:?}");
}

#[tokio::test]
async fn a_time_on_the_command_line_and_pruning_there() {
    let database = orders().await;
    let on = async |arguments: &[&str]| {
        let mut command = rowbell(arguments);
        command.env("DATABASE_URL", &database.url);
        run(command).await
    };
    for (since, words) in [
        ("2999-01-01T00:00:00Z", "that time is still to come"),
        ("12:00", "--since is not a time; write it as 2026-01-02T03:04:05Z"),
    ] {
        let said = on(&["tail", "orders", "--since", since]).await;
        assert!(said.status == 2 && said.err.contains(words), "{} {}", said.status, said.err);
    }
    let said = on(&["tail", "orders", "--since", "2001-01-01T00:00:00Z"]).await;
    assert!(said.status == 1 && said.err.contains("(expired)"), "{}", said.err);

    let said = on(&["prune"]).await;
    assert!(
        said.status == 0 && said.out.ends_with("0 of 8 parts emptied, keeping 7days\n"),
        "{}{}",
        said.out,
        said.err
    );
    assert!(said.out.contains("it takes rows now"), "{}", said.out);
    database.run("update rowbell.sync_log set slot = (rowbell.slot() + 3) % 8").await;
    let answers = "insert into rowbell.request (subject, key, hash, status, row_id, answer, at)
        select '', n::text, '', 200, '1', '', clock_timestamp() - case when n > 6000 then interval '1 day' else interval '8 days' end
        from generate_series(1, 6001) n";
    database.run(answers).await;
    assert!(on(&["prune", "--keep", "1h"]).await.out.contains("a row in it is younger"));
    let left = "select string_agg(key, ' ') from rowbell.request";
    let left: String = database.link().await.client.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, "6001", "as long as the retention, whatever of the log was kept");
    let said = on(&["prune", "--keep", "0s"]).await;
    assert!(
        said.out.contains("emptied part ") && said.out.contains("1 of 8 parts emptied"),
        "{}{}",
        said.out,
        said.err
    );
    assert_eq!(on(&["prune", "--keep", "soon"]).await.status, 2);
}
