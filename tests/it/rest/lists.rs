//! Lists: which rows, in which order, and where the feed continues them.

use std::collections::BTreeMap;

use rowbell::words::Cursor;
use serde_json::{Value, json};

use super::served;
use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::socket::Socket;

const TABLE: &str = "create table items (id integer primary key, name text, qty integer, day date, open boolean, tags text[]);
    select rowbell.watch('items');
    insert into items values (1, 'a', 10, '2026-01-01', true, '{x,y}'), (2, 'b,c', 20, '2026-01-02', false, '{}'),
        (3, 'say \"hi\"', null, '2026-02-01', null, null), (4, 'd)', 20, null, true, '{x}'), (5, null, -1, '2026-01-31', false, '{y}');";

fn ids(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

#[tokio::test]
async fn filters_orders_and_pages() {
    let (_database, api) = served(TABLE).await;
    for (query, expected) in [
        ("", &[1, 2, 3, 4, 5][..]),
        ("name=eq.a", &[1]),
        ("name=neq.a", &[2, 3, 4]),
        ("qty=gt.10", &[2, 4]),
        ("qty=gte.10", &[1, 2, 4]),
        ("qty=lt.10", &[5]),
        ("qty=lte.10&open=is.true", &[1]),
        ("qty=not.eq.20", &[1, 5]),
        ("qty=is.null", &[3]),
        ("qty=not.is.null", &[1, 2, 4, 5]),
        ("open=is.false", &[2, 5]),
        ("open=is.unknown", &[3]),
        ("open=eq.true", &[1, 4]),
        ("name=in.(a,\"d)\")", &[1, 4]),
        ("name=in.(\"b,c\",\"d)\",\"say \\\"hi\\\"\")", &[2, 3, 4]),
        ("id=in.(1,5,77)", &[1, 5]),
        ("id=not.in.(1,5)", &[2, 3, 4]),
        ("id=in.()", &[]),
        ("day=gte.2026-01-01&day=lt.2026-02-01", &[1, 2, 5]),
        ("tags=eq.{x,y}", &[1]),
        ("order=id.desc", &[5, 4, 3, 2, 1]),
        ("order=qty", &[5, 1, 2, 4, 3]),
        ("order=qty.desc", &[3, 2, 4, 1, 5]),
        ("order=qty.desc.nullslast,id.desc", &[4, 2, 1, 5, 3]),
        ("order=qty.nullsfirst", &[3, 5, 1, 2, 4]),
        ("limit=2", &[1, 2]),
        ("limit=2&offset=3", &[4, 5]),
        ("limit=0", &[]),
        ("offset=5", &[]),
        ("limit=10000&offset=9223372036854775807", &[]),
    ] {
        let query = query
            .replace(' ', "%20")
            .replace('"', "%22")
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('\\', "%5C");
        let answer = api.get(&format!("/api/items?{query}")).await.expect(200);
        assert_eq!(ids(&answer.json()), expected, "{query}");
        Cursor::parse(answer.header("rowbell-cursor")).expect("a cursor");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let head = api.send("HEAD", "/api/items", &[], None).await.expect(200);
    assert!(head.text.is_empty() && !head.header("rowbell-cursor").is_empty());
}

#[tokio::test]
async fn a_hundred_rows_unless_more_are_asked_for() {
    let database = Database::new().await;
    database
        .run(
            "create table many (id integer primary key, note text); select rowbell.watch('many');
            insert into many select n, repeat('x', 100) from generate_series(1, 12000) n",
        )
        .await;
    let api = Api::with(&database.url, |config| config.rest.answer_limit = 1 << 20).await;
    assert_eq!(ids(&api.get("/api/many").await.json()), (1..=100).collect::<Vec<_>>());
    assert_eq!(ids(&api.get("/api/many?limit=3000&offset=9000&order=id").await.json()).len(), 3000);
    let answer = api.get("/api/many?limit=10000").await;
    assert_eq!(answer.problem(413), "too_large");
    // The connection that was left with rows to read is as good as before.
    for _ in 0..20 {
        api.get("/api/many?limit=1").await.expect(200);
    }
}

#[tokio::test]
async fn known_rows_are_not_sent_again() {
    let (database, api) = served(TABLE).await;
    let read = api.get("/api/items/1").await.expect(200);
    let ask = async |tags: &str| api.send("GET", "/api/items/1", &[("If-None-Match", tags)], None).await;
    let tag = read.header("etag");
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"0\", {tag}"), "*".to_owned()] {
        let answer = ask(&known).await.expect(304);
        assert_eq!(
            (answer.text.as_str(), answer.header("etag"), answer.header("content-type")),
            ("", tag, ""),
            "{known}"
        );
    }
    assert_eq!(ask("\"0\"").await.expect(200).text, read.text);
    database.run("update items set qty = 11 where id = 1").await;
    assert_eq!(ask(tag).await.expect(200).json()["qty"], 11);
}

/// A copy kept by list and feed, as any client would keep it.
#[derive(Default)]
struct Copy(BTreeMap<String, Value>);

impl Copy {
    fn apply(&mut self, change: &Value) {
        let id = change["id"].as_str().expect("an id").to_owned();
        match change["op"].as_str().expect("an op") {
            "insert" => assert!(self.0.insert(id, change["row"].clone()).is_none(), "twice: {change}"),
            "update" => assert!(self.0.insert(id, change["row"].clone()).is_some(), "never seen: {change}"),
            "delete" => assert!(self.0.remove(&id).is_some(), "never seen: {change}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn the_feed_continues_a_list_exactly_where_it_was_read() {
    let database = Database::new().await;
    database
        .run("create table items (id bigint primary key, n integer); select rowbell.watch('items')")
        .await;
    let api = Api::on(&database.url).await;
    let writers: Vec<_> = (0..4u32)
        .map(|writer| {
            let connector = database.connector.clone();
            tokio::spawn(async move {
                let link = connector.connect("writer").await.expect("connects");
                for round in 0..60 {
                    let (first, gone) = (writer * 1000 + round, writer * 1000 + round / 2);
                    let pause = f64::from((writer + round) % 3) / 200.0;
                    let sql = format!(
                        "begin; insert into items values ({first}, 0), ({first} + 500, 0); update items set n = n + 1 where id = {first};
                        select pg_sleep({pause}); delete from items where id = {gone} and {round} % 2 = 0; commit"
                    );
                    link.client.batch_execute(&sql).await.expect("writes");
                }
            })
        })
        .collect();
    let mut lists = Vec::new();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        lists.push(api.get("/api/items?limit=10000").await.expect(200));
    }
    database.run("insert into items values (-1, 0)").await;
    let last = api.get("/api/items?limit=10000&order=id").await.expect(200).json();
    assert!(lists.len() > 5, "{} lists were read meanwhile", lists.len());
    let step = lists.len().div_ceil(25);
    for list in lists.iter().step_by(step) {
        let rows = list.json();
        let mut copy = Copy::default();
        for row in rows.as_array().expect("rows") {
            copy.0.insert(row["id"].to_string(), row.clone());
        }
        let path = format!("/feed/items?since={}", list.header("rowbell-cursor"));
        let mut socket = Socket::open(api.address.port(), &path).await;
        assert_eq!(socket.frame().await["recovered"], true);
        while !copy.0.contains_key("-1") {
            socket.changes(1).await.0.iter().for_each(|change| copy.apply(change));
        }
        let mut kept: Vec<_> = copy.0.into_values().collect();
        kept.sort_by_key(|row| row["id"].as_i64());
        assert_eq!(Value::from(kept), last);
    }
}

#[tokio::test]
async fn a_client_knows_its_own_write_when_it_comes_round() {
    let (_database, api) = served(TABLE).await;
    let (mut socket, _) = Socket::subscribed(api.address.port(), "items").await;
    let made =
        api.send("POST", "/api/items", &[("Rowbell-Actor", "anna")], Some(r#"{"id":9}"#)).await.expect(201);
    let frame = socket.frame().await;
    let commit = &frame["commits"][0];
    assert_eq!((&commit["xid"], &commit["actor"]), (&json!(made.header("rowbell-xid")), &json!("anna")));
    assert_eq!(
        (&commit["changes"][0]["row"], &commit["changes"][0]["version"]),
        (&made.json(), &json!(made.version()))
    );
}

#[tokio::test]
async fn a_list_of_commits_that_nobody_waited_for_is_put_on_disk_first() {
    let (database, api) = served(TABLE).await;
    let link = database.link().await;
    let unflushed = "select pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()";
    let mut seen_unflushed = 0;
    for round in 100..130 {
        link.client
            .batch_execute(&format!("set synchronous_commit = off; insert into items (id) values ({round})"))
            .await
            .expect("writes");
        let before: bool = link.client.query_one(unflushed, &[]).await.unwrap().get(0);
        seen_unflushed += usize::from(before);
        let position = link.client.query_one("select pg_current_wal_insert_lsn()::text", &[]).await.unwrap();
        let position: String = position.get(0);
        api.get(&format!("/api/items?id=eq.{round}")).await.expect(200);
        let flushed = format!("select pg_current_wal_flush_lsn() >= '{position}'");
        assert!(link.client.query_one(&flushed, &[]).await.unwrap().get::<_, bool>(0));
    }
    assert!(seen_unflushed > 0, "no commit was found that was not flushed already");
}
