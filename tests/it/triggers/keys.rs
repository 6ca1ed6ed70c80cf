//! Keys: of several columns, changed, swapped, used again.

use crate::support::mirror::Mirror;

async fn plain() -> Mirror {
    Mirror::of(
        "create table item (id integer primary key deferrable, note text unique deferrable); select rowbell.watch('item')",
    )
    .await
}

#[tokio::test]
async fn another_key_is_another_row() {
    let mut item = plain().await;
    item.told("insert into item values (1, 'a')").await;
    assert_eq!(item.told("update item set id = 2").await, ["delete 1", r#"insert 2 {"id":2,"note":"a"}"#]);
    // And further changes of the same transaction follow.
    let told = item
        .told("begin; update item set id = 3; update item set note = 'b'; delete from item; commit")
        .await;
    assert_eq!(
        told,
        ["delete 2", r#"insert 3 {"id":3,"note":"a"}"#, r#"update 3 {"id":3,"note":"b"}"#, "delete 3"]
    );
}

#[tokio::test]
async fn swapped_keys_are_deleted_before_they_are_made() {
    let mut item = plain().await;
    item.told("insert into item values (1, 'a'), (2, 'b')").await;
    assert_eq!(
        item.told("update item set id = 3 - id").await,
        ["delete 1", "delete 2", r#"insert 2 {"id":2,"note":"a"}"#, r#"insert 1 {"id":1,"note":"b"}"#]
    );
    item.told("insert into item values (3, 'c'), (4, 'd')").await;
    // The copy checks the order of a chain.
    assert_eq!(item.told("update item set id = id + 1").await.len(), 8);
}

#[tokio::test]
async fn a_row_made_again_follows_its_delete() {
    let mut item = plain().await;
    item.told("insert into item values (1, 'a')").await;
    let told = item.told("begin; delete from item; insert into item values (1, 'b'); delete from item; insert into item values (1, 'c'); commit");
    assert_eq!(
        told.await,
        ["delete 1", r#"insert 1 {"id":1,"note":"b"}"#, "delete 1", r#"insert 1 {"id":1,"note":"c"}"#]
    );
    let told = item
        .told("with gone as (delete from item returning id) insert into item select id, 'd' from gone")
        .await;
    assert_eq!(told, ["delete 1", r#"insert 1 {"id":1,"note":"d"}"#]);
}

#[tokio::test]
async fn several_columns_are_a_json_array() {
    let mut line = Mirror::of(
        "create table line (b text, a integer, at timestamptz, note text, primary key (a, b, at)); select rowbell.watch('line')",
    )
    .await;
    let told = line.told("insert into line values ('x\"y, [', 1, '2020-01-01 00:00+02', 'n')").await;
    let id = r#"[1,"x\"y, [","2019-12-31T22:00:00+00:00"]"#;
    assert!(told[0].starts_with(&format!("insert {id} ")), "{told:?}");
    assert_eq!(line.told("update line set note = 'm'").await.len(), 1);
    let told = line.told("update line set b = ''").await;
    assert_eq!(told[0], format!("delete {id}"));
    assert!(told[1].starts_with(r#"insert [1,"","2019-12-31T22:00:00+00:00"] "#), "{told:?}");
}

#[tokio::test]
async fn a_key_is_the_text_it_has_in_the_row() {
    let mut odd = Mirror::of("create domain small as integer").await;
    for (of, value) in [
        ("uuid", "00000000-0000-0000-0000-00000000000a"),
        ("numeric", "1.10"),
        ("numeric", "NaN"),
        ("float8", "0.1"),
        ("boolean", "true"),
        ("date", "2020-02-03"),
        ("timestamp", "2020-02-03 04:05:06"),
        ("interval", "1 day 02:00"),
        ("bytea", "\\x00ff"),
        ("char(3)", "a"),
        ("text", " a\"\\\n"),
        ("inet", "10.0.0.1/8"),
        ("\"char\"", "x"),
        ("small", "7"),
    ] {
        odd.again(&format!(
            "drop table if exists odd; create table odd (id {of} primary key); select rowbell.watch('odd')"
        ))
        .await;
        odd.write(&format!("set datestyle = german; set intervalstyle = postgres_verbose; set bytea_output = escape; insert into odd values ({})", quoted(value))).await;
        odd.tell().await;
        let sql = "select row_id is not distinct from row ->> 'id' from rowbell.sync_log where op = 'insert' order by seq desc limit 1";
        assert!(odd.reader.link.client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0), "{of} {value}");
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
