//! PostgreSQL restarts, crashes and cuts connections underneath; subscriptions stay.

use rowbell::feed::Start;
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::migrate::migrate_up;
use rowbell::words::FeedConfig;

use crate::support::cluster::fast_options;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::scratch::Scratch;

/// A server of its own, since it is about to be ill-treated.
async fn server(scratch: &Scratch) -> (Cluster, Connector) {
    let cluster = Cluster::open(&fast_options(scratch)).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    run(&connector, "create table orders (id serial primary key, note text); select rowbell.watch('orders')")
        .await;
    (cluster, connector)
}

async fn run(connector: &Connector, sql: &str) {
    let link = connector.connect("test").await.expect("connects");
    link.client.batch_execute(sql).await.expect("runs");
}

async fn write(connector: &Connector, note: &str) {
    run(connector, &format!("insert into orders (note) values ('{note}')")).await;
}

fn notes(reader: &Reader) -> Vec<&str> {
    reader.changes.iter().map(|change| change["row"]["note"].as_str().expect("a note")).collect()
}

async fn survives(mode: StopMode) {
    let scratch = Scratch::new(&format!("restart-{mode:?}"));
    let (cluster, connector) = server(&scratch).await;
    let feed = RunningFeed::new(&connector, FeedConfig::default());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    write(&connector, "before").await;
    reader.until(1).await;
    for round in 0..3 {
        cluster.restart(mode).await.expect("restarts");
        // Before the listener is back, most likely; the log keeps it.
        write(&connector, &format!("after {round}")).await;
        reader.until(2 + round).await;
    }
    assert_eq!(notes(&reader), ["before", "after 0", "after 1", "after 2"]);
    // Who was away all the time continues too, whatever generation it is now.
    let start = Start::After(reader.cursor.clone());
    write(&connector, "last").await;
    let mut late = Reader::open(&feed, "orders", start).await;
    late.until(1).await;
    assert_eq!(notes(&late), ["last"]);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_clean_restart_loses_and_repeats_nothing() {
    survives(StopMode::Fast).await;
}

#[tokio::test]
async fn a_crash_loses_and_repeats_nothing() {
    survives(StopMode::Immediate).await;
}

#[tokio::test]
async fn every_backend_may_be_terminated() {
    let scratch = Scratch::new("terminated");
    let (cluster, connector) = server(&scratch).await;
    let feed = RunningFeed::new(&connector, FeedConfig::default());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    for round in 0..5 {
        run(&connector, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'").await;
        write(&connector, &round.to_string()).await;
        reader.until(round + 1).await;
    }
    assert_eq!(notes(&reader), ["0", "1", "2", "3", "4"]);
    assert!(feed.stats().reconnects.get() >= 5);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_cursor_that_claims_an_xid_the_crash_took_back_does_not_swallow_the_next() {
    let scratch = Scratch::new("xid");
    let (cluster, connector) = server(&scratch).await;
    let feed = RunningFeed::new(&connector, FeedConfig::default());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    write(&connector, "before").await;
    reader.until(1).await;
    // Draws xids that leave no trace on disk: the server may hand them out again after the crash.
    let link = connector.connect("test").await.unwrap();
    for _ in 0..20 {
        link.client.batch_execute("begin; select pg_current_xact_id(); rollback").await.unwrap();
    }
    let _drained_past_them = Reader::open(&feed, "orders", Start::Now).await;
    let claimed = reader.cursor.snapshot.xmax();
    cluster.restart(StopMode::Immediate).await.expect("restarts");
    write(&connector, "reused").await;
    reader.until(2).await;
    let xid: u64 = reader.changes[1]["xid"].as_str().unwrap().parse().unwrap();
    assert!(xid >= claimed, "{xid} was claimed by {claimed}");
    assert_eq!(notes(&reader), ["before", "reused"]);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}
