//! Operators' requests against a real node: what is watched, watching and unwatching, the node's numbers, its pages.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;

async fn tables() -> (Database, Api) {
    let database = Database::new().await;
    database
        .run("create table notes (id integer primary key, body text); create table keyless (body text)")
        .await;
    let api = Api::on(&database.url).await;
    (database, api)
}

#[tokio::test]
async fn a_table_is_watched_and_unwatched_by_request() {
    let (_database, api) = tables().await;
    let listed = api.get("/channels").await.expect(200).json();
    assert_eq!(listed, json!({"channels": [], "tables": [{"table": "notes", "may_watch": true}]}));

    let wish = json!({"table": "public.notes", "channel": "memos", "omit": ["body"], "as_text": ["id"]});
    let watched = api.post("/channels", &wish).await.expect(201).json();
    assert_eq!(watched["channel"], "memos");
    let listed = api.get("/channels").await.expect(200).json();
    let channel = json!({"channel": "memos", "table": "notes", "key": ["id"], "version_column": "version",
        "omit": ["body"], "notify": "auto", "replica": false, "as_text": ["id"], "may_unwatch": true});
    assert_eq!(listed, json!({"channels": [channel], "tables": []}));
    api.post("/api/memos", &json!({"id": 1})).await.expect(201);

    let gone = api.send("DELETE", "/channels/memos", &[], None).await.expect(200).json();
    assert_eq!((&gone["channel"], &gone["table"]), (&json!("memos"), &json!("notes")));
    assert_eq!(api.send("DELETE", "/channels/memos", &[], None).await.problem(404), "unknown_channel");
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_with_what_to_do() {
    let (database, api) = tables().await;
    database.run("create view seen as select * from notes").await;
    for (wish, status, code, told) in [
        (json!({"table": "keyless"}), 422, "constraint", "primary key"),
        (json!({"table": "seen"}), 422, "constraint", "view"),
        (json!({"table": "nowhere"}), 400, "bad_value", "no table"),
        (json!({"table": "a b c"}), 400, "bad_value", "no table"),
        (json!({"table": "notes", "channel": "Batch!"}), 422, "constraint", "channel"),
        (json!({"table": "notes", "omit": ["nothing"]}), 422, "constraint", "nothing"),
        (json!({"table": "notes", "notify": "loudly"}), 422, "constraint", "notify"),
        (json!({"table": "notes", "loud": true}), 400, "bad_json", "loud"),
        (json!({"table": "x".repeat(70_000)}), 413, "too_large", "64 KiB"),
        (json!({}), 400, "bad_json", "table"),
    ] {
        let answer = api.post("/channels", &wish).await;
        assert_eq!(answer.problem(status), code, "{wish}");
        assert!(answer.text.contains(told), "{wish}: {}", answer.text);
    }
    for (method, path, allowed) in
        [("PATCH", "/channels/notes", "DELETE"), ("PUT", "/channels", "GET, HEAD, POST")]
    {
        let answer = api.send(method, path, &[], None).await;
        assert_eq!((answer.problem(405).as_str(), answer.header("allow")), ("method_not_allowed", allowed));
    }
    let text = api.send("POST", "/channels", &[("Content-Type", "text/plain")], Some("{}")).await;
    assert_eq!(text.problem(415), "unsupported_media_type");
    assert_eq!(api.get("/channels").await.json()["channels"], json!([]), "nothing was watched");
}

#[tokio::test]
async fn operators_show_the_token_and_come_from_here() {
    let (database, _) = tables().await;
    let api = Api::with(&database.url, |config| config.token = Some("t".into())).await;
    let wish = json!({"table": "notes"}).to_string();
    for (method, path, body) in [
        ("GET", "/channels", None),
        ("POST", "/channels", Some(wish.as_str())),
        ("DELETE", "/channels/notes", None),
    ] {
        assert_eq!(api.send(method, path, &[], body).await.problem(401), "unauthorized");
        let elsewhere = [("Authorization", "Bearer t"), ("Origin", "https://evil.example")];
        assert_eq!(api.send(method, path, &elsewhere, body).await.problem(403), "forbidden");
    }
    api.send("POST", "/channels", &[("Authorization", "Bearer t")], Some(&wish)).await.expect(201);
}

#[tokio::test]
async fn a_role_that_owns_nothing_only_looks() {
    let (database, api) = tables().await;
    api.post("/channels", &json!({"table": "notes"})).await.expect(201);
    // The role is the cluster's, so its name is this test's own.
    database
        .run(
            "create role operate_guest; \
             grant usage on schema rowbell to operate_guest; \
             grant all on all tables in schema rowbell to operate_guest; \
             grant all on all sequences in schema rowbell to operate_guest; \
             grant execute on all functions in schema rowbell to operate_guest; \
             create table more (id integer primary key)",
        )
        .await;
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let guest = Api::on(&format!("{}{separator}options=-c%20role%3Doperate_guest", database.url)).await;
    let listed = guest.get("/channels").await.expect(200).json();
    assert_eq!(listed["channels"][0]["may_unwatch"], false);
    assert_eq!(listed["tables"], json!([{"table": "more", "may_watch": false}]));
    let refused = guest.post("/channels", &json!({"table": "more"})).await;
    assert_eq!(refused.problem(422), "constraint");
    assert!(refused.text.contains("belongs to"), "{}", refused.text);
    assert_eq!(guest.send("DELETE", "/channels/notes", &[], None).await.problem(403), "forbidden");
}

/// Samples by name, after checking the format: each has one line of help and one of type before it.
fn parsed(text: &str) -> BTreeMap<String, (String, f64)> {
    let mut samples = BTreeMap::new();
    let lines: Vec<_> = text.lines().collect();
    assert!(text.ends_with('\n') && lines.len() % 3 == 0, "{text}");
    for lines in lines.chunks(3) {
        let (help, kind, sample) = (lines[0], lines[1], lines[2]);
        let (name, value) = sample.split_once(' ').expect("a value");
        let (name, labels) = name.split_once('{').map_or((name, ""), |(name, labels)| (name, labels));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(labels.is_empty() || (labels.ends_with("\"}") && labels.contains("=\"")), "{labels}");
        assert!(help.starts_with(&format!("# HELP {name} ")) && help.ends_with('.'), "{help}");
        let kind = kind.strip_prefix(&format!("# TYPE {name} ")).expect("a type");
        assert!(["counter", "gauge"].contains(&kind), "{kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(name.to_owned(), (kind.to_owned(), value)).is_none(), "{name} stands twice");
    }
    samples
}

/// Numbers of `/stats` by place.
fn flat(at: &str, value: &Value, into: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, value)| flat(format!("{at}.{name}").trim_matches('.'), value, into));
        }
        Value::Number(number) => {
            into.insert(at.to_owned(), number.as_f64().expect("a number"));
        }
        _ => {}
    }
}

#[tokio::test]
async fn metrics_say_what_stats_say() {
    let (database, api) = tables().await;
    database.run("select rowbell.watch('notes'); insert into notes values (1, 'x')").await;
    let headers = api.get("/metrics").await.expect(200);
    assert_eq!(headers.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let mut numbers = BTreeMap::new();
    flat("", &api.get("/stats").await.expect(200).json(), &mut numbers);
    let samples = parsed(&api.get("/metrics").await.expect(200).text);
    assert_eq!(samples.len(), numbers.len() + 2, "{numbers:?} {samples:?}");
    for (stat, metric, unit) in [
        ("sessions", "rowbell_sessions", 1.0),
        ("commits", "rowbell_commits_total", 1.0),
        ("bytes", "rowbell_sent_bytes_total", 1.0),
        ("lag_ms", "rowbell_lag_seconds", 0.001),
        ("pool.size", "rowbell_pool_connections", 1.0),
        ("log.retention_seconds", "rowbell_log_retention_seconds", 1.0),
        ("log.bytes", "rowbell_log_bytes", 1.0),
    ] {
        assert_eq!(samples[metric].1, numbers[stat] * unit, "{stat}");
    }
    assert_eq!(numbers["log.retention_seconds"], 7.0 * 86_400.0);
    assert!(numbers["log.bytes"] > 8192.0, "eight leaves with their indexes");
    assert_eq!((samples["rowbell_pull_mode"].1, samples["rowbell_info"].1), (0.0, 1.0));
}

#[tokio::test]
async fn numbers_are_behind_the_token_and_pages_are_not() {
    let (database, _) = tables().await;
    let api = Api::with(&database.url, |config| config.token = Some("t".into())).await;
    for path in ["/metrics", "/stats", "/channels"] {
        assert_eq!(api.get(path).await.problem(401), "unauthorized");
        api.send("GET", path, &[("Authorization", "Bearer t")], None).await.expect(200);
    }
    for path in ["/", "/demo"] {
        let page = api.get(path).await.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let again = api.send("GET", path, &[("If-None-Match", page.header("etag"))], None).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!(api.send("POST", path, &[], None).await.problem(405), "method_not_allowed");
    }
    for (path, kind) in [
        ("/web/page/page.css", "text/css; charset=utf-8"),
        ("/web/page/bell.svg", "image/svg+xml"),
        ("/web/console/app.js", "text/javascript; charset=utf-8"),
        ("/web/rowbell-conflict.js", "text/javascript; charset=utf-8"),
    ] {
        assert_eq!(api.get(path).await.expect(200).header("content-type"), kind, "{path}");
    }
    for path in ["/web/console/index.html", "/web/console/", "/web/console/nothing.js", "/demo/x"] {
        assert_eq!(api.get(path).await.problem(404), "not_found", "{path}");
    }
}
