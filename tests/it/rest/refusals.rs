//! What cannot be: every refusal with its status and code.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;

const TABLES: &str = "create table items (
        id integer primary key, name text not null, qty integer default 1 constraint enough check (qty >= 0), code varchar(5) unique,
        kind integer references items, doc jsonb, raw json, at timestamptz, spot point, secret text);
    select rowbell.watch('items', omit => '{secret}');
    create table facts (id integer primary key, note text); select rowbell.watch('facts', feed_only => true);
    insert into facts values (1, 'x'); insert into items values (1, 'one', 1, 'a'), (2, 'two', 2, 'b');
    create table plain (id integer primary key);";

async fn items() -> (Database, Api) {
    let database = Database::new().await;
    database.run(TABLES).await;
    let api = Api::on(&database.url).await;
    (database, api)
}

#[tokio::test]
async fn reads_that_cannot_be() {
    let (_database, api) = items().await;
    for (path, status, code) in [
        ("/api", 404, "not_found"),
        ("/api/", 404, "not_found"),
        ("/api/items/", 404, "not_found"),
        ("/api/items/1/2/3", 404, "not_found"),
        ("/api/items/1/history?limit=x", 400, "bad_limit"),
        ("/api/nothing", 404, "unknown_channel"),
        ("/api/plain", 404, "unknown_channel"),
        ("/api/batch", 405, "method_not_allowed"),
        ("/api/batch/1", 404, "unknown_channel"),
        ("/api/Items", 404, "unknown_channel"),
        ("/api/..%2Fitems", 404, "unknown_channel"),
        ("/api/%00", 404, "unknown_channel"),
        ("/api/nothing/1", 404, "unknown_channel"),
        ("/api/items/3", 404, "not_found"),
        ("/api/items/one", 400, "bad_value"),
        ("/api/items/99999999999999999999", 400, "bad_value"),
        ("/api/items/%00", 400, "bad_value"),
        ("/api/items/%FF", 400, "bad_value"),
        ("/api/items/1?version=3", 404, "not_found"),
        ("/api/items?nme=eq.x", 400, "unknown_column"),
        ("/api/items?secret=eq.x", 400, "unknown_column"),
        ("/api/items?order=secret", 400, "unknown_column"),
        ("/api/items?ctid=eq.(0,1)", 400, "unknown_column"),
        ("/api/items?order=xmin", 400, "unknown_column"),
        ("/api/items?name=one", 400, "bad_filter"),
        ("/api/items?name=like.o%5C", 400, "bad_filter"),
        ("/api/items?select=name,,id", 400, "bad_filter"),
        ("/api/items?select=secret", 400, "unknown_column"),
        ("/api/items?limit=1&limit=2", 400, "bad_limit"),
        ("/api/items?at=gte.2026-01-01T00:00:00+01:00", 400, "bad_value"),
        ("/api/items?name=is.true", 400, "bad_filter"),
        ("/api/items?raw=eq.1", 400, "bad_filter"),
        ("/api/items?spot=gt.(1,1)", 400, "bad_filter"),
        ("/api/items?order=raw", 400, "bad_filter"),
        ("/api/items?order=name,,id", 400, "bad_filter"),
        ("/api/items?qty=eq.x", 400, "bad_value"),
        ("/api/items?qty=in.(1,x)", 400, "bad_value"),
        ("/api/items?qty=eq.2147483648", 400, "bad_value"),
        ("/api/items?at=gte.yesterdayish", 400, "bad_value"),
        ("/api/items?name=eq.%00", 400, "bad_value"),
        ("/api/items?name=eq.%FF", 400, "bad_filter"),
        ("/api/items?limit=10001", 400, "bad_limit"),
        ("/api/items?limit=-1", 400, "bad_limit"),
        ("/api/items?limit=x", 400, "bad_limit"),
        ("/api/items?offset=-1", 400, "bad_limit"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.problem(status), code, "{path}: {answer:?}");
        assert!(!answer.text.to_lowercase().contains("syntax"), "a database's words: {answer:?}");
    }
    let told = api.get("/api/items?qty=eq.x").await.json();
    assert_eq!(told["detail"], "\"qty\" takes integer, and the value given is none");
}

#[tokio::test]
async fn writes_that_cannot_be() {
    let (database, api) = items().await;
    let before = api.get("/api/items").await.text;
    let version = api.get("/api/items/1").await.version();
    let new = |body: Value| ("POST", "/api/items", body);
    let patch = |body: Value| ("PATCH", "/api/items/1", body);
    for ((method, path, body), status, code, detail) in [
        (new(json!({"id": 3, "name": "x", "nme": 1})), 400, "unknown_column", "\"nme\""),
        (new(json!({"id": 3, "name": "x", "secret": "s"})), 400, "unknown_column", "\"secret\""),
        (new(json!({"id": 3})), 422, "constraint", "\"name\""),
        (new(json!({"id": 3, "name": null})), 422, "constraint", "\"name\""),
        (new(json!({"name": "x"})), 422, "constraint", "\"id\""),
        (new(json!({"id": 1, "name": "x"})), 409, "exists", "this id"),
        (new(json!({"id": 3, "name": "x", "code": "a"})), 422, "constraint", "items_code_key"),
        (new(json!({"id": 3, "name": "x", "qty": -1})), 422, "constraint", "enough"),
        (new(json!({"id": 3, "name": "x", "kind": 9})), 422, "constraint", "items_kind_fkey"),
        (new(json!({"id": 3, "name": "x", "qty": "many"})), 400, "bad_value", "\"qty\" takes integer"),
        (new(json!({"id": 3, "name": "x", "qty": 1.5})), 400, "bad_value", "\"qty\""),
        (new(json!({"id": 3, "name": "x", "qty": [1]})), 400, "bad_value", "\"qty\""),
        (new(json!({"id": 3, "name": "x", "qty": 3_000_000_000_i64})), 400, "bad_value", "\"qty\""),
        (
            new(json!({"id": 3, "name": "x", "code": "abcdef"})),
            400,
            "bad_value",
            "\"code\" takes character varying(5)",
        ),
        (new(json!({"id": 3, "name": "x\u{0}"})), 400, "bad_value", "\"name\""),
        (new(json!({"id": 3, "name": "x", "doc": {"a": "\u{0}"}})), 400, "bad_value", "\"doc\""),
        (patch(json!({"nme": 1})), 400, "unknown_column", "\"nme\""),
        (patch(json!({"qty": -1})), 422, "constraint", "enough"),
        (patch(json!({"qty": "x"})), 400, "bad_value", "\"qty\""),
        (patch(json!({"id": 2})), 400, "bad_value", "\"id\""),
        (patch(json!({"version": version + 1})), 400, "bad_value", "If-Match"),
        (patch(json!({"version": "1"})), 400, "bad_value", "whole number"),
        (("PUT", "/api/items/1", json!({})), 422, "constraint", "\"name\""),
        (("PUT", "/api/items/one", json!({"name": "x"})), 400, "bad_value", "\"id\""),
        (("DELETE", "/api/items/1", json!({"name": "x"})), 400, "bad_value", "\"name\""),
        (("PATCH", "/api/items/9", json!({"qty": 1})), 404, "not_found", "no row"),
        (("PATCH", "/api/nothing/1", json!({"qty": 1})), 404, "unknown_channel", "watched"),
        (("POST", "/api/facts", json!({"id": 2})), 405, "method_not_allowed", "feed-only"),
        (("PATCH", "/api/facts/1", json!({"note": "y"})), 405, "method_not_allowed", "feed-only"),
        (("POST", "/api/items?x=y", json!({"id": 3, "name": "x"})), 400, "unknown_field", "\"x\""),
    ] {
        let answer = api.at(version, method, path, &body).await;
        assert_eq!(answer.problem(status), code, "{method} {path} {body}: {answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{detail}: {answer:?}");
    }
    assert_eq!(
        api.at(version, "POST", "/api/items", &json!({"id": 3, "name": "x", "qty": -1})).await.json()["constraint"],
        "enough"
    );
    assert_eq!(api.at(version, "POST", "/api/items", &json!({"id": 3})).await.json()["column"], "name");
    assert_eq!(api.get("/api/facts/1").await.expect(200).header("etag"), "");
    // None of it was half done.
    assert_eq!(api.get("/api/items").await.text, before);
    let logged = "select count(*) from rowbell.sync_log where channel = 'items' and op <> 'resync'";
    let row = database.link().await.client.query_one(logged, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2);
}

/// Sends `METHOD PATH` and expects `STATUS code`.
async fn refused(api: &Api, line: &str, headers: &[(&str, &str)], body: Option<&str>, expected: &str) {
    let (method, path) = line.split_once(' ').expect("METHOD PATH");
    let (status, code) = expected.split_once(' ').expect("STATUS code");
    let answer = api.send(method, path, headers, body).await;
    assert_eq!(
        answer.problem(status.parse().expect("a status")),
        code,
        "{line} {headers:?} {body:?}: {answer:?}"
    );
}

#[tokio::test]
async fn headers_that_cannot_be_meant() {
    let (_database, api) = items().await;
    let version = format!("\"{}\"", api.get("/api/items/1").await.version());
    let current = ("If-Match", version.as_str());
    for (line, headers, expected) in [
        ("PATCH /api/items/1", &[][..], "428 version_required"),
        ("PUT /api/items/1", &[], "428 version_required"),
        ("DELETE /api/items/1", &[("Content-Length", "0")], "428 version_required"),
        ("PATCH /api/items/1", &[("If-Match", "7")], "400 bad_value"),
        ("PATCH /api/items/1", &[("If-Match", "*")], "400 bad_value"),
        ("PATCH /api/items/1", &[("If-Match", "\"1\", \"2\"")], "400 bad_value"),
        ("PATCH /api/items/1", &[("If-None-Match", "*")], "400 bad_value"),
        ("PUT /api/items/1", &[("If-None-Match", "\"7\"")], "400 bad_value"),
        ("PUT /api/items/1", &[("If-None-Match", "*"), current], "400 bad_value"),
        ("PATCH /api/items/1", &[current, ("Rowbell-Actor", "%00")], "400 bad_value"),
        ("PATCH /api/items/1", &[current, ("Idempotency-Key", "")], "400 bad_value"),
        ("PATCH /api/items/1", &[current, ("Prefer", "conflict=mine")], "400 bad_value"),
        ("PATCH /api/items/1", &[current, ("Content-Type", "text/plain")], "415 unsupported_media_type"),
        (
            "POST /api/items",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            "415 unsupported_media_type",
        ),
        ("PUT /api/items", &[], "405 method_not_allowed"),
        ("DELETE /api/items", &[], "405 method_not_allowed"),
        ("POST /api/items/1", &[], "405 method_not_allowed"),
        ("TRACE /api/items/1", &[], "405 method_not_allowed"),
    ] {
        let body = Some(r#"{"qty":5}"#).filter(|_| !line.starts_with("DELETE") && !line.starts_with("TRACE"));
        refused(&api, line, headers, body, expected).await;
    }
    let allowed = async |method, path| api.send(method, path, &[], None).await.header("allow").to_owned();
    assert_eq!(allowed("PUT", "/api/items").await, "GET, HEAD, POST");
    assert_eq!(allowed("POST", "/api/items/1").await, "GET, HEAD, PUT, PATCH, DELETE");
    assert_eq!(api.get("/api/items/1").await.json()["qty"], 1);
}

#[tokio::test]
async fn bodies_that_are_no_row() {
    let (_database, api) = items().await;
    refused(&api, "POST /api/items", &[], None, "415 unsupported_media_type").await;
    for body in [
        "",
        " ",
        "{",
        "[]",
        "null",
        "7",
        r#"{"id":1,"id":2}"#,
        r#"{"id":NaN}"#,
        r#"{"id":7}x"#,
        r#"{"\ud800":7}"#,
    ] {
        refused(&api, "POST /api/items", &[], Some(body), "400 bad_json").await;
    }
}

#[tokio::test]
async fn json_that_postgresql_cannot_read_is_the_clients() {
    let (_database, api) = items().await;
    let version = format!("\"{}\"", api.get("/api/items/1").await.version());
    let deep = format!(r#"{{"doc":{}1{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
    for (body, name) in [
        (deep.as_str(), "doc"),
        (r#"{"name":"\ud800"}"#, "name"),
        (r#"{"doc":"\udc00x"}"#, "doc"),
        (r#"{"qty":1e400}"#, "qty"),
        (r#"{"at":"2026-13-01"}"#, "at"),
        (r#"{"at":"999999-01-01"}"#, "at"),
    ] {
        let answer = api.send("PATCH", "/api/items/1", &[("If-Match", &version)], Some(body)).await;
        assert_eq!(answer.problem(400), "bad_value", "{name}: {answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(name), "{answer:?}");
    }
}

#[tokio::test]
async fn a_token_guards_every_path() {
    let (database, _) = items().await;
    let api = Api::with(&database.url, |config| config.token = Some("s3cret".into())).await;
    for (method, path) in
        [("GET", "/api/items"), ("GET", "/api/items/1"), ("POST", "/api/items"), ("GET", "/api/nothing")]
    {
        for headers in [&[][..], &[("Authorization", "Bearer wrong")]] {
            let answer = api.send(method, path, headers, Some("{}")).await;
            assert_eq!(answer.problem(401), "unauthorized", "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(api.get("/api/items?token=s3cret").await.problem(401), "unauthorized");
    api.send("GET", "/api/items", &[("Authorization", "Bearer s3cret")], None).await.expect(200);
}
