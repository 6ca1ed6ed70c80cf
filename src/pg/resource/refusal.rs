//! Why a request cannot be done: what the client can mend, apart from what it cannot.

use std::time::Duration;

use tokio_postgres::error::DbError;

use crate::pg::fault::database_error;
use crate::words::Error;

/// How a request failed.
#[derive(Debug)]
pub enum Failure {
    /// The client asked for something that cannot be; it is told what.
    Refused(Refusal),
    /// The database is away or broken; the client is told no more than that.
    Broken(Error),
    /// The same while a write was under way: nobody knows whether it was committed.
    Unsure(Error),
}

/// What a client is told it cannot have. Nothing in here comes from other people's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No table is watched under that name.
    UnknownChannel,
    /// The channel keeps no versions, so it takes no writes.
    FeedOnly,
    /// The write names no version, which the column of that name carries.
    VersionRequired(String),
    /// The table has no such column, or does not show it; with those it has, for people.
    UnknownColumn(String),
    /// A filter or an order that the column's type does not know.
    BadFilter(String),
    /// A value that does not fit, and why.
    BadValue(String),
    /// A value of a kind that the column's values are never read as.
    WrongKind(String),
    /// There is a row under that key already.
    Exists,
    /// Another request was sent under the same key before.
    KeyReused,
    /// A rule of the table forbids it.
    Constraint(Constraint),
    /// A privilege, policy or trigger keeps the row as it is.
    Forbidden(&'static str),
    /// The statement took too long, or waited too long for another writer.
    TimedOut,
    /// The answer is larger than a server holds in memory.
    TooMuch,
    /// Some value does not fit its column; which one is not known yet.
    Misfit,
    /// A unique key is taken; whether the primary one is not known yet.
    Taken(Constraint),
    /// The statement does not fit the table (the SQLSTATE says how): it was altered since its shape was read.
    Outdated(String),
    /// Two transactions stood in each other's way; a second try may pass.
    Contended,
}

/// A rule of the table, by its names in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constraint {
    /// What it asks for, for people.
    pub rule: &'static str,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// The schema and table that PostgreSQL named, of a partition perhaps.
    pub table: Option<(String, String)>,
}

impl Refusal {
    /// For a column that was sent, and is not for clients to change.
    pub(super) fn guarded(name: &str) -> Self {
        Self::BadValue(format!(
            "{name:?} is not for clients to change; send it as it was read, or leave it out"
        ))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error().and_then(refusal) {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Broken(database_error("could not answer a request", error)),
        }
    }
}

impl Refusal {
    /// The wire's error code and what to do, of a filter that cannot be meant.
    pub fn of_filter(&self) -> Option<(&'static str, String)> {
        match self {
            Self::UnknownColumn(told) => Some(("unknown_column", told.clone())),
            Self::BadFilter(told) => Some(("bad_filter", told.clone())),
            Self::BadValue(told) => Some(("bad_value", told.clone())),
            _ => None,
        }
    }

    /// True where a statement failed on the values it was given, or on their types.
    pub(super) fn is_of_values(&self) -> bool {
        matches!(self, Self::Misfit | Self::Outdated(_) | Self::UnknownColumn(_) | Self::BadFilter(_))
    }
}

impl Failure {
    /// True where the cause may be that the table is another than it was.
    pub(super) fn may_be_outdated(&self) -> bool {
        matches!(
            self,
            Self::Refused(
                Refusal::Outdated(_) | Refusal::Misfit | Refusal::UnknownColumn(_) | Refusal::WrongKind(_)
            )
        )
    }

    /// True where trying again may help by itself.
    pub(super) fn is_contended(&self) -> bool {
        matches!(self, Self::Refused(Refusal::Contended))
    }
}

/// Classes of SQLSTATE that are no client's doing.
const INFRASTRUCTURE: [&str; 13] =
    ["08", "25", "26", "28", "34", "3B", "3D", "53", "57", "58", "F0", "RB", "XX"];

/// A foreign key that does not hold; which end of it, the write tells.
pub(super) const DANGLING: &str = "a row it refers to is not there, or other rows refer to it";

/// How long to wait before the try of that number.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(rand::random_range(1..=10 * u64::from(attempt)))
}

fn refusal(said: &DbError) -> Option<Refusal> {
    let code = said.code().code();
    let rule = |rule| Constraint {
        rule,
        name: said.constraint().map(str::to_owned),
        column: said.column().map(str::to_owned),
        table: said.schema().zip(said.table()).map(|(schema, table)| (schema.to_owned(), table.to_owned())),
    };
    Some(match code {
        "23502" => Refusal::Constraint(rule("needs a value")),
        "23503" => Refusal::Constraint(rule(DANGLING)),
        // The key of a request: the same one, or another, is under way or was just done.
        "23505" if said.schema() == Some("rowbell") && said.table() == Some("request") => Refusal::Contended,
        "23505" => Refusal::Taken(rule("another row has this value already")),
        "23514" => Refusal::Constraint(rule("a check of the table does not hold")),
        "23P01" => Refusal::Constraint(rule("it overlaps with another row")),
        // What triggers raise is text for somebody who may see the rows; here only that they did.
        "P0001" | "P0004" | "44000" | "27000" => Refusal::Constraint(rule("a rule of the table refused it")),
        "42501" => Refusal::Forbidden("the database does not let this server do that to this table"),
        "57014" | "55P03" => Refusal::TimedOut,
        "40001" | "40P01" => Refusal::Contended,
        _ if code.starts_with("23") => Refusal::Constraint(rule("a rule of the table does not hold")),
        _ if code.starts_with("22") || code.starts_with("54") => Refusal::Misfit,
        _ if code.starts_with("42") || matches!(code, "0A000" | "3F000" | "2BP01" | "55000") => {
            Refusal::Outdated(code.to_owned())
        }
        // Of the database itself, not of what was asked: connections, sessions, resources, faults, and our own words.
        _ if INFRASTRUCTURE.iter().any(|class| code.starts_with(class)) => return None,
        // Triggers may raise any other code, and mean a rule by it.
        _ => Refusal::Constraint(rule("a rule of the table refused it")),
    })
}
