//! Conflicts, and what is made of them.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::database::Database;

const TABLE: &str = "create table items (
        id integer primary key, name text, qty numeric, big bigint default 7, doc jsonb, raw json,
        twice numeric generated always as (qty * 2) stored, updated_at timestamptz default now());
    select rowbell.watch('items')";

/// A row as somebody read it, and as somebody else left it.
struct Read {
    database: Database,
    api: Api,
    row: Value,
    version: i64,
}

impl Read {
    async fn then(change: &str) -> Self {
        let database = Database::new().await;
        database.run(TABLE).await;
        database
            .run(r#"insert into items (id, name, qty, big, doc, raw)
                values (1, 'tea', 1.10, 1152921504606846977, '{"a":1,"in":{"x":1.10,"y":1}}', '{ "k" : 1 }')"#)
            .await;
        let api = Api::on(&database.url).await;
        let row = api.get("/api/items/1").await.expect(200);
        database.run(change).await;
        Self { database, api, version: row.version(), row: row.json() }
    }

    async fn send(&self, method: &str, strategy: &str, body: &str) -> Answer {
        let tag = format!("\"{}\"", self.version);
        let prefer = format!("conflict={strategy}");
        self.api.send(method, "/api/items/1", &[("If-Match", &tag), ("Prefer", &prefer)], Some(body)).await
    }

    async fn now(&self) -> Value {
        self.api.get("/api/items/1").await.expect(200).json()
    }

    async fn logged(&self) -> i64 {
        let sql = "select count(*) from rowbell.sync_log where op in ('insert', 'update', 'delete')";
        self.database.link().await.client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn changes_that_do_not_overlap_are_both_made() {
    let theirs = r#"update items set name = 'coffee', doc = '{"a":1,"in":{"x":1.10,"y":2}}' where id = 1"#;
    for (method, body) in [
        ("PATCH", r#"{"qty":2.50,"doc":{"in":{"x":9.90},"a":null}}"#),
        // As read, with some edits; a number that a client spelled anew is no change, nor is what clients do not set.
        (
            "PATCH",
            r#"{"name":"tea","qty":2.50,"big":1152921504606846977,"doc":{"in":{"x":9.90,"y":1.0},"a":null},"twice":2.2}"#,
        ),
        (
            "PUT",
            r#"{"name":"tea","qty":2.50,"big":1152921504606846977,"doc":{"in":{"y":1,"x":9.90}},"raw":{"k":1.0}}"#,
        ),
    ] {
        let read = Read::then(theirs).await;
        let answer = read.send(method, "merge", body).await.expect(200);
        assert_eq!(answer.header("preference-applied"), "conflict=merge");
        assert!(!answer.header("rowbell-xid").is_empty() && answer.version() > read.version);
        let row = answer.json();
        assert_eq!(
            (&row["name"], row["doc"].to_string()),
            (&json!("coffee"), r#"{"in":{"x":9.9,"y":2}}"#.to_owned()),
            "{body}"
        );
        assert_eq!(row, read.now().await);
        // Numbers have kept all their digits.
        let text =
            "select qty::text || ' ' || big || ' ' || (doc #> '{in,x}')::text || ' ' || raw::text from items";
        let text: String = read.database.link().await.client.query_one(text, &[]).await.unwrap().get(0);
        assert!(text.starts_with("2.50 1152921504606846977 9.90 {"), "{text}");
        assert_eq!(read.logged().await, 3);
    }
}

#[tokio::test]
async fn what_both_changed_is_named_and_left_alone() {
    let theirs = r#"update items set name = 'coffee', doc = '{"a":2,"in":{"x":1.10,"y":2}}' where id = 1"#;
    for (method, body, conflicts) in [
        ("PATCH", json!({"name": "milk", "qty": 2, "doc": {"in": {"y": 3}}}), json!(["name", "doc.in.y"])),
        ("PATCH", json!({"doc": null}), json!(["doc"])),
        // A replacement sets what it does not name to its default.
        ("PUT", json!({"name": "tea", "qty": 5}), json!(["doc"])),
        ("DELETE", json!({}), json!(["name", "doc"])),
    ] {
        let read = Read::then(theirs).await;
        let before = read.now().await;
        for strategy in ["merge", "reject"] {
            let answer = read.send(method, strategy, &body.to_string()).await;
            assert_eq!(answer.problem(409), "conflict");
            let told = answer.json();
            assert_eq!(
                (&told["merged"], &told["conflicts"]),
                (&Value::Null, &conflicts),
                "{method} {strategy}"
            );
            assert_eq!((&told["current"], &told["base"], &told["yours"]), (&before, &read.row, &body));
        }
        assert_eq!(read.now().await, before);
    }
}

#[tokio::test]
async fn a_conflict_that_could_be_merged_brings_the_merge_along() {
    let read = Read::then("update items set name = 'coffee'").await;
    let told = read.send("PATCH", "reject", r#"{"qty":2.50,"doc":{"b":1}}"#).await;
    assert_eq!((told.problem(409), &told.json()["conflicts"]), ("conflict".to_owned(), &json!([])));
    let mut expected = read.now().await;
    (expected["qty"], expected["doc"]["b"]) = (json!(2.5), json!(1));
    assert_eq!(told.json()["merged"], expected);
    assert!(told.text.contains("\"qty\":2.50") && told.text.contains("1152921504606846977"));
    assert_eq!(read.logged().await, 2);
}

#[tokio::test]
async fn the_client_wins_or_the_row_stays() {
    for (method, body, forced) in [
        (
            "PATCH",
            json!({"name": "milk", "doc": {"b": 1}}),
            json!({"name": "milk", "qty": 3.3, "doc": {"b": 1, "z": 1}}),
        ),
        (
            "PUT",
            json!({"name": "milk", "updated_at": "as read"}),
            json!({"name": "milk", "qty": null, "doc": null, "big": 7}),
        ),
    ] {
        let read = Read::then(r#"update items set name = 'coffee', qty = 3.3, doc = '{"z":1}'"#).await;
        let mut body = body;
        if method == "PUT" {
            body["updated_at"] = read.row["updated_at"].clone();
        }
        let before = read.now().await;
        let kept = read.send(method, "keep", &body.to_string()).await.expect(200);
        assert_eq!((kept.json(), kept.header("rowbell-xid")), (before.clone(), ""));
        assert_eq!(kept.version(), before["version"]);
        assert_eq!(kept.header("preference-applied"), "conflict=keep");
        let row = read.send(method, "force", &body.to_string()).await.expect(200).json();
        for (name, value) in forced.as_object().unwrap() {
            assert_eq!(row[name], *value, "{method} {name}");
        }
        assert_eq!(read.now().await, row);
    }
    let read = Read::then("update items set name = 'coffee'").await;
    assert_eq!(read.send("DELETE", "keep", "{}").await.expect(200).json(), read.now().await);
    assert_eq!(read.send("DELETE", "force", "{}").await.expect(200).json()["name"], "coffee");
    assert_eq!(read.api.get("/api/items/1").await.status, 404);
}

#[tokio::test]
async fn a_row_that_was_deleted_meanwhile() {
    let read = Read::then("delete from items").await;
    let patch = r#"{"name":"milk","doc":{"b":1}}"#;
    for strategy in ["merge", "reject"] {
        let told = read.send("PATCH", strategy, patch).await;
        assert_eq!(told.problem(409), "conflict");
        let told = told.json();
        assert_eq!(
            (&told["current"], &told["merged"], &told["conflicts"]),
            (&Value::Null, &Value::Null, &json!(["name", "doc"]))
        );
    }
    assert_eq!(read.send("PATCH", "keep", patch).await.expect(200).json(), Value::Null);
    // Both removed it: that is no conflict, unless one wants to know.
    assert_eq!(read.send("DELETE", "reject", "{}").await.problem(409), "conflict");
    assert_eq!(read.send("DELETE", "merge", "{}").await.expect(200).json(), Value::Null);
    assert_eq!(read.send("DELETE", "force", "{}").await.expect(200).header("rowbell-xid"), "");
    // What is forced is there again, with all the client saw.
    let again = read.send("PATCH", "force", patch).await.expect(201);
    let row = again.json();
    assert_eq!(
        (&row["name"], &row["doc"]["b"], &row["doc"]["a"], &row["big"]),
        (&json!("milk"), &json!(1), &json!(1), &read.row["big"])
    );
    assert_eq!(again.header("location"), "/api/items/1");
    read.database.run("delete from items").await;
    let put = read.send("PUT", "force", r#"{"name":"new"}"#).await.expect(201).json();
    assert_eq!((&put["name"], &put["doc"], &put["big"]), (&json!("new"), &Value::Null, &json!(7)));
}

#[tokio::test]
async fn without_the_row_as_it_was_there_is_nothing_to_merge() {
    let read =
        Read::then("update items set name = 'coffee'; delete from rowbell.sync_log where op = 'insert'")
            .await;
    for strategy in ["merge", "reject"] {
        let told = read.send("PATCH", strategy, r#"{"qty":2}"#).await;
        assert_eq!(told.problem(409), "conflict");
        let told = told.json();
        assert_eq!(
            (&told["base"], &told["merged"], &told["conflicts"]),
            (&Value::Null, &Value::Null, &json!([]))
        );
    }
    assert_eq!(read.send("PATCH", "force", r#"{"qty":2}"#).await.expect(200).json()["name"], "coffee");
    assert_eq!(read.send("PATCH", "never", r#"{"qty":2}"#).await.problem(400), "bad_value");
    // What clients do not set cannot be forced either.
    let read = Read::then("update items set name = 'coffee'").await;
    for strategy in ["merge", "force"] {
        assert_eq!(read.send("PATCH", strategy, r#"{"twice":9}"#).await.problem(400), "bad_value");
        assert_eq!(read.send("PATCH", strategy, r#"{"qty":"many"}"#).await.problem(400), "bad_value");
    }
}

#[tokio::test]
async fn a_batch_settles_its_own() {
    for atomic in [false, true] {
        let read = Read::then("update items set name = 'coffee'").await;
        read.database.run("insert into items (id) values (2)").await;
        let operation = |conflict: &str, row: Value| json!({"method": "PATCH", "channel": "items", "id": "1", "version": read.version, "row": row, "conflict": conflict, "key": conflict});
        let operations = json!([
            operation("merge", json!({"qty": 5})),
            operation("keep", json!({"name": "x"})),
            operation("force", json!({"name": "milk"})),
            {"method": "DELETE", "channel": "items", "id": "2", "version": 1, "conflict": "force"}
        ]);
        let body = json!({"atomic": atomic, "operations": operations});
        let done = read.api.post("/api/batch", &body).await.expect(200).json();
        let results = done["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["status"] == 200), "{done}");
        assert_eq!((&results[0]["row"]["name"], &results[1]["row"]["qty"]), (&json!("coffee"), &json!(5)));
        assert_eq!((&results[2]["row"], &results[2]["row"]["qty"]), (&read.now().await, &json!(5)));
        // Sent again, what wrote is answered as it was, and nothing is forced twice.
        let logged = read.logged().await;
        let again = read.send("PATCH", "force", r#"{"name":"milk"}"#).await;
        assert_eq!(again.status, 200);
        let single = [
            ("If-Match", format!("\"{}\"", read.version)),
            ("Prefer", "conflict=merge".into()),
            ("Idempotency-Key", "merge".into()),
        ];
        let single: Vec<_> = single.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let again = read.api.send("PATCH", "/api/items/1", &single, Some("{\"qty\":5}")).await.expect(200);
        assert_eq!((again.header("rowbell-replayed"), again.json()), ("true", results[0]["row"].clone()));
        assert_eq!(read.logged().await, logged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_merge_at_once_lose_nothing() {
    let read = Read::then("update items set doc = '{}'").await;
    let version = read.now().await["version"].as_i64().unwrap();
    let tag = format!("\"{version}\"");
    let headers = [("If-Match", tag.as_str()), ("Prefer", "conflict=merge")];
    let answers = join_all((0..12).map(async |n| {
        let body = json!({"doc": {format!("k{n}"): n}}).to_string();
        read.api.send("PATCH", "/api/items/1", &headers, Some(&body)).await
    }));
    for answer in answers.await {
        answer.expect(200);
    }
    let expected: serde_json::Map<_, _> = (0..12).map(|n| (format!("k{n}"), json!(n))).collect();
    assert_eq!(read.now().await["doc"], Value::Object(expected));
    assert_eq!(read.logged().await, 2 + 12);
}
