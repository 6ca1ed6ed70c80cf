//! Server-sent events and long polls from a real server on a real database.

mod behind;
mod events;
mod limits;
mod polls;

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::events::EventSource;
use crate::support::socket::Socket;

/// A client that polls, cursor after cursor.
struct Poller<'a> {
    api: &'a Api,
    topic: &'static str,
    cursor: String,
}

impl<'a> Poller<'a> {
    /// One that begins at the position of now.
    async fn now(api: &'a Api, topic: &'static str) -> Self {
        let answer = api.get(&format!("/feed/{topic}")).await.expect(200).json();
        assert_eq!((&answer["commits"], &answer["more"]), (&json!([]), &json!(false)));
        let cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
        Self { api, topic, cursor }
    }

    fn after(&self, cursor: &str) -> Self {
        Self { api: self.api, topic: self.topic, cursor: cursor.to_owned() }
    }

    /// One answer; the cursor moves.
    async fn poll(&mut self, query: &str) -> Value {
        let path = format!("/feed/{}?since={}&{query}", self.topic, self.cursor);
        let answer = self.api.get(&path).await.expect(200).json();
        self.cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
        answer
    }

    /// All commits there are, in answers of at most so many changes.
    async fn all(&mut self, limit: usize) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let answer = self.poll(&format!("wait=0&limit={limit}")).await;
            let commits = answer["commits"].as_array().expect("commits");
            let sizes: Vec<usize> =
                commits.iter().map(|commit| commit["changes"].as_array().expect("changes").len()).collect();
            // Whole commits, and no more of them than it takes.
            let but_last: usize = sizes.iter().rev().skip(1).sum();
            assert!(but_last < limit, "{sizes:?} for {limit}");
            all.extend(commits.iter().cloned());
            if answer["more"] == false {
                return all;
            }
            assert!(sizes.iter().sum::<usize>() >= limit, "{sizes:?} for {limit}, and there is more");
        }
    }
}

fn source(api: &Api, path: &str) -> EventSource {
    EventSource::new(format!("http://{}{path}", api.address))
}

#[tokio::test]
async fn all_transports_say_the_same() {
    let database = Database::new().await;
    database.run("create table item (id integer primary key, note json); select rowbell.watch('item')").await;
    let api = Api::on(&database.url).await;
    let (mut socket, begun) = Socket::subscribed(api.address.port(), "item").await;
    let mut events = source(&api, "/feed/item");
    events.expect("subscribed").await;
    let poller = Poller::now(&api, "item").await;
    for round in 0..5 {
        let mut waiting = poller.after(&begun);
        if round > 0 {
            waiting = poller.after(&events.last_id);
        }
        let sql = format!(
            "begin; insert into item values ({round}, E'{{\"a\":\\r\\n[1,\\n2]}}');
            insert into item values ({round} + 100); commit"
        );
        let (answer, ()) = tokio::join!(waiting.poll("wait=20"), database.run(&sql));
        let frame = socket.frame().await;
        let event = events.expect("commits").await;
        assert_eq!(event.json(), frame);
        assert_eq!(event.last_id, frame["cursor"].as_str().unwrap());
        assert_eq!(answer["commits"], frame["commits"]);
    }
    // Any of them goes on where another stopped.
    database.run("insert into item values (1000)").await;
    let expected = socket.frame().await["commits"].clone();
    assert_eq!(poller.after(&events.last_id).poll("wait=20").await["commits"], expected);
    let mut other = source(&api, &format!("/feed/item?since={}", events.last_id));
    assert_eq!(other.expect("subscribed").await.json()["recovered"], true);
    assert_eq!(other.expect("commits").await.json()["commits"], expected);
}
