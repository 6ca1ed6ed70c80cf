//! `/openapi.json` says what the catalog says, and nothing that clients may not see.
//!
//! Whether requests are answered as it says is asked by `tests/openapi/run`.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;

const TABLES: &str = "create type mood as enum ('sad', 'it''s ok');
    create domain percent as numeric(5, 2) check (value between 0 and 100); create domain named as text not null default 'x';
    create table things (
        id bigint generated always as identity primary key, name varchar(20) not null, must named, mood mood, moods mood[][],
        percent percent not null, exact numeric, small smallint, big bigint, doc jsonb not null default '{}', spot point,
        total integer generated always as (1) stored, updated_at timestamptz, secret text not null default 'zq9hidden',
        \"a \"\"b\"\", c~/{d}\" text, \"select\" text);
    comment on table things is 'All kinds.'; comment on column things.name is 'As on the door.';
    comment on column things.secret is 'zq9hidden';
    select rowbell.watch('things', omit => '{secret}');
    create table pairs (branch integer, code varchar(8), primary key (branch, code)); select rowbell.watch('pairs');
    create table facts (id uuid primary key, note text); select rowbell.watch('facts', feed_only => true);
    create table plain (zq9hidden integer primary key);";

async fn things() -> (Database, Api) {
    let database = Database::new().await;
    database.run(TABLES).await;
    let api = Api::on(&database.url).await;
    (database, api)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_document_has_the_columns_and_paths_that_there_are() {
    let (_database, api) = things().await;
    let answer = api.get("/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.text.contains("secret") && !answer.text.contains("zq9hidden"));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.1");
    assert_eq!(document.get("security"), None);
    let paths = &document["paths"];
    assert_eq!(keys(&paths["/api/things"]), ["get", "post"]);
    assert_eq!(keys(&paths["/api/things/{id}"]), ["parameters", "get", "put", "patch", "delete"]);
    assert_eq!(keys(&paths["/api/things/{id}/history"]), ["parameters", "get"]);
    assert_eq!(keys(&paths["/channels"]), ["get", "post"]);
    assert_eq!(
        (keys(&paths["/api/facts"]), keys(&paths["/api/facts/{id}"])),
        (vec!["get"], vec!["parameters", "get"])
    );
    assert_eq!(paths.get("/api/plain"), None);
    assert_eq!(paths["/api/things/{id}"]["parameters"][0]["schema"]["type"], "integer");
    let pair = &paths["/api/pairs/{id}"]["parameters"][0]["content"]["application/json"]["schema"];
    assert_eq!((&pair["prefixItems"][1]["maxLength"], &pair["minItems"]), (&json!(8), &json!(2)));
    let filters = paths["/api/things"]["get"]["parameters"].as_array().expect("parameters");
    let names: Vec<_> = filters.iter().filter_map(|filter| filter["name"].as_str()).collect();
    assert!(
        names.contains(&"mood") && names.contains(&"\"select\"") && names.contains(&r#""a \"b\", c~/{d}""#),
        "{names:?}"
    );

    let schemas = &document["components"]["schemas"];
    let row = &schemas["things.row"];
    assert_eq!(row["description"], "All kinds.");
    assert_eq!(
        row["properties"]["name"],
        json!({"type": "string", "maxLength": 20, "description": "As on the door."})
    );
    assert_eq!(
        row["properties"]["mood"],
        json!({"type": ["string", "null"], "enum": ["sad", "it's ok", null]})
    );
    let moods = json!({"type": ["array", "null"], "items": {"type": ["array", "null"],
        "items": {"type": ["string", "null"], "enum": ["sad", "it's ok", null]}}});
    assert_eq!(row["properties"]["moods"], moods);
    let number = &row["properties"]["percent"]["anyOf"][0];
    assert_eq!((&number["minimum"], &number["maximum"]), (&json!(-999.99), &json!(999.99)));
    assert_eq!(row["properties"]["spot"]["format"], "point");
    assert_eq!(row["properties"]["total"]["readOnly"], true);
    assert_eq!(keys(&row["properties"]).len(), row["required"].as_array().expect("required").len());
    let new = &schemas["things.new"];
    assert_eq!(new["required"], json!(["name", "percent"]));
    for name in ["id", "total", "version", "updated_at", "last_synced_at"] {
        assert_eq!(new["properties"].get(name), None, "{name}");
    }
    assert_eq!(new["additionalProperties"], false);
    assert!(schemas["things.change"]["properties"]["version"].is_object());
    assert_eq!(schemas["things.change"].get("required"), None);
    assert_eq!(schemas.get("facts.new"), None);
    assert!(schemas["pairs.new"]["properties"]["code"].is_object());
    assert_eq!(schemas["pairs.change"]["properties"].get("code"), None);
}

#[tokio::test]
async fn the_document_follows_the_catalog() {
    let (database, api) = things().await;
    let row = async || {
        api.get("/openapi.json").await.expect(200).json()["components"]["schemas"]["things.row"].clone()
    };
    assert_eq!(row().await["properties"].get("colour"), None);
    database.run("alter table things add colour text; alter type mood add value 'glad'; select rowbell.unwatch('pairs')").await;
    let changed = crate::support::soon(async {
        loop {
            let row = row().await;
            if row["properties"].get("colour").is_some() {
                break row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    assert_eq!(changed.await["properties"]["mood"]["enum"], json!(["sad", "it's ok", "glad", null]));
    assert_eq!(api.get("/openapi.json").await.json()["paths"].get("/api/pairs"), None);
}

#[tokio::test]
async fn the_document_is_guarded_as_rows_are() {
    let (database, _) = things().await;
    let api = Api::with(&database.url, |config| config.token = Some("s3cret".into())).await;
    assert_eq!(api.get("/openapi.json").await.problem(401), "unauthorized");
    let shown = [("Authorization", "Bearer s3cret")];
    let document = api.send("GET", "/openapi.json", &shown, None).await.expect(200).json();
    assert_eq!(document["security"], json!([{"token": []}]));
    assert_eq!(document["paths"]["/healthz"]["get"]["security"], json!([]));
    let posted = api.send("POST", "/openapi.json", &shown, None).await;
    assert_eq!((posted.problem(405).as_str(), posted.header("allow")), ("method_not_allowed", "GET, HEAD"));
    assert_eq!(api.send("HEAD", "/openapi.json", &shown, None).await.expect(200).text, "");
}

#[tokio::test]
async fn a_value_of_another_kind_is_not_stored_as_its_text() {
    let (_database, api) = things().await;
    for (column, value, words) in [
        ("name", json!({"a": 1}), "a JSON string"),
        ("name", json!(7), "a JSON string"),
        ("mood", json!(true), "a JSON string"),
        ("small", json!("7"), "a JSON number"),
        ("big", json!([7]), "a JSON number or its text"),
        ("moods", json!("{}"), "a JSON array"),
    ] {
        let mut row = json!({"name": "n", "percent": 1});
        row[column] = value;
        for answer in [
            api.post("/api/things", &row).await,
            api.at(1, "PATCH", "/api/things/1", &row).await,
            api.at(1, "PUT", "/api/things/1", &row).await,
        ] {
            assert_eq!(answer.problem(400), "bad_value", "{row}");
            let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
            assert!(detail.contains(words) && detail.contains(column), "{detail}");
        }
    }
    let row = json!({"name": "n", "percent": "1.5", "big": "-9223372036854775808", "doc": [], "must": "y", "moods": [["sad"]]});
    api.post("/api/things", &row).await.expect(201);
}

#[tokio::test]
async fn a_feed_only_channel_refuses_other_methods_first() {
    let (_database, api) = things().await;
    for (method, path) in [
        ("POST", "/api/facts?select=id"),
        ("OPTIONS", "/api/facts"),
        ("PUT", "/api/facts/1"),
        ("DELETE", "/api/facts/1"),
    ] {
        let answer = api.send(method, path, &[], None).await;
        assert_eq!(answer.problem(405), "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{method} {path}");
    }
    assert_eq!(api.send("OPTIONS", "/api/nothing", &[], None).await.problem(404), "unknown_channel");
    let long = "%5B1%2C%22123456789%22%5D";
    let answer = api.send("PUT", &format!("/api/pairs/{long}"), &[("If-None-Match", "*")], Some("{}")).await;
    assert_eq!(answer.problem(400), "bad_value");
    assert!(answer.json()["detail"].as_str().expect("a detail").contains("\"code\""), "{answer:?}");
}

#[tokio::test]
async fn what_operators_ask_is_described_as_it_is_answered() {
    let (_database, api) = things().await;
    let document = api.get("/openapi.json").await.expect(200).json();
    for (path, method) in [("/stats", "get"), ("/channels", "get"), ("/healthz", "get"), ("/readyz", "get")] {
        let told = api.get(path).await.expect(200).json();
        let schema =
            &document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(name) => document.pointer(&name[1..]).expect("a schema"),
            None => schema,
        };
        let sorted = |value: &Value| -> std::collections::BTreeSet<String> {
            keys(value).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(sorted(&told), sorted(&schema["properties"]), "{path}");
        for (name, value) in told.as_object().expect("an object") {
            if value.is_object() {
                assert_eq!(
                    sorted(value),
                    sorted(&schema["properties"][name]["properties"]),
                    "{path}: {name}"
                );
            }
            let first = value.as_array().and_then(|items| items.first());
            if let Some(first) = first.filter(|first| first.is_object()) {
                let items = &schema["properties"][name]["items"]["properties"];
                assert_eq!(sorted(first), sorted(items), "{path}: {name}");
            }
        }
    }
    let metrics = api.get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain"), "{metrics:?}");
    assert!(document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"].is_object());
}

#[tokio::test]
async fn numbers_sent_as_text_are_described_as_text() {
    let database = Database::new().await;
    database
        .run("create table sums (id bigint primary key, small smallint, loose numeric, many bigint[] not null);
            select rowbell.watch('sums', as_text => '{id,small,loose,many}')")
        .await;
    let api = Api::on(&database.url).await;
    let schemas = api.get("/openapi.json").await.expect(200).json()["components"]["schemas"].clone();
    let row = &schemas["sums.row"]["properties"];
    assert_eq!((&row["id"]["type"], &row["id"]["pattern"]), (&json!("string"), &json!("^-?[0-9]{1,19}$")));
    assert_eq!(row["loose"]["type"], json!(["string", "null"]));
    assert_eq!(
        (&row["many"]["type"], &row["many"]["items"]["type"]),
        (&json!("array"), &json!(["string", "null"]))
    );
    assert_eq!(row["version"]["$ref"], "#/components/schemas/BigInteger");
    let small = &schemas["sums.change"]["properties"]["small"]["anyOf"][0]["anyOf"];
    assert_eq!((&small[0]["type"], &small[1]["type"]), (&json!("integer"), &json!("string")));
}
