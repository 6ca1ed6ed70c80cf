//! Who rings, how often, and who does not.

use rowbell::pg::link::{Link, Message};

use crate::support::mirror::Mirror;
use crate::support::soon;

/// Bells heard before one that is rung now.
async fn heard(listener: &mut Link) -> Vec<String> {
    listener.client.batch_execute("select pg_notify('rowbell:end', '')").await.unwrap();
    let mut topics = Vec::new();
    loop {
        match soon(listener.messages.recv()).await.expect("the connection is open") {
            Message::Bell { topic } if topic == "rowbell:end" => return topics,
            Message::Bell { topic } => topics.push(topic),
            Message::Notice { .. } => {}
        }
    }
}

async fn item(watch: &str) -> (Mirror, Link) {
    let mirror = Mirror::of(&format!(
        "create table item (id integer primary key, note text); select rowbell.watch('item'{watch});"
    ))
    .await;
    let listener = mirror.database.link().await;
    listener
        .client
        .batch_execute("listen \"rowbell:item\"; listen \"rowbell:end\"; listen rowbell")
        .await
        .unwrap();
    (mirror, listener)
}

#[tokio::test]
async fn a_hundred_thousand_rows_ring_once() {
    let (mut item, mut listener) = item("").await;
    item.write("insert into item select n, 'n' from generate_series(1, 100000) n").await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item"]);
    let commits = item.reader.drain().await;
    assert_eq!((commits.len(), commits[0].changes.len()), (1, 100_000));
    assert!(commits[0].changes.is_sorted_by_key(|change| change.version));
}

#[tokio::test]
async fn each_commit_rings_and_nothing_else_does() {
    let (item, mut listener) = item("").await;
    item.write("insert into item values (1, 'a'), (2, 'b')").await;
    item.write("begin; update item set note = 'c'; delete from item where id = 2; commit").await;
    item.write("truncate item").await;
    assert_eq!(heard(&mut listener).await.len(), 3);
    item.write("begin; insert into item values (3, 'a'); rollback").await;
    item.write("begin; savepoint s; insert into item values (3, 'a'); rollback to s; commit").await;
    item.write("update item set note = 'c' where id = 99; delete from item where id = 99").await;
    item.write("insert into item values (4, 'a')").await;
    item.write("update item set note = 'a'").await;
    assert_eq!(heard(&mut listener).await.len(), 1);
    item.write("begin; savepoint s; insert into item values (3, 'a'); rollback to s; insert into item values (3, 'b'); commit").await;
    assert_eq!(heard(&mut listener).await.len(), 1);
}

#[tokio::test]
async fn the_catalog_rings_its_own_bell() {
    let (item, mut listener) = item("").await;
    item.write("create table other (id integer primary key); select rowbell.watch('other')").await;
    item.write("select rowbell.resync('item')").await;
    item.write("select rowbell.unwatch('item')").await;
    let bells = heard(&mut listener).await;
    assert_eq!(bells, ["rowbell", "rowbell:item", "rowbell", "rowbell:item", "rowbell"]);
}

#[tokio::test]
async fn never_is_silent_and_lets_two_phase_commit_through() {
    let (mut item, mut listener) = item(", notify => 'never'").await;
    item.write("insert into item values (1, 'a'); update item set id = 2; truncate item").await;
    item.tell().await;
    let name = format!("two_phase_{}", item.database.connector.database());
    item.write(&format!("begin; insert into item values (1, 'a'); prepare transaction '{name}'")).await;
    assert_eq!(item.tell().await, [""; 0]);
    item.write(&format!("commit prepared '{name}'")).await;
    item.write("insert into item values (2, 'b')").await;
    assert_eq!(heard(&mut listener).await, [""; 0]);
    assert_eq!(item.tell().await.len(), 2);
}

#[tokio::test]
async fn with_a_bell_two_phase_commit_is_refused_by_postgres() {
    let (item, _listener) = item("").await;
    assert_eq!(
        item.refused("begin; insert into item values (1, 'a'); prepare transaction 'refused'").await,
        "0A000"
    );
}
