//! What a browser does with a stream of events, whatever happens underneath.

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::source;
use crate::support::api::Api;
use crate::support::books::{Books, ITEM, write};
use crate::support::database::Database;
use crate::support::events::{Event, EventSource};
use crate::support::program::Running;
use crate::support::scratch::Scratch;
use crate::support::{soon, soon_at};

/// What a page does: parts of a frame count only with the one that has the cursor.
struct Page {
    events: EventSource,
    books: Books,
    parts: Vec<Value>,
    /// The answer the parts came with.
    answer: usize,
}

impl Page {
    async fn open(database: &Database, url: String) -> Self {
        let mut events = EventSource::new(url);
        events.expect("subscribed").await;
        Self { events, books: Books::of(database).await, parts: Vec::new(), answer: 1 }
    }

    fn take(&mut self, event: &Event) {
        if self.answer != self.events.answers {
            self.answer = self.events.answers;
            self.parts.clear();
        }
        let frame = event.json();
        if event.kind != "commits" {
            assert_eq!((event.kind.as_str(), &frame["recovered"]), ("subscribed", &json!(true)), "{frame}");
            return;
        }
        self.parts.push(frame["commits"].clone());
        if let Some(cursor) = frame["cursor"].as_str() {
            assert_eq!(event.last_id, cursor);
            self.parts.drain(..).for_each(|commits| self.books.apply(&commits));
        }
    }

    /// Reads until a row has come.
    #[track_caller]
    fn until(&mut self, id: &str) -> impl Future<Output = ()> {
        let line = std::panic::Location::caller();
        let told = format!("\"id\":\"{id}\"");
        soon_at(line, async move {
            loop {
                let event = self.events.next().await.expect("open");
                self.take(&event);
                if event.data.contains(&told) && self.parts.is_empty() {
                    return;
                }
            }
        })
    }
}

#[tokio::test]
async fn cuts_anywhere_lose_and_repeat_nothing() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::with(&database.url, |config| config.feed.frame_limit = 1500).await;
    let mut page = Page::open(&database, format!("http://{}/feed/item", api.address)).await;
    let writing = async {
        join_all((0..4).map(|writer| write(&database, seed ^ writer, 60))).await;
        database.run("insert into item select g, 0 from generate_series(5000, 5060) g; insert into item values (-1, 0)").await;
    };
    let reading = async {
        loop {
            // A cut between two reads falls anywhere into an event. Not too often: a frame whose parts are cut off is
            // told from its beginning, and the last one here has some.
            for _ in 0..random.random_range(0..6) {
                soon(page.events.read()).await;
            }
            page.events.cut();
            for _ in 0..random.random_range(1..25) {
                let event = page.events.next().await.expect("open");
                page.take(&event);
                if event.data.contains("\"id\":\"-1\"") && page.parts.is_empty() {
                    return;
                }
            }
        }
    };
    tokio::join!(writing, reading);
    println!("{} changes in {} answers", page.books.seqs.len(), page.events.answers);
    assert!(page.events.answers > 5 && page.books.seqs.len() > 150);
    page.books.compare(&database).await;
}

#[tokio::test]
async fn a_killed_server_is_continued_by_another() {
    let (scratch, database) = (Scratch::new("events-killed"), Database::new().await);
    database.run(ITEM).await;
    let (mut server, port) = Running::serve(scratch.path(), Some(&database.url)).await;
    let mut page = Page::open(&database, format!("http://127.0.0.1:{port}/feed/item")).await;
    for round in 0..3 {
        let (before, during, after) = (10_000 + 10 * round, 10_001 + 10 * round, 10_002 + 10 * round);
        let insert = |id: i32| format!("insert into item values ({id}, 0)");
        database.run(&insert(before)).await;
        if round != 1 {
            page.until(&before.to_string()).await;
        }
        server.child.kill().await.expect("killed");
        database.run(&insert(during)).await;
        let (next, port) = Running::serve(scratch.path(), Some(&database.url)).await;
        server = next;
        page.events.url = format!("http://127.0.0.1:{port}/feed/item");
        database.run(&insert(after)).await;
        page.until(&after.to_string()).await;
    }
    assert_eq!((page.books.seqs.len(), page.events.answers), (9, 4));
    page.books.compare(&database).await;
}

#[tokio::test]
async fn a_reset_is_told_once_and_the_browser_stays_away() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let mut events = source(&api, "/feed/item");
    events.expect("subscribed").await;
    // The browser was away while the channel came to mean something else.
    events.cut();
    database.run("select rowbell.resync('item')").await;
    let mut event = events.next().await.expect("an answer");
    if event.kind == "subscribed" {
        event = events.next().await.expect("a reset");
    }
    assert_eq!((event.kind.as_str(), &event.json()["reason"]), ("reset", &json!("schema")));
    let answers = events.answers;
    assert_eq!((events.next().await, events.status, events.answers), (None, 204, answers + 1));

    let mut events = source(&api, "/feed/item");
    events.expect("subscribed").await;
    database.run("begin; insert into item values (77, 0); select rowbell.unwatch('item'); commit").await;
    assert_eq!(events.expect("commits").await.json()["commits"][0]["changes"][0]["id"], "77");
    assert_eq!(events.expect("unsubscribed").await.json()["reason"], "unwatched");
    assert_eq!((events.next().await, events.status), (None, 204));
    let mut events = source(&api, "/feed/item");
    assert_eq!(events.expect("error").await.json()["code"], "unknown_channel");
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_fed_from_the_log_later() {
    let database = Database::new().await;
    database.run("create table item (id integer primary key, note text); select rowbell.watch('item')").await;
    let api = Api::with(&database.url, |config| config.feed.backlog = 2).await;
    let mut slow = source(&api, "/feed/item");
    slow.expect("subscribed").await;
    // Far more than sockets and buffers hold: 40 MB that the slow one does not read while the other does.
    let mut quick = source(&api, "/feed/item");
    quick.expect("subscribed").await;
    for round in 0..40 {
        let sql = format!(
            "insert into item select {round} * 100 + g, repeat('x', 10000) from generate_series(1, 100) g"
        );
        database.run(&sql).await;
        quick.expect("commits").await;
    }
    let mut ids = 0;
    while ids < 4000 {
        let frame = slow.expect("commits").await.json();
        for commit in frame["commits"].as_array().unwrap() {
            for change in commit["changes"].as_array().unwrap() {
                ids += 1;
                assert_eq!(change["id"], ids.to_string());
            }
        }
    }
    assert_eq!(slow.answers, 1);
    let stats = api.get("/stats").await.json();
    assert!(stats["catch_ups"].as_u64().unwrap() >= 1, "{stats}");
}
