//! Writes that come with a key of the client's: done once, and answered the same each time.
//!
//! The statement that writes also keeps the answer, so a second request waits for the first one's transaction at the
//! row or at the key, and then finds either the answer or nothing.

use std::collections::HashMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::plan::{Change, Plan, Verb, Writer};
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::write::Stored;
use crate::pg::rows::{Xid8, get};
use crate::pg::statement::{Parameters, Statement, fill};

const KEEP_ANSWER: &str = include_str!("../../../sql/queries/keep_answer.sql");
const KEEP_ANSWER_AGAIN: &str = include_str!("../../../sql/queries/keep_answer_again.sql");
const KEPT_ANSWERS: &str = include_str!("../../../sql/queries/kept_answers.sql");

/// The claim of one request to a key.
#[derive(Debug, Clone)]
pub(super) struct Claim<'a> {
    subject: &'a str,
    key: &'a str,
    /// What is asked for, as SHA-256.
    hash: [u8; 32],
}

/// An answer that was kept.
#[derive(Debug)]
pub(super) struct Kept {
    hash: Vec<u8>,
    stored: Stored,
}

impl<'a> Claim<'a> {
    /// The claim of a write that is based on a version; none where it came without a key.
    pub(super) fn of(
        channel: &str,
        change: &'a Change,
        based_on: Option<i64>,
        writer: &'a Writer,
    ) -> Option<Self> {
        let key = change.key.as_deref()?;
        Some(Self { subject: writer.subject(), key, hash: hash(channel, change, based_on) })
    }

    /// The write's statement, which keeps its answer as well.
    pub(super) fn keeping(&self, plan: &Plan, verb: Verb) -> Statement {
        let mut parameters = plan.statement.parameters.clone();
        let status = if verb == Verb::Insert { "201" } else { "200" };
        let xid = match plan.based_on.filter(|_| verb != Verb::Delete) {
            Some(based_on) => {
                let based_on = parameters.add(based_on.to_string());
                format!("case when w.version is distinct from {based_on}::bigint then w.xid end")
            }
            None => "w.xid".to_owned(),
        };
        let values = [
            ("subject", parameters.add(self.subject)),
            ("request_key", parameters.add(self.key)),
            ("hash", parameters.add(format!("\\x{}", hex(&self.hash)))),
            ("status", parameters.add(status)),
            ("xid", xid),
            ("write", plan.statement.sql.clone()),
        ];
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Statement { sql: fill(KEEP_ANSWER, &values), parameters }
    }

    /// The statement that reads the row again, and keeps what it finds instead.
    pub(super) fn keeping_again(&self, read: &Statement, based_on: Option<i64>) -> Statement {
        let mut parameters = read.parameters.clone();
        let values = [
            ("read", read.sql.clone()),
            (
                "based_on",
                based_on.map_or_else(|| "null".to_owned(), |version| parameters.add(version.to_string())),
            ),
            ("subject", parameters.add(self.subject)),
            ("request_key", parameters.add(self.key)),
        ];
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Statement { sql: fill(KEEP_ANSWER_AGAIN, &values), parameters }
    }

    /// What was answered under the key before, if anything was.
    pub(super) async fn recall(&self, session: &Session) -> Result<Option<Stored>, Failure> {
        let kept = recall(session, self.subject, &[self.key]).await?;
        kept.get(self.key).map(|kept| self.answer(kept)).transpose()
    }

    /// The answer kept under this key, if it is one to this request.
    pub(super) fn answer(&self, kept: &Kept) -> Result<Stored, Failure> {
        if kept.hash != self.hash {
            return Err(Refusal::KeyReused.into());
        }
        Ok(kept.stored.clone())
    }
}

/// The answers that are kept for a subject under some keys.
pub(super) async fn recall(
    session: &Session,
    subject: &str,
    keys: &[&str],
) -> Result<HashMap<String, Kept>, Failure> {
    let mut parameters = Parameters::default();
    parameters.add(subject);
    parameters.add(json!(keys).to_string());
    let rows = session.read(&Statement { sql: fill(KEPT_ANSWERS, &[]), parameters }).await?;
    let kept = rows.iter().map(|row| {
        let stored = Stored {
            made: get::<i16>(row, 2)? == 201,
            id: get(row, 3)?,
            version: get(row, 4)?,
            xid: get::<Option<Xid8>>(row, 5)?.map(|Xid8(xid)| xid),
            row: get(row, 6)?,
            replayed: true,
        };
        Ok((get(row, 0)?, Kept { hash: get(row, 1)?, stored }))
    });
    kept.collect()
}

/// What is asked for. Columns count by name, not in the order they were sent.
fn hash(channel: &str, change: &Change, based_on: Option<i64>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        // With its length, so that no two requests run together to the same text.
        hasher.update(format!("{}:{text}", text.len()));
    };
    add(change.verb.name());
    add(change.strategy.name());
    add(channel);
    add(change.id.as_deref().unwrap_or_default());
    add(&based_on.map(|version| version.to_string()).unwrap_or_default());
    let mut names: Vec<_> = change.row.names().collect();
    names.sort_unstable();
    for name in names {
        add(name);
        add(change.row.get(name).unwrap_or_default());
    }
    hasher.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::resource::plan::Strategy;
    use crate::words::RowBody;

    fn change(verb: Verb, id: Option<&str>, body: &str) -> Change {
        let row = RowBody::parse(body.as_bytes()).unwrap();
        Change {
            verb,
            id: id.map(str::to_owned),
            version: None,
            row,
            strategy: Strategy::Reject,
            key: Some("k".into()),
        }
    }

    #[test]
    fn a_request_is_the_same_in_whatever_order_its_columns_stand() {
        let first = change(Verb::Patch, Some("1"), r#"{"a":1,"b":"x"}"#);
        let again = change(Verb::Patch, Some("1"), r#"{ "b":"x", "a":1 }"#);
        assert_eq!(hash("c", &first, Some(7)), hash("c", &again, Some(7)));
    }

    #[test]
    fn whatever_differs_makes_another_request() {
        let patch = |id, body| hash("c", &change(Verb::Patch, id, body), Some(7));
        let first = change(Verb::Patch, Some("1"), r#"{"a":1}"#);
        let known = hash("c", &first, Some(7));
        for other in [
            hash("d", &first, Some(7)),
            hash("c", &first, Some(8)),
            hash("c", &first, None),
            hash("c", &change(Verb::Replace, Some("1"), r#"{"a":1}"#), Some(7)),
            patch(Some("2"), r#"{"a":1}"#),
            patch(Some("1"), r#"{"a":2}"#),
            patch(Some("1"), r#"{"b":1}"#),
            patch(Some("1"), r#"{"a":1,"b":1}"#),
            patch(Some("1"), r#"{"a":1.0}"#),
        ] {
            assert_ne!(known, other);
        }
    }
}
