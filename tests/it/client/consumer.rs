//! A program that applies what a subscription hands out, and is told on when something comes twice or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use futures::StreamExt;
use rowbell::client::{Change, Client, Commit, Error, Event, Events, Op};
use serde_json::Value;

use crate::support::database::Database;
use crate::support::{soon, soon_at};

/// Orders, and nothing else.
pub const TABLE: &str =
    "create table orders (id integer primary key, note text, n integer not null default 0);
    select rowbell.watch('orders')";

/// Changes of rows in the log, without what `watch` leaves there.
const LOGGED: &str =
    "select seq from rowbell.sync_log where channel = 'orders' and op in ('insert', 'update', 'delete')";

/// How many changes there are to be applied.
pub async fn logged(database: &Database) -> usize {
    let link = database.link().await;
    link.client.query(LOGGED, &[]).await.expect("the log").len()
}

/// A database with `orders`.
pub async fn shop() -> Database {
    let database = Database::new().await;
    database.run(TABLE).await;
    database
}

/// What was applied so far, as if stored together with its cursor.
#[derive(Default)]
pub struct Consumer {
    /// Numbers of applied changes, in order.
    pub seqs: Vec<i64>,
    pub rows: BTreeMap<String, Value>,
    pub cursor: String,
    /// Changes of parts, which count only with the cursor.
    pub parts: Vec<Change>,
    /// How often the connection was lost.
    pub losses: usize,
    /// Names of everything that was told.
    pub told: Vec<&'static str>,
}

impl Consumer {
    /// Waits for the subscription to be held.
    #[track_caller]
    pub fn held<'a>(&'a mut self, events: &'a mut Events) -> impl Future<Output = ()> + 'a {
        soon(async move { while self.next(events).await != Some("subscribed") {} })
    }

    /// Applies events until that many changes were applied.
    #[track_caller]
    pub fn until<'a>(&'a mut self, events: &'a mut Events, count: usize) -> impl Future<Output = ()> + 'a {
        let line = Location::caller();
        // The machine may be busy, so it is each event that must come soon and not all of them.
        async move {
            while self.seqs.len() < count {
                let event = soon_at(line, self.next(events)).await;
                assert!(event.is_some(), "ended at {} of {count}", self.seqs.len());
            }
        }
    }

    /// Takes one event; its name, or none at the end.
    pub async fn next(&mut self, events: &mut Events) -> Option<&'static str> {
        let event = events.next().await?;
        let name = self.take(event.unwrap_or_else(|error| panic!("{error:?}")));
        self.told.push(name);
        Some(name)
    }

    fn take(&mut self, event: Event) -> &'static str {
        match event {
            Event::Subscribed { cursor, .. } => {
                if self.cursor.is_empty() {
                    self.cursor = cursor;
                }
                "subscribed"
            }
            Event::Part(commits) => {
                self.parts.extend(changes(commits));
                "part"
            }
            Event::Commits(frame) => {
                self.parts.extend(changes(frame.commits));
                std::mem::take(&mut self.parts).iter().for_each(|change| self.apply(change));
                self.cursor = frame.cursor;
                "commits"
            }
            Event::Disconnected(error) => {
                assert!(error.is_temporary(), "{error:?}");
                self.parts.clear();
                self.losses += 1;
                "disconnected"
            }
            Event::Reset(_) => "reset",
            Event::Unwatched => "unwatched",
            other => panic!("{other:?}"),
        }
    }

    fn apply(&mut self, change: &Change) {
        let id = change.id.clone().expect("an id");
        let row = change.row_as::<Value>().expect("JSON");
        // What was there before is what the change says: nothing was left out in between.
        match change.op {
            Op::Insert => assert!(self.rows.insert(id, row.expect("a row")).is_none(), "{change:?}"),
            Op::Update => {
                let old: Value = change.old_as().expect("JSON").expect("old values");
                let before = self.rows.insert(id, row.expect("a row")).expect("a row before");
                assert_eq!(before["version"], old["version"], "{change:?}");
            }
            Op::Delete => {
                let before = self.rows.remove(&id).expect("a row before");
                assert_eq!(before["version"].as_i64(), change.version, "{change:?}");
            }
            other => panic!("{other:?}"),
        }
        self.seqs.push(change.seq);
    }

    /// Applied is exactly what the log holds, and the copy is the table.
    pub async fn compare(&self, database: &Database) {
        let link = database.link().await;
        let logged = link.client.query(LOGGED, &[]).await.expect("the log");
        let logged: BTreeSet<i64> = logged.iter().map(|row| row.get(0)).collect();
        let applied: BTreeSet<i64> = self.seqs.iter().copied().collect();
        assert_eq!(applied.len(), self.seqs.len(), "some came twice");
        let missing: Vec<_> = logged.symmetric_difference(&applied).take(10).collect();
        assert!(missing.is_empty(), "{} of {} came; not {missing:?}", applied.len(), logged.len());
        let rows = link.client.query("select row_to_json(o)::text from orders o", &[]).await.expect("rows");
        let real = rows.iter().map(|row| serde_json::from_str::<Value>(row.get(0)).expect("JSON"));
        let real: BTreeMap<_, _> = real.map(|row| (row["id"].to_string(), row)).collect();
        assert!(self.rows == real, "the copy is not the table: {} and {} rows", self.rows.len(), real.len());
    }
}

fn changes(commits: Vec<Commit>) -> impl Iterator<Item = Change> {
    commits.into_iter().flat_map(|commit| commit.changes)
}

/// A client of a URL.
pub fn client(url: &str) -> Client {
    Client::new(url).expect("a client")
}

/// What ends a stream; events before it are passed over.
#[track_caller]
pub fn end(events: &mut Events) -> impl Future<Output = Option<Error>> {
    soon(async {
        loop {
            match events.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    assert!(events.next().await.is_none(), "an error is the last item");
                    return Some(error);
                }
                None => return None,
            }
        }
    })
}
