//! All rows in one snapshot, then exactly their changes.

use std::collections::BTreeMap;
use std::time::Duration;

use rowbell::feed::{Delivery, Opened, Start, Subscription};
use rowbell::words::{FeedConfig, Topic};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::feed::RunningFeed;
use crate::support::socket::Socket;
use crate::support::soon;

/// Rows by channel and id, kept by what a client is told and nothing else.
#[derive(Default)]
struct Copy {
    rows: BTreeMap<(String, String), Value>,
    /// Channels that were told of.
    told: Vec<String>,
    frames: usize,
}

impl Copy {
    /// Reads the rows of a snapshot to the last frame; its cursor.
    async fn begin(&mut self, socket: &mut Socket) -> String {
        loop {
            let frame = socket.frame().await;
            assert_eq!(frame["type"], "rows", "{frame}");
            self.frames += 1;
            let channel = frame["channel"].as_str().unwrap_or_default().to_owned();
            for row in frame["rows"].as_array().expect("rows") {
                let key = (channel.clone(), row["id"].to_string());
                assert!(self.rows.insert(key, row.clone()).is_none(), "twice: {row}");
            }
            if self.told.last() != Some(&channel) {
                self.told.push(channel);
            }
            match frame["cursor"].as_str() {
                Some(cursor) => {
                    assert_eq!(frame["more"], false);
                    return cursor.to_owned();
                }
                None => assert_eq!(frame["more"], true),
            }
        }
    }

    fn apply(&mut self, change: &Value) {
        let channel = change["channel"].as_str().expect("a channel").to_owned();
        let key = (channel.clone(), change["id"].as_str().unwrap_or_default().to_owned());
        match change["op"].as_str().expect("an op") {
            "insert" => assert!(self.rows.insert(key, change["row"].clone()).is_none(), "twice: {change}"),
            "update" => {
                assert!(self.rows.insert(key, change["row"].clone()).is_some(), "never seen: {change}")
            }
            "delete" => assert!(self.rows.remove(&key).is_some(), "never seen: {change}"),
            "truncate" => self.rows.retain(|(of, _), _| *of != channel),
            other => panic!("{other}"),
        }
    }

    fn sum(&self) -> i64 {
        self.rows.values().filter_map(|row| row["amount"].as_i64()).sum()
    }
}

/// What the tables hold, in the same form.
async fn truth(database: &Database, channels: &[&str]) -> BTreeMap<(String, String), Value> {
    let link = database.link().await;
    let mut rows = BTreeMap::new();
    for channel in channels {
        let sql = format!("select row_to_json(t.*)::text from {} t", channel.replace('-', "_"));
        for row in link.client.query(&sql, &[]).await.expect("rows") {
            let row: Value = serde_json::from_str(row.get(0)).expect("JSON");
            rows.insert(((*channel).to_owned(), row["id"].to_string()), row);
        }
    }
    rows
}

async fn snapshot(api: &Api, topic: &str) -> (Socket, Copy, String) {
    let mut socket = Socket::open(api.address.port(), &format!("/feed/{topic}?snapshot=true")).await;
    let subscribed = socket.frame().await;
    assert_eq!(
        (&subscribed["type"], &subscribed["recovered"]),
        (&json!("subscribed"), &json!(false)),
        "{subscribed}"
    );
    let mut copy = Copy::default();
    let cursor = copy.begin(&mut socket).await;
    assert_eq!(subscribed["cursor"], cursor);
    (socket, copy, cursor)
}

const ACCOUNTS: &str = "create table one (id integer primary key, amount bigint);
    create table two (id integer primary key, amount bigint);
    select rowbell.watch('one'); select rowbell.watch('two');
    insert into one select n, 100 from generate_series(1, 400) n; insert into two select n, 100 from generate_series(1, 400) n";

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_the_table_at_every_moment_under_load() {
    let database = Database::new().await;
    database.run(ACCOUNTS).await;
    let api = Api::on(&database.url).await;
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..4i32)
        .map(|writer| {
            let (connector, stop) = (database.connector.clone(), stop.clone());
            tokio::spawn(async move {
                let link = connector.connect("writer").await.expect("connects");
                for round in (0..).take_while(|_| !stop.is_cancelled()) {
                    let (from, to) = ((writer * 97 + round * 13) % 400 + 1, (writer * 31 + round * 7) % 400 + 1);
                    // Money moves between the tables, so only a whole commit leaves the sum as it is.
                    let sql = format!(
                        "begin; update one set amount = amount - 1 where id = {from}; update two set amount = amount + 1 where id = {to};
                        {} commit",
                        if round % 10 == 0 { "select pg_sleep(0.01);" } else { "" }
                    );
                    // Two of them may lock each other out; then neither moved anything.
                    let _deadlock = link.client.batch_execute(&sql).await;
                    let _over = link.client.batch_execute("rollback").await;
                }
            })
        })
        .collect();
    for snapshots in 0..12 {
        let (mut socket, mut copy, _) = snapshot(&api, "one,two").await;
        assert_eq!((copy.rows.len(), copy.sum()), (800 + snapshots, 80_000));
        // Tells when the copy has what committed before.
        database.run(&format!("insert into one values ({}, 0)", 1000 + snapshots)).await;
        while !copy.rows.contains_key(&("one".into(), (1000 + snapshots).to_string())) {
            let frame = socket.frame().await;
            for commit in frame["commits"].as_array().expect("commits") {
                commit["changes"].as_array().expect("changes").iter().for_each(|change| copy.apply(change));
                assert_eq!(copy.sum(), 80_000);
            }
        }
    }
    stop.cancel();
    for writer in writers {
        writer.await.expect("it ends well");
    }
    let (mut socket, mut copy, _) = snapshot(&api, "one,two").await;
    database.run("insert into two values (-1, 0)").await;
    while !copy.rows.contains_key(&("two".into(), "-1".into())) {
        socket.changes(1).await.0.iter().for_each(|change| copy.apply(change));
    }
    assert_eq!(copy.rows, truth(&database, &["one", "two"]).await);
}

#[tokio::test]
async fn large_tables_come_in_parts_and_a_cursor_continues_elsewhere() {
    let database = Database::new().await;
    database
        .run("create table large (id integer primary key, note text); create table none_of_it (id integer primary key);
            select rowbell.watch('large'); select rowbell.watch('none_of_it', feed_only => true);
            insert into large select n, repeat('x', case when n % 500 = 0 then 1500000 else 300 end) from generate_series(1, 6000) n")
        .await;
    let api = Api::on(&database.url).await;
    let (socket, mut copy, cursor) = snapshot(&api, "*").await;
    assert_eq!(copy.told, ["large", "none-of-it"]);
    assert!(copy.frames > 12, "{} frames", copy.frames);
    drop(socket);
    database
        .run(
            "update large set note = 'y' where id = 7; truncate none_of_it; delete from large where id = 500",
        )
        .await;
    let other = Api::on(&database.url).await;
    let mut socket = Socket::open(other.address.port(), &format!("/feed/*?since={cursor}")).await;
    assert_eq!(socket.frame().await["recovered"], true);
    socket.changes(3).await.0.iter().for_each(|change| copy.apply(change));
    assert_eq!(copy.rows, truth(&database, &["large", "none-of-it"]).await);
}

#[tokio::test]
async fn what_there_is_none_of_is_told_too() {
    let database = Database::new().await;
    let api = Api::on(&database.url).await;
    let (_socket, copy, _) = snapshot(&api, "*").await;
    assert_eq!((copy.told.as_slice(), copy.frames), (&[String::new()][..], 1));
    database
        .run("create table empty (id integer primary key, secret text); select rowbell.watch('empty', omit => '{secret}')")
        .await;
    let (mut socket, copy, _) = snapshot(&api, "empty").await;
    assert_eq!((copy.told.as_slice(), copy.rows.len()), (&["empty".to_owned()][..], 0));
    database.run("insert into empty values (1, 's')").await;
    assert_eq!(socket.changes(1).await.0[0]["row"]["id"], 1);
    let (_socket, copy, _) = snapshot(&api, "empty").await;
    assert_eq!(copy.rows[&("empty".into(), "1".into())].get("secret"), None);
    let mut socket = Socket::open(api.address.port(), "/feed").await;
    socket.say(r#"{"type":"subscribe","topic":"nothing","snapshot":true,"ref":7}"#).await;
    let told = socket.frame().await;
    assert_eq!((&told["code"], &told["ref"]), (&json!("unknown_channel"), &json!(7)));
    socket.say(r#"{"type":"subscribe","topic":"empty","snapshot":true}"#).await;
    assert_eq!(socket.frame().await["type"], "subscribed");
    assert_eq!(socket.frame().await["rows"].as_array().map(Vec::len), Some(1));
}

async fn thirty_megabytes() -> Database {
    let database = Database::new().await;
    database
        .run(
            "create table large (id integer primary key, note text); select rowbell.watch('large');
            insert into large select n, repeat('x', 100000) from generate_series(1, 300) n",
        )
        .await;
    database
}

/// A subscription that begins with a snapshot.
async fn open(feed: &RunningFeed, topic: &str) -> Box<Subscription> {
    let opened = soon(feed.subscribe(Topic::parse(topic).unwrap(), Start::Snapshot)).await.expect("opens");
    match opened {
        Opened::Held(subscription) => subscription,
        other => panic!("not held: {other:?}"),
    }
}

#[tokio::test]
async fn a_snapshot_lives_no_longer_than_its_time() {
    let database = thirty_megabytes().await;
    let config =
        FeedConfig { snapshot_patience: Duration::from_secs(4), snapshots: 1, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let mut slow = open(&feed, "large").await;
    // Nobody reads; the transaction ends all the same, and the next one has its place.
    let link = database.link().await;
    let open_ones = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'rowbell snapshot'";
    soon(async { while link.client.query_one(open_ones, &[]).await.unwrap().get::<_, i64>(0) > 0 {} }).await;
    let mut quick = open(&feed, "large").await;
    let mut last = None;
    while last.is_none() {
        let Some(Delivery::Frame(frame)) = soon(quick.next()).await else { panic!("broke off") };
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        last = frame["cursor"].as_str().map(str::to_owned);
    }
    let mut frames = 0;
    let end = loop {
        match soon(slow.next()).await {
            Some(Delivery::Frame(_)) => frames += 1,
            end => break end,
        }
    };
    assert_eq!(end, Some(Delivery::SnapshotTooSlow));
    assert!(frames <= 4, "{frames} frames were held in memory");
    assert_eq!(soon(slow.next()).await, None);
}

#[tokio::test]
async fn a_snapshot_that_loses_its_connection_says_so() {
    let database = thirty_megabytes().await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let mut subscription = open(&feed, "large").await;
    assert!(matches!(soon(subscription.next()).await, Some(Delivery::Frame(_))));
    database
        .run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rowbell snapshot' and datname = current_database()")
        .await;
    let end = loop {
        match soon(subscription.next()).await {
            Some(Delivery::Frame(frame)) => assert!(!frame.ends_with(b"\"}"), "a last frame"),
            end => break end,
        }
    };
    assert_eq!(end, Some(Delivery::SnapshotLost));
}

#[tokio::test]
async fn tables_emptied_meanwhile_are_whole_in_the_snapshot() {
    let database = Database::new().await;
    database
        .run("create table one (id integer primary key, note text); create table two (id integer primary key);
            select rowbell.watch('one'); select rowbell.watch('two');
            insert into one select n, repeat('x', 100000) from generate_series(1, 100) n; insert into two select generate_series(1, 100)")
        .await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let mut subscription = open(&feed, "one,two").await;
    let link = database.link().await;
    // The first table is too large to be read before somebody wants its rows, so the second is still to come.
    let truncated = tokio::spawn(async move { link.client.batch_execute("truncate two").await });
    let watcher = database.link().await;
    let waits_or_done =
        "select count(*) from pg_stat_activity where datname = current_database() and query = 'truncate two'
        and (wait_event_type = 'Lock' or state = 'idle')";
    soon(async {
        while watcher.client.query_one(waits_or_done, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    })
    .await;
    let mut rows = 0;
    loop {
        let Some(Delivery::Frame(frame)) = soon(subscription.next()).await else { panic!("broke off") };
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        if frame["type"] == "commits" {
            assert_eq!(frame["commits"][0]["changes"][0]["op"], "truncate", "{frame}");
            break;
        }
        rows += frame["rows"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(rows, 200);
    soon(truncated).await.unwrap().expect("truncated");
}
