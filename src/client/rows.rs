//! What requests for rows are answered.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::change::read_as;
use super::error::{Error, Refusal, Result};

/// A row and the version it was read at.
#[derive(Debug, Clone)]
pub struct Row {
    /// The row as PostgreSQL wrote it.
    pub json: Box<RawValue>,
    /// Names this state of the row; none when the channel is feed-only.
    pub version: Option<i64>,
}

/// Rows of a list.
#[derive(Debug, Clone)]
pub struct List {
    /// Each row as PostgreSQL wrote it.
    pub rows: Vec<Box<RawValue>>,
    /// The position the rows were read at: subscribing since it continues exactly there.
    pub cursor: String,
}

/// A write that was done.
#[derive(Debug, Clone)]
pub struct Written {
    /// The row as it is now; of a delete as it was last.
    pub row: Box<RawValue>,
    /// The row's version now, to base the next write on; of a delete the version removed.
    pub version: i64,
    /// The transaction that did it: the `xid` of its commit in the feed. None when nothing changed.
    pub xid: Option<String>,
}

/// What became of a new row.
#[derive(Debug, Clone)]
pub enum Created {
    /// It is there.
    Done(Written),
    /// There is a row under its id already, and it was left as it is.
    Exists,
}

/// What became of a write that named a version.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is done.
    Done(Written),
    /// Somebody else wrote first, and nothing was changed.
    Conflict(Box<Conflict>),
    /// There never was such a row, or the log does not reach back to it.
    Missing,
}

/// What is needed to settle a conflict. Rows are JSON as the server wrote it.
#[derive(Debug, Clone, Deserialize)]
pub struct Conflict {
    /// The row as it is now; none when it was deleted.
    pub current: Option<Box<RawValue>>,
    /// The version of `current`, to base the next try on; none when it was deleted.
    #[serde(skip)]
    pub version: Option<i64>,
    /// The row at the version that was named; none past the log's retention.
    pub base: Option<Box<RawValue>>,
    /// What was sent.
    pub yours: Option<Box<RawValue>>,
    /// `yours` and `current` brought together over `base`, where that is possible.
    #[serde(default)]
    pub merged: Option<Box<RawValue>>,
    /// Paths of columns that both sides changed.
    #[serde(default)]
    pub conflicts: Vec<String>,
}

impl Row {
    /// The row as a type of yours.
    ///
    /// # Errors
    /// The row does not fit the type.
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<T> {
        read_as(&self.json, "the channel")
    }
}

impl List {
    /// The rows as a type of yours.
    ///
    /// # Errors
    /// A row does not fit the type.
    pub fn rows_as<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.rows.iter().map(|row| read_as(row, "the list")).collect()
    }
}

impl Written {
    /// The row as a type of yours.
    ///
    /// # Errors
    /// The row does not fit the type.
    pub fn row_as<T: DeserializeOwned>(&self) -> Result<T> {
        read_as(&self.row, "the channel")
    }
}

impl Created {
    /// The write, or an error where it was not done.
    ///
    /// # Errors
    /// There was such a row already (`is_conflict`).
    pub fn done(self) -> Result<Written> {
        match self {
            Created::Done(written) => Ok(written),
            Created::Exists => Err(not_done(409, "exists", "there is a row under this id already")),
        }
    }
}

impl Outcome {
    /// The write, or an error where it was not done, for whoever has nothing to settle.
    ///
    /// # Errors
    /// Somebody else wrote first (`is_conflict`), or there is no such row (`code` is `not_found`).
    pub fn done(self) -> Result<Written> {
        match self {
            Outcome::Done(written) => Ok(written),
            Outcome::Conflict(_) => Err(not_done(409, "conflict", "the row is at another version")),
            Outcome::Missing => Err(not_done(404, "not_found", "there is no row under this id")),
        }
    }
}

fn not_done(status: u16, code: &str, attempted: &str) -> Error {
    Error::refused(
        Refusal { status: Some(status), code: Some(code.to_owned()), retry_after: None },
        attempted,
    )
}
