//! What stands in `row` and `old`, and what is left out.

use crate::support::mirror::Mirror;

#[tokio::test]
async fn omitted_columns_never_reach_the_log() {
    let mut users = Mirror::of(
        "create table users (id integer primary key, name text, hash text, j json);
         select rowbell.watch('users', omit => '{hash}')",
    )
    .await;
    assert_eq!(
        users.told("insert into users values (1, 'ann', 'SECRET', '{\"hash\":null}')").await,
        [r#"insert 1 {"id":1,"j":{"hash":null},"name":"ann"}"#]
    );
    // A change nobody may see is a change of the version all the same.
    assert_eq!(users.told("update users set hash = 'SECRET2'").await.len(), 1);
    users.told("update users set id = 2; delete from users").await;
    let leaked = "select count(*) from rowbell.sync_log where row::text || old::text like '%SECRET%' or row::text like '%SECRET%' or old::text like '%SECRET%'";
    assert_eq!(users.reader.link.client.query_one(leaked, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn an_omitted_column_stays_secret_under_another_name() {
    let mut users = Mirror::of(
        "create table users (id integer primary key, name text, hash text);
         select rowbell.watch('users', omit => '{hash}')",
    )
    .await;
    users.told("insert into users values (1, 'ann', 'SECRET')").await;
    users.write("alter table users rename hash to digest; alter table users rename id to number").await;
    users.write("update users set name = 'bob'").await;
    users.write("select rowbell.resync('users')").await;
    users.write("update users set name = 'cis'").await;
    // Also one that takes the name of one that is gone.
    users.write("alter table users drop digest, add hash text; update users set hash = 'SECRET'").await;
    let client = &users.reader.link.client;
    let leaked =
        "select string_agg(coalesce(row::text, '') || coalesce(old::text, ''), '') from rowbell.sync_log";
    let log: String = client.query_one(leaked, &[]).await.unwrap().get(0);
    assert!(!log.contains("SECRET") && log.contains("cis"), "{log}");
    let omit: Vec<String> = client.query_one("select omit from rowbell.channel", &[]).await.unwrap().get(0);
    assert_eq!(omit, ["hash"]);
}

#[tokio::test]
async fn json_that_jsonb_refuses_is_kept_to_the_letter() {
    for watch in ["", ", omit => '{secret}'"] {
        let mut doc = Mirror::of(&format!(
            "create table doc (id integer primary key, body json, secret text); select rowbell.watch('doc'{watch})"
        ))
        .await;
        let body = r#"{"a" : "\u0000", "a": 1e400000, "b":"\ud83d\ude00", "n": 0.10 }"#;
        doc.writer.client.execute("insert into doc values (1, $1::text::json, 's')", &[&body]).await.unwrap();
        doc.write("update doc set body = '[]'").await;
        // Kept in a key nobody knows any more, too.
        doc.write("alter table doc rename id to number").await;
        doc.writer.client.execute("update doc set body = $1::text::json", &[&body]).await.unwrap();
        let changes: Vec<_> = doc.unchecked().await;
        assert_eq!(changes.len(), 3);
        for image in [&changes[0].row, &changes[1].old, &changes[2].row] {
            assert!(image.as_ref().unwrap().contains(body), "{image:?}");
        }
        assert!(changes.iter().all(|change| change.id.as_deref() == Some("1")), "{changes:?}");
    }
}

#[tokio::test]
async fn numbers_that_are_none() {
    let mut odd = Mirror::of(
        "create table odd (id integer primary key, f float8, n numeric, d date); select rowbell.watch('odd')",
    )
    .await;
    assert_eq!(
        odd.told(
            "insert into odd values (1, 'NaN', 'NaN', 'infinity'), (2, '-infinity', '1e3', '-infinity')"
        )
        .await,
        [
            r#"insert 1 {"d":"infinity","f":"NaN","id":1,"n":"NaN"}"#,
            r#"insert 2 {"d":"-infinity","f":"-Infinity","id":2,"n":1000}"#
        ]
    );
    // NaN is NaN: nothing changed.
    assert_eq!(odd.told("update odd set f = 'NaN' where id = 1").await.len(), 0);
}

#[tokio::test]
async fn an_image_over_a_mebibyte_is_null() {
    let mut doc =
        Mirror::of("create table doc (id integer primary key, body text); select rowbell.watch('doc')").await;
    doc.write("insert into doc values (1, repeat('x', 1048576)); update doc set body = 'y'; update doc set body = repeat('z', 1048576 - 200); delete from doc").await;
    let changes: Vec<_> = doc.unchecked().await;
    let told: Vec<_> =
        changes.iter().map(|change| (change.op.word(), change.row.is_some(), change.old.is_some())).collect();
    assert_eq!(
        told,
        [("insert", false, false), ("update", true, false), ("update", true, true), ("delete", false, true)]
    );
    assert!(changes.iter().all(|change| change.id.as_deref() == Some("1") && change.version.is_some()));
}

#[tokio::test]
async fn an_image_the_server_cannot_make_is_null() {
    // As with an image over 1 GB, which would take its time.
    let mut doc = Mirror::of(
        "create type mood as enum ('good', 'bad');
         create function as_json(mood) returns json language plpgsql as
             $$ begin if $1 = 'bad' then raise 'bad'; end if; return '\"good\"'; end $$;
         create cast (mood as json) with function as_json(mood);
         create table doc (id integer primary key, mood mood); select rowbell.watch('doc')",
    )
    .await;
    doc.write("insert into doc values (1, 'bad'); update doc set mood = 'good'; update doc set mood = 'bad'")
        .await;
    let changes = doc.unchecked().await;
    let told: Vec<_> = changes.iter().map(|change| (change.row.is_some(), change.old.is_some())).collect();
    assert_eq!(told, [(false, false), (true, false), (false, true)]);
    assert!(changes.iter().all(|change| change.id.as_deref() == Some("1") && change.version.is_some()));
}

#[tokio::test]
async fn feed_only_adds_no_columns_and_counts_by_seq() {
    let mut item = Mirror::of(
        "create table item (id integer primary key, note text); select rowbell.watch('item', feed_only => true)",
    )
    .await;
    let told = item.told("begin; insert into item values (1, 'a'); update item set note = 'a'; update item set note = 'b'; update item set id = 2; delete from item; insert into item values (2, 'c'); commit");
    assert_eq!(
        told.await,
        [
            r#"insert 1 {"id":1,"note":"a"}"#,
            r#"update 1 {"id":1,"note":"b"}"#,
            "delete 1",
            r#"insert 2 {"id":2,"note":"b"}"#,
            "delete 2",
            r#"insert 2 {"id":2,"note":"c"}"#
        ]
    );
    let sql = "select count(*) from pg_attribute where attrelid = 'item'::regclass and attnum > 0";
    assert_eq!(item.reader.link.client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 2);
}
