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

/// A watched table, a session that writes, and one that hears its bells.
async fn item(watch: &str) -> (Mirror, Link) {
    let mirror = Mirror::of(&format!(
        "create table item (id integer primary key, note text); select rowbell.watch('item'{watch});"
    ))
    .await;
    let listener = mirror.database.link().await;
    let listens = "listen \"rowbell:item\"; listen \"rowbell:end\"; listen rowbell";
    listener.client.batch_execute(listens).await.unwrap();
    (mirror, listener)
}

/// As a node does that has a subscriber of the channel.
const SLEEP: &str = "select pg_advisory_lock_shared(1380074828, rowbell.bell_key('item'))";
const WAKE: &str = "select pg_advisory_unlock_shared(1380074828, rowbell.bell_key('item'))";

/// The same, where the listener sleeps on the channel.
async fn item_with_sleeper(watch: &str) -> (Mirror, Link) {
    let (mirror, listener) = item(watch).await;
    listener.client.batch_execute(SLEEP).await.unwrap();
    (mirror, listener)
}

/// How many locks of the bell a session other than the listener's holds.
async fn locks_of_writers(listener: &Link) -> i64 {
    let held = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1380074828
        and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()";
    listener.client.query_one(held, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_hundred_thousand_rows_ring_once() {
    let (mut item, mut listener) = item_with_sleeper("").await;
    item.write("insert into item select n, 'n' from generate_series(1, 100000) n").await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item"]);
    let commits = item.reader.drain().await;
    assert_eq!((commits.len(), commits[0].changes.len()), (1, 100_000));
    assert!(commits[0].changes.is_sorted_by_key(|change| change.version));
}

#[tokio::test]
async fn each_commit_rings_and_nothing_else_does() {
    let (item, mut listener) = item_with_sleeper("").await;
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
async fn nobody_rings_while_nobody_sleeps() {
    let (item, mut listener) = item("").await;
    let all = "insert into item values (1, 'a'); update item set note = 'b'; truncate item";
    item.write(all).await;
    assert_eq!(heard(&mut listener).await, [""; 0]);
    listener.client.batch_execute(SLEEP).await.unwrap();
    item.write(all).await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item"]);
    // Two sleep, and one of them wakes up.
    let other = item.database.link().await;
    other.client.batch_execute(SLEEP).await.unwrap();
    listener.client.batch_execute(WAKE).await.unwrap();
    item.write(all).await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item"]);
    other.client.batch_execute(WAKE).await.unwrap();
    item.write(all).await;
    assert_eq!((heard(&mut listener).await, locks_of_writers(&listener).await), (vec![], 0));
}

#[tokio::test]
async fn a_writer_looks_after_it_has_logged() {
    let (item, mut listener) = item("").await;
    item.write(
        "create function hold() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(42); return new; end';
         create trigger hold before insert on rowbell.sync_log for each row execute function hold()",
    )
    .await;
    listener.client.batch_execute("select pg_advisory_lock(42)").await.unwrap();
    let falls_asleep = async {
        let waits =
            "select exists (select from pg_locks where not granted and locktype = 'advisory' and objid = 42)";
        while !listener.client.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {}
        listener.client.batch_execute(&format!("{SLEEP}; select pg_advisory_unlock(42)")).await.unwrap();
    };
    soon(async { tokio::join!(item.write("insert into item values (1, 'a')"), falls_asleep) }).await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item"]);
}

#[tokio::test]
async fn always_rings_whoever_sleeps() {
    let (item, mut listener) = item(", notify => 'always'").await;
    item.write("insert into item values (1, 'a')").await;
    item.write("truncate item").await;
    assert_eq!(heard(&mut listener).await, ["rowbell:item", "rowbell:item"]);
}

#[tokio::test]
async fn a_cancelled_query_leaves_no_lock() {
    let (item, listener) = item("").await;
    let (mut cancelled, client) = (0, &item.writer.client);
    // The look alone, over and over, and a statement that looks with every row.
    let look = "set statement_timeout = 1; do $$ declare rang boolean; begin loop rang := rowbell.ring('item'); end loop; end $$";
    let write =
        "set statement_timeout = 3; insert into item select n, 'n' from generate_series(1, 1000000) n";
    for round in 0..2_500 {
        let error = client.batch_execute(if round % 5 == 0 { write } else { look }).await.unwrap_err();
        cancelled += usize::from(error.code().is_some_and(|code| code.code() == "57014"));
        if round % 100 == 99 {
            assert_eq!(locks_of_writers(&listener).await, 0, "after {round} cancelled queries");
        }
    }
    assert_eq!(cancelled, 2_500);
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
    let (mut item, mut listener) = item_with_sleeper(", notify => 'never'").await;
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
    for (watch, sleeps) in [("", SLEEP), (", notify => 'always'", "")] {
        let (item, listener) = item(watch).await;
        listener.client.batch_execute(sleeps).await.unwrap();
        let prepare = "begin; insert into item values (1, 'a'); prepare transaction 'refused'";
        assert_eq!(item.refused(prepare).await, "0A000");
    }
}
