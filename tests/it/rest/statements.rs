//! Nothing a client sends stands in the text of a statement: not as a name, nor as a value.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::support::api::Api;
use crate::support::cluster::shared;
use crate::support::database::Database;

/// Stands in everything that is sent, and nowhere else. No channel has such a name: one of a-z, 0-9 and - alone is listened
/// to, and LISTEN takes no parameters.
const MARK: &str = "Zq7_raw";

/// Around the mark: what ends names, strings, comments, groups and statements, or is an operator to somebody.
const AROUND: [(&str, &str); 16] = [
    ("", ""),
    ("'", "'"),
    ("\"", "\""),
    ("';", "--"),
    ("\";", "/*"),
    ("$", "$"),
    ("$1", ""),
    ("\\", "\\"),
    ("{", "}"),
    ("(", ")"),
    ("E'\\x", "'"),
    ("t.", ".*"),
    ("id) or (", ""),
    (" union select ", " "),
    ("not.", ".eq."),
    ("::", "::text"),
];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The statements that the server's log holds with the mark in them: as they were executed, or as they failed.
async fn logged_with(mark: &str) -> Vec<String> {
    let log = std::fs::read(shared().await.log()).expect("the server's log");
    let log = String::from_utf8_lossy(&log).into_owned();
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        match entries.last_mut() {
            Some(entry) if line.starts_with('\t') => entry.push_str(line),
            _ => entries.push(line.to_owned()),
        }
    }
    let is_statement = |entry: &String| {
        ["LOG:  execute", "LOG:  statement", "STATEMENT:"].iter().any(|kind| entry.contains(kind))
    };
    entries.into_iter().filter(is_statement).filter(|entry| entry.contains(mark)).collect()
}

async fn remembered_with(database: &Database, mark: &str) -> Vec<String> {
    let sql = "select s.query from pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()
        where position($1 in s.query) > 0";
    let rows = database.link().await.client.query(sql, &[&mark]).await.expect("statements");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn remembered(database: &Database) -> i64 {
    let sql = "select count(*) from pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()";
    database.link().await.client.query_one(sql, &[]).await.expect("a count").get(0)
}

/// Paths with the text in every place.
fn paths(url: &str) -> Vec<String> {
    vec![
        format!("/api/{url}"),
        format!("/api/{url}/1"),
        format!("/api/notes/{url}"),
        format!("/api/notes?{url}=eq.1"),
        format!("/api/notes?body={url}"),
        format!("/api/notes?body={url}.1"),
        format!("/api/notes?body=eq.{url}"),
        format!("/api/notes?body=not.like.{url}"),
        format!("/api/notes?body=in.({url})"),
        format!("/api/notes?body=in.(%22{url}%22)"),
        format!("/api/notes?body=is.{url}"),
        format!("/api/notes?doc=cs.{url}"),
        format!("/api/notes?id=eq.{url}"),
        format!("/api/notes?or=({url}.eq.1,body.eq.{url})"),
        format!("/api/notes?and=({url})"),
        format!("/api/notes?select={url}"),
        format!("/api/notes?order={url}"),
        format!("/api/notes?order=body.{url}"),
        format!("/api/notes?limit={url}"),
        format!("/api/notes?offset={url}"),
        format!("/api/notes/1?{url}={url}"),
        format!("/api/notes/1?version={url}"),
        format!("/api/notes/1?at={url}"),
        format!("/api/notes/{url}?version=1"),
        format!("/api/notes/{url}?at=2026-01-01T00:00:00Z"),
        format!("/api/{url}/1/history"),
        format!("/api/notes/{url}/history"),
        format!("/api/notes/1/history?before={url}"),
        format!("/api/notes/1/history?limit={url}"),
        format!("/feed/{url}?wait=0"),
        format!("/feed/notes?wait=0&since={url}"),
        format!("/feed/notes?wait=0&{url}=eq.{url}"),
        format!("/{url}"),
    ]
}

/// Sends a text to every place where a name, an operator or a value may stand; nothing of it is a fault of ours.
async fn send_everywhere(api: &Api, text: &str) {
    let header = encoded(text);
    for path in paths(&header) {
        let answer = api.get(&path).await;
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
    let body = json!({text: text}).to_string();
    let row = json!({"id": text, "body": text, "doc": {text: text}}).to_string();
    let new = json!({"body": text, "doc": {text: text}}).to_string();
    let batch = json!({"operations": [
        {"method": text, "channel": text, "row": {text: text}},
        {"method": "POST", "channel": "notes", "row": {"body": text}}]});
    let each = json!({"operations": [
        {"method": "POST", "channel": text, "row": {"body": text}},
        {"method": "POST", "channel": "notes", "row": {text: text}},
        {"method": "POST", "channel": "notes", "row": {"body": text}, "key": text},
        {"method": "PATCH", "channel": "notes", "id": text, "version": 1, "row": {"body": text}},
        {"method": "DELETE", "channel": "notes", "id": text, "version": 1}]});
    let writes = [
        ("POST", "/api/notes", body.as_str()),
        ("POST", "/api/notes", &row),
        ("POST", "/api/notes", &new),
        ("PUT", "/api/notes/1", &body),
        ("PATCH", "/api/notes/1", &new),
        ("PATCH", "/api/notes/1", &body),
        ("POST", "/api/batch", &batch.to_string()),
        ("POST", "/api/batch", &each.to_string()),
    ];
    for (method, path, body) in writes {
        for headers in [
            &[][..],
            &[("Rowbell-Actor", &*header), ("Rowbell-Branch", &*header), ("Prefer", &*header)],
            &[("If-Match", &*header), ("If-None-Match", &*header)],
            &[("Idempotency-Key", &*header), ("If-Match", "\"1\"")],
            &[("Prefer", "conflict=merge"), ("If-Match", "\"1\"")],
        ] {
            let answer = api.send(method, path, headers, Some(body)).await;
            assert!(answer.status < 500, "{method} {path} {headers:?} {body}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_clients_send_is_never_part_of_a_statement() {
    let database = Database::new().await;
    database
        .run(
            "create extension pg_stat_statements;
            create table notes (id bigint generated by default as identity primary key, body text, doc jsonb);
            select rowbell.watch('notes'); insert into notes (body) values ('one');",
        )
        .await;
    let name = database.connector.database().to_owned();
    database
        .run(&format!(
            "alter database {name} set log_statement = 'all'; alter database {name} set log_parameter_max_length = 0;"
        ))
        .await;
    let api = Api::on(&database.url).await;
    send_everywhere(&api, MARK).await;
    let before = remembered(&database).await;
    for (start, end) in AROUND {
        send_everywhere(&api, &format!("{start}{MARK}{end}")).await;
    }
    assert_eq!(remembered_with(&database, MARK).await, Vec::<String>::new());
    assert_eq!(logged_with(MARK).await, Vec::<String>::new());
    // Texts around the mark made no further statements either, but for those that look why a value did not fit.
    let after = remembered(&database).await;
    assert!(after - before < 20, "{before} statements, then {after}");
    // Both would have shown it.
    let control = format!("{MARK}_control");
    database.run(&format!("select '{control}' as \"{control}\"")).await;
    assert_eq!(remembered_with(&database, &control).await.len(), 1);
    assert_eq!(logged_with(&control).await.len(), 1);
}
