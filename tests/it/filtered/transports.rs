//! Filters by all three transports, from the URL and by frames.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::events::EventSource;
use crate::support::socket::Socket;

const TABLE: &str = "create table orders (id integer primary key, branch integer, since text);
    select rowbell.watch('orders'); insert into orders values (1, 3, 'x'), (2, 4, 'y'), (3, 3, 'z');";

fn ids(rows: &Value) -> Vec<i64> {
    rows.as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

#[tokio::test]
async fn a_websocket_begins_with_the_rows_that_pass() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::on(&database.url).await;
    let mut socket =
        Socket::open(api.address.port(), "/feed/orders?snapshot=true&branch=in.(3,3)&id=gt.0").await;
    let subscribed = socket.frame().await;
    assert_eq!(subscribed["topic"], "orders?branch=in.(3)&id=gt.0");
    let rows = socket.frame().await;
    assert_eq!((ids(&rows["rows"]), &rows["more"]), (vec![1, 3], &json!(false)));
    database.run("update orders set branch = 7 - branch").await;
    let (changes, _) = socket.changes(3).await;
    let mut ops: Vec<_> = changes.iter().map(|change| format!("{} {}", change["op"], change["id"])).collect();
    ops.sort();
    assert_eq!(ops, ["\"enter\" \"2\"", "\"leave\" \"1\"", "\"leave\" \"3\""]);
    socket.say(r#"{"type":"subscribe","topic":"orders?id=gt.0&branch=in.(3)"}"#).await;
    assert_eq!(socket.frame().await["code"], "already_subscribed");
    socket.say(r#"{"type":"subscribe","topic":"orders?branche=eq.3","ref":7}"#).await;
    let refused = socket.frame().await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("unknown_column"), &json!(7)));
    socket.say(r#"{"type":"subscribe","topic":"orders?\"since\"=eq.x"}"#).await;
    assert_eq!(socket.frame().await["topic"], "orders?\"since\"=eq.x");
    socket.say(r#"{"type":"unsubscribe","topic":"orders?branch=in.(3)&id=gt.0"}"#).await;
    assert_eq!(socket.frame().await["type"], "unsubscribed");
}

#[tokio::test]
async fn a_stream_of_events_tells_some_rows() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::on(&database.url).await;
    let port = api.address.port();
    let mut events =
        EventSource::new(format!("http://127.0.0.1:{port}/feed/orders?or=(since.eq.w,branch.eq.3)"));
    assert_eq!(events.expect("subscribed").await.json()["topic"], "orders?or=(branch.eq.3,since.eq.w)");
    database.run("insert into orders values (4, 4, 'v'), (5, 3, 'v')").await;
    let told = events.expect("commits").await.json();
    assert_eq!(told["commits"][0]["changes"][0]["id"], "5");
    let mut refused = EventSource::new(format!("http://127.0.0.1:{port}/feed/orders?branch=equals.3"));
    assert_eq!(refused.expect("error").await.json()["code"], "bad_filter");
}

#[tokio::test]
async fn a_long_poll_waits_for_a_row_that_passes() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let api = Api::on(&database.url).await;
    let first = api.get("/feed/orders?branch=eq.3&wait=0").await.expect(200).json();
    let since = first["cursor"].as_str().expect("a cursor").to_owned();
    database.run("insert into orders values (4, 4, 'v')").await;
    let path = format!("/feed/orders?branch=eq.3&since={since}");
    let nothing = api.get(&format!("{path}&wait=0")).await.expect(200).json();
    assert_eq!(nothing["commits"], json!([]));
    let waiting = api.get(&format!("{path}&wait=20"));
    let write = async {
        database.run("insert into orders values (5, 4, 'v')").await;
        database.run("insert into orders values (6, 3, 'v')").await;
    };
    let (answer, ()) = tokio::join!(waiting, write);
    let found = answer.expect(200).json();
    assert_eq!(found["commits"][0]["changes"][0]["id"], "6");
    assert_eq!(found["commits"].as_array().expect("commits").len(), 1);
    database.run("update orders set branch = 4 where id = 6").await;
    let left =
        api.get(&format!("/feed/orders?branch=eq.3&since={}", found["cursor"].as_str().unwrap())).await;
    assert_eq!(left.json()["commits"][0]["changes"][0]["op"], "leave");
    let rows = api.get("/feed/orders?branch=eq.3&snapshot=true").await.expect(200).json();
    assert_eq!(ids(&rows["rows"][0]["rows"]), [1, 3]);
    for (query, code) in
        [("branch=3", "bad_filter"), ("nothing=eq.3", "unknown_column"), ("branch=eq.x", "bad_value")]
    {
        assert_eq!(api.get(&format!("/feed/orders?{query}")).await.problem(400), code, "{query}");
    }
}
