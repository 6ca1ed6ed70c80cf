//! Many writers at one version: one of them writes, the others are told.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use serde_json::json;

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::socket::Socket;

const RACES: usize = 1000;
const WRITERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_races_have_one_winner_each() {
    let database = Database::new().await;
    database
        .run(
            "create table races (id integer primary key, winner integer); select rowbell.watch('races');
            insert into races select n, -1 from generate_series(1, 1000) n",
        )
        .await;
    let api = Arc::new(Api::on(&database.url).await);
    let (mut socket, _) = Socket::subscribed(api.address.port(), "races").await;
    let races = stream::iter(1..=RACES).map(|race| {
        let api = Arc::clone(&api);
        async move {
            let path = format!("/api/races/{race}");
            let version = api.get(&path).await.expect(200).version();
            let tries = (0..WRITERS).map(|writer| {
                let body = json!({"winner": writer});
                // Every way to write takes part.
                let method = ["PATCH", "PUT", "PATCH"][writer];
                api.at(version, method, &path, &body)
            });
            let answers = join_all(tries).await;
            let winners: Vec<_> =
                answers.iter().enumerate().filter(|(_, answer)| answer.status == 200).collect();
            let [(winner, won)] = winners.as_slice() else { panic!("race {race}: {answers:?}") };
            for lost in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!(lost.problem(409), "conflict");
                assert_eq!(lost.json()["current"], won.json(), "race {race}");
                assert_eq!(lost.json()["base"]["winner"], -1);
            }
            assert_eq!(api.get(&path).await.json()["winner"], *winner);
            won.header("rowbell-xid").to_owned()
        }
    });
    let won: BTreeSet<String> = races.buffer_unordered(12).collect().await;
    assert_eq!(won.len(), RACES);
    let (changes, _) = socket.changes(RACES).await;
    let told: BTreeSet<String> =
        changes.iter().map(|change| change["xid"].as_str().expect("an xid").to_owned()).collect();
    assert_eq!((changes.len(), told), (RACES, won));
    let logged = "select count(*) from rowbell.sync_log where channel = 'races' and op = 'update'";
    let logged: i64 = database.link().await.client.query_one(logged, &[]).await.unwrap().get(0);
    assert_eq!(logged, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_create_one_id_one_does() {
    let database = Database::new().await;
    database
        .run("create table things (id integer primary key, maker integer); select rowbell.watch('things')")
        .await;
    let api = Api::on(&database.url).await;
    for id in 0..50 {
        let path = format!("/api/things/{id}");
        let tries = (0..4).map(|maker| {
            let body = json!({"maker": maker}).to_string();
            api.send("PUT", &path, &[("If-None-Match", "*")], Some(&body))
        });
        let answers = join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 409 && answer.problem(409) == "exists").count(),
            3
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_and_a_change_do_not_both_happen() {
    let database = Database::new().await;
    database
        .run(
            "create table things (id integer primary key, n integer); select rowbell.watch('things');
            insert into things select n, 0 from generate_series(1, 60) n",
        )
        .await;
    let api = Api::on(&database.url).await;
    for id in 1..=60 {
        let path = format!("/api/things/{id}");
        let version = api.get(&path).await.version();
        let (removed, changed) = tokio::join!(
            api.at(version, "DELETE", &path, &json!({})),
            api.at(version, "PATCH", &path, &json!({"n": 1}))
        );
        let there = api.get(&path).await.status == 200;
        assert_eq!(
            (removed.status, changed.status),
            if there { (409, 200) } else { (200, 409) },
            "{removed:?} {changed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_of_the_database_are_tried_again() {
    let database = Database::new().await;
    database
        .run("create table sums (id integer primary key, n integer not null default 0); insert into sums values (1), (2);
            create table things (id integer primary key, n integer); select rowbell.watch('things');
            insert into things select n, 0 from generate_series(1, 2) n;
            create function entangle() returns trigger language plpgsql as $$ begin
                update sums set n = n + 1 where id = new.id;
                perform pg_sleep(0.05);
                update sums set n = n + 1 where id = 3 - new.id; return new; end $$;
            create trigger entangle before update on things for each row execute function entangle()")
        .await;
    database
        .run(&format!("alter database {} set deadlock_timeout = '20ms'", database.connector.database()))
        .await;
    let api = Api::on(&database.url).await;
    for round in 0..10 {
        let versions = [api.get("/api/things/1").await.version(), api.get("/api/things/2").await.version()];
        let body = json!({"n": round + 1});
        let (one, two) = tokio::join!(
            api.at(versions[0], "PATCH", "/api/things/1", &body),
            api.at(versions[1], "PATCH", "/api/things/2", &body)
        );
        for answer in [one, two] {
            answer.expect(200);
        }
    }
}
