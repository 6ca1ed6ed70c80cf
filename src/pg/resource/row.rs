//! One row, by its id.

use tokio_postgres::Row;

use super::fit::{self, Trial};
use super::key::Key;
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::Table;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement};
use crate::words::Result;

const READ_ROW: &str = include_str!("../../../sql/queries/read_row.sql");

/// One row as it is now.
#[derive(Debug)]
pub struct CurrentRow {
    /// Its version; none when the channel is feed-only.
    pub version: Option<i64>,
    /// Its JSON.
    pub row: String,
}

/// Reads a row; none where there is none.
pub(super) async fn read(session: &Session, table: &Table, id: &str) -> Result<Option<CurrentRow>, Failure> {
    let rows = session.read(&statement(table, &Key::read(table, id)?)).await?;
    Ok(rows.first().map(current).transpose()?)
}

pub(super) fn current(row: &Row) -> Result<CurrentRow> {
    Ok(CurrentRow { version: get(row, 0)?, row: get(row, 1)? })
}

pub(super) fn statement(table: &Table, key: &Key) -> Statement {
    let mut parameters = Parameters::default();
    let key = key.matches(table, &mut parameters);
    table.statement(READ_ROW, &[("key", key)], parameters)
}

/// What a read that failed is told.
pub(super) async fn explain(session: &Session, table: &Table, id: &str, failure: Failure) -> Failure {
    match (failure, Key::read(table, id)) {
        (Failure::Refused(Refusal::Misfit), Ok(key)) => {
            let trials: Vec<_> = key.pairs(table).map(|(column, value)| Trial::text(column, value)).collect();
            fit::blame(session, &trials).await
        }
        (failure, _) => failure,
    }
}
