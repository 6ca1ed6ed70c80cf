//! All rows of some channels in one snapshot, and the position the feed continues them from.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Row;

use super::judge::RowFilter;
use super::position::{OnDisk, Position};
use super::refusal::{Failure, Refusal};
use super::table::Table;
use crate::pg::connect::Connector;
use crate::pg::fault::database_error;
use crate::pg::link::Link;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill, untyped};
use crate::pg::{catalog, log, origin};
use crate::words::{Cursor, Error, Result};

const SNAPSHOT_POSITION: &str = include_str!("../../../sql/queries/snapshot_position.sql");
const BEGIN_SNAPSHOT: &str = include_str!("../../../sql/queries/begin_snapshot.sql");
const BEGIN_EMPTY_SNAPSHOT: &str = include_str!("../../../sql/queries/begin_empty_snapshot.sql");
const DECLARE_ROWS: &str = include_str!("../../../sql/queries/declare_rows.sql");
const FETCH_ROWS: &str = include_str!("../../../sql/queries/fetch_rows.sql");
const CLOSE_ROWS: &str = include_str!("../../../sql/queries/close_rows.sql");

/// Bytes one fetch should bring.
const FETCH_BYTES: usize = 256 << 10;
/// The first fetch of a table, whose rows may be of any size.
const FIRST_FETCH: usize = 32;
const LARGEST_FETCH: usize = 4096;

/// Makes snapshots; one for each node.
pub struct Snapshots {
    /// Each has a connection of its own, for as long as its client reads. Never a pooler's.
    connector: Connector,
    places: Arc<Semaphore>,
    on_disk: OnDisk,
}

/// An open snapshot. Dropped, it is ended with its connection.
pub struct TableSnapshot {
    link: Link,
    _place: OwnedSemaphorePermit,
    /// Each with what begins to read it.
    tables: Vec<(Table, Statement)>,
    /// The table that is read.
    reading: usize,
    /// Rows the next fetch asks for; none while no table is being read.
    fetch: Option<usize>,
    /// The position all of it is of.
    pub cursor: Cursor,
}

/// What became of the wish for a snapshot.
pub enum Taken {
    /// It is open.
    Open(Box<TableSnapshot>),
    /// There is no such channel.
    UnknownChannel(String),
}

/// Some rows of one channel.
#[derive(Debug, PartialEq, Eq)]
pub struct RowsPart {
    /// The channel.
    pub channel: Arc<str>,
    /// Their JSON.
    pub rows: Vec<String>,
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("free", &self.places.available_permits()).finish()
    }
}

impl Snapshots {
    /// Snapshots of which at most `places` are open at once; `connector` leads to PostgreSQL itself.
    pub fn new(connector: Connector, places: usize) -> Self {
        Self { connector, places: Arc::new(Semaphore::new(places)), on_disk: OnDisk::default() }
    }

    /// Opens a snapshot of some channels, or of all; waits for a place as long as the caller does.
    ///
    /// With a filter there are only the rows of the one channel that pass it.
    pub async fn open(&self, channels: Option<&[Arc<str>]>, filter: Option<&RowFilter>) -> Result<Taken> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Error::unavailable("no more snapshots are taken"))?;
        let link = self.connector.connect("snapshot").await?;
        match self.begin(link, place, channels, filter).await {
            Ok(taken) => Ok(taken),
            Err(Failure::Broken(error) | Failure::Unsure(error)) => Err(error),
            Err(Failure::Refused(Refusal::TimedOut | Refusal::Outdated(_) | Refusal::UnknownChannel)) => {
                Err(Error::unavailable("could not take a snapshot: a table is being altered"))
            }
            Err(Failure::Refused(_)) => Err(Error::unexpected("could not take a snapshot")),
        }
    }

    async fn begin(
        &self,
        link: Link,
        place: OwnedSemaphorePermit,
        channels: Option<&[Arc<str>]>,
        filter: Option<&RowFilter>,
    ) -> Result<Taken, Failure> {
        let names: Vec<Arc<str>> = match channels {
            Some(channels) => channels.to_vec(),
            None => catalog::channels(&link.client).await?.into_iter().map(|channel| channel.name).collect(),
        };
        let mut relations = Vec::new();
        for name in &names {
            match shape(&link, name).await {
                Ok(table) => relations.push(table.relation),
                Err(Failure::Refused(Refusal::UnknownChannel)) => {
                    return Ok(Taken::UnknownChannel(name.to_string()));
                }
                Err(failure) => return Err(failure),
            }
        }
        // Before the transaction, which only reads.
        origin::open_origin(&link.client).await?;
        let begin = match relations.as_slice() {
            [] => fill(BEGIN_EMPTY_SNAPSHOT, &[]),
            _ => fill(BEGIN_SNAPSHOT, &[("relations", &relations.join(", "))]),
        };
        link.client.batch_execute(&begin).await?;
        let cursor = self.position(&link).await?;
        let mut tables = Vec::with_capacity(names.len());
        for name in &names {
            let table = shape(&link, name).await?;
            let mut parameters = Parameters::default();
            let filter = match filter {
                Some(filter) => filter.condition(&table, &mut parameters)?,
                None => "true".to_owned(),
            };
            let given = [("filter", filter)];
            let declare = table.statement(DECLARE_ROWS, &given, parameters);
            tables.push((table, declare));
        }
        Ok(Taken::Open(Box::new(TableSnapshot {
            link,
            _place: place,
            tables,
            reading: 0,
            fetch: None,
            cursor,
        })))
    }

    /// The first statement of the transaction, which takes its snapshot.
    async fn position(&self, link: &Link) -> Result<Cursor, Failure> {
        let mut parameters = Parameters::default();
        let on_disk = parameters.add(self.on_disk.text());
        let question = Statement { sql: fill(SNAPSHOT_POSITION, &[("on_disk", &on_disk)]), parameters };
        let rows = ask(link, &question).await?;
        let position = rows.first().map(|row| Position::read(row, &self.on_disk)).transpose()?.flatten();
        let Position { cursor, durable } =
            position.ok_or_else(|| Error::unavailable("the database began another life meanwhile"))?;
        if !durable {
            // On another connection, since this one's transaction only reads.
            log::wait_until_durable(&self.connector.connect("flush").await?.client).await?;
            self.on_disk.reach(&cursor);
        }
        Ok(cursor)
    }
}

impl TableSnapshot {
    /// The channels, in the order they are read.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.tables.iter().map(|(table, _)| &table.channel)
    }

    /// Some more rows, at least one part for every channel; none at the end.
    pub async fn next(&mut self) -> Result<Option<RowsPart>> {
        let failed = |error| database_error("could not read a snapshot", error);
        let Some((table, declare)) = self.tables.get(self.reading) else { return Ok(None) };
        let client = &self.link.client;
        let count = match self.fetch {
            Some(count) => count,
            None => {
                let texts = declare.parameters.texts();
                client.query_typed(&declare.sql, &untyped(&texts)).await.map_err(failed)?;
                FIRST_FETCH
            }
        };
        let fetch = fill(FETCH_ROWS, &[("count", &count.to_string())]);
        let fetched = client.query_typed(&fetch, &[]).await.map_err(failed)?;
        let rows = fetched.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>>>()?;
        let part = RowsPart { channel: Arc::clone(&table.channel), rows };
        if part.rows.len() < count {
            client.batch_execute(&fill(CLOSE_ROWS, &[])).await.map_err(failed)?;
            (self.reading, self.fetch) = (self.reading + 1, None);
        } else {
            self.fetch = Some(next_count(count, part.rows.iter().map(String::len).sum()));
        }
        Ok(Some(part))
    }
}

/// Rows for the next fetch, after some of that size: about as many as are wanted, and not many more at once.
fn next_count(count: usize, bytes: usize) -> usize {
    let wanted = count.saturating_mul(FETCH_BYTES) / bytes.max(1);
    wanted.clamp(1, LARGEST_FETCH.min(count.saturating_mul(2)))
}

async fn shape(link: &Link, channel: &str) -> Result<Table, Failure> {
    let rows = ask(link, &Table::question(channel)).await?;
    Table::of_rows(channel, &rows)
}

async fn ask(link: &Link, statement: &Statement) -> Result<Vec<Row>, Failure> {
    let texts = statement.parameters.texts();
    Ok(link.client.query_typed(&statement.sql, &untyped(&texts)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_grow_and_shrink_with_the_rows() {
        assert_eq!(next_count(32, 3200), 64);
        assert_eq!(next_count(4096, 4096 * 10), LARGEST_FETCH);
        assert_eq!(next_count(1000, 1000 * 1024), 256);
        assert_eq!(next_count(32, 64 << 20), 1);
        assert_eq!(next_count(1, 0), 2);
    }
}
