//! Tables that change under their triggers: no write fails, and every row of the log is right.

use rowbell::words::{Change, Op};
use serde_json::Value;

use crate::support::mirror::{Mirror, line};

/// The copy cannot be compared after columns changed: what it holds are images of the former table.
async fn stock() -> Mirror {
    let mut stock = Mirror::of("").await;
    begin(&mut stock).await;
    stock
}

async fn begin(stock: &mut Mirror) {
    stock
        .again(
            "drop table if exists stock;
         create table stock (id integer primary key, note text, count integer, updated_at timestamptz,
             twice integer generated always as (count * 2) stored);
         select rowbell.watch('stock')",
        )
        .await;
    stock.told("insert into stock values (1, 'a', 1)").await;
}

/// Each way to alter the table, a write after it, and what must be told of that.
const ALTERED: &[(&str, &str, &str)] = &[
    ("add more text default 'm'", "note = 'b'", r#"{"count":1,"id":1,"more":"m","note":"b","twice":2}"#),
    ("add more text", "more = 'm'", r#"{"count":1,"id":1,"more":"m","note":"a","twice":2}"#),
    (
        "add more integer generated always as (id + 1) stored",
        "note = 'b'",
        r#"{"count":1,"id":1,"more":2,"note":"b","twice":2}"#,
    ),
    ("drop note", "count = 2", r#"{"count":2,"id":1,"twice":4}"#),
    ("drop twice", "note = 'b'", r#"{"count":1,"id":1,"note":"b"}"#),
    ("drop updated_at", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("drop last_synced_at", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("rename note to words", "words = 'b'", r#"{"count":1,"id":1,"twice":2,"words":"b"}"#),
    (
        "rename updated_at to changed",
        "note = 'b', changed = null",
        r#"{"changed":null,"count":1,"id":1,"note":"b","twice":2}"#,
    ),
    ("rename twice to doubled", "count = 2", r#"{"count":2,"doubled":4,"id":1,"note":"a"}"#),
    ("rename id to number", "note = 'b'", r#"{"count":1,"note":"b","number":1,"twice":2}"#),
    ("alter id type bigint", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("alter id type text", "note = 'b'", r#"{"count":1,"id":"1","note":"b","twice":2}"#),
    ("alter note type varchar(9)", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("alter updated_at type timestamp", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("alter updated_at type text", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("alter version type integer", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
    ("alter version type text", "note = 'b'", r#"{"count":1,"id":1,"note":"b","twice":2}"#),
];

#[tokio::test]
async fn altered_by_the_writer_and_by_another_session() {
    let mut stock = stock().await;
    for (alter, set, row) in ALTERED {
        for same_session in [true, false] {
            begin(&mut stock).await;
            let alter = format!("alter table stock {alter}");
            match same_session {
                true => stock.write(&alter).await,
                false => stock.database.run(&alter).await,
            }
            let told = stock.told_loosely(&format!("update stock set {set}")).await;
            assert_eq!(told, [format!("update 1 {row} true")], "{alter}, same session: {same_session}");
            // And once more, now that every plan was made.
            assert_eq!(stock.told_loosely("delete from stock").await, ["delete 1 true"], "{alter}");
        }
    }
}

#[tokio::test]
async fn without_a_version_the_write_goes_on() {
    for alter in ["drop version", "rename version to edition"] {
        let mut stock = stock().await;
        stock.write(&format!("alter table stock {alter}")).await;
        stock.write("insert into stock values (2, 'n')").await;
        stock.write("update stock set note = 'b' where id = 1; delete from stock where id = 1").await;
        let commits = stock.reader.drain().await;
        let told: Vec<_> = commits
            .iter()
            .flat_map(|commit| &commit.changes)
            .map(|change| (change.op.word(), change.id.as_deref(), change.version))
            .collect();
        assert_eq!(
            told,
            [("insert", Some("2"), None), ("update", Some("1"), None), ("delete", Some("1"), None)]
        );
        // Watching anew makes it whole.
        stock.write("select rowbell.watch('stock')").await;
        stock.write("update stock set note = 'c'").await;
        assert!(stock.reader.drain().await.last().unwrap().changes[0].version.is_some());
    }
}

#[tokio::test]
async fn prepared_statements_survive() {
    let mut stock = stock().await;
    let update = stock.writer.client.prepare("update stock set note = $1 where id = 1").await.unwrap();
    for (turn, alter) in
        ["add more text default 'm'", "rename count to amount", "alter note type varchar(99)", "drop more"]
            .iter()
            .enumerate()
    {
        stock.writer.client.execute(&update, &[&format!("before {turn}")]).await.unwrap();
        stock.database.run(&format!("alter table stock {alter}")).await;
        stock.writer.client.execute(&update, &[&format!("after {turn}")]).await.unwrap();
        let told = stock.tell_loosely().await;
        assert_eq!(told.len(), 2, "{alter}");
        assert!(told[1].contains(&format!("after {turn}")), "{alter}: {told:?}");
    }
}

#[tokio::test]
async fn altered_inside_the_transaction_that_writes() {
    let mut stock = stock().await;
    stock.write("begin; update stock set note = 'b'; alter table stock rename id to number; update stock set note = 'c'; alter table stock add more integer; update stock set more = 5; commit").await;
    let told = stock.tell_loosely().await;
    assert_eq!(told.len(), 3);
    assert_eq!(told[2], r#"update 1 {"count":1,"more":5,"note":"c","number":1,"twice":2} true"#);
}

#[tokio::test]
async fn a_key_renamed_or_replaced_is_followed_after_resync() {
    let mut stock = stock().await;
    stock.write("alter table stock rename id to number; select rowbell.resync('stock'); update stock set note = 'b'").await;
    assert_eq!(stock.tell_loosely().await.len(), 2);
    stock.write("alter table stock drop constraint stock_pkey, add primary key (note, number); select rowbell.resync('stock'); update stock set count = 5").await;
    let told = stock.tell_loosely().await;
    assert!(told[1].starts_with(r#"update ["b",1] "#), "{told:?}");
    let keys = "select key_columns from rowbell.channel";
    let keys: Vec<String> = stock.reader.link.client.query_one(keys, &[]).await.unwrap().get(0);
    assert_eq!(keys, ["note", "number"]);
}

#[tokio::test]
async fn a_renamed_table_keeps_its_channel_and_a_dropped_one_gives_its_name_back() {
    let mut stock = stock().await;
    stock
        .write("create schema attic; alter table stock rename to goods; alter table goods set schema attic")
        .await;
    assert_eq!(stock.told("update attic.goods set note = 'b'").await.len(), 1);
    stock.write("drop table attic.goods").await;
    stock.write("create table stock (id text primary key); select rowbell.watch('stock')").await;
    assert_eq!(
        stock.told_loosely("insert into stock values ('x')").await,
        ["resync -", r#"insert x {"id":"x"} true"#]
    );
}

impl Mirror {
    async fn told_loosely(&mut self, sql: &str) -> Vec<String> {
        self.write(sql).await;
        self.tell_loosely().await
    }

    /// Without the copy; says of each change whether its version is a new one.
    async fn tell_loosely(&mut self) -> Vec<String> {
        let telling = |change: &Change| match change.op {
            Op::Resync => line(change),
            Op::Update => format!("{} {}", line(change), former_version(change) < change.version),
            _ => format!("{} {}", line(change), change.version.is_some()),
        };
        self.unchecked().await.iter().map(telling).collect()
    }
}

/// The version in the former image, whatever its type is by now.
fn former_version(change: &Change) -> Option<i64> {
    let old: Value = serde_json::from_str(change.old.as_deref()?).expect("JSON");
    let version = old.get("version")?;
    version.as_i64().or_else(|| version.as_str()?.parse().ok())
}
