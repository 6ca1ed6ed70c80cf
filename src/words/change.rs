//! What happened: one change of one row, and the commit it was part of.

use std::sync::Arc;
use std::time::SystemTime;

use super::cursor::Xid;

/// What a log row says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A row that was not there before.
    Insert,
    /// A row with other values than before.
    Update,
    /// A row that is no more.
    Delete,
    /// All rows of the table at once.
    Truncate,
    /// The channel's meaning changed (watched anew, key or partitions changed): subscribers start over.
    Resync,
    /// The channel ended.
    Unwatch,
    /// Of those who follow only some rows: an update made one of them. Not in the log.
    Enter,
    /// Of those who follow only some rows: an update made it none of them any more. Not in the log.
    Leave,
}

impl Op {
    /// The word in the log and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Op::Insert => "insert",
            Op::Update => "update",
            Op::Delete => "delete",
            Op::Truncate => "truncate",
            Op::Resync => "resync",
            Op::Unwatch => "unwatch",
            Op::Enter => "enter",
            Op::Leave => "leave",
        }
    }

    /// The op of a word in the log.
    pub fn from_word(word: &str) -> Option<Self> {
        [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Resync, Op::Unwatch]
            .into_iter()
            .find(|op| op.word() == word)
    }
}

/// One row of `rowbell.sync_log`. Images are PostgreSQL's own JSON text, passed through unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number in the log.
    pub seq: i64,
    /// The channel of its table.
    pub channel: Arc<str>,
    /// What happened.
    pub op: Op,
    /// The key as text; none for a truncate, or where the key could not be told.
    pub id: Option<String>,
    /// The version after the change, of a delete the version removed; none when feed-only.
    pub version: Option<i64>,
    /// The row after the change; none on delete, or where it was too large.
    pub row: Option<String>,
    /// The whole row before the change; none on insert, or where it was too large.
    pub old: Option<String>,
}

impl Change {
    /// About how many bytes the change holds; what memory limits count.
    pub fn weight(&self) -> usize {
        let text = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        100 + text(&self.id) + text(&self.row) + text(&self.old)
    }
}

/// Who committed what when; shared by all changes of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitHead {
    /// The transaction.
    pub xid: Xid,
    /// The time of its last change, by the database's clock.
    pub at: SystemTime,
    /// Who wrote, where the writer said so.
    pub actor: Option<String>,
    /// From which branch office, where the writer said so.
    pub branch: Option<String>,
}

/// All changes of one transaction in the channels that were read, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The transaction.
    pub head: CommitHead,
    /// Its changes.
    pub changes: Vec<Change>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_op() {
        for op in [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Resync, Op::Unwatch] {
            assert_eq!(Op::from_word(op.word()), Some(op));
        }
        assert_eq!((Op::from_word("INSERT"), Op::from_word("enter")), (None, None));
    }
}
