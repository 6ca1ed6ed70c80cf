//! The whole grammar of filters, on columns of every kind; what is selected, and how many rows there are.

use serde_json::{Value, json};

use super::served;
use crate::support::api::Api;
use crate::support::database::Database;

const TABLE: &str = r#"create type mood as enum ('sad', 'ok', 'glad');
    create domain label as text; create domain tag as label;
    create table things (id integer primary key, name text, mood mood, data jsonb, raw json, tags text[], nums integer[],
        span int4range, at timestamptz, day date, kind tag, code char(4), "or" integer, "a.b" text, "x,y" text);
    select rowbell.watch('things');
    insert into things (id, name, mood, data, raw, tags, nums, span, at, day, kind, code, "or", "a.b", "x,y") values
        (1, 'Anna', 'sad', '{"a":1,"b":{"c":[1,2]}}', '{"a":1}', '{x,y}', '{1,2}', '[1,5)', '2026-01-01 00:00+00', '2026-01-01', 'k1', 'ab', 1, 'p', 'q'),
        (2, 'anne', 'ok', '[1,2]', '[1]', '{"x,y"}', '{}', '[5,9)', '2026-01-01 01:00+02', '2026-02-01', 'k2', 'abcd', 2, 'p.q', 'r'),
        (3, '100%', 'glad', 'null', 'null', '{}', '{null}', 'empty', 'infinity', 'infinity', null, null, null, '(s)', ''),
        (4, 'a*b_c', null, null, null, null, null, null, null, null, 'k1', 'ab', 4, null, null);"#;

fn ids(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

fn encoded(query: &str) -> String {
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("a pair");
            let parts = [(name, value)];
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parts).finish()
        })
        .collect::<Vec<_>>()
        .join("&")
}

#[tokio::test]
async fn every_operator_on_every_kind_of_column() {
    let (_database, api) = served(TABLE).await;
    for (query, expected) in [
        ("name=like.A*", &[1][..]),
        ("name=ilike.AN*", &[1, 2]),
        ("name=not.ilike.a*", &[3]),
        (r"name=like.*\%", &[3]),
        (r"name=like.a\*b\_c", &[4]),
        ("name=like.a%", &[2, 4]),
        ("mood=eq.ok", &[2]),
        ("mood=gte.ok", &[2, 3]),
        ("mood=in.(sad,glad)", &[1, 3]),
        (r#"data=cs.{"b":{"c":[2]}}"#, &[1]),
        ("data=cs.[2]", &[2]),
        (r#"data=not.cs.{"a":1}"#, &[2]),
        ("data=is.null", &[3, 4]),
        ("data=not.is.null", &[1, 2]),
        ("data=neq.5", &[1, 2]),
        ("data=eq.[1,2]", &[2]),
        ("data=in.(\"[1,2]\",null)", &[2]),
        ("raw=is.null", &[3, 4]),
        ("raw=not.is.null", &[1, 2]),
        ("tags=cs.{x}", &[1]),
        (r#"tags=cs.{"x,y"}"#, &[2]),
        ("tags=eq.{}", &[3]),
        (r#"tags=in.("{x,y}",{})"#, &[1, 3]),
        ("tags=not.in.()", &[1, 2, 3, 4]),
        ("nums=cs.{2}", &[1]),
        ("span=cs.[2,3)", &[1]),
        ("span=eq.empty", &[3]),
        ("at=lt.2026-01-01T00:00:00Z", &[2]),
        ("at=eq.2026-01-01T02:00:00+02:00", &[1]),
        ("at=eq.infinity", &[3]),
        ("day=gte.2026-01-15&day=lt.infinity", &[2]),
        ("kind=eq.k1", &[1, 4]),
        ("kind=like.k*", &[1, 2, 4]),
        ("code=eq.ab", &[1, 4]),
        ("code=in.(ab,abcd)", &[1, 2, 4]),
        ("or=(name.eq.Anna,mood.eq.glad)", &[1, 3]),
        ("or=(and(id.gt.1,id.lt.3),not.or(id.lt.4,name.eq.x))", &[2, 4]),
        ("not.and=(id.gt.1,id.lt.4)", &[1, 4]),
        ("and=(id.gt.1,id.not.in.(2,4))", &[3]),
        (r#"or=(name.eq."100%",tags.cs.{"x,y"},data.cs.{"b":{"c":[1]}})"#, &[1, 2, 3]),
        (r#"or=("a.b".eq.p.q,"a.b".eq."(s)","x,y".eq.q)"#, &[1, 2, 3]),
        (r#""or"=gte.2"#, &[2, 4]),
        ("or=(or.eq.1,id.eq.3)", &[1, 3]),
        ("a.b=eq.p.q", &[2]),
        ("x,y=eq.r", &[2]),
        (r#"order="x,y".desc.nullslast,id"#, &[2, 1, 3, 4]),
        (r#"order="or".desc.nullslast"#, &[4, 2, 1, 3]),
    ] {
        let answer = api.get(&format!("/api/things?{}", encoded(query))).await.expect(200);
        assert_eq!(ids(&answer.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn what_a_filter_cannot_mean_is_told_with_what_to_write() {
    let (_database, api) = served(TABLE).await;
    for (query, code, told) in [
        ("nam=eq.x", "unknown_column", "no column \"nam\"; it has id, name, mood"),
        ("or=(id.eq.1,nam.eq.x)", "unknown_column", "no column \"nam\""),
        ("select=id,nam", "unknown_column", "it has id, name"),
        ("order=nam", "unknown_column", "it has id, name"),
        ("name=equals.x", "bad_filter", "no operator \"equals\"; write COLUMN=eq.VALUE, or one of eq, neq"),
        ("or=(id.eq.1,name.equals.x)", "bad_filter", "or: at equals.x)"),
        ("name=fts.x", "bad_filter", "eq, neq, gt"),
        ("data=like.x", "bad_filter", "data is jsonb"),
        ("raw=eq.{}", "bad_filter", "raw is json"),
        ("name=cs.x", "bad_filter", "name is text"),
        ("name=is.true", "bad_filter", "name is text"),
        ("raw=is.true", "bad_filter", "raw is json"),
        ("order=raw", "bad_filter", "raw is json"),
        ("id=eq.x", "bad_value", "\"id\" takes integer"),
        ("or=(name.eq.x,id.in.(1,x))", "bad_value", "\"id\" takes integer"),
        ("mood=eq.mad", "bad_value", "\"mood\" takes mood"),
        ("data=cs.{", "bad_value", "\"data\" takes jsonb"),
        ("tags=cs.x", "bad_value", "\"tags\" takes text[]"),
        ("tags=in.(x)", "bad_value", "\"tags\" takes text[]"),
        ("at=gt.yesterdayish", "bad_value", "\"at\" takes timestamp"),
        ("id=eq.99999999999", "bad_value", "\"id\" takes integer"),
        ("name=like.\0", "bad_value", "\"name\" takes text"),
        ("name=eq.\0", "bad_value", "\"name\" takes text"),
        ("select=id,id", "bad_filter", "twice"),
    ] {
        let answer = api.get(&format!("/api/things?{}", encoded(query))).await;
        assert_eq!(answer.problem(400), code, "{query}: {answer:?}");
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(told), "{query}: {detail}");
    }
}

#[tokio::test]
async fn only_what_is_selected_is_sent() {
    let (_database, api) = served(TABLE).await;
    let list = api.get("/api/things?select=name,id&id=lt.3&order=day.desc").await.expect(200);
    assert_eq!(list.text, r#"[{"name":"anne","id":2},{"name":"Anna","id":1}]"#);
    let odd = api.get("/api/things?select=%22x,y%22,a.b&id=eq.1").await.expect(200);
    assert_eq!(odd.json(), json!([{"x,y": "q", "a.b": "p"}]));
    let all = api.get("/api/things?select=*&limit=1").await.expect(200);
    assert_eq!(all.text, api.get("/api/things?limit=1").await.text);
    assert!(all.json()[0]["version"].is_i64());
}

#[tokio::test]
async fn rows_are_counted_in_the_snapshot_they_are_read_in() {
    let (_database, api) = served(TABLE).await;
    let exact = [("Prefer", "count=exact")];
    for (query, status, range) in [
        ("", 200, "0-3/4"),
        ("limit=2", 206, "0-1/4"),
        ("limit=2&offset=2", 206, "2-3/4"),
        ("limit=0", 200, "*/4"),
        ("offset=9", 200, "*/4"),
        ("id=gt.1&limit=1", 206, "0-0/3"),
        ("or=(id.eq.1,name.eq.anne)", 200, "0-1/2"),
        ("id=gt.9", 200, "*/0"),
    ] {
        let answer = api.send("GET", &format!("/api/things?{query}"), &exact, None).await.expect(status);
        assert_eq!(answer.header("content-range"), range, "{query}");
        assert_eq!(answer.header("preference-applied"), "count=exact");
    }
    let head = api.send("HEAD", "/api/things?limit=1", &exact, None).await.expect(206);
    assert_eq!((head.header("content-range"), head.text.as_str()), ("0-0/4", ""));
    let plain = api.send("GET", "/api/things", &[("Prefer", "count=planned")], None).await.expect(200);
    assert_eq!((plain.header("content-range"), plain.header("preference-applied")), ("", ""));
}

#[tokio::test]
async fn a_count_is_of_one_moment_with_the_rows() {
    let database = Database::new().await;
    database.run("create table items (id bigint primary key); select rowbell.watch('items')").await;
    let api = Api::on(&database.url).await;
    let link = database.link().await;
    let writer = tokio::spawn(async move {
        for id in 0..300 {
            link.client.batch_execute(&format!("insert into items values ({id})")).await.expect("writes");
        }
    });
    let mut seen = 0;
    while !writer.is_finished() {
        let answer = api.send("GET", "/api/items?limit=10000", &[("Prefer", "count=exact")], None).await;
        let rows = ids(&answer.json()).len();
        let total: usize =
            answer.header("content-range").rsplit('/').next().unwrap().parse().expect("a total");
        assert_eq!(rows, total);
        seen += usize::from(rows > 0 && rows < 300);
    }
    assert!(seen > 3, "{seen} lists were read meanwhile");
}
