//! Long polls: waiting, and what ends them.

use std::time::Instant;

use futures::future::join_all;
use rowbell::words::{Cursor, Origin, Snapshot};
use serde_json::{Value, json};

use super::Poller;
use crate::support::api::Api;
use crate::support::books::ITEM;
use crate::support::database::Database;
use crate::support::soon;

async fn item() -> (Database, Api) {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    (database, api)
}

#[tokio::test]
async fn an_answer_comes_with_the_commit_or_when_the_wait_is_over() {
    let (database, api) = item().await;
    let mut poller = Poller::now(&api, "item").await;
    let before = Instant::now();
    assert_eq!(poller.poll("wait=1").await["commits"], json!([]));
    assert!(before.elapsed().as_secs() >= 1);
    let (answer, ()) = tokio::join!(poller.poll("wait=60"), database.run("insert into item values (500, 0)"));
    assert_eq!(answer["commits"][0]["changes"][0]["id"], "500");
    // What was there before is answered without waiting, and the default is to wait.
    database.run("insert into item values (501, 0)").await;
    assert_eq!(poller.poll("").await["commits"][0]["changes"][0]["id"], "501");
    assert!(before.elapsed().as_secs() < 25, "it waited although there was something to say");
}

#[tokio::test]
async fn other_channels_only_move_the_cursor() {
    let (database, api) = item().await;
    let mut poller = Poller::now(&api, "item").await;
    let begun = Cursor::parse(&poller.cursor).unwrap();
    database.run("insert into other values (1)").await;
    let answer = poller.poll("wait=0").await;
    assert_eq!((&answer["commits"], &answer["more"]), (&json!([]), &json!(false)));
    // The node may not have looked yet; it does so every second.
    let moved = async {
        while Cursor::parse(&poller.cursor).unwrap().snapshot == begun.snapshot {
            assert_eq!(poller.poll("wait=1").await["commits"], json!([]));
        }
    };
    soon(moved).await;
    let mut all = Poller { api: &api, topic: "*", cursor: begun.to_string() };
    assert_eq!(all.poll("").await["commits"][0]["changes"][0]["channel"], "other");
}

#[tokio::test]
async fn waiting_holds_no_connection() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::with(&database.url, |config| config.feed.pool = 1).await;
    let begun = Poller::now(&api, "item").await;
    let waiting = join_all((0..50).map(|_| {
        let mut poller = begun.after(&begun.cursor);
        async move { poller.poll("wait=60").await }
    }));
    let writing = async {
        let all_wait = async { while api.get("/stats").await.json()["sessions"] != 50 {} };
        soon(all_wait).await;
        // The one connection is free for somebody who is behind.
        database.run("insert into other values (1)").await;
        let mut other = Poller { api: &api, topic: "other", cursor: begun.cursor.clone() };
        assert_eq!(other.poll("").await["commits"][0]["changes"][0]["id"], "1");
        database.run("insert into item values (500, 0)").await;
    };
    let (answers, ()) = tokio::join!(waiting, writing);
    for answer in answers {
        assert_eq!(answer["commits"][0]["changes"][0]["id"], "500");
    }
    assert_eq!(api.get("/stats").await.json()["sessions"], 0);
}

#[tokio::test]
async fn what_cannot_be_continued_is_gone_for_a_reason() {
    let (database, api) = item().await;
    let begun = Poller::now(&api, "item").await;
    let Cursor { origin, snapshot } = Cursor::parse(&begun.cursor).unwrap();
    let gone = async |topic: &str, origin: Origin, snapshot: &Snapshot| {
        let cursor = Cursor { origin, snapshot: snapshot.clone() };
        let answer = api.get(&format!("/feed/{topic}?since={cursor}")).await;
        (answer.problem(410), answer.json()["reason"].clone())
    };
    let expired = |reason: &str| ("expired".to_owned(), Value::from(reason));
    let foreign = Origin { installation: origin.installation ^ 1, ..origin };
    assert_eq!(gone("item", foreign, &snapshot).await, expired("foreign"));
    let forgotten = Origin { generation: origin.generation ^ 1, ..origin };
    assert_eq!(gone("item", forgotten, &snapshot).await, expired("lost"));
    let future = Snapshot::new(snapshot.xmax() + 1_000_000, vec![]);
    assert_eq!(gone("item", origin, &future).await, expired("lost"));

    database.run("insert into item values (500, 0); select rowbell.resync('item')").await;
    assert_eq!(gone("item", origin, &snapshot).await, expired("schema"));
    assert_eq!(gone("*", origin, &snapshot).await, expired("schema"));
    let mut other = Poller { api: &api, topic: "other", cursor: begun.cursor.clone() };
    assert_eq!(other.poll("wait=0").await["commits"], json!([]));

    let waiting = Poller::now(&api, "item").await;
    let path = format!("/feed/item?since={}&wait=60", waiting.cursor);
    let (answer, ()) = tokio::join!(api.get(&path), database.run("select rowbell.resync('item')"));
    assert_eq!((answer.problem(410), answer.json()["reason"].clone()), expired("schema"));

    let waiting = Poller::now(&api, "item").await;
    let path = format!("/feed/item?since={}&wait=60", waiting.cursor);
    let (answer, ()) = tokio::join!(api.get(&path), database.run("select rowbell.unwatch('item')"));
    assert_eq!(answer.problem(404), "unknown_channel");
    assert_eq!(api.get("/feed/nothing").await.problem(404), "unknown_channel");
}

#[tokio::test]
async fn the_last_commit_of_a_channel_is_told_to_who_waits() {
    let (database, api) = item().await;
    let mut poller = Poller::now(&api, "item").await;
    let last = "begin; insert into item values (500, 0); select rowbell.unwatch('item'); commit";
    let (answer, ()) = tokio::join!(poller.poll("wait=60"), database.run(last));
    assert_eq!(answer["commits"][0]["changes"][0]["id"], "500");
    let path = format!("/feed/item?since={}", poller.cursor);
    assert_eq!(api.get(&path).await.problem(404), "unknown_channel");
}

#[tokio::test]
async fn a_time_is_a_place_to_poll_from() {
    let database = Database::new().await;
    database.run("create table orders (id integer primary key); select rowbell.watch('orders')").await;
    let api = Api::on(&database.url).await;
    database.run("insert into orders values (1)").await;
    let link = database.link().await;
    // A tick with a higher id may have looked before that row was committed.
    let ticks = "select count(*) from rowbell.tick where pg_visible_in_snapshot((select l.xid from rowbell.sync_log l where l.row_id = '1'), snapshot)";
    soon(async { while link.client.query_one(ticks, &[]).await.unwrap().get::<_, i64>(0) == 0 {} }).await;
    let sql = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let now: String = link.client.query_one(sql, &[]).await.unwrap().get(0);
    database.run("insert into orders values (2)").await;
    let polled = api.get(&format!("/feed/orders?wait=0&since={now}")).await.expect(200).json();
    assert_eq!(polled["commits"][0]["changes"][0]["id"], "2", "{polled}");
    for (since, status, code) in
        [("2000-01-01T00:00:00Z", 410, "expired"), ("2200-01-01T00:00:00Z", 400, "bad_value")]
    {
        assert_eq!(api.get(&format!("/feed/orders?since={since}")).await.problem(status), code);
    }
}
