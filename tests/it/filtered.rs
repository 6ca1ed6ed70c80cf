//! Topics about some rows of a channel: what enters, stays and leaves, and that a list and its feed never disagree.

mod altered;
mod together;
mod transports;

use rowbell::feed::Start;
use rowbell::words::FeedConfig;
use serde_json::json;

use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};

const TABLE: &str = "create table orders (id integer primary key, branch integer, status text, note text);
    select rowbell.watch('orders');";

#[tokio::test]
async fn rows_enter_change_and_leave() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let topic = "orders?branch=eq.3&status=neq.gone";
    let mut live = Reader::open(&feed, topic, Start::Now).await;
    let begin = live.cursor.clone();
    for sql in [
        "insert into orders values (1, 3, 'open', 'a'), (2, 4, 'open', 'b'), (3, 3, null, 'c')",
        "update orders set note = 'x'",
        "update orders set branch = 3 where id = 2",
        "update orders set status = 'gone' where id = 1",
        "update orders set note = 'unseen' where id = 1",
        "update orders set id = 20 where id = 2",
        "begin; update orders set branch = 5 where id = 20; update orders set branch = 3 where id = 20; commit",
        "update orders set status = 'open' where id = 3",
        "delete from orders",
        "insert into orders values (9, 9, 'open', 'z'), (10, 3, 'open', 'z')",
        "truncate orders",
    ] {
        database.run(sql).await;
    }
    let expected = [
        "insert 1",
        "update 1",
        "enter 2",
        "leave 1",
        "delete 2",
        "insert 20",
        "leave 20",
        "enter 20",
        "enter 3",
        "delete 20",
        "delete 3",
        "insert 10",
        "truncate -",
    ];
    live.until(expected.len()).await;
    let mut told = live.told();
    // Rows of one statement come in the order it found them.
    told[9..11].sort();
    assert_eq!(told, expected);
    let change = |op: &str, id: &str| {
        let found = live.changes.iter().find(|change| change["op"] == op && change["id"] == id);
        found.cloned().unwrap_or_else(|| panic!("no {op} {id}"))
    };
    let (enter, leave) = (change("enter", "2"), change("leave", "1"));
    assert_eq!((&enter["row"]["branch"], enter.get("old")), (&json!(3), None));
    assert_eq!(enter["version"], enter["row"]["version"]);
    assert_eq!((leave.get("row"), leave.get("old")), (None, None));
    assert!(leave["version"].as_i64() > change("update", "1")["version"].as_i64());
    assert_eq!(change("update", "1")["old"]["note"], "a");
    assert_eq!(change("delete", "20")["old"]["branch"], 3);

    let mut resumed = Reader::open(&feed, topic, Start::After(begin)).await;
    resumed.until(expected.len()).await;
    assert_eq!(resumed.changes, live.changes);
}

#[tokio::test]
async fn a_row_too_large_for_the_log_is_told_rather_than_missed() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let mut live = Reader::open(&feed, "orders?branch=eq.3", Start::Now).await;
    let begin = live.cursor.clone();
    let large = "repeat('x', 1200000)";
    for sql in [
        "insert into orders values (1, 3, 'open', 'a'), (2, 4, 'open', 'b')".to_owned(),
        format!("update orders set note = {large} where id = 1"),
        format!("update orders set note = {large} where id = 2"),
        "update orders set note = 'small' where id = 1".to_owned(),
        "update orders set note = 'small' where id = 2".to_owned(),
        format!("insert into orders values (3, 4, 'open', {large})"),
        "delete from orders where id = 3".to_owned(),
    ] {
        database.run(&sql).await;
    }
    let expected = ["insert 1", "update 1", "enter 2", "enter 1", "leave 2", "insert 3", "delete 3"];
    live.until(expected.len()).await;
    assert_eq!(live.told(), expected);
    for place in [1, 2, 5] {
        assert_eq!(
            (&live.changes[place]["row"], &live.changes[place]["too_large"]),
            (&json!(null), &json!(true))
        );
    }
    let mut resumed = Reader::open(&feed, "orders?branch=eq.3", Start::After(begin)).await;
    resumed.until(expected.len()).await;
    assert_eq!(resumed.changes, live.changes);
}

#[tokio::test]
async fn what_postgresql_cannot_read_in_another_column_is_no_hindrance() {
    let database = Database::new().await;
    database
        .run("create table odd (id integer primary key, n integer, raw json, data jsonb); select rowbell.watch('odd')")
        .await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let mut some = Reader::open(&feed, "odd?n=eq.1", Start::Now).await;
    let mut raw = Reader::open(&feed, "odd?raw=not.is.null", Start::Now).await;
    let mut data = Reader::open(&feed, "odd?data=is.null", Start::Now).await;
    database
        .run(
            r#"insert into odd values (1, 1, '{"a":"\u0000"}', null), (2, 2, '["\u0000"]', 'null'), (3, 1, ' null ', '1'),
                (4, 1, '1e300', '[null]')"#,
        )
        .await;
    assert_eq!(some.until(3).await.told(), ["insert 1", "insert 3", "insert 4"]);
    assert_eq!(raw.until(3).await.told(), ["insert 1", "insert 2", "insert 4"]);
    assert_eq!(data.until(2).await.told(), ["insert 1", "insert 2"]);
}
