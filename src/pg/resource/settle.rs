//! A version that is not current any more: what both sides did, and what becomes of it.

use std::borrow::Cow;

use super::plan::{Change, MADE_AT, Strategy, Verb};
use super::refusal::Refusal;
use super::table::{Column, Numbers, Table};
use super::write::{Conflict, Stored, Written};
use crate::words::RowBody;
use crate::words::merge::{Merge, as_numbers, as_texts, is_same, patched};

/// How a stale write goes on.
pub(super) enum Next {
    /// With this one, which is based on what is there now.
    Try(Change),
    /// Not at all.
    End(Written),
}

/// What both sides did.
struct Compared {
    base: Option<RowBody>,
    current: Option<RowBody>,
    /// None where one side is not known or has no row.
    merge: Option<Merge>,
}

/// What the strategy of a stale write makes of it. The conflict is told together with the merge it allows.
pub(super) fn next(table: &Table, change: &Change, mut conflict: Conflict) -> Result<Next, Refusal> {
    let compared = Compared::of(table, change, &conflict);
    conflict.merged = compared.merged(table);
    conflict.conflicts = compared.conflicts(table, change);
    let stale = |conflict| Ok(Next::End(Written::Stale(conflict)));
    match (change.strategy, change.verb) {
        (Strategy::Reject, _) | (_, Verb::Insert | Verb::Set) => return stale(conflict),
        (Strategy::Keep, _) => return Ok(Next::End(Written::Done(kept(change, conflict)))),
        // Both sides removed it.
        (_, Verb::Delete) if conflict.current.is_none() => {
            return Ok(Next::End(Written::Done(kept(change, conflict))));
        }
        _ => compared.guard(table, change)?,
    }
    let next = match (change.strategy, &conflict.current, &compared) {
        (Strategy::Force, Some(_), _) => Some(forced(table, change, &conflict)),
        (Strategy::Force, None, Compared { base, .. }) => anew(table, change, base.as_ref()),
        (_, _, Compared { merge: Some(merge), current: Some(current), .. }) if merge.conflicts.is_empty() => {
            Some(both(change, conflict.version, merge, current))
        }
        _ => None,
    };
    next.map_or_else(|| stale(conflict), |next| Ok(Next::Try(next)))
}

impl Compared {
    fn of(table: &Table, change: &Change, conflict: &Conflict) -> Self {
        let row = |image: &Option<String>| {
            let row = image.as_deref().and_then(|text| RowBody::parse(text.as_bytes()).ok());
            row.map(|row| comparable_row(table, row))
        };
        let (base, current) = (row(&conflict.base), row(&conflict.current));
        let merge = match (&base, &current, change.verb) {
            (Some(base), Some(current), Verb::Replace | Verb::Patch) => {
                Some(merge(table, change, base, current))
            }
            _ => None,
        };
        Self { base, current, merge }
    }

    /// The row as the merge leaves it.
    fn merged(&self, table: &Table) -> Option<String> {
        let merge = self.merge.as_ref().filter(|merge| merge.conflicts.is_empty())?;
        let mut row = self.current.clone()?;
        for (name, value) in &merge.columns {
            row.set(name, value.clone());
        }
        for column in &table.columns {
            if let (Numbers::AsText(_), Some(value)) = (&column.numbers, row.get(&column.name)) {
                let value = as_texts(value).into_owned();
                row.set(&column.name, value);
            }
        }
        Some(row.text())
    }

    /// What both sides changed. Who removes a row changes all of it.
    fn conflicts(&self, table: &Table, change: &Change) -> Vec<String> {
        let Some(base) = &self.base else { return Vec::new() };
        let mut merge = match (&self.merge, &self.current, change.verb) {
            (Some(merge), ..) => return merge.conflicts.clone(),
            (None, None, Verb::Delete) => return Vec::new(),
            (None, ..) => Merge::default(),
        };
        for column in settable(table) {
            let before = base.get(&column.name);
            let after = match (&self.current, change.verb) {
                (Some(current), Verb::Delete) => current.get(&column.name).map(Cow::Borrowed),
                _ => wanted(column, change, before),
            };
            if after.is_some_and(|after| !is_same(&after, before.unwrap_or("null"))) {
                merge.add_conflict(&column.name);
            }
        }
        merge.conflicts
    }

    /// Columns that are not for clients to change must be sent as they were read, if at all.
    fn guard(&self, table: &Table, change: &Change) -> Result<(), Refusal> {
        let Some(base) = &self.base else { return Ok(()) };
        let guarded = table.columns.iter().filter(|column| {
            !table.is_settable(column) && Some(column.name.as_str()) != table.version_name()
        });
        for column in guarded {
            let (Some(sent), Some(read)) = (change.row.get(&column.name), base.get(&column.name)) else {
                continue;
            };
            if !is_same(&comparable(column, sent), read) {
                return Err(Refusal::guarded(&column.name));
            }
        }
        Ok(())
    }
}

fn settable(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| table.is_settable(column))
}

/// The value a client wants a column to have; none where it wants none.
fn wanted<'a>(column: &Column, change: &'a Change, base: Option<&str>) -> Option<Cow<'a, str>> {
    let sent = change.row.get(&column.name)?;
    if change.verb == Verb::Patch && column.holds_json() && sent.trim_start().starts_with('{') {
        // Nested too deeply to be patched: taken as it is, which can only conflict.
        return Some(patched(base, sent).map_or(Cow::Borrowed(sent), Cow::Owned));
    }
    Some(comparable(column, sent))
}

/// A value in the spelling that values of its column are compared in: a number may be sent as its text.
fn comparable<'a>(column: &Column, value: &'a str) -> Cow<'a, str> {
    match column.numbers {
        Numbers::None => Cow::Borrowed(value),
        Numbers::Plain | Numbers::AsText(_) => as_numbers(value),
    }
}

fn comparable_row(table: &Table, mut row: RowBody) -> RowBody {
    for column in table.columns.iter().filter(|column| column.numbers != Numbers::None) {
        if let Some(value) = row.get(&column.name) {
            let value = comparable(column, value).into_owned();
            row.set(&column.name, value);
        }
    }
    row
}

fn merge(table: &Table, change: &Change, base: &RowBody, current: &RowBody) -> Merge {
    let mut merge = Merge::default();
    for column in settable(table) {
        let name = column.name.as_str();
        let (before, now) = (base.get(name), current.get(name));
        match wanted(column, change, before) {
            Some(yours) => merge.add(name, before, now, &yours),
            // A replacement sets it to its default, which only the database knows.
            None if change.verb == Verb::Replace
                && name != MADE_AT
                && !is_same(before.unwrap_or("null"), now.unwrap_or("null")) =>
            {
                merge.add_conflict(name);
            }
            None => {}
        }
    }
    merge
}

/// The merge as a write. A replacement still sets what it does not name to its default.
fn both(change: &Change, version: Option<i64>, merge: &Merge, current: &RowBody) -> Change {
    let mut row = RowBody::default();
    for (name, value) in &merge.columns {
        let differs = current.get(name).is_none_or(|now| !is_same(now, value));
        if change.verb == Verb::Replace || differs {
            row.set(name, value.clone());
        }
    }
    let verb = if change.verb == Verb::Replace { Verb::Replace } else { Verb::Set };
    Change { verb, version, row, ..change.clone() }
}

/// The same write on what is there now.
fn forced(table: &Table, change: &Change, conflict: &Conflict) -> Change {
    let mut row = RowBody::default();
    for name in settable(table).map(|column| column.name.as_str()) {
        if let Some(value) = change.row.get(name) {
            row.set(name, value.to_owned());
        }
    }
    Change { version: conflict.version, row, ..change.clone() }
}

/// The row as the client wants it, where there is none any more.
fn anew(table: &Table, change: &Change, base: Option<&RowBody>) -> Option<Change> {
    let mut row = RowBody::default();
    for column in settable(table) {
        let name = column.name.as_str();
        let before = base.and_then(|base| base.get(name));
        let value = match (wanted(column, change, before), change.verb) {
            (Some(value), _) => value,
            (None, Verb::Replace) => continue,
            // A patch says nothing of the other columns: they are as they were.
            (None, _) => Cow::Borrowed(base?.get(name).unwrap_or("null")),
        };
        row.set(name, value.into_owned());
    }
    Some(Change { verb: Verb::Insert, version: None, row, ..change.clone() })
}

/// What is there stays; where there is nothing, that.
fn kept(change: &Change, conflict: Conflict) -> Stored {
    Stored {
        made: false,
        replayed: false,
        id: change.id.clone().unwrap_or_default(),
        version: conflict.version,
        row: conflict.current.unwrap_or_else(|| "null".to_owned()),
        xid: None,
    }
}
