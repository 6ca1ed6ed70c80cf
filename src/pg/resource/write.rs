//! Versioned writes: one network wait where the version is current, a second read where it is not.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::claim::Claim;
use super::fit;
use super::key::Key;
use super::plan::{Change, Plan, Verb, Writer};
use super::refusal::{Constraint, DANGLING, Failure, Refusal};
use super::row::{self, CurrentRow};
use super::session::{Ending, Session};
use super::settle::{self, Next};
use super::table::Table;
use crate::pg::rows::{Xid8, get};
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::{Result, Xid};

const IS_PRIMARY_KEY: &str = include_str!("../../../sql/queries/is_primary_key.sql");

/// How often a conflict is settled that others make anew meanwhile.
const MOST_ROUNDS: u32 = 8;

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// It is committed, or there was nothing to change.
    Done(Stored),
    /// The row is at another version than the one named, or is no more.
    Stale(Conflict),
    /// There is no such row, and the log knows of none.
    Missing,
}

/// A row after a write; of a delete, the row before it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// It is a new row.
    pub made: bool,
    /// The same request was done before, and this is what it was answered.
    pub replayed: bool,
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: Option<i64>,
    /// Its JSON.
    pub row: String,
    /// The transaction that wrote it; none where nothing changed.
    pub xid: Option<Xid>,
}

/// What a writer needs to settle a conflict.
#[derive(Debug)]
pub struct Conflict {
    /// The row as it is now; none when it was deleted.
    pub current: Option<String>,
    /// The version it is at.
    pub version: Option<i64>,
    /// The row at the version the writer named; none where the log does not reach that far.
    pub base: Option<String>,
    /// The row with the changes of both sides; none where they overlap, or where there is nothing to merge.
    pub merged: Option<String>,
    /// Paths of what both sides changed.
    pub conflicts: Vec<String>,
}

impl Conflict {
    /// Bytes of the rows in it.
    pub(super) fn size(&self) -> usize {
        [&self.current, &self.base, &self.merged].into_iter().flatten().map(String::len).sum()
    }
}

/// Does one write against one shape of its table.
pub(super) async fn write(
    session: &Session,
    table: &Table,
    change: &Change,
    writer: &Writer,
) -> Result<Written, Failure> {
    let plan = Plan::make(table, change, writer)?;
    let claim = Claim::of(&table.channel, change, plan.based_on, writer);
    let first = writer.told_first(table);
    let first = first.as_ref();
    let attempt = Attempt { session, table, verb: change.verb, plan: &plan, claim: claim.as_ref(), first };
    let mut written = attempt.write().await;
    for round in 1.. {
        let done = matches!(written, Ok(Written::Done(_)) | Err(Failure::Broken(_) | Failure::Unsure(_)));
        // Whatever is in the way may be what the same request did before.
        if let Some(claim) = claim.as_ref().filter(|_| !done && !session.is_within())
            && let Some(stored) = claim.recall(session).await?
        {
            return Ok(Written::Done(stored));
        }
        let conflict = match written {
            Ok(Written::Stale(conflict)) => conflict,
            other => return other,
        };
        let next = match settle::next(table, change, conflict)? {
            Next::Try(next) if round < MOST_ROUNDS => next,
            Next::Try(_) => return Err(Refusal::Contended.into()),
            Next::End(written) => return Ok(written),
        };
        let plan = Plan::make(table, &next, writer)?;
        let attempt = Attempt { session, table, verb: next.verb, plan: &plan, claim: claim.as_ref(), first };
        written = attempt.write().await;
        if let (Err(Failure::Refused(Refusal::Taken(rule))), Verb::Insert) = (&written, next.verb) {
            // Somebody else made it anew meanwhile, or another row has a value of it.
            let made = !session.is_within() && is_primary_key(session, table, rule).await?;
            return Err(if made { Refusal::Contended } else { Refusal::Constraint(rule.clone()) }.into());
        }
    }
    written
}

/// Makes the statements of a write ready, so that it is sent as soon as it is begun.
pub(super) async fn prepare(
    session: &Session,
    table: &Table,
    change: &Change,
    writer: &Writer,
) -> Result<(), Failure> {
    let plan = Plan::make(table, change, writer)?;
    let claim = Claim::of(&table.channel, change, plan.based_on, writer);
    if let Some(first) = writer.told_first(table) {
        session.prepare(&first).await?;
    }
    session.prepare(&statement(&plan, claim.as_ref(), change.verb)).await
}

/// One try of one write.
struct Attempt<'a> {
    session: &'a Session,
    table: &'a Table,
    verb: Verb,
    plan: &'a Plan,
    claim: Option<&'a Claim<'a>>,
    /// What is run before it, in its transaction.
    first: Option<&'a Statement>,
}

impl Attempt<'_> {
    async fn write(&self) -> Result<Written, Failure> {
        let verb = self.verb;
        let ending = if reads_again(self.table, verb) { Ending::Open } else { Ending::Commit };
        let statement = statement(self.plan, self.claim, verb);
        let rows = self.session.write(self.first, &statement, ending).await?;
        let written = rows.first().map(|row| read(row, verb)).transpose();
        // Whatever came back: a transaction that was left open is ended here.
        let again = match (&written, ending) {
            (Ok(Some(stored)), Ending::Open) => self.read_again(&stored.id).await?,
            (_, Ending::Open) => self.session.end().await.map(|()| None)?,
            (_, Ending::Commit) => None,
        };
        let Some(mut stored) = written? else { return missed(self.session, self.table, self.plan).await };
        if let Some(row) = again {
            (stored.version, stored.row) = (row.version, row.row);
        }
        if verb != Verb::Delete && stored.version == self.plan.based_on {
            stored.xid = None;
        }
        Ok(Written::Done(stored))
    }

    /// The row as the transaction leaves it, which is committed with that.
    async fn read_again(&self, id: &str) -> Result<Option<CurrentRow>, Failure> {
        let Ok(key) = Key::read(self.table, id) else { return self.session.end().await.map(|()| None) };
        let read = row::statement(self.table, &key);
        let read = match self.claim {
            Some(claim) => claim.keeping_again(&read, self.plan.based_on),
            None => read,
        };
        Ok(self.session.finish(&read).await?.first().map(row::current).transpose()?)
    }
}

/// A trigger of the user's may change the row again, which RETURNING does not see.
pub(super) fn reads_again(table: &Table, verb: Verb) -> bool {
    table.changes_again && verb != Verb::Delete
}

fn statement<'a>(plan: &'a Plan, claim: Option<&Claim<'_>>, verb: Verb) -> Cow<'a, Statement> {
    claim.map_or(Cow::Borrowed(&plan.statement), |claim| Cow::Owned(claim.keeping(plan, verb)))
}

fn read(row: &Row, verb: Verb) -> Result<Stored> {
    let xid = get::<Option<Xid8>>(row, 3)?.map(|Xid8(xid)| xid);
    let made = verb == Verb::Insert;
    Ok(Stored { made, replayed: false, version: get(row, 0)?, row: get(row, 1)?, id: get(row, 2)?, xid })
}

/// No row was written: why?
async fn missed(session: &Session, table: &Table, plan: &Plan) -> Result<Written, Failure> {
    let Some(based_on) = plan.based_on else {
        return Err(Refusal::Forbidden("a trigger or policy of the table let no row be made").into());
    };
    let rows = session.read(&plan.why_not(table)?).await?;
    let Some(told) = rows.first() else { return Ok(Written::Missing) };
    let conflict = Conflict {
        version: get(told, 0)?,
        current: get(told, 1)?,
        base: get(told, 2)?,
        merged: None,
        conflicts: Vec::new(),
    };
    if conflict.current.is_none() {
        let known = conflict.base.is_some() || get::<bool>(told, 3)?;
        return Ok(if known { Written::Stale(conflict) } else { Written::Missing });
    }
    if conflict.version != Some(based_on) {
        return Ok(Written::Stale(conflict));
    }
    let differs: Vec<bool> = get(told, 4)?;
    let changed = plan.guarded.iter().zip(differs).find(|(_, differs)| *differs);
    Err(match changed {
        Some((name, _)) => Refusal::guarded(name).into(),
        None => Refusal::Forbidden("a trigger or policy of the table keeps the row as it is").into(),
    })
}

/// Makes of a failure what the client can be told.
pub(super) async fn explain(session: &Session, table: &Table, change: &Change, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(Refusal::Misfit) => {
            let mut trials = fit::of_body(table, &change.row);
            if let Some(Ok(key)) = change.id.as_deref().map(|id| Key::read(table, id)) {
                let of_key = |(column, value)| match change.verb {
                    Verb::Insert => fit::Trial::stored(column, value),
                    _ => fit::Trial::text(column, value),
                };
                trials.extend(key.pairs(table).map(of_key));
            }
            fit::blame(session, &trials).await
        }
        Failure::Refused(Refusal::Taken(constraint)) if change.verb != Verb::Insert => {
            Refusal::Constraint(constraint).into()
        }
        Failure::Refused(Refusal::Taken(constraint)) => {
            match is_primary_key(session, table, &constraint).await {
                Ok(true) => Refusal::Exists.into(),
                Ok(false) => Refusal::Constraint(constraint).into(),
                Err(failure) => failure,
            }
        }
        Failure::Refused(Refusal::Constraint(mut constraint)) if constraint.rule == DANGLING => {
            constraint.rule = match change.verb {
                Verb::Insert => "the row it refers to is not there",
                Verb::Delete => "other rows refer to it",
                Verb::Replace | Verb::Patch | Verb::Set => DANGLING,
            };
            Refusal::Constraint(constraint).into()
        }
        // Tried often enough.
        Failure::Refused(Refusal::Contended) => Refusal::TimedOut.into(),
        other => other,
    }
}

async fn is_primary_key(session: &Session, table: &Table, constraint: &Constraint) -> Result<bool, Failure> {
    let (Some((schema, of)), Some(name)) = (&constraint.table, &constraint.name) else { return Ok(false) };
    let mut parameters = Parameters::default();
    for text in [schema, of, name, &table.relation] {
        parameters.add(text.as_str());
    }
    let rows = session.read(&Statement { sql: fill(IS_PRIMARY_KEY, &[]), parameters }).await?;
    Ok(rows.first().map(|row| get(row, 0)).transpose()?.unwrap_or(false))
}
