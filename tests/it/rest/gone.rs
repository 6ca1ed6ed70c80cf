//! Clients that go away before they are answered: nothing works for them any more, and nothing is half done.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::api::{Answer, Api};
use crate::support::database::Database;
use crate::support::soon;

/// A list of `slow` takes the server ten minutes a row.
const TABLE: &str = "create type slow as enum ('x');
    create function slowly(slow) returns json language plpgsql as $$ begin perform pg_sleep(600); return '1'; end $$;
    create cast (slow as json) with function slowly(slow);
    create table items (id integer primary key, qty integer); select rowbell.watch('items');
    insert into items values (1, 1), (2, 1);
    create table snails (id integer primary key, pace slow); insert into snails values (1, 'x');
    select rowbell.watch('snails')";

/// A node with one connection, whose statements may take as long as they like.
async fn served() -> (Database, Api) {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::with(&database.url, |config| {
        config.rest.pool = 1;
        config.rest.statement = Duration::from_secs(600);
    })
    .await;
    (database, api)
}

/// How many statements of the node's pool wait in the database, for a lock or asleep.
async fn running(database: &Database) -> i64 {
    let sql = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'rowbell pool'
        and state = 'active' and (wait_event_type = 'Lock' or wait_event = 'PgSleep')";
    database.link().await.client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Waits until a request is at work in the database, and takes its client away.
async fn hang_up(database: &Database, request: JoinHandle<Answer>) {
    soon(async { while running(database).await == 0 {} }).await;
    request.abort();
    assert!(request.await.is_err_and(|error| error.is_cancelled()));
    soon(async { while running(database).await > 0 {} }).await;
}

async fn logged(database: &Database) -> i64 {
    let sql = "select count(*) from rowbell.sync_log where channel = 'items' and op = 'update'";
    database.link().await.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_is_cancelled() {
    let (database, api) = served().await;
    api.get("/api/items/1").await.expect(200);
    for path in
        ["/api/snails", "/api/snails/1", "/api/snails/1?at=2026-01-01T00:00:00Z", "/api/snails/1/history"]
    {
        let holder = database.link().await;
        // What shows no row is slow where somebody has locked the table.
        holder.client.batch_execute("begin; lock table snails").await.expect("locks");
        hang_up(&database, tokio::spawn(api.get(path))).await;
        // The one connection is as good as before.
        api.get("/api/items/1").await.expect(200);
    }
    for path in ["/api/snails", "/api/snails/1"] {
        hang_up(&database, tokio::spawn(api.get(path))).await;
        api.get("/api/items/1").await.expect(200);
    }
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_cancelled_and_leaves_nothing() {
    let (database, api) = served().await;
    let version = api.get("/api/items/1").await.version();
    for method in ["PATCH", "PUT", "DELETE"] {
        let holder = database.link().await;
        holder.client.batch_execute("begin; update items set qty = 9 where id = 1").await.expect("holds");
        let body = if method == "DELETE" { json!({}) } else { json!({"qty": 5}) };
        hang_up(&database, tokio::spawn(api.at(version, method, "/api/items/1", &body))).await;
        holder.client.batch_execute("rollback").await.expect("lets go");
        assert_eq!(api.get("/api/items/1").await.expect(200).json()["qty"], 1, "{method}");
    }
    assert_eq!(logged(&database).await, 0);
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'";
    assert_eq!(database.link().await.client.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
    api.at(version, "PATCH", "/api/items/1", &json!({"qty": 5})).await.expect(200);
}

#[tokio::test]
async fn a_batch_goes_on_without_its_client() {
    let (database, api) = served().await;
    let version = api.get("/api/items/1").await.version();
    for (round, atomic) in [(1, false), (2, true)] {
        let holder = database.link().await;
        holder.client.batch_execute("begin; lock table items in share mode").await.expect("holds");
        let batch = json!({"atomic": atomic, "operations": [
            {"method": "PATCH", "channel": "items", "id": "2", "version": version, "row": {"qty": round}, "conflict": "force"}]});
        let request = tokio::spawn(api.post("/api/batch", &batch));
        soon(async { while running(&database).await == 0 {} }).await;
        request.abort();
        assert!(request.await.is_err());
        holder.client.batch_execute("rollback").await.expect("lets go");
        soon(async { while api.get("/api/items/2").await.json()["qty"] != round {} }).await;
    }
}

#[tokio::test]
async fn a_write_is_done_once_whenever_its_client_goes() {
    let (database, api) = served().await;
    database
        .run("create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(0.004); return new; end $$;
            create trigger dawdle before update on items for each row execute function dawdle()")
        .await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut done_already = 0;
    for round in 1..=60 {
        let version = api.get("/api/items/1").await.expect(200).version();
        let (key, tag) = (format!("k{round}"), format!("\"{version}\""));
        let headers = [("If-Match", &*tag), ("Idempotency-Key", &*key)];
        let body = json!({"qty": 100 + round}).to_string();
        let patch = || api.send("PATCH", "/api/items/1", &headers, Some(&body));
        let request = tokio::spawn(patch());
        tokio::time::sleep(Duration::from_micros(random.random_range(0..12_000))).await;
        request.abort();
        let _whether_it_was_answered = request.await;
        let answer = patch().await.expect(200);
        assert_eq!(answer.json()["qty"], 100 + round, "seed {seed}");
        assert_eq!(logged(&database).await, round, "seed {seed}");
        done_already += i64::from(answer.header("rowbell-replayed") == "true");
    }
    println!("{done_already} of 60 were done before they were sent again");
    assert!((1..60).contains(&done_already), "seed {seed}");
}
