//! Filters of topics, asked of the images in the log by the same SQL as of the rows of a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_postgres::{Client, Row};

use super::filter;
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::{Holds, Table};
use crate::pg::pool::Pool;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill, untyped};
use crate::words::image::Columns;
use crate::words::{Error, Filter};

const FILTER_COLUMNS: &str = include_str!("../../../sql/queries/filter_columns.sql");
const JUDGE_IMAGES: &str = include_str!("../../../sql/queries/judge_images.sql");

/// Filters that one statement asks for.
const AT_ONCE: usize = 500;

/// The filter of a topic, for a table as it was when somebody subscribed. Once a column of it was altered it has no
/// answer any more: who follows the topic starts over.
#[derive(Debug)]
pub struct RowFilter {
    filter: Filter,
    table: Arc<Table>,
    /// What tells whether its columns are still the same, by their names.
    marks: BTreeMap<String, String>,
}

/// What became of the wish for a filter.
#[derive(Debug)]
pub enum Made {
    /// It can be asked.
    Filter(Arc<RowFilter>),
    /// There is no such channel.
    UnknownChannel,
    /// It cannot be meant: the wire's error code, and what to do.
    Bad(&'static str, String),
}

/// What one filter says of some images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Which of them pass, in order.
    Passes(Vec<bool>),
    /// Its columns are not what they were, or not all in these images.
    Altered,
}

/// Where a question can be asked.
pub(super) enum Desk<'a> {
    /// A connection for requests.
    Session(&'a Session),
    /// The one that listens, which is never a pooler's.
    Client(&'a Client),
}

impl RowFilter {
    /// Makes a filter for the table of a channel as it is now.
    pub async fn make(pool: &Pool, channel: &str, filter: &Filter) -> Result<Made, Error> {
        let session = pool.session("could not look at the columns of a filter").await?;
        match Self::try_make(&Desk::Session(&session), channel, filter).await {
            Ok(filter) => Ok(Made::Filter(Arc::new(filter))),
            Err(Failure::Broken(error) | Failure::Unsure(error)) => Err(error),
            Err(Failure::Refused(refusal)) => match refusal.of_filter() {
                Some((code, told)) => Ok(Made::Bad(code, told)),
                None if refusal == Refusal::UnknownChannel => Ok(Made::UnknownChannel),
                None => Err(Error::unavailable("a filter could not be tried")),
            },
        }
    }

    async fn try_make(desk: &Desk<'_>, channel: &str, filter: &Filter) -> Result<Self, Failure> {
        let question = Table::question(channel);
        let table = Arc::new(Table::of_rows(channel, &desk.ask(&question).await?)?);
        refuse_moving_times(&table, filter)?;
        let mut made = Self { filter: filter.clone(), table, marks: BTreeMap::new() };
        let names = made.names();
        // Nothing is asked of no image, but the values have to fit their columns.
        let tried = judge_statement(&[&made], &[])?;
        if let Err(failure) = desk.ask(&tried).await {
            let Desk::Session(session) = desk else { return Err(failure) };
            return Err(super::fit::explain_filter(session, &made.table, filter, failure).await);
        }
        made.marks = marks(desk, channel, &names).await?;
        Ok(made)
    }

    /// The columns it asks for.
    fn names(&self) -> BTreeSet<&str> {
        self.filter.conditions().map(|condition| condition.column.as_str()).collect()
    }

    fn is_current(&self, marks: &BTreeMap<String, String>) -> bool {
        self.names()
            .into_iter()
            .all(|name| self.marks.get(name).is_some_and(|mark| marks.get(name) == Some(mark)))
    }

    /// SQL for the filter of a topic that reads the rows of its table.
    pub(super) fn condition(&self, table: &Table, parameters: &mut Parameters) -> Result<String, Refusal> {
        filter::filter(table, &self.filter, parameters)
    }

    /// What it says of some images; `None` in `images` is one too large for the log.
    pub(super) async fn judge_one(&self, session: &Session, images: &[&str]) -> Result<Verdict, Error> {
        let verdicts = judge(&Desk::Session(session), &[self], images).await?;
        verdicts.into_iter().next().ok_or_else(|| Error::unexpected("a filter had no verdict"))
    }
}

/// What each filter, all of one channel, says of each image.
pub async fn judge_all(
    client: &Client,
    filters: &[&RowFilter],
    images: &[&str],
) -> Result<Vec<Verdict>, Error> {
    judge(&Desk::Client(client), filters, images).await
}

async fn judge(desk: &Desk<'_>, filters: &[&RowFilter], images: &[&str]) -> Result<Vec<Verdict>, Error> {
    let mut verdicts = vec![Verdict::Altered; filters.len()];
    let Some(first) = filters.first() else { return Ok(verdicts) };
    let names: BTreeSet<&str> = filters.iter().flat_map(|filter| filter.names()).collect();
    let marks = marks(desk, &first.table.channel, &names).await.map_err(broken)?;
    let images: Option<Vec<Columns<'_>>> = images.iter().map(|image| Columns::read(image)).collect();
    let images = images.ok_or_else(|| Error::unexpected("the log holds an image that is no row"))?;
    let sound = |filter: &RowFilter| {
        let names = filter.names();
        filter.is_current(&marks) && images.iter().all(|image| image.holds_all(&names))
    };
    let current: Vec<usize> = (0..filters.len()).filter(|place| sound(filters[*place])).collect();
    for places in current.chunks(AT_ONCE) {
        let some: Vec<&RowFilter> = places.iter().map(|place| filters[*place]).collect();
        for (place, verdict) in places.iter().zip(judge_some(desk, &some, &images).await?) {
            verdicts[*place] = verdict;
        }
    }
    Ok(verdicts)
}

async fn judge_some(
    desk: &Desk<'_>,
    filters: &[&RowFilter],
    images: &[Columns<'_>],
) -> Result<Vec<Verdict>, Error> {
    if images.is_empty() {
        return Ok(vec![Verdict::Passes(Vec::new()); filters.len()]);
    }
    let names: BTreeSet<&str> = filters.iter().flat_map(|filter| filter.names()).collect();
    let texts: Vec<String> = images.iter().map(|image| part(filters, &names, image)).collect();
    let asked = match judge_statement(filters, &texts) {
        Ok(statement) => desk.ask(&statement).await,
        Err(refusal) => Err(refusal.into()),
    };
    match asked {
        Ok(rows) => passes(&rows, filters.len(), images.len()),
        // An image that is no row of these types any more, or a filter that fails on one: each is asked alone.
        Err(Failure::Refused(refusal)) if refusal.is_of_values() => match filters {
            [_] => Ok(vec![Verdict::Altered]),
            _ => {
                let mut verdicts = Vec::with_capacity(filters.len());
                for filter in filters {
                    verdicts.extend(Box::pin(judge_some(desk, &[filter], images)).await?);
                }
                Ok(verdicts)
            }
        },
        Err(failure) => Err(broken(failure)),
    }
}

fn passes(rows: &[Row], filters: usize, images: usize) -> Result<Vec<Verdict>, Error> {
    let mut passes = vec![Vec::with_capacity(images); filters];
    for row in rows {
        let of_image: Vec<bool> = get(row, 0)?;
        passes.iter_mut().zip(of_image).for_each(|(passes, one)| passes.push(one));
    }
    if passes.iter().any(|passes| passes.len() != images) {
        return Err(Error::unexpected("images were judged in part"));
    }
    Ok(passes.into_iter().map(Verdict::Passes).collect())
}

fn judge_statement(filters: &[&RowFilter], images: &[String]) -> Result<Statement, Refusal> {
    let mut parameters = Parameters::default();
    let mut tests = Vec::with_capacity(filters.len());
    let mut columns = BTreeMap::new();
    for filter in filters {
        let test = filter.condition(&filter.table, &mut parameters)?;
        tests.push(format!("coalesce({test}, false)"));
        for name in filter.names() {
            columns.insert(name, filter.table.column(name)?.as_part_of_record());
        }
    }
    let columns = columns.into_values().collect::<Vec<_>>().join(", ");
    let images = parameters.add(filter::array(images));
    let values = [("tests", &*tests.join(", ")), ("images", &*images), ("columns", &*columns)];
    Ok(Statement { sql: fill(JUDGE_IMAGES, &values), parameters })
}

/// The object of some columns of an image. Of a text of JSON only whether it is there can be asked, and PostgreSQL
/// reads none that holds `\u0000` somewhere, so it goes without what is in it.
fn part(filters: &[&RowFilter], names: &BTreeSet<&str>, image: &Columns<'_>) -> String {
    let is_text = |name: &str| {
        let column = filters.iter().find_map(|filter| filter.table.column(name).ok());
        column.is_some_and(|column| column.holds == Holds::Json)
    };
    let wanted = image.iter().filter(|(name, _)| names.contains(name));
    let pairs = wanted.map(|(name, value)| {
        let value = if value.get() != "null" && is_text(name) { "true" } else { value.get() };
        format!("{}:{value}", serde_json::Value::from(name))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

async fn marks(
    desk: &Desk<'_>,
    channel: &str,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, String>, Failure> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = Parameters::default();
    let (channel, names) = (parameters.add(channel), parameters.add(filter::array(&names)));
    let sql = fill(FILTER_COLUMNS, &[("channel", &channel), ("names", &names)]);
    let rows = desk.ask(&Statement { sql, parameters }).await?;
    Ok(rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect::<Result<_, Error>>()?)
}

fn broken(failure: Failure) -> Error {
    match failure {
        Failure::Broken(error) | Failure::Unsure(error) => error,
        Failure::Refused(_) => Error::unavailable("filters could not be asked of what was logged"),
    }
}

impl Desk<'_> {
    async fn ask(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        match self {
            Desk::Session(session) => session.read(statement).await,
            Desk::Client(client) => {
                let texts = statement.parameters.texts();
                Ok(client.query_typed(&statement.sql, &untyped(&texts)).await?)
            }
        }
    }
}

/// Words that PostgreSQL reads as another time each day.
const MOVING: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// A feed outlives the moment that such a word is read in: rows would leave without a change that says so.
fn refuse_moving_times(table: &Table, filter: &Filter) -> Result<(), Refusal> {
    for condition in filter.conditions() {
        let column = table.column(&condition.column)?;
        let of_time = ["date", "time", "tsrange", "tsmulti", "tstz"];
        if !of_time.iter().any(|word| column.base_type.contains(word)) {
            continue;
        }
        let moves = |value: &str| {
            let words = value.split(|char: char| !char.is_ascii_alphabetic());
            words.map(str::to_ascii_lowercase).any(|word| MOVING.contains(&&*word))
        };
        if condition.test.values().any(moves) {
            let name = &column.name;
            return Err(Refusal::BadFilter(format!(
                "{name}: now, today and the like pass while the feed goes on; write the time itself"
            )));
        }
    }
    Ok(())
}
