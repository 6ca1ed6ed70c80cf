//! `rowbell tail`: the feed in a terminal, by the same code that serves it.

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{DatabaseArgs, say};
use crate::feed::{Delivery, Feed, Opened, Start, Subscription};
use crate::pg::migrate::check_schema;
use crate::pg::pool::PoolOptions;
use crate::words::{Cursor, Error, FeedConfig, Result, Topic, parse_time};

const EXAMPLES: &str = "\
Examples:
  rowbell tail orders
  rowbell tail orders,clients --json
  rowbell tail '*' --since AQ...          continue where an earlier tail stopped
  rowbell tail clients --snapshot         first every row there is, then their changes

It reads the database directly and needs no server. Every line of --json is a frame; those of\ncommits, and the last one of a snapshot, carry a cursor.";

/// Prints changes as they commit.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Tail {
    /// Channels joined by commas, or * for all.
    topic: String,
    /// Continue after this cursor, or since this time (2026-01-02T03:04:05Z); left out: from now on.
    #[arg(long, value_name = "CURSOR|TIME")]
    since: Option<String>,
    /// First print all rows, then their changes.
    #[arg(long, conflicts_with = "since")]
    snapshot: bool,
    /// Print frames as JSON, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Tail {
    pub async fn run(self) -> Result<()> {
        let topic = Topic::parse(&self.topic).map_err(|bad| Error::usage(bad.message))?;
        let start = match &self.since {
            None if self.snapshot => Start::Snapshot,
            None => Start::Now,
            Some(text) if text.contains(':') => {
                let bad =
                    || Error::usage("--since is not a time").with_hint("write it as 2026-01-02T03:04:05Z");
                Start::At(parse_time(text).ok_or_else(bad)?)
            }
            Some(text) => {
                Start::After(Cursor::parse(text).map_err(|bad| Error::usage(format!("--since is {bad}")))?)
            }
        };
        let connector = self.database.connector().await?;
        // Said at once rather than after the listener's first tries.
        check_schema(&connector.connect("tail").await?.client).await?;
        let config = FeedConfig { pool: 2, ..FeedConfig::default() };
        let pool = connector.pool(PoolOptions::of(config.pool))?;
        let (feed, listener) = Feed::new(config, connector, pool);
        let shutdown = CancellationToken::new();
        let mut listening = tokio::spawn(listener.run(shutdown.clone()));
        let stopped = |error| Err(Error::unexpected("the listener stopped").with_source(error));
        let told = tokio::select! {
            told = self.follow(&feed, topic, start) => told,
            ended = &mut listening => return ended.unwrap_or_else(stopped),
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        shutdown.cancel();
        // Seen to its end, or it would complain of a connection that closes with the program.
        let ended = listening.await.unwrap_or_else(stopped);
        told.and(ended)
    }

    async fn follow(&self, feed: &Feed, topic: Topic, start: Start) -> Result<()> {
        let mut subscription = match feed.subscribe(topic, start).await? {
            Opened::Held(subscription) => *subscription,
            Opened::Reset(reason) => {
                let told = format!("that position cannot be continued here ({})", reason.word());
                return Err(Error::refused(told).with_hint("leave --since out to start from now"));
            }
            Opened::UnknownChannel(name) => {
                return Err(Error::refused(format!("there is no channel {name}"))
                    .with_hint("rowbell channels lists them"));
            }
            Opened::BadFilter(_, told) => return Err(Error::usage(told)),
        };
        log::info!("following {} since {}", subscription.topic(), subscription.cursor());
        self.print(&mut subscription).await
    }

    async fn print(&self, subscription: &mut Subscription) -> Result<()> {
        while let Some(delivery) = subscription.next().await {
            let part = match delivery {
                Delivery::Frame(part) => part,
                Delivery::Reset(reason) => {
                    let told = format!("the feed must be started over ({})", reason.word());
                    return Err(Error::refused(told).with_hint("run the same command again"));
                }
                Delivery::SnapshotTooSlow => {
                    return Err(Error::refused("the rows were read too slowly for one snapshot")
                        .with_hint("write them to a file, or page through them by REST"));
                }
                Delivery::Unwatched => return Err(Error::refused("the channel is watched no longer")),
            };
            let text = std::str::from_utf8(&part)
                .map_err(|error| Error::unexpected("a frame is no text").with_source(error))?;
            let lines = if self.json { vec![text.to_owned()] } else { readable(text)? };
            for line in lines {
                if !say(&line)? {
                    return Ok(());
                }
            }
        }
        subscription.failure().map_or(Ok(()), Err)
    }
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    commits: Vec<Commit>,
    channel: Option<String>,
    #[serde(default)]
    rows: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Commit {
    at: String,
    actor: Option<String>,
    branch: Option<String>,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    channel: String,
    op: String,
    id: Option<String>,
    row: Option<Map<String, Value>>,
    old: Option<Map<String, Value>>,
}

fn readable(frame: &str) -> Result<Vec<String>> {
    let frame: Frame = serde_json::from_str(frame)
        .map_err(|error| Error::unexpected("could not read a frame").with_source(error))?;
    let channel = frame.channel.unwrap_or_default();
    let rows = frame.rows.iter().map(|row| row_line(&channel, row));
    let changes =
        frame.commits.iter().flat_map(|commit| commit.changes.iter().map(|change| line(commit, change)));
    Ok(rows.chain(changes).collect())
}

/// `12:30:01.123  orders  update  7  status: "open" -> "paid"  by anna in north`
fn line(commit: &Commit, change: &Change) -> String {
    let time = commit.at.get(11..23).unwrap_or(&commit.at);
    let id = change.id.as_deref().unwrap_or("-");
    let mut line = format!("{time}  {}  {:8}  {id}", change.channel, change.op);
    line.push_str(&details(change.row.as_ref(), change.old.as_ref()));
    finished(line, commit.actor.as_deref(), commit.branch.as_deref())
}

/// What changed, after two blanks; nothing where that is not told.
pub(super) fn details(row: Option<&Map<String, Value>>, old: Option<&Map<String, Value>>) -> String {
    let details = match (row, old) {
        (Some(row), Some(old)) => pairs(
            old.iter()
                .map(|(name, was)| (name, format!("{was} -> {}", row.get(name).unwrap_or(&Value::Null)))),
        ),
        (Some(image), None) | (None, Some(image)) => {
            pairs(image.iter().map(|(name, value)| (name, value.to_string())))
        }
        (None, None) => String::new(),
    };
    if details.is_empty() { details } else { format!("  {details}") }
}

/// A line with who wrote from where at its end.
pub(super) fn finished(mut line: String, actor: Option<&str>, branch: Option<&str>) -> String {
    if let Some(actor) = actor {
        line.push_str(&format!("  by {actor}"));
    }
    if let Some(branch) = branch {
        line.push_str(&format!("  in {branch}"));
    }
    // A row may hold anything; a terminal obeys control characters.
    line.replace(|c: char| c.is_control(), "\u{fffd}")
}

/// A row of the snapshot, under the columns of changes: `              orders  row         id: 7, status: "open"`
fn row_line(channel: &str, row: &Map<String, Value>) -> String {
    let details = pairs(row.iter().map(|(name, value)| (name, value.to_string())));
    format!("{:12}  {channel}  {:8}  {details}", "", "row").replace(|c: char| c.is_control(), "\u{fffd}")
}

/// Bookkeeping columns say nothing to a person.
fn pairs<'a>(values: impl Iterator<Item = (&'a String, String)>) -> String {
    let shown =
        values.filter(|(name, _)| !["version", "last_synced_at", "updated_at"].contains(&name.as_str()));
    shown.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_line_per_change() {
        let frame = r#"{"type":"commits","commits":[{"xid":"1","at":"2026-01-02T03:04:05.678901Z","actor":"anna","branch":null,
            "changes":[{"seq":1,"channel":"orders","op":"update","id":"7","version":5,"row":{"id":7,"status":"paid","version":5},
            "old":{"status":"open\u001b[2J","version":4}},{"seq":2,"channel":"orders","op":"truncate"}]}],"cursor":"x"}"#;
        let lines = readable(frame).unwrap();
        assert_eq!(
            lines[0],
            "03:04:05.678  orders  update    7  status: \"open\\u001b[2J\" -> \"paid\"  by anna"
        );
        assert_eq!(lines[1], "03:04:05.678  orders  truncate  -  by anna");
        let rows =
            r#"{"type":"rows","channel":"orders","rows":[{"id":7,"version":5}],"more":false,"cursor":"x"}"#;
        assert_eq!(readable(rows).unwrap(), ["              orders  row       id: 7"]);
    }
}
