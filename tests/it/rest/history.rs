//! What became of a row: told as the feed told it, page by page, and the row as it was.

use std::time::{Duration, SystemTime};

use rowbell::pg::keeper;
use serde_json::{Value, json};

use super::served;
use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::soon;

const TABLE: &str = "create table items (id integer primary key, name text, secret text);
    select rowbell.watch('items', omit => '{secret}')";

async fn items() -> (Database, Api) {
    served(TABLE).await
}

async fn cursor(api: &Api, channel: &str) -> String {
    let list = api.get(&format!("/api/{channel}?limit=0")).await.expect(200);
    list.header("rowbell-cursor").to_owned()
}

/// What the feed told of a row since a cursor, newest first, each change with what its commit says.
async fn told(api: &Api, channel: &str, cursor: &str, id: &str) -> Vec<Value> {
    let answer = api.get(&format!("/feed/{channel}?since={cursor}&wait=0&limit=10000")).await.expect(200);
    let mut changes = Vec::new();
    for commit in answer.json()["commits"].as_array().expect("commits") {
        for change in commit["changes"].as_array().expect("changes") {
            if change["op"] == "truncate" || change["id"] == id {
                let mut change = change.clone();
                for name in ["xid", "at", "actor", "branch"] {
                    change[name] = commit[name].clone();
                }
                changes.push(change);
            }
        }
    }
    changes.reverse();
    changes
}

async fn history(api: &Api, path: &str) -> Vec<Value> {
    let answer = api.get(path).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json().as_array().expect("an array").clone()
}

fn ops(history: &[Value]) -> Vec<&str> {
    history.iter().map(|change| change["op"].as_str().expect("an op")).collect()
}

fn minutes_ago(minutes: u64) -> String {
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    humantime::format_rfc3339_micros(then).to_string()
}

/// Writes of all kinds to row 1, several of them in one transaction.
async fn busy() -> (Database, Api, Vec<Value>) {
    let (database, api) = items().await;
    let start = cursor(&api, "items").await;
    let by = [("Rowbell-Actor", "anna"), ("Rowbell-Branch", "north")];
    let body = Some(r#"{"id": 1, "name": "a"}"#);
    api.send("POST", "/api/items", &by, body).await.expect(201);
    database
        .run(
            "update items set secret = 'hidden' where id = 1;
             begin; update items set name = 'b' where id = 1; delete from items where id = 1;
             insert into items values (1, 'c', 's'), (2, 'other', 's'); update items set name = 'd' where id = 1; commit;
             update items set id = 3 where id = 1; update items set id = 1 where id = 3;
             truncate items; truncate items; insert into items values (1, 'e', 's'); delete from items where id = 1",
        )
        .await;
    let mut told = told(&api, "items", &start, "1").await;
    // The second truncate found no row.
    let second = told.iter().position(|change| change["op"] == "truncate").expect("a truncate");
    told.remove(second);
    (database, api, told)
}

#[tokio::test]
async fn a_history_is_what_the_feed_told_of_the_row() {
    let (_database, api, told) = busy().await;
    let history = history(&api, "/api/items/1/history").await;
    let expected = [
        "delete", "insert", "truncate", "insert", "delete", "update", "insert", "delete", "update", "update",
        "insert",
    ];
    assert_eq!(ops(&history), expected);
    assert_eq!(history, told);
    let first = history.last().expect("a change");
    assert_eq!((&first["actor"], &first["branch"]), (&json!("anna"), &json!("north")));
    let change = &history[expected.len() - 3];
    assert_eq!((&change["row"]["name"], &change["old"]["name"]), (&json!("b"), &json!("a")));
    assert!(change["old"].get("id").is_none());
    let text = api.get("/api/items/1/history").await.text;
    assert!(!text.contains("secret") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn pages_of_any_length_are_the_whole() {
    let (_database, api, told) = busy().await;
    for limit in 1..=told.len() + 1 {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page = history(&api, &format!("/api/items/1/history?limit={limit}{before}")).await;
            let Some(last) = page.last() else { break };
            before = format!("&before={}", last["version"]);
            assert!(page.len() >= limit || last == told.last().unwrap(), "{limit}: {page:?}");
            all.extend(page);
        }
        assert_eq!(all, told, "{limit}");
    }
    assert!(history(&api, "/api/items/1/history?limit=0").await.is_empty());
    // A version that nobody has lies between those that somebody has.
    let past = told[1]["version"].as_i64().unwrap() - 1;
    let page = history(&api, &format!("/api/items/1/history?before={past}")).await;
    assert_eq!(page[0]["op"], "insert");
    assert!(history(&api, "/api/items/1/history?before=0").await.is_empty());
}

#[tokio::test]
async fn an_insert_that_waited_for_a_delete_comes_after_it() {
    let (database, api) = items().await;
    database.run("insert into items values (1, 'a')").await;
    let start = cursor(&api, "items").await;
    let (first, second) = (database.link().await, database.link().await);
    first.client.batch_execute("begin; delete from items where id = 1").await.unwrap();
    let waiting = tokio::spawn(async move {
        // The version is drawn before the wait for the key.
        second.client.batch_execute("insert into items values (1, 'b')").await
    });
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let look = database.link().await;
    soon(async {
        while look.client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let undo = "insert into items values (1, 'x'); update items set name = 'y'; delete from items; commit";
    first.client.batch_execute(undo).await.unwrap();
    soon(waiting).await.unwrap().unwrap();
    let told = told(&api, "items", &start, "1").await;
    let history = history(&api, "/api/items/1/history").await;
    assert_eq!(ops(&history), ["insert", "delete", "update", "insert", "delete", "insert"]);
    assert_eq!(history[..5], told);
    let (newest, before) = (&history[0]["version"], &history[2]["version"]);
    assert!(newest.as_i64() < before.as_i64(), "{newest} {before}");
    let page = api.get(&format!("/api/items/1/history?before={newest}")).await.expect(200).json();
    assert_eq!(page.as_array().unwrap()[..], history[1..]);
}

#[tokio::test]
async fn a_row_is_shown_as_it_was() {
    let (_database, api, told) = busy().await;
    api.post("/api/items", &json!({"id": 1, "name": "now"})).await.expect(201);
    for change in told.iter().filter(|change| change["row"].is_object()) {
        let version = change["version"].as_i64().expect("a version");
        let answer = api.get(&format!("/api/items/1?version={version}")).await.expect(200);
        assert_eq!((answer.json(), answer.version()), (change["row"].clone(), version));
        let known = [("If-None-Match", answer.header("etag"))];
        api.send("GET", &format!("/api/items/1?version={version}"), &known, None).await.expect(304);
    }
    // Each commit by the time that the feed gives it: what its last change left.
    let mut newer = None;
    for change in &told {
        if newer.replace(&change["xid"]) == Some(&change["xid"]) {
            continue;
        }
        let at = change["at"].as_str().expect("a time");
        let answer = api.get(&format!("/api/items/1?at={at}")).await;
        match &change["row"] {
            Value::Object(_) => assert_eq!(answer.expect(200).json(), change["row"]),
            _ => assert_eq!(answer.problem(404), "not_found", "{change}"),
        }
    }
    assert_eq!(api.get(&format!("/api/items/1?at={}", minutes_ago(0))).await.json()["name"], "now");
    let never = told[0]["version"].as_i64().unwrap() + 1_000_000;
    assert_eq!(api.get(&format!("/api/items/1?version={never}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_is_past_retention_is_told_apart_from_what_never_was() {
    let (database, api) = items().await;
    database.run("insert into items values (1, 'a'), (2, 'still')").await;
    let [first, still] =
        [1, 2].map(|id| api.get(&format!("/api/items/{id}"))).map(async |row| row.await.version());
    let (first, still) = (first.await, still.await);
    let link = database.link().await;
    keeper::tick(&link.client).await.unwrap();
    let age = "update rowbell.tick set at = at - interval '2 hours';
        update rowbell.sync_log set slot = (rowbell.slot() + 3) % 8, logged_at = logged_at - interval '2 hours'";
    database.run(age).await;
    // Nothing is dropped yet, and still nothing is known of before the table was watched.
    assert_eq!(api.get(&format!("/api/items/1?at={}", minutes_ago(180))).await.problem(410), "expired");
    assert_eq!(api.get("/api/items/1?version=0").await.problem(410), "expired");
    assert_eq!(api.get(&format!("/api/items/9?at={}", minutes_ago(60))).await.problem(404), "not_found");
    assert_eq!(api.get(&format!("/api/items/2?version={}", still + 1000)).await.problem(404), "not_found");
    let hour = Duration::from_secs(3600);
    // A reader that is just at it keeps a part from being emptied.
    let left = "select exists (select from rowbell.sync_log where logged_at < now() - interval '1 hour')";
    soon(async {
        while link.client.query_one(left, &[]).await.unwrap().get(0) {
            keeper::prune(&link.client, hour).await.unwrap();
        }
    })
    .await;
    database.run("update items set name = 'b' where id = 1").await;

    let history = history(&api, "/api/items/1/history").await;
    assert_eq!((ops(&history), &history[0]["old"]["name"]), (vec!["update"], &json!("a")));
    assert!(api.get("/api/items/2/history").await.expect(200).json().as_array().unwrap().is_empty());
    // What the oldest change that is left found, and what has not changed since.
    assert_eq!(api.get(&format!("/api/items/1?version={first}")).await.expect(200).json()["name"], "a");
    assert_eq!(api.get(&format!("/api/items/2?version={still}")).await.expect(200).json()["name"], "still");
    let then = api.get(&format!("/api/items/1?at={}", minutes_ago(60))).await.expect(200);
    assert_eq!((then.json()["name"].as_str(), then.version()), (Some("a"), first));
    let then = api.get(&format!("/api/items/2?at={}", minutes_ago(60))).await.expect(200);
    assert_eq!((then.json()["name"].as_str(), then.version()), (Some("still"), still));
    assert_eq!(api.get(&format!("/api/items/9?at={}", minutes_ago(60))).await.problem(404), "not_found");
    for past in [format!("at={}", minutes_ago(180)), format!("version={}", first - 1)] {
        assert_eq!(api.get(&format!("/api/items/1?{past}")).await.problem(410), "expired", "{past}");
    }
}

#[tokio::test]
async fn keys_of_several_columns_and_channels_without_versions() {
    let (database, api) = items().await;
    database
        .run(
            "create table stock (branch text, nr integer, qty integer, primary key (branch, nr));
             create table events (id uuid primary key, note text);
             select rowbell.watch('stock'); select rowbell.watch('events', feed_only => true);
             insert into stock values ('north', 7, 1), ('north', 8, 1); update stock set qty = 2 where nr = 7;
             insert into events values ('5f0c2a1e-7d7b-4c47-9a55-0d3c1f6b8e21', 'a');
             update events set note = 'b'; update events set note = 'c'; delete from events",
        )
        .await;
    // As PostgreSQL writes it is not the only way to write it.
    let stock = history(&api, "/api/stock/%5B%22north%22%2C%20%207%20%5D/history").await;
    assert_eq!((ops(&stock), &stock[0]["id"]), (vec!["update", "insert"], &json!(r#"["north",7]"#)));
    let path = "/api/events/5F0C2A1E-7D7B-4C47-9A55-0D3C1F6B8E21";
    let events = history(&api, &format!("{path}/history")).await;
    assert_eq!(ops(&events), ["delete", "update", "update", "insert"]);
    assert!(events.iter().all(|change| change.get("version").is_none()));
    let page = history(&api, &format!("{path}/history?limit=2&before={}", events[0]["seq"])).await;
    assert_eq!(page, events[1..3]);
    assert_eq!(api.get(&format!("{path}?version=1")).await.problem(400), "bad_value");
    assert_eq!(api.get(&format!("{path}?at={}", minutes_ago(0))).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_was_watched_otherwise_is_not_told() {
    let (database, api) = items().await;
    database
        .run("insert into items values (1, 'plain', 'x'); update items set name = 'bare' where id = 1")
        .await;
    database.run("select rowbell.watch('items', omit => '{secret,name}')").await;
    // A node knows a new shape after a second at the latest.
    let own = Api::on(&database.url).await;
    let version = own.get("/api/items/1").await.expect(200).version();
    assert!(history(&own, "/api/items/1/history").await.is_empty());
    let older = own.get(&format!("/api/items/1?version={}", version - 2)).await;
    assert_eq!(older.problem(410), "expired");
    assert_eq!(
        own.get(&format!("/api/items/1?version={version}")).await.expect(200).json().get("name"),
        None
    );
    drop(api);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let (database, api) = items().await;
    database.run("insert into items values (1, 'a')").await;
    let ahead = humantime::format_rfc3339(SystemTime::now() + Duration::from_secs(3600)).to_string();
    for (path, status, code) in [
        ("/api/items/1/history?limit=1001", 400, "bad_limit"),
        ("/api/items/1/history?limit=x", 400, "bad_limit"),
        ("/api/items/1/history?before=x", 400, "bad_value"),
        ("/api/items/1/history?before=9223372036854775808", 400, "bad_value"),
        ("/api/items/1/history?since=1", 400, "unknown_field"),
        ("/api/items/x/history", 400, "bad_value"),
        ("/api/items/2/history", 404, "not_found"),
        ("/api/nothing/1/history", 404, "unknown_channel"),
        ("/api/items/1/past", 404, "not_found"),
        ("/api/items/1?version=x", 400, "bad_value"),
        ("/api/items/1?version=1&version=1", 400, "bad_value"),
        ("/api/items/1?version=1&at=2026-01-01T00:00:00Z", 400, "bad_value"),
        ("/api/items/1?at=yesterday", 400, "bad_value"),
        ("/api/items/1?at=9999-12-31T00:00:00Z", 400, "bad_value"),
        (&format!("/api/items/1?at={ahead}"), 400, "bad_value"),
        ("/api/items/1?when=now", 400, "unknown_field"),
        ("/api/items/x?version=1", 400, "bad_value"),
    ] {
        assert_eq!(api.get(path).await.problem(status), code, "{path}");
    }
    let refused = api.send("DELETE", "/api/items/1/history", &[], None).await;
    assert_eq!((refused.problem(405).as_str(), refused.header("allow")), ("method_not_allowed", "GET, HEAD"));
    let head = api.send("HEAD", "/api/items/1/history", &[], None).await.expect(200);
    assert!(head.text.is_empty());
}
