//! How long the log is kept, and up to where it was dropped.

use std::time::Duration;

use postgres_types::Type;
use tokio_postgres::{Client, Row, Statement};

use super::fault::database_error;
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::{Error, Result, Snapshot};

const KEEP_FOR: &str = include_str!("../../sql/queries/keep_for.sql");
const RETENTION: &str = include_str!("../../sql/queries/retention.sql");
const LOG_SIZE: &str = include_str!("../../sql/queries/log_size.sql");
const RETENTION_FLOOR: &str = include_str!("../../sql/queries/retention_floor.sql");

/// Sets how long changes are kept, for every node of the database; how long it was before.
pub async fn keep_for(client: &Client, keep: Duration) -> Result<Duration> {
    let row = client.query_typed_one(KEEP_FOR, &[(&keep.as_secs_f64(), Type::FLOAT8)]).await;
    let row = row.map_err(|error| database_error("could not set how long changes are kept", error))?;
    seconds(get(&row, 0)?)
}

/// How long changes are kept.
pub async fn retention(client: &Client) -> Result<Duration> {
    let row = client.query_typed_one(RETENTION, &[]).await;
    let row = row.map_err(|error| database_error("could not read how long changes are kept", error))?;
    seconds(get(&row, 0)?)
}

/// Prepares the question what was dropped, for a connection that asks it all the time.
pub async fn prepare_floor(client: &Client) -> Result<Statement> {
    let prepared = client.prepare(RETENTION_FLOOR).await;
    prepared.map_err(|error| database_error("could not prepare to read what of the log is left", error))
}

/// How many bytes the log takes with its indexes, and how long changes are kept.
pub async fn log_size(client: &Client) -> Result<(i64, Duration)> {
    let row = client.query_typed_one(LOG_SIZE, &[]).await;
    let row = row.map_err(|error| database_error("could not read the size of the log", error))?;
    Ok((get(&row, 0)?, seconds(get(&row, 1)?)?))
}

/// What was dropped: whoever covers it has missed nothing. None where nothing was.
///
/// Asked for after reading from the log, because a leaf can be emptied under a snapshot that still saw its rows.
pub async fn floor(client: &Client) -> Result<Option<Snapshot>> {
    read_floor(client.query_typed_opt(RETENTION_FLOOR, &[]).await)
}

/// The same by the prepared question.
pub async fn prepared_floor(client: &Client, question: &Statement) -> Result<Option<Snapshot>> {
    read_floor(client.query_opt(question, &[]).await)
}

fn read_floor(row: std::result::Result<Option<Row>, tokio_postgres::Error>) -> Result<Option<Snapshot>> {
    let row = row.map_err(|error| database_error("could not read what of the log is left", error))?;
    row.map(|row| {
        let (PgSnapshot(base), Xid8(dropped)) = (get(&row, 0)?, get(&row, 1)?);
        Ok(base.cut(dropped))
    })
    .transpose()
}

fn seconds(text: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(text).map_err(|error| {
        Error::unexpected("the retention in the database is no time span").with_source(error)
    })
}
