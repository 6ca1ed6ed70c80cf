//! Bringing the schema in: at once, by many, and where it does not fit.

use futures::future::join_all;
use rowbell::pg::migrate::{migrate_up, schema_status};

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
