//! Long polls far behind: the log is walked in bounded steps, and nobody is kept waiting by who reads slowly.

use std::time::Instant;

use futures::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Poller;
use crate::support::api::Api;
use crate::support::books::{Books, ITEM, write};
use crate::support::database::Database;
use crate::support::soon;

fn changes(answer: &Value) -> usize {
    let commits = answer["commits"].as_array().expect("commits").iter();
    commits.map(|commit| commit["changes"].as_array().expect("changes").len()).sum()
}

#[tokio::test]
async fn a_poll_far_behind_walks_to_the_end_while_writers_write() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let mut poller = Poller::now(&api, "item").await;
    let mut books = Books::of(&database).await;
    // Small commits and large ones, over a while, as an outage of the client leaves them.
    for batch in 0..50 {
        let from = 1_000_000 + batch * 2000;
        let sql = format!(
            "do $$ begin for i in 0..199 loop
                insert into item select {from} + i * 10 + g, 0 from generate_series(0, 9) g; commit;
            end loop; end $$"
        );
        database.run(&sql).await;
    }
    let writing = async {
        join_all((0..4).map(|writer| write(&database, seed ^ writer, 60))).await;
        database.run("insert into item values (-1, 0)").await;
    };
    let reading = async {
        let (mut took, mut part, begun) = (Vec::new(), Instant::now(), Instant::now());
        loop {
            let answer = poller.poll("wait=10&limit=1000").await;
            assert!(changes(&answer) < 1020, "an answer of {} changes", changes(&answer));
            books.apply(&answer["commits"]);
            if books.seqs.len() / 20_000 > took.len() {
                took.push(part.elapsed().as_millis());
                part = Instant::now();
            }
            let last = answer["commits"].as_array().and_then(|commits| commits.last().cloned());
            let told = last.is_some_and(|commit| commit["changes"].to_string().contains(r#""id":"-1""#));
            if told && answer["more"] == false {
                break;
            }
        }
        println!("{} changes in {:?}; ms for each 20,000: {took:?}", books.seqs.len(), begun.elapsed());
    };
    tokio::join!(writing, reading);
    assert!(books.seqs.len() > 100_000);
    books.compare(&database).await;
}

#[tokio::test]
async fn slow_readers_hold_no_connection() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::with(&database.url, |config| config.feed.pool = 1).await;
    let begun = Poller::now(&api, "item").await;
    let giant = "insert into item select g, 0, to_json(repeat('x', 3000)) from generate_series(1000, 4999) g";
    database.run(giant).await;
    // More than the kernel takes, and nobody reads it.
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(api.address).await.expect("connects");
        let asked = format!(
            "GET /feed/item?since={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            begun.cursor
        );
        stream.write_all(asked.as_bytes()).await.expect("writes");
        let mut first = [0; 12];
        soon(stream.read_exact(&mut first)).await.expect("an answer begins");
        assert_eq!(&first, b"HTTP/1.1 200");
        slow.push(stream);
    }
    // The only connection is free for others who are behind.
    database.run("insert into other values (1)").await;
    for _ in 0..20 {
        let mut other = Poller { api: &api, topic: "other", cursor: begun.cursor.clone() };
        assert_eq!(changes(&soon(other.poll("")).await), 1);
    }
    assert_eq!(api.get("/stats").await.json()["sessions"], 10);
    // What waits in the log comes whole, however late.
    let mut rest = String::new();
    soon(slow.remove(7).read_to_string(&mut rest)).await.expect("an answer ends");
    assert_eq!(rest.matches(r#"{"seq":"#).count(), 4000);
    assert!(rest.trim_end().ends_with("0") && rest.contains(r#""more":"#));
    // Who leaves frees its room.
    drop(slow);
    soon(async { while api.get("/stats").await.json()["sessions"] != 0 {} }).await;
}

#[tokio::test]
async fn a_commit_that_starts_readers_over_is_never_told_in_part() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::with(&database.url, |config| (config.feed.chunk, config.feed.step) = (2000, 10)).await;
    for size in [3, 2000] {
        let mut poller = Poller::now(&api, "item").await;
        database.run("insert into item values (-1, 0)").await;
        // Its first changes are read long before the row that says so.
        let from = 10_000 * size;
        database
            .run(&format!(
                "begin; insert into item select g, 0 from generate_series({from}, {from} + {size}) g;
                select rowbell.resync('item'); commit; delete from item where id = -1"
            ))
            .await;
        let answer = poller.poll("limit=500").await;
        assert_eq!((changes(&answer), &answer["more"]), (1, &Value::Bool(true)), "{answer}");
        let path = format!("/feed/item?since={}", poller.cursor);
        let answer = api.get(&path).await;
        assert_eq!(
            (answer.problem(410), answer.json()["reason"].clone()),
            ("expired".into(), "schema".into())
        );
    }
}

#[tokio::test]
async fn an_answer_goes_on_where_no_cursor_could_name_what_is_left() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let mut poller = Poller::now(&api, "item").await;
    // Commits in the opposite order of their transactions, as nobody writes but as the log may have it.
    database
        .run(
            "do $$ declare xids xid8[]; begin
                for i in 1..4500 loop
                    xids := xids || pg_current_xact_id(); commit;
                end loop;
                insert into rowbell.sync_log (seq, xid, channel, op, row_id, version, row)
                select nextval('rowbell.seq'), x.xid, 'item', 'insert', x.number::text, x.number, '{}'
                from unnest(xids) with ordinality x(xid, number) order by x.number desc;
            end $$",
        )
        .await;
    let mut told = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let answer = poller.poll("wait=5&limit=1").await;
        assert!(poller.cursor.len() <= 4096, "a cursor of {} bytes", poller.cursor.len());
        let commits = answer["commits"].as_array().expect("commits");
        told.extend(
            commits.iter().map(|commit| commit["changes"][0]["id"].as_str().expect("an id").to_owned()),
        );
        sizes.push(commits.len());
        if answer["more"] == false {
            break;
        }
        // The first was long, the others need not be.
        if sizes.len() == 3 {
            told.extend(
                poller
                    .all(1000)
                    .await
                    .iter()
                    .map(|commit| commit["changes"][0]["id"].as_str().expect("an id").to_owned()),
            );
            break;
        }
    }
    println!("{sizes:?}");
    assert!(sizes[0] > 1000 && sizes[0] < 4000 && sizes[1] == 1, "{sizes:?}");
    let expected: Vec<_> = (1..=4500).rev().map(|number| number.to_string()).collect();
    assert_eq!(told, expected);
}
