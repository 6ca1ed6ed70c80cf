//! Each statement of SQL that changes rows, alone.

use std::io::Write;

use futures::SinkExt;

use crate::support::mirror::Mirror;

const STOCK: &str = "create table stock (id integer primary key, note text, updated_at timestamptz,
         doubled integer generated always as (id * 2) stored);
     select rowbell.watch('stock')";

async fn stock() -> Mirror {
    Mirror::of(STOCK).await
}

#[tokio::test]
async fn insert_update_delete() {
    let mut stock = stock().await;
    assert_eq!(
        stock.told("insert into stock values (1, 'a'), (2, null)").await,
        [r#"insert 1 {"doubled":2,"id":1,"note":"a"}"#, r#"insert 2 {"doubled":4,"id":2,"note":null}"#]
    );
    assert_eq!(
        stock.told("update stock set note = 'b' where id = 1").await,
        [r#"update 1 {"doubled":2,"id":1,"note":"b"}"#]
    );
    assert_eq!(stock.told("delete from stock").await, ["delete 2", "delete 1"]);
}

#[tokio::test]
async fn a_statement_that_changes_nothing_logs_nothing() {
    let mut stock = stock().await;
    stock.told("insert into stock values (1, 'a')").await;
    let row = "select row_to_json(s)::text from stock s";
    let before: String = stock.writer.client.query_one(row, &[]).await.unwrap().get(0);
    for same in [
        "update stock set note = note",
        "update stock set version = 77, last_synced_at = null, updated_at = null",
        "update stock set version = null",
        "update stock set doubled = default, note = 'a'",
        "update stock set note = 'z' where id = 2",
        "delete from stock where id = 2",
        "insert into stock values (1, 'z') on conflict do nothing",
    ] {
        assert_eq!(stock.told(same).await, [""; 0], "{same}");
        let after: String = stock.writer.client.query_one(row, &[]).await.unwrap().get(0);
        assert_eq!(after, before, "{same}");
    }
}

#[tokio::test]
async fn a_version_that_was_null_is_no_change_either() {
    let mut old = Mirror::of(
        "create table old (id integer primary key, note text, version bigint);
         insert into old values (1, 'a'); select rowbell.watch('old'); ",
    )
    .await;
    old.write("update old set note = 'a'").await;
    assert_eq!(old.unchecked().await, []);
}

#[tokio::test]
async fn what_a_statement_says_of_the_version_is_overruled() {
    let mut stock = stock().await;
    stock.told("insert into stock (id, version) values (1, 900000000)").await;
    stock
        .told("update stock set note = 'b', version = 1, updated_at = 'epoch', last_synced_at = 'epoch'")
        .await;
    let row = stock.writer.client.query_one(
        "select version < 900000000, updated_at > now() - interval '1 hour', last_synced_at > now() - interval '1 hour' from stock",
        &[],
    );
    let row = row.await.unwrap();
    assert!(row.get::<_, bool>(0) && row.get::<_, bool>(1) && row.get::<_, bool>(2));
}

#[tokio::test]
async fn upsert_by_either_branch() {
    let mut stock = stock().await;
    let upsert = "insert into stock values (1, 'a') on conflict (id) do update set note = stock.note || '+'";
    assert_eq!(stock.told(upsert).await, [r#"insert 1 {"doubled":2,"id":1,"note":"a"}"#]);
    assert_eq!(stock.told(upsert).await, [r#"update 1 {"doubled":2,"id":1,"note":"a+"}"#]);
    let same = "insert into stock values (1, 'z') on conflict (id) do update set note = stock.note";
    assert_eq!(stock.told(same).await, [""; 0]);
}

#[tokio::test]
async fn merge_by_every_branch() {
    let mut stock = stock().await;
    stock.told("insert into stock values (1, 'a'), (2, 'b')").await;
    // PostgreSQL 15 and newer.
    if stock
        .writer
        .client
        .query_one("select 1 where current_setting('server_version_num')::int >= 150000", &[])
        .await
        .is_err()
    {
        return;
    }
    let merge = "merge into stock s using (values (1, 'A'), (2, null), (3, 'C')) v(id, note) on s.id = v.id
         when matched and v.note is null then delete
         when matched then update set note = v.note
         when not matched then insert (id, note) values (v.id, v.note)";
    let mut told = stock.told(merge).await;
    told.sort();
    assert_eq!(
        told,
        [
            "delete 2",
            r#"insert 3 {"doubled":6,"id":3,"note":"C"}"#,
            r#"update 1 {"doubled":2,"id":1,"note":"A"}"#
        ]
    );
}

#[tokio::test]
async fn copy_in_tells_each_row() {
    let mut stock = stock().await;
    let sink = stock.writer.client.copy_in("copy stock (id, note) from stdin").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    let mut text = Vec::new();
    write!(text, "1\ta\n2\t\\N\n").unwrap();
    sink.send(bytes::Bytes::from(text)).await.unwrap();
    assert_eq!(sink.as_mut().finish().await.unwrap(), 2);
    assert_eq!(
        stock.tell().await,
        [r#"insert 1 {"doubled":2,"id":1,"note":"a"}"#, r#"insert 2 {"doubled":4,"id":2,"note":null}"#]
    );
}

const FAMILY: &str = "create table parent (id integer primary key);
     create table child (id integer primary key,
         a integer references parent on delete set null, b integer references parent on delete set null,
         owner integer references parent on delete cascade);
     select rowbell.watch('parent'), rowbell.watch('child')";

#[tokio::test]
async fn a_cascade_is_told_after_its_cause() {
    let mut family = Mirror::of(FAMILY).await;
    family
        .told(
            "insert into parent values (1); insert into child values (7, null, null, 1), (8, null, null, 1)",
        )
        .await;
    assert_eq!(family.told("delete from parent").await, ["delete 1", "delete 7", "delete 8"]);
}

#[tokio::test]
async fn two_keys_set_null_on_one_row_are_two_versions() {
    let mut family = Mirror::of(FAMILY).await;
    family.told("insert into parent values (1), (2); insert into child values (7, 1, 2, null)").await;
    assert_eq!(
        family.told("delete from parent").await,
        [
            "delete 1",
            r#"update 7 {"a":null,"b":2,"id":7,"owner":null}"#,
            "delete 2",
            r#"update 7 {"a":null,"b":null,"id":7,"owner":null}"#
        ]
    );
}

#[tokio::test]
async fn truncate_with_cascade() {
    let mut family = Mirror::of(FAMILY).await;
    family.told("insert into parent values (1); insert into child values (7, 1, null, null)").await;
    let mut told = family.told("truncate parent cascade").await;
    told.sort();
    assert_eq!(told, ["truncate -", "truncate -"]);
    let again = "insert into parent values (3); truncate child; insert into child values (7, 3, null, null)";
    assert_eq!(
        family.told(again).await,
        [r#"insert 3 {"id":3}"#, "truncate -", r#"insert 7 {"a":3,"b":null,"id":7,"owner":null}"#]
    );
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let mut stock = stock().await;
    stock.told("begin; insert into stock values (1, 'a'); rollback").await;
    let told = stock
        .told(
            "begin; insert into stock values (1, 'a'); savepoint s; update stock set note = 'b';
             insert into stock values (2, 'c'); rollback to s; update stock set note = 'd';
             savepoint t; insert into stock values (3, 'e'); release t; commit",
        )
        .await;
    assert_eq!(
        told,
        [
            r#"insert 1 {"doubled":2,"id":1,"note":"a"}"#,
            r#"update 1 {"doubled":2,"id":1,"note":"d"}"#,
            r#"insert 3 {"doubled":6,"id":3,"note":"e"}"#
        ]
    );
}

#[tokio::test]
async fn a_cancelled_statement_is_not_told() {
    let mut stock = stock().await;
    let slow = "set statement_timeout = 50;
        insert into stock select n, pg_sleep(0.01)::text from generate_series(1, 1000) n";
    assert_eq!(stock.refused(slow).await, "57014");
    stock.write("set statement_timeout = 0").await;
    assert_eq!(stock.told("insert into stock values (1, 'a')").await.len(), 1);
}
