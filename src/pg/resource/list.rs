//! List reads: rows and the position of the feed they are of, in one statement.

use super::filter;
use super::position::{OnDisk, Position};
use super::refusal::Failure;
use super::session::Session;
use super::table::Table;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement};
use crate::words::{Cursor, Error, ListQuery};

const LIST_ROWS: &str = include_str!("../../../sql/queries/list_rows.sql");

/// The rows of a list, and where the feed continues them.
#[derive(Debug)]
pub struct List {
    /// A JSON array of rows.
    pub rows: String,
    /// The position of the very snapshot they were read in.
    pub cursor: Cursor,
}

/// Reads a list; an answer of more than `limit` bytes is refused.
pub(super) async fn list(
    session: &Session,
    table: &Table,
    query: &ListQuery,
    on_disk: &OnDisk,
    limit: usize,
) -> Result<List, Failure> {
    let statement = statement(table, query, on_disk)?;
    // Again at most once: a crash emptied the generation, and now there is one.
    for last in [false, true] {
        let rows = session.read_within(&statement, limit).await?;
        let Some(first) = rows.first() else { break };
        let Some(position) = Position::read(first, on_disk)? else {
            if !last {
                session.open_generation().await?;
            }
            continue;
        };
        let Position { cursor, durable } = position;
        if !cursor.fits() {
            return Err(Error::unavailable("too many transactions are open for a cursor to name them").into());
        }
        if !durable {
            session.flush_log().await?;
            on_disk.reach(&cursor);
        }
        let images = rows.iter().map(|row| get::<Option<&str>>(row, 5));
        let images = images.collect::<Result<Vec<_>, _>>()?;
        let images: Vec<&str> = images.into_iter().flatten().collect();
        return Ok(List { rows: format!("[{}]", images.join(",")), cursor });
    }
    Err(Error::unexpected("a list was read without a position").into())
}

fn statement(table: &Table, query: &ListQuery, on_disk: &OnDisk) -> Result<Statement, Failure> {
    let mut parameters = Parameters::default();
    let on_disk = parameters.add(on_disk.text());
    let filter = filter::filter(table, &query.filters, &mut parameters)?;
    let order = filter::order(table, &query.order)?;
    let given = [
        ("on_disk", on_disk),
        ("filter", filter),
        ("order", order),
        ("limit", parameters.add(query.limit.to_string())),
        ("offset", parameters.add(query.offset.to_string())),
    ];
    Ok(table.statement(LIST_ROWS, &given, parameters))
}
