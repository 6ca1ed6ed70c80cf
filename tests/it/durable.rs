//! What leaves is on disk, on a server where nobody else writes.

use std::time::Duration;

use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::Cluster;
use rowbell::pg::log;
use rowbell::pg::migrate::migrate_up;

use crate::support::cluster::fast_options;
use crate::support::database::Database;
use crate::support::mirror::LogReader;
use crate::support::scratch::Scratch;

/// PostgreSQL flushes by itself after 200 ms, or 15 s, or never; here it leaves that to us.
const LAZY: [(&str, &str); 2] = [("wal_writer_delay", "10s"), ("bgwriter_delay", "10s")];

/// Far longer than a flush takes, shorter than the server's own.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn nothing_leaves_before_it_is_on_disk_and_nothing_waits_for_others() {
    let scratch = Scratch::new("durable");
    let mut options = fast_options(&scratch);
    options.settings.extend(LAZY.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let cluster = Cluster::open(&options).await.expect("the cluster starts");
    let connector = Connector::parse(&cluster.url()).expect("a good URL");
    migrate_up(&connector).await.expect("migrates");
    let database = Database { connector, url: cluster.url() };
    database.run("create table item (id integer primary key); select rowbell.watch('item')").await;
    let mut reader = LogReader::new(&database).await;
    let (idle, lazy) = (database.link().await, database.link().await);

    // An open transaction's records are on nobody's way to disk.
    idle.client.batch_execute("begin; insert into item values (1)").await.unwrap();
    let position = tokio::time::timeout(SOON, log::position_now(&reader.link.client)).await;
    position.expect("a position does not wait for an open transaction").expect("a position");

    // An asynchronous commit is visible before it is on disk; once it was read it is there.
    lazy.client.batch_execute("set synchronous_commit = off; insert into item values (2)").await.unwrap();
    let end =
        "select pg_current_wal_insert_lsn()::text, pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()";
    let row = lazy.client.query_one(end, &[]).await.unwrap();
    assert!(row.get::<_, bool>(1), "the server flushed by itself, which proves nothing");
    let commits = tokio::time::timeout(SOON, reader.drain()).await.expect("nor does a drain");
    assert_eq!(commits.len(), 1);
    let flushed = "select pg_current_wal_flush_lsn() >= $1::text::pg_lsn";
    let flushed = lazy.client.query_one(flushed, &[&row.get::<_, &str>(0)]).await.unwrap();
    assert!(flushed.get::<_, bool>(0), "a commit was told that a crash could undo");
}
