//! What is watched.

use std::sync::Arc;

use postgres_types::ToSql;
use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use super::link::{Link, Message};
use crate::words::Result;

const CHANNELS: &str = include_str!("../../sql/queries/channels.sql");
const TABLES: &str = include_str!("../../sql/queries/tables_to_watch.sql");
const WATCH: &str = include_str!("../../sql/queries/watch.sql");
const UNWATCH: &str = include_str!("../../sql/queries/unwatch.sql");
const QUEUE_USAGE: &str = include_str!("../../sql/queries/queue_usage.sql");

/// One watched table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its channel.
    pub name: Arc<str>,
    /// The table, quoted and with its schema where that is needed.
    pub table: String,
    /// The primary key's columns, in key order.
    pub key_columns: Vec<String>,
    /// The column that carries the version; none when feed-only.
    pub version_column: Option<String>,
    /// Columns that never reach the log.
    pub omit: Vec<String>,
    /// When writers ring: `auto`, `always`, `never`.
    pub notify: String,
    /// Whether rows applied by logical replication are logged.
    pub replica: bool,
    /// Columns of numbers that are sent as text.
    pub as_text: Vec<String>,
}

/// A table that is watched or could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Quoted and with its schema where that is needed.
    pub name: String,
    /// Its channel, if it is watched.
    pub channel: Option<String>,
    /// Whether this role owns it, so that it may watch and unwatch it.
    pub owned: bool,
}

/// How to watch a table; the parameters of `rowbell.watch`.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// The channel, where it should not be the table's name.
    pub channel: Option<String>,
    /// Columns that never reach the log.
    pub omit: Vec<String>,
    /// `auto`, `always` or `never`.
    pub notify: String,
    /// No version, no REST writes.
    pub feed_only: bool,
    /// The column that carries the version.
    pub version_column: String,
    /// Also log rows applied by logical replication.
    pub replica: bool,
    /// Columns of numbers that are sent as text.
    pub as_text: Vec<String>,
}

/// All watched tables, by channel.
pub async fn channels(client: &Client) -> Result<Vec<Channel>> {
    let rows = client.query_typed(CHANNELS, &[]).await;
    let rows = rows.map_err(|error| database_error("could not read the watched tables", error))?;
    let read = |row: &tokio_postgres::Row| Channel {
        name: Arc::from(row.get::<_, &str>(0)),
        table: row.get(1),
        key_columns: row.get(2),
        version_column: row.get(3),
        omit: row.get(4),
        notify: row.get(5),
        replica: row.get(6),
        as_text: row.get(7),
    };
    Ok(rows.iter().map(read).collect())
}

/// Every table that is watched or could be, by name.
pub async fn tables(client: &Client) -> Result<Vec<Table>> {
    let rows = client.query_typed(TABLES, &[]).await;
    let rows = rows.map_err(|error| database_error("could not read the tables", error))?;
    let read = |row: &tokio_postgres::Row| Table { name: row.get(0), channel: row.get(1), owned: row.get(2) };
    Ok(rows.iter().map(read).collect())
}

/// Watches a table; returns its channel and what the database said about it.
pub async fn watch(
    connector: &Connector,
    table: &str,
    options: &WatchOptions,
) -> Result<(String, Vec<String>)> {
    let link = connector.connect("watch").await?;
    let failed = |error| database_error(&format!("could not watch {table}"), error);
    let WatchOptions { channel, omit, notify, feed_only, version_column, replica, as_text } = options;
    let parameters: [&(dyn ToSql + Sync); 8] =
        [&table, channel, omit, notify, feed_only, version_column, replica, as_text];
    let channel = link.client.query_one(WATCH, &parameters).await.map_err(failed)?.get(0);
    Ok((channel, notices(link)))
}

/// Unwatches a table; returns its former channel and what the database said about it.
pub async fn unwatch(connector: &Connector, table: &str) -> Result<(String, Vec<String>)> {
    let link = connector.connect("unwatch").await?;
    let failed = |error| database_error(&format!("could not unwatch {table}"), error);
    let channel = link.client.query_one(UNWATCH, &[&table]).await.map_err(failed)?.get(0);
    Ok((channel, notices(link)))
}

/// How full PostgreSQL's queue of unread notifications is, from 0 to 1.
pub async fn queue_usage(client: &Client) -> Result<f64> {
    let row = client.query_typed_one(QUEUE_USAGE, &[]).await;
    Ok(row.map_err(|error| database_error("could not read the notification queue", error))?.get(0))
}

/// Notices arrive before the answer to the statement that raised them.
fn notices(mut link: Link) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(message) = link.messages.try_recv() {
        if let Message::Notice { text, .. } = message {
            texts.push(text);
        }
    }
    texts
}
