//! The database is busy, slow or away: 503 with when to come back, and everything works again afterwards.

use std::time::Duration;

use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::migrate::migrate_up;
use serde_json::json;

use crate::support::api::Api;
use crate::support::cluster::fast_options;
use crate::support::database::Database;
use crate::support::scratch::Scratch;
use crate::support::soon;

const TABLE: &str = "create table items (id integer primary key, qty integer); select rowbell.watch('items');
    insert into items values (1, 1), (2, 1)";

async fn until_ok(api: &Api, path: &str) {
    soon(async {
        while api.get(path).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn postgresql_goes_away_and_comes_back() {
    let scratch = Scratch::new("outage");
    let cluster = Cluster::open(&fast_options(&scratch)).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    connector.connect("test").await.unwrap().client.batch_execute(TABLE).await.unwrap();
    let api = Api::on(&cluster.url()).await;
    for mode in [StopMode::Fast, StopMode::Immediate] {
        let version = api.get("/api/items/1").await.expect(200).version();
        cluster.stop(mode).await.expect("stops");
        for (method, path) in [("GET", "/api/items"), ("GET", "/api/items/1"), ("PATCH", "/api/items/1")] {
            let answer = api.at(version, method, path, &json!({"qty": 5})).await;
            assert_eq!(answer.problem(503), "database_unavailable", "{method} {path}");
            assert_eq!(answer.header("retry-after"), "1");
            assert!(
                !answer.text.contains("socket") && !answer.text.contains(scratch.path().to_str().unwrap())
            );
        }
        cluster.start().await.expect("starts");
        until_ok(&api, "/api/items/1").await;
        assert_eq!(api.get("/api/items/1").await.version(), version);
        let list = api.get("/api/items").await.expect(200);
        assert!(!list.header("rowbell-cursor").is_empty());
        api.at(version, "PATCH", "/api/items/1", &json!({"qty": 6})).await.expect(200);
    }
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_not_waited_for_for_ever() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::with(&database.url, |config| {
        config.rest.pool = 2;
        config.rest.pool_wait = Duration::from_millis(100);
        config.rest.statement = Duration::from_millis(1500);
    })
    .await;
    let version = api.get("/api/items/1").await.version();
    let holder = database.link().await;
    holder.client.batch_execute("begin; update items set qty = 9 where id = 1").await.expect("holds");
    let patch = |path: &str| api.at(version, "PATCH", path, &json!({"qty": 5}));
    let waiting = [tokio::spawn(patch("/api/items/1")), tokio::spawn(patch("/api/items/1"))];
    // Both connections wait for the row: who comes now is told that they are busy.
    soon(async {
        loop {
            let answer = api.get("/api/items/2").await;
            if answer.status == 503 {
                assert_eq!(answer.problem(503), "database_unavailable");
                assert_eq!(answer.header("retry-after"), "1");
                return;
            }
        }
    })
    .await;
    for answer in waiting {
        let answer = answer.await.unwrap();
        assert_eq!(answer.problem(503), "timeout");
        assert_eq!(answer.header("retry-after"), "1");
    }
    holder.client.batch_execute("rollback").await.expect("lets go");
    until_ok(&api, "/api/items/2").await;
    assert_eq!(api.get("/api/items/1").await.json()["qty"], 1);
    // The connections are as good as before, and none holds a transaction open.
    patch("/api/items/1").await.expect(200);
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'";
    assert_eq!(holder.client.query_one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn behind_a_pooler_nothing_is_prepared_by_name() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let url = database.url.clone();
    let api = Api::with(&database.url, |config| {
        config.listen_url = Some(url);
        config.rest.pool = 1;
    })
    .await;
    database
        .run("create table told (prepared bigint, style text, timeout text);
            create function tell() returns trigger language plpgsql as $$ begin
                insert into told select count(*), current_setting('intervalstyle'), current_setting('statement_timeout') from pg_prepared_statements;
                return null; end $$;
            create trigger tell after update on items for each row execute function tell()")
        .await;
    let version = api.get("/api/items?id=eq.1").await.expect(200).json()[0]["version"].as_i64().unwrap();
    let patched = api.at(version, "PATCH", "/api/items/1", &json!({"qty": 5})).await.expect(200);
    assert_eq!(api.at(version, "PATCH", "/api/items/1", &json!({"qty": 5})).await.problem(409), "conflict");
    assert_eq!(api.get("/api/items?qty=eq.x").await.problem(400), "bad_value");
    api.at(patched.version(), "DELETE", "/api/items/1", &json!({})).await.expect(200);
    let told = database
        .link()
        .await
        .client
        .query_one("select prepared, style, timeout from told", &[])
        .await
        .unwrap();
    assert_eq!(
        (told.get::<_, i64>(0), told.get::<_, &str>(1), told.get::<_, &str>(2)),
        (0, "iso_8601", "30s")
    );
}
