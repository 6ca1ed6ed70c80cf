//! A copy of watched tables that is kept by nothing but the drained log, and compared with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowbell::pg::link::Link;
use rowbell::pg::log::{self, Batch, Channels, Drain, Drained};
use rowbell::words::{Change, Commit, Op, Snapshot};
use serde_json::Value;

use super::database::Database;

/// Large enough for every test.
const LIMIT: usize = 1 << 30;

/// A reader of the log with a position.
pub struct LogReader {
    pub link: Link,
    pub position: Snapshot,
    statement: Drain,
}

impl LogReader {
    pub async fn new(database: &Database) -> Self {
        let link = database.link().await;
        let position = log::position_now(&link.client).await.expect("a position");
        let statement = log::prepare_drain(&link.client).await.expect("prepares");
        Self { link, position, statement }
    }

    /// Reads on; the position moves.
    pub async fn drain(&mut self) -> Vec<Commit> {
        self.drain_of(&Channels::All).await
    }

    pub async fn drain_of(&mut self, channels: &Channels) -> Vec<Commit> {
        let drained = log::drain(&self.link.client, &self.statement, &self.position, channels, LIMIT).await;
        let Drained { position, batch: Batch::Commits(commits), .. } = drained.expect("drains") else {
            panic!("too large")
        };
        assert!(position.covers_all_of(&self.position), "{position:?} is behind {:?}", self.position);
        self.position = position;
        commits
    }
}

/// One database, one session that writes, and what the log says of it.
pub struct Mirror {
    pub database: Database,
    /// Whose writes are told; its settings and role are the test's.
    pub writer: Link,
    pub reader: LogReader,
    /// Channel and id to the image last told, and its version.
    rows: BTreeMap<(Arc<str>, String), (Value, Option<i64>)>,
}

impl Mirror {
    /// Runs `sql`, which makes and watches tables without rows.
    pub async fn of(sql: &str) -> Self {
        let database = Database::new().await;
        database.run(sql).await;
        let (writer, reader) = (database.link().await, LogReader::new(&database).await);
        Self { database, writer, reader, rows: BTreeMap::new() }
    }

    /// Starts over with other tables in the same database, which is quicker than another database.
    pub async fn again(&mut self, sql: &str) {
        self.database.run(sql).await;
        self.reader.drain().await;
        self.rows.clear();
    }

    /// Runs statements in the writer's session, one implicit transaction unless they say otherwise.
    pub async fn write(&self, sql: &str) {
        let done = self.writer.client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The SQLSTATE a write fails with.
    pub async fn refused(&self, sql: &str) -> String {
        let error = self.writer.client.batch_execute(sql).await.expect_err("it fails");
        error.code().map(|code| code.code().to_owned()).unwrap_or_default()
    }

    /// Writes and tells.
    pub async fn told(&mut self, sql: &str) -> Vec<String> {
        self.write(sql).await;
        self.tell().await
    }

    /// What was logged since, one line a change, after the copy was kept and found equal to the tables.
    pub async fn tell(&mut self) -> Vec<String> {
        self.changes().await.iter().map(line).collect()
    }

    /// The same as the changes themselves.
    pub async fn changes(&mut self) -> Vec<Change> {
        let changes: Vec<Change> = self.unchecked().await;
        changes.iter().for_each(|change| self.keep(change));
        self.compare().await;
        changes
    }

    /// The changes alone, where former images do not fit the table any more.
    pub async fn unchecked(&mut self) -> Vec<Change> {
        self.reader.drain().await.into_iter().flat_map(|commit| commit.changes).collect()
    }

    /// Applies one change as a subscriber would; every lie about the row before is found here.
    fn keep(&mut self, change: &Change) {
        let (row, old) = (parse(&change.row), parse(&change.old));
        let key = (change.channel.clone(), change.id.clone().unwrap_or_default());
        let before = match change.op {
            Op::Truncate => {
                self.rows.retain(|(channel, _), _| *channel != change.channel);
                return;
            }
            Op::Resync | Op::Unwatch | Op::Enter | Op::Leave => return,
            Op::Delete => self.rows.remove(&key),
            Op::Insert | Op::Update => {
                let image = row.clone().unwrap_or(Value::Null);
                if let Some(version) = image.get("version").and_then(Value::as_i64) {
                    assert_eq!(change.version, Some(version), "{change:?}");
                }
                self.rows.insert(key, (image, change.version))
            }
        };
        let (had, version) = before.map_or((None, None), |(image, version)| (Some(image), version));
        match change.op {
            Op::Insert => assert!(had.is_none(), "inserted over {had:?}: {change:?}"),
            Op::Update => assert!(version.is_none() || version < change.version, "{version:?} {change:?}"),
            _ => assert_eq!(version, change.version, "another version was deleted: {change:?}"),
        }
        // A key change tells of the former row in its delete, not in its insert.
        assert_eq!(had, old, "the row was another before: {change:?}");
    }

    /// Every watched table holds what was told of it, no more and no less.
    pub async fn compare(&self) {
        let client = &self.reader.link.client;
        let sql = "select channel, \"table\"::text, omit from rowbell.channel";
        for channel in client.query(sql, &[]).await.expect("channels") {
            let (name, table, omit): (&str, String, Vec<String>) =
                (channel.get(0), channel.get(1), channel.get(2));
            let mut told: Vec<String> = self
                .rows
                .iter()
                .filter(|(key, _)| &*key.0 == name)
                .map(|(_, row)| row.0.to_string())
                .collect();
            let rows = client.query(&format!("select row_to_json(r.*)::text from {table} r"), &[]).await;
            let mut real: Vec<String> =
                rows.expect("rows").iter().map(|row| without(row.get(0), &omit)).collect();
            told.sort();
            real.sort();
            assert_eq!(told, real, "what was told of {name} is not what {table} holds");
        }
    }
}

/// A leaf may have its columns in another order than the root; it is the same row.
fn sorted(mut image: Value) -> Value {
    image.sort_all_objects();
    image
}

fn parse(image: &Option<String>) -> Option<Value> {
    image.as_ref().map(|text| sorted(serde_json::from_str(text).unwrap_or(Value::Null)))
}

/// `update 7 {"note":"b"}`: op, id, and the row after it less the bookkeeping.
pub fn line(change: &Change) -> String {
    let line = format!("{} {}", change.op.word(), change.id.as_deref().unwrap_or("-"));
    parse(&change.row).map_or(line.clone(), |row| format!("{line} {}", bare(row)))
}

fn without(row: &str, omit: &[String]) -> String {
    let mut row: Value = serde_json::from_str(row).expect("JSON");
    for column in omit {
        row.as_object_mut().expect("a row").remove(column);
    }
    sorted(row).to_string()
}

/// A row less the bookkeeping, whose values no test can know.
fn bare(mut row: Value) -> Value {
    if let Some(fields) = row.as_object_mut() {
        for name in ["version", "last_synced_at", "updated_at"] {
            fields.remove(name);
        }
    }
    sorted(row)
}
