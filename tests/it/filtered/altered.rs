//! Tables that are altered under a filter: who cannot be told the truth starts over.

use rowbell::feed::{Delivery, Opened, Start};
use rowbell::words::frame::ResetReason;
use rowbell::words::{FeedConfig, Topic};
use serde_json::json;

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::soon;

const TABLE: &str = "create table orders (id integer primary key, branch integer, note text);
    select rowbell.watch('orders'); insert into orders values (1, 3, 'a');";

async fn reset(reader: &mut Reader) -> ResetReason {
    loop {
        match reader.step().await {
            Some(Delivery::Frame(_)) => {}
            Some(Delivery::Reset(reason)) => return reason,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_altered_column_starts_those_over_who_filter_by_it() {
    for alteration in [
        "alter table orders drop column branch",
        "alter table orders rename column branch to office",
        "alter table orders alter column branch type text",
        "alter table orders alter column branch type bigint",
    ] {
        for write in ["update orders set note = 'b'", "select"] {
            let database = Database::new().await;
            database.run(TABLE).await;
            let feed = RunningFeed::new(&database.connector, FeedConfig::default());
            let mut live = Reader::open(&feed, "orders?branch=eq.3", Start::Now).await;
            let mut other = Reader::open(&feed, "orders?note=neq.x", Start::Now).await;
            database.run(alteration).await;
            database.run(write).await;
            assert_eq!(reset(&mut live).await, ResetReason::Schema, "{alteration}; {write}");
            database.run("update orders set note = 'c'").await;
            // Some minor versions of PostgreSQL write the catalog anew for all columns after one of another type.
            match other.step().await {
                Some(Delivery::Frame(_)) => other.until(1).await,
                Some(Delivery::Reset(ResetReason::Schema)) if alteration.contains(" type ") => continue,
                told => panic!("{told:?} after {alteration}; {write}"),
            };
        }
    }
}

#[tokio::test]
async fn images_from_before_a_column_was_added_cannot_be_filtered_by_it() {
    let database = Database::new().await;
    database.run(TABLE).await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    let early = Reader::open(&feed, "orders", Start::Now).await.cursor;
    database.run("update orders set note = 'b'").await;
    database.run("alter table orders add column kind text default 'k'").await;
    let topic = "orders?kind=eq.k";
    let mut resumed = Reader::open(&feed, topic, Start::After(early)).await;
    assert_eq!(reset(&mut resumed).await, ResetReason::Schema);
    let mut live = Reader::open(&feed, topic, Start::Now).await;
    database.run("update orders set note = 'c'").await;
    assert_eq!(live.until(1).await.told(), ["update 1"]);
}

#[tokio::test]
async fn who_was_away_while_a_column_was_retyped_is_told_what_fits_or_starts_over() {
    for (alteration, topic, told) in [
        ("alter column branch type bigint", "orders?branch=eq.3", true),
        ("alter column branch type text", "orders?branch=eq.3", true),
        // What was logged before is no uuid, so nobody knows whether it passed.
        ("alter column note type uuid using gen_random_uuid()", "orders?note=is.null", false),
    ] {
        let database = Database::new().await;
        database.run(TABLE).await;
        let feed = RunningFeed::new(&database.connector, FeedConfig::default());
        let early = Reader::open(&feed, "orders", Start::Now).await.cursor;
        drop(feed);
        database.run("update orders set note = 'b'").await;
        database
            .run(&format!("alter table orders {alteration}; insert into orders (id, branch) values (2, '3')"))
            .await;
        let feed = RunningFeed::new(&database.connector, FeedConfig::default());
        let mut away = Reader::open(&feed, topic, Start::After(early.clone())).await;
        if told {
            assert_eq!(away.until(2).await.told(), ["update 1", "insert 2"], "{alteration}");
        } else {
            assert_eq!(reset(&mut away).await, ResetReason::Schema, "{alteration}");
        }
        // Without a filter there is nothing that could not be told.
        assert_eq!(
            Reader::open(&feed, "orders", Start::After(early)).await.until(2).await.told(),
            ["update 1", "insert 2"]
        );
    }
}

#[tokio::test]
async fn a_poll_tells_what_its_filter_can_and_starts_over_then() {
    let database = Database::new().await;
    database.run(TABLE).await;
    // One change to a read, so that what can be told is told before the rest is looked at.
    let api = Api::with(&database.url, |config| config.feed.chunk = 1).await;
    let cursor = async |path: &str| api.get(path).await.expect(200).json();
    let early = cursor("/feed/orders?branch=eq.3&wait=0").await;
    for sql in [
        "update orders set note = 'b'",
        "alter table orders rename column branch to office",
        "update orders set note = 'c'",
        "alter table orders rename column office to branch",
        "update orders set note = 'd'",
    ] {
        database.run(sql).await;
    }
    let since = |answer: &serde_json::Value| {
        format!("/feed/orders?branch=eq.3&since={}", answer["cursor"].as_str().expect("a cursor"))
    };
    let told = cursor(&since(&early)).await;
    let commits = told["commits"].as_array().expect("commits");
    assert_eq!((commits.len(), &commits[0]["changes"][0]["row"]["note"]), (1, &json!("b")));
    assert_eq!(told["more"], true);
    let answer = api.get(&since(&told)).await;
    assert_eq!(answer.json()["reason"], "schema");
    assert_eq!(answer.problem(410), "expired");
    let now = cursor("/feed/orders?branch=eq.3&wait=0").await;
    database.run("update orders set note = 'e'").await;
    assert_eq!(cursor(&since(&now)).await["commits"][0]["changes"][0]["row"]["note"], "e");
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused() {
    let database = Database::new().await;
    database
        .run(
            "create table orders (id integer primary key, at timestamptz, secret text, raw json, word text);
            select rowbell.watch('orders', omit => '{secret}')",
        )
        .await;
    let feed = RunningFeed::new(&database.connector, FeedConfig::default());
    for (topic, code, told) in [
        ("orders?branch=eq.3", "unknown_column", "it has id, at, raw"),
        ("orders?secret=eq.3", "unknown_column", "it has id, at, raw"),
        ("orders?id=eq.x", "bad_value", "integer"),
        ("orders?raw=eq.1", "bad_filter", "raw is json"),
        ("orders?at=gt.now", "bad_filter", "the time itself"),
        ("orders?or=(id.eq.1,at.in.(Yesterday))", "bad_filter", "the time itself"),
    ] {
        for start in [Start::Now, Start::Snapshot] {
            match soon(feed.subscribe(Topic::parse(topic).unwrap(), start)).await.unwrap() {
                Opened::BadFilter(found, message) => {
                    assert!(found == code && message.contains(told), "{topic}: {found}: {message}");
                }
                other => panic!("{topic}: {other:?}"),
            }
        }
    }
    let unknown = soon(feed.subscribe(Topic::parse("nothing?id=eq.3").unwrap(), Start::Now)).await.unwrap();
    assert!(matches!(unknown, Opened::UnknownChannel(name) if name == "nothing"));
    Reader::open(&feed, "orders?word=eq.now&at=lt.infinity", Start::Now).await;
}
