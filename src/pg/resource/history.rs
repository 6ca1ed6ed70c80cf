//! What the log knows of one row: its changes, and the row as it was.

use std::sync::Arc;
use std::time::SystemTime;

use tokio_postgres::Row;

use super::Resources;
use super::key::Key;
use super::refusal::{Failure, Refusal};
use super::row::{self, CurrentRow};
use super::session::Session;
use super::table::Table;
use crate::pg::log::read_change;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::image::Columns;
use crate::words::{Change, CommitHead, Op};

const ROW_CHANGES: &str = include_str!("../../../sql/queries/row_changes.sql");
const HISTORY: &str = include_str!("../../../sql/queries/history.sql");
const ROW_AT_VERSION: &str = include_str!("../../../sql/queries/row_at_version.sql");
const ROW_AT_TIME: &str = include_str!("../../../sql/queries/row_at_time.sql");

/// Which part of a history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The version after which to go on, of a feed-only channel the number; none for the newest.
    pub before: Option<i64>,
    /// How many changes at most; then on to the next that a version names.
    pub limit: u32,
}

/// Changes of one row, newest first, each with what its commit says.
pub type History = Vec<(CommitHead, Change)>;

/// When a row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// As the change of that version left it.
    Version(i64),
    /// As everything committed by then had left it.
    Time(SystemTime),
}

/// A row as it was.
#[derive(Debug)]
pub enum AsOf {
    /// That is the row.
    Row(CurrentRow),
    /// It was not there, or never had that version.
    Missing,
    /// The log does not reach back so far.
    Expired,
    /// The log has no image of it: it was too large, or could not be made.
    NoImage,
    /// That time is still to come.
    Future,
}

/// What is asked about a row.
enum Question {
    History(Page),
    Then(Moment),
}

impl Resources {
    /// The changes of a row, newest first; none where nothing is known of such a row.
    pub async fn history(&self, channel: &str, id: &str, page: Page) -> Result<Option<History>, Failure> {
        let session = self.0.pool.session("could not read the history of a row").await?;
        let (_, rows) = self.ask(&session, channel, id, &Question::History(page)).await?;
        let mut changes = History::new();
        let mut durable = true;
        for row in &rows {
            durable &= get::<Option<bool>>(row, 12)?.unwrap_or(true);
            changes.extend(read_change(row, 1)?);
        }
        if !durable {
            session.flush_log().await?;
        }
        let known = rows.first().map(|row| get::<bool>(row, 0)).transpose()?.unwrap_or(false);
        Ok(known.then_some(changes))
    }

    /// A row as it was at some moment.
    pub async fn row_as_of(&self, channel: &str, id: &str, moment: Moment) -> Result<AsOf, Failure> {
        let session = self.0.pool.session("could not read a row as it was").await?;
        let (table, rows) = self.ask(&session, channel, id, &Question::Then(moment)).await?;
        let Some(row) = rows.first() else { return Ok(AsOf::Missing) };
        match moment {
            Moment::Version(version) => at_version(&table, version, row),
            Moment::Time(_) => at_time(&table, row),
        }
    }

    async fn ask(
        &self,
        session: &Session,
        channel: &str,
        id: &str,
        question: &Question,
    ) -> Result<(Arc<Table>, Vec<Row>), Failure> {
        let table = self.0.known.table(session, channel).await?;
        let limit = self.0.answer_limit;
        let ask = async |table: &Table| session.read_within(&question.statement(table, id)?, limit).await;
        let failure = match ask(&table).await {
            Ok(rows) => return Ok((table, rows)),
            Err(failure) => failure,
        };
        let failure = match self.altered(session, &table, &failure).await? {
            Some(now) => match ask(&now).await {
                Ok(rows) => return Ok((now, rows)),
                Err(failure) => failure,
            },
            None => failure,
        };
        Err(row::explain(session, &table, id, failure).await)
    }
}

impl Question {
    fn statement(&self, table: &Table, id: &str) -> Result<Statement, Failure> {
        let key = Key::read(table, id)?;
        let mut parameters = Parameters::default();
        let channel = parameters.add(&*table.channel);
        let values = key.values(table, &mut parameters);
        let presence = table.key_columns().next().map(|column| column.quoted.clone()).unwrap_or_default();
        let id = format!("(select {} from (select {values}) k)", table.id_of_key);
        let changes = fill(ROW_CHANGES, &[("channel", &channel), ("id", &id)]);
        let matches = key.matches(table, &mut parameters);
        let mut given =
            vec![("channel", channel), ("changes", changes), ("key", matches), ("presence", presence)];
        let template = match self {
            Self::History(page) => {
                let before = page.before.map(|before| parameters.add(before.to_string()));
                given.push(("before", before.unwrap_or_else(|| "null".to_owned())));
                given.push(("limit", parameters.add(page.limit.to_string())));
                given.push(("counts_versions", table.version_column().is_some().to_string()));
                HISTORY
            }
            Self::Then(Moment::Version(version)) => {
                if table.version_column().is_none() {
                    let told = "this channel is feed-only and keeps no versions; ask for the row by ?at=TIME";
                    return Err(Refusal::BadValue(told.to_owned()).into());
                }
                given.push(("wanted", parameters.add(version.to_string())));
                ROW_AT_VERSION
            }
            Self::Then(Moment::Time(time)) => {
                given.push(("wanted", parameters.add(humantime::format_rfc3339_micros(*time).to_string())));
                ROW_AT_TIME
            }
        };
        Ok(table.statement(template, &given, parameters))
    }
}

/// Reads the answer to `row_at_version.sql`.
fn at_version(table: &Table, version: i64, row: &Row) -> Result<AsOf, Failure> {
    let (now, made, image, next): (Option<String>, bool, Option<String>, Option<String>) =
        (get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?);
    let next = next.filter(|image| version_in(table, image) == Some(version));
    Ok(match now.or(image).or(next) {
        Some(row) => AsOf::Row(CurrentRow { version: Some(version), row }),
        None if made => AsOf::NoImage,
        None if get(row, 4)? => AsOf::Expired,
        None => AsOf::Missing,
    })
}

/// Reads the answer to `row_at_time.sql`.
fn at_time(table: &Table, row: &Row) -> Result<AsOf, Failure> {
    if get(row, 0)? {
        return Ok(AsOf::Future);
    }
    if let Some(op) = op(row, 1)? {
        return Ok(match (op, get::<Option<String>>(row, 3)?) {
            (Op::Insert | Op::Update, Some(image)) => {
                AsOf::Row(CurrentRow { version: get(row, 2)?, row: image })
            }
            (Op::Insert | Op::Update, None) => AsOf::NoImage,
            _ => AsOf::Missing,
        });
    }
    if !get::<bool>(row, 4)? {
        return Ok(AsOf::Expired);
    }
    // Nothing of it was logged by then: it was as the first change found it.
    Ok(match (op(row, 5)?, get::<Option<String>>(row, 6)?, get::<Option<String>>(row, 8)?) {
        (Some(Op::Insert), ..) | (None, _, None) => AsOf::Missing,
        (Some(Op::Update | Op::Delete), Some(image), _) => {
            AsOf::Row(CurrentRow { version: version_in(table, &image), row: image })
        }
        (Some(Op::Update | Op::Delete), None, _) => AsOf::NoImage,
        // A truncate does not say which rows there were.
        (Some(_), ..) => AsOf::Expired,
        (None, _, Some(image)) => AsOf::Row(CurrentRow { version: get(row, 7)?, row: image }),
    })
}

fn op(row: &Row, column: usize) -> Result<Option<Op>, Failure> {
    Ok(get::<Option<&str>>(row, column)?.and_then(Op::from_word))
}

/// The version that an image has in its column.
fn version_in(table: &Table, image: &str) -> Option<i64> {
    let columns = Columns::read(image)?;
    columns.value(0, table.version_name()?)?.get().parse().ok()
}
