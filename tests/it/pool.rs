//! Pooled connections are as pinned as others, and the pool's errors are told apart.

use rowbell::pg::connect::Connector;
use rowbell::pg::conninfo::Surroundings;
use rowbell::pg::pool::PoolOptions;

use crate::support::cluster::{database, free_port};
use crate::support::soon;

#[tokio::test]
async fn pooled_sessions_have_the_pinned_settings() {
    let database = database().await;
    let link = database.connect("test").await.expect("connects");
    let odd = format!("alter database {} set timezone = 'Asia/Tokyo'", database.database());
    link.client.batch_execute(&odd).await.expect("set");
    let pool = database.pool(PoolOptions::of(2)).expect("a pool");
    let (first, second) = (
        pool.client("could not read").await.expect("one"),
        pool.client("could not read").await.expect("two"),
    );
    for client in [&first, &second] {
        let ask = "select current_setting('timezone'), current_setting('application_name')";
        let row = client.query_one(ask, &[]).await.expect("answers");
        assert_eq!((row.get::<_, String>(0), row.get::<_, String>(1)), ("UTC".into(), "rowbell pool".into()));
    }
}

#[tokio::test]
async fn a_terminated_connection_is_replaced() {
    let pool = database().await.pool(PoolOptions::of(1)).expect("a pool");
    let client = pool.client("could not read").await.expect("one");
    assert!(client.batch_execute("select pg_terminate_backend(pg_backend_pid())").await.is_err());
    // The driver sees the socket close a moment after the error.
    soon(async {
        while !client.is_closed() {
            tokio::task::yield_now().await
        }
    })
    .await;
    drop(client);
    let client = pool.client("could not read").await.expect("another");
    client.batch_execute("select 1").await.expect("works");
}

#[tokio::test]
async fn the_pools_errors_are_told_apart() {
    let pool = database().await.pool(PoolOptions::of(1)).expect("a pool");
    let _held = pool.client("could not read").await.expect("one");
    let busy = soon(pool.client("could not read")).await.expect_err("busy");
    assert!(busy.is_unavailable() && busy.report().contains("is busy"), "{busy:?}");

    let text = format!("host=127.0.0.1 port={} user=x", free_port());
    let gone = Connector::parse_in(&text, &Surroundings::default())
        .and_then(|gone| gone.pool(PoolOptions::of(1)))
        .expect("a pool");
    let error = soon(gone.client("could not read")).await.expect_err("refused");
    assert!(error.is_unavailable() && error.report().contains("efused"), "{error:?}");
}
