//! What a cursor may claim after a crash, a restore, or a promotion: step by step.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rowbell::feed::{Opened, Start};
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions, StopMode};
use rowbell::pg::link::Link;
use rowbell::pg::migrate::migrate_up;
use rowbell::pg::origin::{judge, open_origin};
use rowbell::pg::{keeper, log};
use rowbell::words::frame::ResetReason;
use rowbell::words::{Cursor, FeedConfig, Origin, Snapshot, Topic};
use tokio::process::Command;

use crate::support::cluster::fast_options;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::scratch::Scratch;
use crate::support::soon;

/// A server that puts nothing on disk unless it is asked to.
async fn server(scratch: &Scratch) -> (Cluster, Connector) {
    let mut options = fast_options(scratch);
    let lazy = [("wal_writer_delay", "10s"), ("bgwriter_delay", "10s")];
    options.settings.extend(lazy.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let cluster = Cluster::open(&options).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    run(&connector, "create table orders (id integer primary key); select rowbell.watch('orders')").await;
    (cluster, connector)
}

async fn session(connector: &Connector) -> Link {
    connector.connect("test").await.expect("connects")
}

async fn run(connector: &Connector, sql: &str) {
    session(connector)
        .await
        .client
        .batch_execute(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Inserts a row; its transaction.
async fn insert(link: &Link, id: i32) -> u64 {
    link.client.execute("insert into orders values ($1)", &[&id]).await.unwrap();
    let xid = "select xid::text from rowbell.sync_log where row_id = $1";
    link.client.query_one(xid, &[&id.to_string()]).await.unwrap().get::<_, &str>(0).parse().unwrap()
}

fn upto(origin: Origin, xid: u64) -> Cursor {
    Cursor { origin, snapshot: Snapshot::new(xid + 1, Vec::new()) }
}

async fn opened(feed: &RunningFeed, cursor: Cursor) -> Opened {
    soon(feed.subscribe(Topic::parse("orders").unwrap(), Start::After(cursor))).await.unwrap()
}

#[tokio::test]
async fn an_asynchronous_commit_that_a_crash_took_back_is_lost_although_its_id_came_again() {
    let scratch = Scratch::new("async");
    let (cluster, connector) = server(&scratch).await;
    let link = session(&connector).await;
    let before = open_origin(&link.client).await.unwrap();
    let durable = insert(&link, 1).await;
    link.client.batch_execute("set synchronous_commit = off").await.unwrap();
    let claimed = insert(&link, 2).await;
    let unflushed = "select pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()";
    assert!(
        link.client.query_one(unflushed, &[]).await.unwrap().get::<_, bool>(0),
        "flushed, which proves nothing"
    );
    cluster.restart(StopMode::Immediate).await.expect("restarts");

    // Writers come before the first node, use the id again and go beyond it.
    let writer = session(&connector).await;
    let mut xids = Vec::new();
    for id in 3..7 {
        xids.push(insert(&writer, id).await);
    }
    assert!(xids.contains(&claimed) && xids[3] > claimed, "{claimed} {xids:?}");
    let settled =
        "select count(*) filter (where settled), count(*) from rowbell.sync_log where op = 'insert'";
    let counts = writer.client.query_one(settled, &[]).await.unwrap();
    assert_eq!((counts.get::<_, i64>(0), counts.get::<_, i64>(1)), (1, 5));

    let here = open_origin(&writer.client).await.unwrap();
    assert!(here.generation != before.generation && here.installation == before.installation);
    assert_eq!(judge(&writer.client, here, &upto(before, claimed)).await.unwrap(), Some(ResetReason::Lost));
    assert_eq!(judge(&writer.client, here, &upto(before, durable)).await.unwrap(), None);
    // The session that came too early learns of the generation with its next row.
    insert(&writer, 7).await;
    assert_eq!(writer.client.query_one(settled, &[]).await.unwrap().get::<_, i64>(0), 2);

    let feed = RunningFeed::new(&connector, FeedConfig::default());
    let mut reader = Reader::open(&feed, "orders", Start::After(upto(before, durable))).await;
    reader.until(5).await;
    assert_eq!(reader.told(), ["insert 3", "insert 4", "insert 5", "insert 6", "insert 7"]);
    assert!(matches!(opened(&feed, upto(before, claimed)).await, Opened::Reset(ResetReason::Lost)));
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_second_crash_still_knows_what_survived_the_first() {
    let scratch = Scratch::new("twice");
    let (cluster, connector) = server(&scratch).await;
    let link = session(&connector).await;
    let first = open_origin(&link.client).await.unwrap();
    let kept = insert(&link, 1).await;
    cluster.restart(StopMode::Immediate).await.expect("restarts");
    // Nobody opens this generation: writers only.
    insert(&session(&connector).await, 2).await;
    cluster.restart(StopMode::Immediate).await.expect("restarts");
    let link = session(&connector).await;
    let here = open_origin(&link.client).await.unwrap();
    assert_eq!(judge(&link.client, here, &upto(first, kept)).await.unwrap(), None);
    // The row between belongs to no generation, so no cursor of the first may claim it.
    assert_eq!(judge(&link.client, here, &upto(first, kept + 1)).await.unwrap(), Some(ResetReason::Lost));
    let third = insert(&link, 3).await;
    assert_eq!(judge(&link.client, here, &upto(here, third)).await.unwrap(), None);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_dump_restored_into_another_cluster_is_foreign() {
    let (one, other) = (Scratch::new("dumped"), Scratch::new("restored"));
    let (from, connector) = server(&one).await;
    let link = session(&connector).await;
    let before = open_origin(&link.client).await.unwrap();
    let cursor = upto(before, insert(&link, 1).await);
    let dump = Command::new("pg_dump").args(["-d", &from.url()]).output().await.expect("pg_dump runs");
    assert!(dump.status.success(), "{dump:?}");
    let to = Cluster::open(&fast_options(&other)).await.expect("starts");
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &to.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql runs");
    let mut input = psql.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, &dump.stdout).await.unwrap();
    drop(input);
    assert!(psql.wait().await.unwrap().success());
    let restored = Connector::parse(&to.url()).unwrap();
    assert!(open_origin(&session(&restored).await.client).await.unwrap_err().is_refused());
    migrate_up(&restored).await.expect("starts an empty log");
    let feed = RunningFeed::new(&restored, FeedConfig::default());
    assert!(matches!(opened(&feed, cursor).await, Opened::Reset(ResetReason::Foreign)));
    from.stop(StopMode::Immediate).await.expect("stops");
    to.stop(StopMode::Immediate).await.expect("stops");
}

/// A standby that follows the primary.
async fn standby(primary: &Cluster, scratch: &Scratch) -> Cluster {
    let directory = scratch.join("pg");
    std::fs::create_dir_all(&directory).unwrap();
    let data = directory.join("data");
    let copied = Command::new("pg_basebackup")
        .args(["-d", &primary.url(), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
        .arg(&data)
        .output()
        .await
        .expect("pg_basebackup runs");
    assert!(copied.status.success(), "{copied:?}");
    give(&directory);
    let options = ClusterOptions { directory, ..fast_options(scratch) };
    Cluster::open(&options).await.expect("the standby starts")
}

/// PostgreSQL refuses to run as root, and whoever owns the data runs it.
fn give(directory: &Path) {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| nix::unistd::User::from_name(name).unwrap());
    let user = user.expect("a user to run PostgreSQL");
    let chown = std::process::Command::new("chown").arg("-R").arg(&user.name).arg(directory).status();
    assert!(chown.expect("chown runs").success());
}

async fn until(link: &Link, sql: &str) {
    soon(async {
        while !link.client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_standby_that_lagged_and_was_promoted_has_lost_what_it_had_not_heard() {
    let (one, other) = (Scratch::new("primary"), Scratch::new("standby"));
    let (primary, connector) = server(&one).await;
    let link = session(&connector).await;
    let before = open_origin(&link.client).await.unwrap();
    let standby = standby(&primary, &other).await;
    let promoted = Connector::parse(&standby.url()).unwrap();
    let follower = session(&promoted).await;

    let first = insert(&link, 1).await;
    let proven = Cursor { origin: before, snapshot: log::position_now(&link.client).await.unwrap() };
    keeper::tick(&link.client).await.unwrap();
    let unproven = upto(before, insert(&link, 2).await);
    until(&follower, "select count(*) = 2 from orders").await;
    follower.client.batch_execute("alter system set primary_conninfo = ''").await.unwrap();
    follower.client.batch_execute("select pg_reload_conf()").await.unwrap();
    until(&follower, "select count(*) = 0 from pg_stat_wal_receiver").await;
    let unheard = upto(before, insert(&link, 3).await);
    primary.stop(StopMode::Immediate).await.expect("stops");

    follower.client.batch_execute("select pg_promote()").await.unwrap();
    let writer = session(&promoted).await;
    let (again, beyond) = (insert(&writer, 4).await, insert(&writer, 5).await);
    assert!(
        unheard.snapshot.covers(again) || unheard.snapshot.covers(beyond),
        "{unheard:?} {again} {beyond}"
    );
    let feed = RunningFeed::new(&promoted, FeedConfig::default());
    assert!(matches!(opened(&feed, unheard).await, Opened::Reset(ResetReason::Lost)));
    // It survived, but on another timeline only a tick can prove that.
    assert!(matches!(opened(&feed, unproven).await, Opened::Reset(ResetReason::Lost)));
    assert!(proven.snapshot.covers(first));
    let mut reader = Reader::open(&feed, "orders", Start::After(proven)).await;
    reader.until(3).await;
    assert_eq!(reader.told(), ["insert 2", "insert 4", "insert 5"]);
    standby.stop(StopMode::Immediate).await.expect("stops");
}
