//! Tables that are altered while statements for them are prepared.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::soon;

const TABLE: &str =
    "create table items (id integer primary key, name text, qty integer); select rowbell.watch('items');
    insert into items values (1, 'one', 1)";

/// A node whose every connection has statements for the table already.
async fn warm() -> (Database, Api) {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::with(&database.url, |config| config.rest.pool = 2).await;
    for _ in 0..6 {
        api.get("/api/items?qty=gt.0").await.expect(200);
        let row = api.get("/api/items/1").await.expect(200);
        let row = api.at(row.version(), "PATCH", "/api/items/1", &json!({"qty": 2})).await.expect(200);
        api.send("PUT", "/api/items/1", &[], Some(&row.text)).await.expect(200);
    }
    (database, api)
}

async fn version(api: &Api) -> i64 {
    api.get("/api/items/1").await.expect(200).version()
}

#[tokio::test]
async fn a_column_that_was_added_is_there_at_once() {
    let (database, api) = warm().await;
    database.run("alter table items add column note text default 'new'").await;
    assert_eq!(api.get("/api/items").await.expect(200).json()[0]["note"], "new");
    assert_eq!(api.get("/api/items/1").await.expect(200).json()["note"], "new");
    assert_eq!(
        api.at(version(&api).await, "PATCH", "/api/items/1", &json!({"qty": 3})).await.expect(200).json()["note"],
        "new"
    );
    let named = api.at(version(&api).await, "PATCH", "/api/items/1", &json!({"note": "x"})).await.expect(200);
    assert_eq!(named.json()["note"], "x");
    assert_eq!(api.get("/api/items?note=eq.x").await.expect(200).json()[0]["id"], 1);
    assert_eq!(api.get("/api/items?order=note.desc").await.expect(200).json()[0]["id"], 1);
    assert_eq!(api.post("/api/items", &json!({"id": 2, "note": "y"})).await.expect(201).json()["note"], "y");
}

#[tokio::test]
async fn a_column_that_is_gone_is_unknown() {
    let (database, api) = warm().await;
    database.run("alter table items drop column qty").await;
    assert_eq!(api.get("/api/items?qty=gt.0").await.problem(400), "unknown_column");
    assert_eq!(api.get("/api/items/1").await.expect(200).json().get("qty"), None);
    let version = version(&api).await;
    assert_eq!(
        api.at(version, "PATCH", "/api/items/1", &json!({"qty": 3})).await.problem(400),
        "unknown_column"
    );
    let put = api.at(version, "PUT", "/api/items/1", &json!({"name": "x"})).await.expect(200);
    assert_eq!(put.json()["name"], "x");
}

#[tokio::test]
async fn a_column_that_was_renamed_is_known_by_its_new_name() {
    let (database, api) = warm().await;
    database.run("alter table items rename column qty to count").await;
    assert_eq!(api.get("/api/items?count=gt.0").await.expect(200).json()[0]["count"], 2);
    assert_eq!(api.get("/api/items?qty=gt.0").await.problem(400), "unknown_column");
    let written =
        api.at(version(&api).await, "PATCH", "/api/items/1", &json!({"count": 5})).await.expect(200);
    assert_eq!(written.json()["count"], 5);
    database.run("alter table items rename column id to number").await;
    assert_eq!(api.get("/api/items/1").await.expect(200).json()["number"], 1);
}

#[tokio::test]
async fn a_column_of_another_type_takes_its_values() {
    let (database, api) = warm().await;
    database.run("alter table items alter column qty type text using qty || ' pieces'").await;
    assert_eq!(api.get("/api/items?qty=eq.2%20pieces").await.expect(200).json()[0]["id"], 1);
    let written =
        api.at(version(&api).await, "PATCH", "/api/items/1", &json!({"qty": "three"})).await.expect(200);
    assert_eq!(written.json()["qty"], "three");
    database.run("alter table items alter column qty type bigint using length(qty)").await;
    let large = json!({"qty": 5_000_000_000_i64});
    assert_eq!(
        api.at(version(&api).await, "PATCH", "/api/items/1", &large).await.expect(200).json()["qty"],
        large["qty"]
    );
    assert_eq!(api.get("/api/items?qty=eq.x").await.problem(400), "bad_value");
}

#[tokio::test]
async fn a_table_that_is_watched_otherwise_is_served_otherwise() {
    let (database, api) = warm().await;
    database.run("select rowbell.watch('items', omit => '{name}')").await;
    // Within some seconds a shape is read anew anyway; a request that names the column finds out at once.
    database.run("alter table items add column note text").await;
    assert_eq!(api.get("/api/items?note=is.null").await.expect(200).json()[0].get("name"), None);
    assert_eq!(api.get("/api/items?name=eq.one").await.problem(400), "unknown_column");
    database.run("select rowbell.unwatch('items')").await;
    for (method, path) in [("GET", "/api/items"), ("GET", "/api/items/1"), ("PATCH", "/api/items/1")] {
        assert_eq!(
            api.at(1, method, path, &json!({"qty": 1})).await.problem(404),
            "unknown_channel",
            "{method} {path}"
        );
    }
    database.run("select rowbell.watch('items')").await;
    api.get("/api/items/1").await.expect(200);
    database.run("drop table items").await;
    assert_eq!(api.get("/api/items").await.problem(404), "unknown_channel");
    database.run("create table items (id text primary key); select rowbell.watch('items')").await;
    assert_eq!(api.post("/api/items", &json!({"id": "a"})).await.expect(201).json()["id"], "a");
}

#[tokio::test]
async fn a_write_never_reaches_a_table_that_took_the_name_of_another() {
    let (database, api) = warm().await;
    let link = database.link().await;
    let names = async |table: &str| -> Vec<String> {
        let rows =
            link.client.query(&format!("select name from {table} order by id"), &[]).await.expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    };
    // Its shape is known for a second more, and statements of it are prepared on every connection.
    let version = version(&api).await;
    database
        .run(
            "begin; alter table items rename to kept; create table items (like kept including all);
            insert into items (id, name, qty, version) select id, 'other', qty, version from kept; commit",
        )
        .await;
    let written = api.at(version, "PATCH", "/api/items/1", &json!({"name": "mine"})).await.expect(200);
    assert_eq!(written.json()["name"], "mine");
    api.post("/api/items", &json!({"id": 2, "name": "two"})).await.expect(201);
    assert_eq!(
        (names("kept").await, names("items").await),
        (vec!["mine".into(), "two".into()], vec!["other".into()])
    );
    // And back, with names that were swapped.
    database
        .run("begin; alter table items rename to spare; alter table kept rename to items; alter table spare rename to kept; commit")
        .await;
    let gone = api.at(written.version(), "DELETE", "/api/items/1", &json!({})).await.expect(200);
    assert_eq!(gone.json()["name"], "mine");
    assert_eq!((names("kept").await, names("items").await), (vec!["other".into()], vec!["two".into()]));
    // Nor one that nobody watches any more.
    database.run("select rowbell.unwatch('items')").await;
    assert_eq!(api.post("/api/items", &json!({"id": 3})).await.problem(404), "unknown_channel");
    assert_eq!(names("items").await, ["two"]);
}

#[tokio::test]
async fn a_write_that_waits_for_a_swap_of_names_reaches_the_table_it_is_for() {
    let (database, api) = warm().await;
    let (link, swap) = (database.link().await, database.link().await);
    let version = version(&api).await;
    swap.client
        .batch_execute(
            "begin; alter table items rename to kept; create table items (like kept including all);
            insert into items (id, name, qty, version) select id, 'other', qty, version from kept",
        )
        .await
        .expect("swapped");
    // Until the swap is committed the name leads to the old table, and all of the write comes in between.
    let writing = tokio::spawn(api.at(version, "PATCH", "/api/items/1", &json!({"qty": 9})));
    let waiting = "select count(*) from pg_locks where not granted and relation is not null
        and database = (select oid from pg_database where datname = current_database())";
    let waits = async || link.client.query_one(waiting, &[]).await.expect("a number").get::<_, i64>(0) > 0;
    soon(async { while !waits().await {} }).await;
    swap.client.batch_execute("commit").await.expect("committed");
    assert_eq!(writing.await.unwrap().expect(200).json()["qty"], 9);
    let both = "select (select qty from kept), (select qty from items)";
    let row = link.client.query_one(both, &[]).await.expect("a row");
    assert_eq!((row.get(0), row.get(1)), (9, 2));
}

#[tokio::test]
async fn a_table_of_partitions_is_one_resource() {
    let database = Database::new().await;
    database
        .run("create table days (day date, id integer, note text, primary key (day, id)) partition by range (day);
            create table days_1 partition of days for values from ('2026-01-01') to ('2026-02-01');
            create table days_2 (note text, id integer not null, day date not null, primary key (day, id));
            alter table days attach partition days_2 for values from ('2026-02-01') to ('2026-03-01');
            select rowbell.watch('days')")
        .await;
    let api = Api::on(&database.url).await;
    for day in ["2026-01-15", "2026-02-15"] {
        let made = api.post("/api/days", &json!({"day": day, "id": 1, "note": "x"})).await.expect(201);
        let path = made.header("location");
        assert_eq!(api.get(path).await.expect(200).text, made.text);
        assert_eq!(api.post("/api/days", &json!({"day": day, "id": 1})).await.problem(409), "exists");
        let changed = api.at(made.version(), "PATCH", path, &json!({"note": "y"})).await.expect(200);
        assert_eq!(
            api.at(made.version(), "DELETE", path, &json!({})).await.json()["current"],
            changed.json()
        );
    }
    assert_eq!(
        api.post("/api/days", &json!({"day": "2026-05-01", "id": 1})).await.problem(422),
        "constraint"
    );
    assert_eq!(api.get("/api/days?order=day.desc").await.json()[0]["day"], "2026-02-15");
}

#[tokio::test]
async fn statements_are_not_kept_for_ever() {
    let database = Database::new().await;
    let columns: Vec<_> = (0..9).map(|number| format!("c{number} integer")).collect();
    database
        .run(&format!(
            "create table wide (id integer primary key, {}); select rowbell.watch('wide')",
            columns.join(", ")
        ))
        .await;
    let api = Api::with(&database.url, |config| config.rest.pool = 1).await;
    // Every set of columns is a statement of its own.
    for set in 0..512u32 {
        let mut body = json!({"id": set});
        for number in (0..9).filter(|number| set & (1 << number) != 0) {
            body[format!("c{number}")] = json!(number);
        }
        api.post("/api/wide", &body).await.expect(201);
    }
    database
        .run(
            "create function prepared() returns trigger language plpgsql as $$ begin
                new.c0 := (select count(*) from pg_prepared_statements); return new; end $$;
            create trigger prepared before update on wide for each row execute function prepared()",
        )
        .await;
    let row = api.get("/api/wide/1").await;
    let told = api.at(row.version(), "PATCH", "/api/wide/1", &json!({"c1": 7})).await.expect(200).json();
    let prepared = told["c0"].as_i64().expect("a number");
    assert!((2..260).contains(&prepared), "{prepared} statements are prepared");
    assert_eq!(told["c2"], Value::Null);
}

#[tokio::test]
async fn the_past_of_a_column_that_was_altered_is_as_it_was() {
    let (database, api) = warm().await;
    let then = api.get("/api/items/1").await.expect(200);
    for alteration in [
        "alter table items alter column qty type text using 'about ' || qty",
        "alter table items rename column qty to amount",
        "alter table items drop column amount",
    ] {
        database.run(alteration).await;
        database.run("update items set name = name || '!'").await;
        let history = api.get("/api/items/1/history").await.expect(200).json();
        assert_eq!(history[0]["row"], api.get("/api/items/1").await.expect(200).json(), "{alteration}");
        let was = api.get(&format!("/api/items/1?version={}", then.version())).await.expect(200);
        assert_eq!(was.json(), then.json(), "{alteration}");
        // A writer who read it then is shown both, and what others did since.
        let body = json!({"name": "mine"});
        let stale = api.at(then.version(), "PATCH", "/api/items/1", &body).await.expect(409).json();
        assert_eq!((&stale["base"], &stale["conflicts"]), (&then.json(), &json!(["name"])), "{alteration}");
    }
}
