//! Who writes, as the log is told.

use serde_json::json;

use super::served;
use crate::support::api::Api;
use crate::support::database::Database;

const TABLE: &str =
    "create table items (id serial primary key, name text not null); select rowbell.watch('items')";

#[tokio::test]
async fn nobody_is_named_who_used_the_connection_before() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::with(&database.url, |config| config.rest.pool = 1).await;
    let by = [("Rowbell-Actor", "anna"), ("Rowbell-Branch", "north")];
    api.send("POST", "/api/items", &by, Some(r#"{"name":"tea"}"#)).await.expect(201);
    let failed = api.send("PATCH", "/api/items/1", &[("If-Match", "\"1\""), by[0], by[1]], Some("{}")).await;
    failed.expect(409);
    api.post("/api/items", &json!({})).await.expect(422);
    api.post("/api/items", &json!({"name": "milk"})).await.expect(201);
    api.send("POST", "/api/items", &by[..1], Some(r#"{"name":"rum"}"#)).await.expect(201);
    let sql = "select array_agg(concat_ws(' ', row ->> 'name', actor, branch) order by seq) from rowbell.sync_log where op = 'insert'";
    let told: Vec<String> = database.link().await.client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(told, ["tea anna north", "milk", "rum anna"]);
}

#[tokio::test]
async fn a_trigger_of_the_statement_finds_who_writes() {
    let (database, api) = served(
        "create table items (id integer primary key, n integer); create table notes (id serial primary key, verb text);
         create function note() returns trigger language plpgsql as 'begin insert into notes (verb) values (tg_op); return null; end';
         create trigger first before insert or update or delete on items for each statement execute function note();
         select rowbell.watch('items'); select rowbell.watch('notes');",
    )
    .await;
    let by = [("Rowbell-Actor", "anna"), ("Rowbell-Branch", "north")];
    let made = api.send("POST", "/api/items", &by, Some(r#"{"id":1}"#)).await.expect(201);
    let version = format!("\"{}\"", made.version());
    api.send("PATCH", "/api/items/1", &[("If-Match", &version), by[0], by[1]], Some(r#"{"n":1}"#))
        .await
        .expect(200);
    api.send("POST", "/api/items", &[], Some(r#"{"id":2}"#)).await.expect(201);
    let batch = r#"{"atomic":true,"operations":[{"method":"POST","channel":"items","row":{"id":3}}]}"#;
    api.send("POST", "/api/batch", &by, Some(batch)).await.expect(200);
    let sql = "select array_agg(concat_ws(' ', row ->> 'verb', actor, branch) order by seq) from rowbell.sync_log where channel = 'notes' and op = 'insert'";
    let told: Vec<String> = database.link().await.client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(told, ["INSERT anna north", "UPDATE anna north", "INSERT", "INSERT anna north"]);
}
