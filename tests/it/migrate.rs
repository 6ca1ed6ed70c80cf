//! Bringing the schema in: at once, by many, and where it does not fit.

use std::process::Stdio;

use futures::future::join_all;
use rowbell::pg::migrate::{migrate_up, schema_status};

use rowbell::pg::origin::open_origin;
use tokio::process::Command;

use crate::support::cluster::database;
use crate::support::database::Database;

#[tokio::test]
async fn ten_at_once_all_succeed_and_one_works() {
    let connector = database().await;
    let results = join_all((0..10).map(|_| migrate_up(&connector))).await;
    let applied: Vec<usize> = results.into_iter().map(|result| result.expect("migrates").len()).collect();
    let status = schema_status(&connector).await.unwrap();
    assert_eq!(status.at, status.needs);
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
    assert_eq!(applied.iter().sum::<usize>(), usize::try_from(status.needs).unwrap());
}

#[tokio::test]
async fn a_copy_of_a_database_gets_a_log_of_its_own() {
    let (one, other) = (Database::new().await, Database::new().await);
    let id = async |database: &Database| -> i64 {
        let link = database.link().await;
        link.client.query_one("select id from rowbell.installation", &[]).await.unwrap().get(0)
    };
    assert_ne!(id(&one).await, id(&other).await);
}

#[tokio::test]
async fn a_dump_put_back_where_it_came_from_is_another_log() {
    let database = Database::new().await;
    database.run("create table orders (id integer primary key); select rowbell.watch('orders')").await;
    let before = open_origin(&database.link().await.client).await.unwrap();
    let dump =
        Command::new("pg_dump").args(["--clean", "-d", &database.url]).output().await.expect("pg_dump runs");
    assert!(dump.status.success(), "{dump:?}");
    // Told and then undone by the restore.
    database.run("insert into orders values (1)").await;
    let text = String::from_utf8(dump.stdout).unwrap();
    let mut psql = Command::new("psql")
        .args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", &database.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("psql runs");
    let mut input = psql.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, text.as_bytes()).await.unwrap();
    drop(input);
    assert!(psql.wait().await.unwrap().success());
    let refused = open_origin(&database.link().await.client).await.unwrap_err();
    assert!(refused.is_refused(), "{refused:?}");
    migrate_up(&database.connector).await.expect("starts an empty log");
    let after = open_origin(&database.link().await.client).await.unwrap();
    assert_ne!(before.installation, after.installation);
}
