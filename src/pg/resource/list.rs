//! List reads: rows and the position of the feed they are of, in one statement.

use super::filter;
use super::position::{OnDisk, Position};
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::Table;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::{Count, Cursor, Error, ListQuery};

const LIST_ROWS: &str = include_str!("../../../sql/queries/list_rows.sql");
const COUNT_ROWS: &str = include_str!("../../../sql/queries/count_rows.sql");
const SELECTED_IMAGE: &str = include_str!("../../../sql/queries/selected_image.sql");

/// The rows of a list, and where the feed continues them.
#[derive(Debug)]
pub struct List {
    /// A JSON array of rows.
    pub rows: String,
    /// The position of the very snapshot they were read in.
    pub cursor: Cursor,
    /// How many they are.
    pub count: u64,
    /// How many there are in all that pass the filter, where that was asked for.
    pub total: Option<i64>,
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
        let count = images.len() as u64;
        return Ok(List { rows: format!("[{}]", images.join(",")), cursor, count, total: get(first, 6)? });
    }
    Err(Error::unexpected("a list was read without a position").into())
}

fn statement(table: &Table, query: &ListQuery, on_disk: &OnDisk) -> Result<Statement, Failure> {
    let mut parameters = Parameters::default();
    let on_disk = parameters.add(on_disk.text());
    let filter = filter::filter(table, &query.filter, &mut parameters)?;
    let order = filter::order(table, &query.order)?;
    let total = match query.count {
        Count::Exact => fill(COUNT_ROWS, &[("relation", &table.relation), ("filter", &filter)]),
        Count::None => "null".to_owned(),
    };
    let given = [
        ("image", image(table, query)?),
        ("total", total),
        ("on_disk", on_disk),
        ("filter", filter),
        ("order", order),
        ("limit", parameters.add(query.limit.to_string())),
        ("offset", parameters.add(query.offset.to_string())),
    ];
    Ok(table.statement(LIST_ROWS, &given, parameters))
}

/// The JSON of row `t` as it is wanted.
fn image(table: &Table, query: &ListQuery) -> Result<String, Refusal> {
    let Some(names) = &query.select else { return Ok(table.image.clone()) };
    let columns = names.iter().map(|name| Ok(table.column(name)?.shown()));
    let columns = columns.collect::<Result<Vec<_>, Refusal>>()?.join(", ");
    Ok(fill(SELECTED_IMAGE, &[("columns", &columns)]))
}
