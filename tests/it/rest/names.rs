//! Hostile names and values, in every place a name or a value may stand.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::support::api::Api;
use crate::support::database::Database;

/// Names that are SQL, templates, aliases or separators to somebody.
const NAMES: [&str; 24] = [
    "a\"b",
    "c'd",
    "e\\f",
    "{order}",
    "{image}",
    "$1",
    "table",
    "t",
    "r",
    "k",
    "row",
    "q.x",
    "né 漢",
    "a,b",
    "x;drop table hostile;--",
    "(y)",
    "%",
    "&=",
    "where",
    "current",
    "limit ",
    "a/b",
    "\u{1F600}",
    "name_that_is_as_long_as_postgresql_lets_a_name_be_63_bytes_long",
];

/// Values that end quotes, arrays, statements or strings for somebody.
const VALUES: [&str; 14] = [
    "'; drop table hostile; --",
    "\" or 1=1",
    "\\",
    "\\'; --",
    "{a,b}",
    "{\"a\":",
    "$1",
    "NULL",
    "null",
    "",
    " ",
    "%' or '1'='1",
    "a\r\nSet-Cookie: x",
    "',);",
];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn hostile() -> (Database, Api) {
    let database = Database::new().await;
    let columns: Vec<_> = NAMES.iter().map(|name| format!("{} text", quoted(name))).collect();
    let table = "\"Hos\"\"tile's {relation} table\"";
    database
        .run(&format!(
            "create schema \"odd 'schema\"; create table \"odd 'schema\".{table} (\"the \"\"key\"\" {{key}}\" text primary key, {}, \"limit\" text, \"order\" text);
            select rowbell.watch('\"odd ''schema\".{}', channel => 'hostile', version_column => 'the \"version\" {{version}}')",
            columns.join(", "),
            table.replace('\'', "''")
        ))
        .await;
    let api = Api::on(&database.url).await;
    (database, api)
}

const KEY: &str = "the \"key\" {key}";
const VERSION: &str = "the \"version\" {version}";

#[tokio::test]
async fn names_are_only_names() {
    let (_database, api) = hostile().await;
    let mut body = json!({});
    body[KEY] = json!("1");
    for name in NAMES {
        body[name] = json!(format!("value of {name}"));
    }
    let path = "/api/hostile/1";
    for name in NAMES {
        let made = api.post("/api/hostile", &body).await.expect(201);
        assert_eq!((&made.json()[VERSION], &made.json()[name]), (&json!(made.version()), &body[name]));
        let filter = format!("{}=eq.{}", encoded(name), encoded(&format!("value of {name}")));
        assert_eq!(
            api.get(&format!("/api/hostile?{filter}")).await.expect(200).json(),
            json!([made.json()]),
            "{name}"
        );
        let ordered = api.get(&format!("/api/hostile?order={}.desc", encoded(name))).await;
        // A comma separates columns there, so such a name cannot be ordered by.
        match name.contains(',') {
            true => assert_eq!(ordered.problem(400), "unknown_column"),
            false => assert_eq!(ordered.expect(200).json(), json!([made.json()]), "{name}"),
        }
        let other = json!({ name: "other" });
        let changed = api.at(made.version(), "PATCH", path, &other).await.expect(200);
        let differs: Vec<_> =
            NAMES.into_iter().filter(|name| changed.json()[*name] != made.json()[*name]).collect();
        assert_eq!(differs, [name]);
        let stale = api.at(made.version(), "PUT", path, &body).await;
        assert_eq!((stale.problem(409).as_str(), &stale.json()["base"]), ("conflict", &made.json()));
        let replaced = api.at(changed.version(), "PUT", path, &body).await.expect(200);
        assert_eq!(replaced.json()[name], body[name]);
        let mut guarded = replaced.json();
        guarded["last_synced_at"] = json!("2020-01-01");
        let refused = api.send("PATCH", path, &[], Some(&guarded.to_string())).await;
        assert_eq!(refused.problem(400), "bad_value");
        api.at(replaced.version(), "DELETE", path, &json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn values_are_only_values() {
    let (_database, api) = hostile().await;
    for value in VALUES {
        let mut body = json!({"t": value, "r": "sentinel"});
        body[KEY] = json!(if value.is_empty() { "empty" } else { value });
        let made = api.post("/api/hostile", &body).await.expect(201);
        assert_eq!(made.json()["t"], value);
        let path = made.header("location").to_owned();
        assert_eq!(api.get(&path).await.expect(200).text, made.text, "{path}");
        for operator in ["eq", "in"] {
            let asked = match operator {
                "in" => format!("(\"{}\")", value.replace('\\', "\\\\").replace('"', "\\\"")),
                _ => value.to_owned(),
            };
            let found =
                api.get(&format!("/api/hostile?t={operator}.{}", encoded(&asked))).await.expect(200).json();
            assert_eq!(found, json!([made.json()]), "{operator} {value}");
        }
        let actor = encoded(&value.replace(char::is_control, ""));
        let removed = api
            .send(
                "DELETE",
                &path,
                &[("If-Match", &format!("\"{}\"", made.version())), ("Rowbell-Actor", &actor)],
                None,
            )
            .await
            .expect(200);
        assert_eq!(removed.text, made.text);
    }
    assert_eq!(api.get("/api/hostile").await.text, "[]");
}

#[tokio::test]
async fn nothing_that_is_sent_as_a_name_is_more_than_unknown() {
    let (_database, api) = hostile().await;
    for name in NAMES.iter().chain(&VALUES).map(|name| format!("{name}x\"; select 1")) {
        let query = api.get(&format!("/api/hostile?{}=eq.1", encoded(&name))).await;
        assert_eq!(query.problem(400), "unknown_column", "{name}");
        let order = api.get(&format!("/api/hostile?order={}", encoded(&name))).await;
        assert_eq!(order.problem(400), "unknown_column", "{name}");
        let mut body = json!({});
        body[name.as_str()] = json!(1);
        assert_eq!(api.post("/api/hostile", &body).await.problem(400), "unknown_column", "{name}");
        assert_eq!(
            api.get(&format!("/api/{}", encoded(&name))).await.problem(404),
            "unknown_channel",
            "{name}"
        );
    }
}

/// Names of tables that PostgreSQL or its protocol reads in a way of its own.
const ODD_TABLES: [&str; 12] = [
    "\0",
    "a\0b",
    "",
    "-",
    "0",
    "1259",
    "99999999999999999999",
    "a.b.c.d",
    "pg_catalog.pg_class",
    "rowbell.sync_log",
    "information_schema.tables",
    "\"unclosed",
];

#[tokio::test]
async fn a_wish_to_watch_takes_names_as_names() {
    let database = Database::new().await;
    let api = Api::on(&database.url).await;
    let long = "x".repeat(10_000);
    let texts: BTreeSet<&str> =
        NAMES.iter().chain(&VALUES).chain(&ODD_TABLES).copied().chain([&*long]).collect();
    database.run("create table plain (id integer primary key, n bigint)").await;
    for text in texts {
        for wish in [
            json!({"table": text}),
            json!({"table": quoted(text)}),
            json!({"table": format!("public.{text}")}),
            json!({"table": "plain", "omit": [text]}),
            json!({"table": "plain", "as_text": ["n", text]}),
            json!({"table": "plain", "notify": text}),
            json!({"table": "plain", text: text}),
        ] {
            let refused = api.post("/channels", &wish).await;
            assert!(matches!(refused.status, 400 | 403 | 422), "{wish}: {refused:?}");
            assert!(refused.json()["detail"].as_str().is_some_and(|told| !told.is_empty()), "{wish}");
        }
        // Some of them are names that a channel or a new column may have.
        for name in ["channel", "version_column"] {
            let answer = api.post("/channels", &json!({"table": "plain", name: text})).await;
            assert!(matches!(answer.status, 201 | 400 | 422), "{name} {text}: {answer:?}");
            if answer.status == 201 {
                let made = answer.json()["channel"].as_str().expect("a name").to_owned();
                assert_eq!(made, if name == "channel" { text } else { "plain" });
                api.send("DELETE", &format!("/channels/{made}"), &[], None).await.expect(200);
            }
        }
        let gone = api.send("DELETE", &format!("/channels/{}", encoded(text)), &[], None).await;
        assert!(matches!(gone.status, 400 | 404 | 405), "{text}: {gone:?}");
    }
    let twice = json!({"table": "plain", "version_column": "last_synced_at"});
    assert_eq!(api.post("/channels", &twice).await.problem(422), "constraint");
    for (place, name) in NAMES.iter().enumerate() {
        let channel = format!("odd-{place}");
        database.run(&format!("create table {} (id integer primary key)", quoted(name))).await;
        let wish = json!({"table": quoted(name), "channel": channel});
        assert_eq!(api.post("/channels", &wish).await.expect(201).json()["channel"], channel, "{name}");
        let removed = api.send("DELETE", &format!("/channels/{channel}"), &[], None).await.expect(200);
        assert_eq!(removed.json()["channel"], channel, "{name}");
    }
}
