//! What a subscription hands out: commits, and the changes they are made of.

use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::{Error, Result};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// A row that was not there before.
    Insert,
    /// A row with other values than before.
    Update,
    /// A row that is no more.
    Delete,
    /// All rows of the table at once; the change has no id.
    Truncate,
    /// Of a filtered topic: a row that matches now and did not before.
    Enter,
    /// Of a filtered topic: a row that matches no longer, or may be seen no longer.
    Leave,
}

/// All changes of one transaction, in their order.
#[derive(Debug, Clone, Deserialize)]
pub struct Commit {
    /// The transaction: the `xid` that a write over REST is answered with.
    pub xid: String,
    /// The time of its last change by the database's clock, RFC 3339 in UTC with microseconds.
    pub at: String,
    /// Who wrote, where the writer said so.
    #[serde(default)]
    pub actor: Option<String>,
    /// From which branch office, where the writer said so.
    #[serde(default)]
    pub branch: Option<String>,
    /// Its changes.
    pub changes: Vec<Change>,
}

/// One change of one row. Images are JSON text as PostgreSQL wrote it, read only when they are asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Change {
    /// Its number in the log; no position, and no order.
    pub seq: i64,
    /// The channel of its table.
    pub channel: String,
    /// What happened.
    pub op: Op,
    /// The key as text, of several columns their JSON array; none for a truncate.
    #[serde(default)]
    pub id: Option<String>,
    /// The version after the change, of a delete the version removed; none when the channel is feed-only.
    #[serde(default)]
    pub version: Option<i64>,
    /// The whole row after the change; none on delete, or where it was too large.
    #[serde(default)]
    pub row: Option<Box<RawValue>>,
    /// The former values of the columns that changed, on delete of all.
    #[serde(default)]
    pub old: Option<Box<RawValue>>,
    /// True when the row is over 1 MiB and so is not here: read it by REST.
    #[serde(default)]
    pub too_large: bool,
}

impl Commit {
    /// The time of its last change; none where the text is no time.
    pub fn time(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.at).ok()
    }
}

impl Change {
    /// The row after the change as a type of yours; none where there is no row.
    ///
    /// # Errors
    /// The row does not fit the type.
    pub fn row_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.row.as_deref().map(|row| read_as(row, &self.channel)).transpose()
    }

    /// The former values as a type of yours; none where there are none.
    ///
    /// # Errors
    /// They do not fit the type: of an update only the columns that changed are there.
    pub fn old_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.old.as_deref().map(|old| read_as(old, &self.channel)).transpose()
    }
}

/// A row as a type of the caller's.
pub(super) fn read_as<'a, T: Deserialize<'a>>(row: &'a RawValue, channel: &str) -> Result<T> {
    serde_json::from_str(row.get()).map_err(|error| {
        Error::unexpected(format!("a row of {channel} does not fit the type it is read as"))
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_with_its_images_unread() {
        let text = r#"{"xid":"7","at":"2026-01-02T03:04:05.678901Z","actor":"anna","branch":null,"new":1,"changes":[
            {"seq":5,"channel":"orders","op":"update","id":"7","version":5,"row":{"id":7,"total":1e400},"old":{"total":1}},
            {"seq":6,"channel":"orders","op":"truncate"},
            {"seq":7,"channel":"orders","op":"insert","id":"8","version":7,"row":null,"too_large":true}]}"#;
        let commit: Commit = serde_json::from_str(text).unwrap();
        assert_eq!((commit.actor.as_deref(), commit.branch.as_deref()), (Some("anna"), None));
        assert!(commit.time().is_some());
        let [update, truncate, large] = commit.changes.as_slice() else { panic!("three") };
        assert_eq!(update.row.as_ref().unwrap().get(), r#"{"id":7,"total":1e400}"#);
        #[derive(Debug, Deserialize)]
        struct Order {
            id: i32,
        }
        assert_eq!(update.row_as::<Order>().unwrap().unwrap().id, 7);
        assert!(update.old_as::<Order>().unwrap_err().is_unexpected());
        assert_eq!((truncate.op, truncate.id.as_deref()), (Op::Truncate, None));
        assert!(large.too_large && large.row_as::<Order>().unwrap().is_none());
    }

    #[test]
    fn an_op_nobody_knows_is_refused() {
        assert!(serde_json::from_str::<Op>("\"insert\"").is_ok());
        assert!(serde_json::from_str::<Op>("\"merge\"").is_err());
    }
}
