//! Numbers that no number of JavaScript can hold, sent as text wherever a row goes.

use serde_json::{Value, json};

use super::served;
use crate::support::api::{Answer, Api};
use crate::support::database::Database;
use crate::support::socket::Socket;
use crate::support::soon;

const TABLE: &str = "create domain amount as numeric;
    create table payments (id bigint primary key, big bigint, total amount, small integer, ratio double precision,
        parts numeric[], grid bigint[], exact numeric, twice numeric generated always as (total * 2) stored, note text);
    select rowbell.watch('payments', as_text => '{id,big,total,small,ratio,parts,grid,twice}')";

/// 2^53 + 1, which a double rounds.
const ODD: &str = "9007199254740993";
const LARGEST: &str = "9223372036854775807";
const SMALLEST: &str = "-9223372036854775808";
const LONG: &str = "12345678901234567890123456789012345678.90";

async fn cursor(api: &Api) -> String {
    api.get("/api/payments").await.expect(200).header("rowbell-cursor").to_owned()
}

async fn told(api: &Api, since: &str, filter: &str) -> Answer {
    api.get(&format!("/feed/payments?wait=0&since={since}{filter}")).await.expect(200)
}

/// What the log holds of a row, newest first.
async fn logged(database: &Database) -> Vec<(Option<String>, Option<String>)> {
    let sql = "select row::text, old::text from rowbell.sync_log where channel = 'payments' and op <> 'resync' order by seq desc";
    let rows = database.link().await.client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn every_path_of_a_row_has_the_same_text() {
    let (database, api) = served(TABLE).await;
    let start = cursor(&api).await;
    let mut socket = Socket::open(api.address.port(), "/feed/payments?snapshot=true").await;
    assert_eq!(socket.frame().await["type"], "subscribed");
    assert_eq!(socket.frame().await["rows"], json!([]));
    // Numbers and their text are taken alike.
    let body = format!(
        r#"{{"id":{ODD},"big":"{LARGEST}","total":{LONG},"small":"7","ratio":"NaN","parts":[{LONG},"NaN",null],"grid":[["{SMALLEST}"],[{LARGEST}]],"exact":{LONG}}}"#
    );
    let made = api.send("POST", "/api/payments", &[], Some(&body)).await.expect(201);
    let row = made.json();
    for (column, expected) in [
        ("id", json!(ODD)),
        ("big", json!(LARGEST)),
        ("total", json!(LONG)),
        ("small", json!("7")),
        ("ratio", json!("NaN")),
        ("parts", json!([LONG, "NaN", null])),
        ("grid", json!([[SMALLEST], [LARGEST]])),
        ("twice", json!("24691357802469135780246913578024691357.80")),
        ("note", Value::Null),
    ] {
        assert_eq!(row[column], expected, "{column}: {}", made.text);
    }
    // What is not named stays a number.
    assert!(made.text.contains(&format!("\"exact\":{LONG},")), "{}", made.text);
    let path = format!("/api/payments/{ODD}");
    assert_eq!(made.header("location"), path);
    assert_eq!(api.get(&path).await.expect(200).text, made.text);
    assert_eq!(api.get("/api/payments").await.text, format!("[{}]", made.text));
    assert_eq!(
        api.get("/api/payments?select=total,exact,big").await.text,
        format!(r#"[{{"total":"{LONG}","exact":{LONG},"big":"{LARGEST}"}}]"#)
    );
    assert_eq!(logged(&database).await[0].0.as_deref(), Some(&*made.text));
    let (changes, _) = socket.changes(1).await;
    assert_eq!((&changes[0]["id"], &changes[0]["row"]), (&json!(ODD), &row));
    assert!(told(&api, &start, "").await.text.contains(&made.text));
    let mut late = Socket::open(api.address.port(), "/feed/payments?snapshot=true").await;
    late.frame().await;
    assert_eq!(late.frame().await["rows"], json!([row]));
    // A row as read is written back as it is, and changes nothing.
    for method in ["PUT", "PATCH"] {
        let kept = api.send(method, &path, &[], Some(&made.text)).await.expect(200);
        assert_eq!((kept.header("rowbell-xid"), &kept.text), ("", &made.text), "{method}");
    }
    let next = api.at(made.version(), "PATCH", &path, &json!({"big": SMALLEST})).await.expect(200);
    assert_eq!(next.json()["big"], SMALLEST);
    let history = api.get(&format!("{path}/history")).await.expect(200).json();
    assert_eq!((&history[0]["row"], &history[0]["old"]["big"]), (&next.json(), &json!(LARGEST)));
    assert_eq!((&history[0]["id"], &history[1]["row"]), (&json!(ODD), &row));
    assert_eq!(api.get(&format!("{path}?version={}", made.version())).await.expect(200).text, made.text);
    let gone = api.at(next.version(), "DELETE", &path, &json!({})).await.expect(200);
    assert_eq!(gone.text, next.text);
    assert_eq!(logged(&database).await[0].1.as_deref(), Some(&*next.text));
}

#[tokio::test]
async fn filters_and_orders_compare_numbers_and_not_texts() {
    let (_database, api) = served(TABLE).await;
    let start = cursor(&api).await;
    for (id, total) in [(1, "9007199254740992"), (2, ODD), (3, "10"), (4, "9"), (5, "NaN")] {
        api.post("/api/payments", &json!({"id": id, "total": total, "parts": [total]})).await.expect(201);
    }
    let ids = |rows: &Value| -> Vec<String> {
        let ids =
            rows.as_array().expect("rows").iter().map(|row| row["id"].as_str().expect("text").to_owned());
        ids.collect()
    };
    for (filter, expected) in [
        ("total=gt.9007199254740992&total=lt.NaN", vec!["2"]),
        ("total=eq.9007199254740993.0", vec!["2"]),
        ("total=lt.10", vec!["4"]),
        ("id=in.(3,4)", vec!["3", "4"]),
        ("parts=cs.{9.0}", vec!["4"]),
        ("total=eq.NaN", vec!["5"]),
    ] {
        let listed = api.get(&format!("/api/payments?{filter}")).await.expect(200).json();
        assert_eq!(ids(&listed), expected, "{filter}");
        let feed = told(&api, &start, &format!("&{filter}")).await.json();
        let commits = feed["commits"].as_array().expect("commits").iter();
        let changes = commits.flat_map(|commit| commit["changes"].as_array().expect("changes"));
        let rows: Vec<_> = changes.map(|change| change["row"].clone()).collect();
        assert_eq!(ids(&json!(rows)), expected, "the feed of {filter}");
    }
    let sorted = api.get("/api/payments?order=total&select=id").await.expect(200).json();
    assert_eq!(ids(&sorted), ["4", "3", "1", "2", "5"]);
    assert_eq!(api.get("/api/payments?total=eq.x").await.problem(400), "bad_value");
    assert_eq!(api.get("/api/payments?total=like.9*").await.problem(400), "bad_filter");
    for wrong in [json!({"total": "x"}), json!({"total": true}), json!({"small": "2147483648"})] {
        assert_eq!(api.post("/api/payments", &wrong).await.problem(400), "bad_value", "{wrong}");
    }
}

#[tokio::test]
async fn a_conflict_tells_text_and_a_merge_knows_the_same_number() {
    for sent in [r#""total":"1.10","#, r#""total":1.1,"#, r#""total":"1.1","#, ""] {
        let (database, api) = served(TABLE).await;
        let body = json!({"id": 1, "total": "1.10", "big": LARGEST, "parts": ["1.10"], "note": "a"});
        let made = api.post("/api/payments", &body).await.expect(201);
        database.run(&format!("update payments set big = {SMALLEST}")).await;
        let body = format!(
            r#"{{{sent}"twice":2.2,"big":{LARGEST},"parts":[1.1],"note":"b","version":{}}}"#,
            made.version()
        );
        let stale = api.send("PATCH", "/api/payments/1", &[], Some(&body)).await.expect(409).json();
        assert_eq!((&stale["current"]["big"], &stale["base"]["big"]), (&json!(SMALLEST), &json!(LARGEST)));
        let merged = (&stale["merged"]["big"], &stale["merged"]["total"], &stale["merged"]["note"]);
        assert_eq!(merged, (&json!(SMALLEST), &json!("1.10"), &json!("b")), "{stale}");
        assert_eq!((&stale["merged"]["parts"], &stale["conflicts"]), (&json!(["1.10"]), &json!([])));
        let prefer = [("Prefer", "conflict=merge")];
        let merged = api.send("PATCH", "/api/payments/1", &prefer, Some(&body)).await.expect(200).json();
        assert_eq!(
            (&merged["big"], &merged["total"], &merged["note"]),
            (&json!(SMALLEST), &json!("1.10"), &json!("b"))
        );
        // Two numbers that a double takes for one are a conflict.
        let body = format!(r#"{{"big":9223372036854775806,"version":{}}}"#, made.version());
        let stale = api.send("PATCH", "/api/payments/1", &prefer, Some(&body)).await.expect(409).json();
        assert_eq!((&stale["conflicts"], &stale["merged"]), (&json!(["big"]), &Value::Null));
    }
}

#[tokio::test]
async fn an_id_of_several_columns_has_the_text_too() {
    let (_database, api) = served(
        "create table lines (a bigint, b text, n integer, primary key (a, b)); select rowbell.watch('lines', as_text => '{a}')",
    )
    .await;
    let start = api.get("/api/lines").await.header("rowbell-cursor").to_owned();
    let made = api.post("/api/lines", &json!({"a": ODD, "b": "x"})).await.expect(201);
    let feed = api.get(&format!("/feed/lines?wait=0&since={start}")).await.expect(200).json();
    let id = feed["commits"][0]["changes"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(id, format!(r#"["{ODD}","x"]"#));
    let read = api.get(made.header("location")).await.expect(200);
    assert_eq!(read.text, made.text);
    // A client that writes the number as such means the same row.
    let path = format!("/api/lines/%5B{ODD}%2C%22x%22%5D");
    let changed = api.at(read.version(), "PATCH", &path, &json!({"n": 1})).await.expect(200);
    assert_eq!(
        api.get(&format!("{}/history", made.header("location"))).await.expect(200).json()[0]["row"],
        changed.json()
    );
}

#[tokio::test]
async fn the_option_may_come_and_go() {
    let (database, api) =
        served("create table t (id integer primary key, n bigint); select rowbell.watch('t')").await;
    let made = api.post("/api/t", &json!({"id": 1, "n": 1})).await.expect(201);
    let start = api.get("/api/t").await.header("rowbell-cursor").to_owned();
    database.run("select rowbell.watch('t', as_text => '{n}')").await;
    // Who followed learns that rows look otherwise now, and starts over; what was logged before is not shown.
    let answer = api.get(&format!("/feed/t?wait=0&since={start}")).await;
    assert_eq!(answer.json()["reason"], "schema");
    assert_eq!(answer.problem(410), "expired");
    // A list may still have the shape of a second ago.
    soon(async { while api.get("/api/t").await.expect(200).json()[0]["n"] != "1" {} }).await;
    let body = json!({"n": 3, "version": made.version()});
    let row = api.send("PATCH", "/api/t/1", &[], Some(&body.to_string())).await.expect(200);
    assert_eq!(row.json()["n"], "3");
    assert_eq!(api.get("/api/t/1/history").await.json().as_array().map(Vec::len), Some(1));
    let stale = api.send("PATCH", "/api/t/1", &[], Some(&body.to_string())).await.expect(409).json();
    assert_eq!((&stale["base"], &stale["current"]["n"]), (&Value::Null, &json!("3")));
    // A renamed column is sent as before, by the log as well.
    database.run("alter table t rename column n to m; update t set m = 4").await;
    assert_eq!(api.get("/api/t?m=eq.4").await.expect(200).json()[0]["m"], "4");
    assert_eq!(api.get("/api/t/1/history").await.json()[0]["row"]["m"], "4");
    // One that holds no numbers any more is sent as it is.
    database.run("alter table t alter column m type text using 'four'; update t set m = 'five'").await;
    assert_eq!(api.get("/api/t?m=eq.five").await.expect(200).json()[0]["m"], "five");
    assert_eq!(api.get("/api/t/1/history").await.json()[0]["row"]["m"], "five");
    database.run("alter table t alter column m type bigint using length(m); select rowbell.watch('t')").await;
    soon(async { while api.get("/api/t").await.expect(200).json()[0]["m"] != 4 {} }).await;
    database.run("update t set m = 5 where m = 4").await;
    assert_eq!(api.get("/api/t?m=gt.0").await.expect(200).json()[0]["m"], 5);
    assert_eq!(api.get("/api/t/1/history").await.json()[0]["row"]["m"], 5);
}
