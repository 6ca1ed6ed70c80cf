//! From a write as a client asks for it to the one statement that does it.

use std::borrow::Cow;

use super::key::Key;
use super::refusal::Refusal;
use super::table::{Column, Role, Table};
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::RowBody;

const INSERT_ROW: &str = include_str!("../../../sql/queries/insert_row.sql");
const INSERT_DEFAULT_ROW: &str = include_str!("../../../sql/queries/insert_default_row.sql");
const UPDATE_ROW: &str = include_str!("../../../sql/queries/update_row.sql");
const KEEP_ROW: &str = include_str!("../../../sql/queries/keep_row.sql");
const DELETE_ROW: &str = include_str!("../../../sql/queries/delete_row.sql");
const HELD: &str = include_str!("../../../sql/queries/held.sql");
const WRITER: &str = include_str!("../../../sql/queries/writer.sql");
const CURRENT_ROW: &str = include_str!("../../../sql/queries/current_row.sql");

/// When a row was made is no property that a replacement takes away by not naming it.
pub(super) const MADE_AT: &str = "created_at";

/// What is done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Make it; where an id is given, under that one.
    Insert,
    /// Set every column that clients may set: those not given to their defaults.
    Replace,
    /// Set the columns given; merge into those that hold JSON.
    Patch,
    /// Set the columns given, each to just that: what a merge made.
    Set,
    /// Remove it.
    Delete,
}

/// What is done where the version named is not the row's any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Nothing: the client settles it.
    #[default]
    Reject,
    /// What does not overlap with the changes of others.
    Merge,
    /// What the client wants, whatever others did.
    Force,
    /// What others did stays.
    Keep,
}

impl Strategy {
    /// The strategy of a name: `reject`, `merge`, `force`, `keep`.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Reject, Self::Merge, Self::Force, Self::Keep].into_iter().find(|one| one.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Merge => "merge",
            Self::Force => "force",
            Self::Keep => "keep",
        }
    }
}

impl Verb {
    /// Its name, which never changes: answers are kept by it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Set => "set",
            Self::Delete => "delete",
        }
    }
}

/// Who writes, as the log is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    /// The person or program.
    pub actor: Option<String>,
    /// The branch office.
    pub branch: Option<String>,
}

impl Writer {
    /// Whose keys count together; requests that name nobody share theirs.
    pub(super) fn subject(&self) -> &str {
        self.actor.as_deref().unwrap_or_default()
    }

    /// SQL that tells the log of them, for one transaction; none where nobody is named.
    fn told(&self, parameters: &mut Parameters) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let mut add = |name: &Option<String>| parameters.add(name.as_deref().unwrap_or_default());
        let (actor, branch) = (add(&self.actor), add(&self.branch));
        Some(fill(WRITER, &[("actor", &actor), ("branch", &branch)]))
    }

    /// What has to be run before a write to a table whose triggers ask before anything of it is evaluated.
    pub(super) fn told_first(&self, table: &Table) -> Option<Statement> {
        if !table.asks_first {
            return None;
        }
        let mut parameters = Parameters::default();
        let told = self.told(&mut parameters)?;
        Some(Statement { sql: format!("select {told}"), parameters })
    }
}

/// One write, as a client asks for it.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is done.
    pub verb: Verb,
    /// To which row.
    pub id: Option<String>,
    /// The version it is based on, where `If-Match` names it; the body may name it too.
    pub version: Option<i64>,
    /// The columns sent.
    pub row: RowBody,
    /// What is done where the version is not current.
    pub strategy: Strategy,
    /// What the client calls this write, so that it is done once however often it is sent.
    pub key: Option<String>,
}

/// One write, as the database does it.
pub(super) struct Plan {
    pub(super) statement: Statement,
    /// The version the row must be at; none of a new row.
    pub(super) based_on: Option<i64>,
    /// Columns of the body that nobody may change, by name.
    pub(super) guarded: Vec<String>,
    key: Option<Key>,
    /// The guarded columns as sent.
    guards: String,
}

impl Plan {
    /// Checks a write against the shape of its table and makes its statement.
    pub(super) fn make(table: &Table, change: &Change, writer: &Writer) -> Result<Self, Refusal> {
        let Some(version) = table.version_name() else { return Err(Refusal::FeedOnly) };
        for (name, value) in change.row.columns() {
            let column = table.column(name)?;
            if column.role != Role::Version {
                column.check(value)?;
            }
        }
        let key = change.id.as_deref().map(|id| Key::read(table, id)).transpose()?;
        match (change.verb, key) {
            (Verb::Insert, key) => insert(table, key.as_ref(), &change.row, writer),
            (verb, Some(key)) => {
                let based_on = base(version, change)?;
                if verb == Verb::Delete {
                    delete(table, key, change, based_on, writer)
                } else {
                    update(table, key, change, based_on, writer)
                }
            }
            (_, None) => Err(Refusal::BadValue("the row to change has no id".to_owned())),
        }
    }

    /// The second read, which says why the statement found no row.
    pub(super) fn why_not(&self, table: &Table) -> Result<Statement, Refusal> {
        let Some(key) = &self.key else { return Err(Refusal::Exists) };
        let mut parameters = Parameters::default();
        let values = key.values(table, &mut parameters);
        let matches = table.key_columns().map(|column| format!("t.{0} = k.{0}", column.quoted));
        let guarded: Vec<&Column> = columns_of(table, &self.guarded);
        let differs: Vec<_> =
            guarded.iter().map(|column| format!("not ({})", is_unchanged(column))).collect();
        let join = join(&guarded, &self.guards, &mut parameters);
        let values = [
            ("presence", table.key_columns().next().map(|column| column.quoted.clone()).unwrap_or_default()),
            ("channel", parameters.add(&*table.channel)),
            ("based_on", parameters.add(self.based_on.unwrap_or_default().to_string())),
            ("differs", format!("array[{}]::boolean[]", differs.join(", "))),
            ("key_values", values),
            ("key", matches.collect::<Vec<_>>().join(" and ")),
            ("join", join),
        ];
        Ok(table.statement(CURRENT_ROW, &values, parameters))
    }
}

/// The version a write is based on, from the header, the body, or both alike.
pub(super) fn base(name: &str, change: &Change) -> Result<i64, Refusal> {
    let bad = |told: &str| Err(Refusal::BadValue(format!("{name:?} in the body {told}")));
    let sent = match change.row.get(name) {
        None | Some("null") => None,
        Some(text) => match text.parse::<i64>() {
            Ok(version) => Some(version),
            Err(_) => return bad("is no whole number; send the version the row was read at"),
        },
    };
    match (change.version, sent) {
        (Some(header), Some(body)) if header != body => bad("is another version than If-Match names"),
        (Some(version), _) | (None, Some(version)) => Ok(version),
        (None, None) => Err(Refusal::VersionRequired(name.to_owned())),
    }
}

fn insert(table: &Table, key: Option<&Key>, row: &RowBody, writer: &Writer) -> Result<Plan, Refusal> {
    let mut sent = Cow::Borrowed(row);
    for (column, value) in key.into_iter().flat_map(|key| key.pairs(table)) {
        let value = serde_json::Value::from(value);
        let (given, quoted) = (sent.to_mut().replace(&column.name, &value), value.to_string());
        let same = |given: &str| given == quoted || value.as_str() == Some(given);
        if given.is_some_and(|given| !same(given.get())) {
            return Err(Refusal::BadValue(format!(
                "{:?} in the body is not the one in the URL",
                column.name
            )));
        }
    }
    let mut columns = Vec::new();
    for column in table.columns.iter().filter(|column| sent.get(&column.name).is_some()) {
        match column.role {
            Role::Writable => columns.push(column),
            _ if sent.get(&column.name) == Some("null") => {}
            _ => {
                let told = format!("{:?} of a new row is not for clients to set; leave it out", column.name);
                return Err(Refusal::BadValue(told));
            }
        }
    }
    let mut parameters = Parameters::default();
    let held = held(table, writer, &mut parameters);
    let statement = if columns.is_empty() {
        table.statement(INSERT_DEFAULT_ROW, &[held], parameters)
    } else {
        let record = record(&columns, &sent.only(names(&columns)), &mut parameters);
        let from_body: Vec<_> = columns.iter().map(|column| format!("r.{}", column.quoted)).collect();
        let values =
            [("columns", quoted(&columns)), ("values", from_body.join(", ")), ("record", record), held];
        table.statement(INSERT_ROW, &values, parameters)
    };
    Ok(Plan { statement, based_on: None, guarded: Vec::new(), key: None, guards: String::new() })
}

fn update(table: &Table, key: Key, change: &Change, based_on: i64, writer: &Writer) -> Result<Plan, Refusal> {
    let row = &change.row;
    let given = |column: &&Column| row.get(&column.name).is_some();
    let (mut set, mut read, mut guarded) = (Vec::new(), Vec::new(), Vec::new());
    for column in &table.columns {
        match (table.is_settable(column), given(&column)) {
            (true, true) => {
                read.push(column);
                set.push(format!("{} = {}", column.quoted, new_value(column, change.verb)));
            }
            (true, false) if change.verb == Verb::Replace && column.name != MADE_AT => {
                set.push(format!("{} = default", column.quoted));
            }
            (false, true) if column.role != Role::Version => guarded.push(column),
            _ => {}
        }
    }
    read.extend(&guarded);
    let mut parameters = Parameters::default();
    let sent = row.only(names(&read));
    let (template, record) = if set.is_empty() {
        (KEEP_ROW, join(&read, &sent, &mut parameters))
    } else if read.is_empty() {
        (UPDATE_ROW, String::new())
    } else {
        (UPDATE_ROW, format!("from {}", record(&read, &sent, &mut parameters)))
    };
    let unchanged: String = guarded.iter().map(|column| format!(" and {}", is_unchanged(column))).collect();
    let values = [
        ("set", set.join(", ")),
        ("record", record),
        ("key", key.matches(table, &mut parameters)),
        ("current", current(table, based_on, &mut parameters)),
        ("unchanged", unchanged),
        held(table, writer, &mut parameters),
    ];
    let statement = table.statement(template, &values, parameters);
    let guards = row.only(names(&guarded));
    let guarded = guarded.iter().map(|column| column.name.clone()).collect();
    Ok(Plan { statement, based_on: Some(based_on), guarded, key: Some(key), guards })
}

fn delete(table: &Table, key: Key, change: &Change, based_on: i64, writer: &Writer) -> Result<Plan, Refusal> {
    let version = table.version_name();
    if let Some(name) = change.row.names().find(|name| Some(*name) != version) {
        return Err(Refusal::BadValue(format!(
            "{name:?} is no part of a DELETE, which takes the version alone"
        )));
    }
    let mut parameters = Parameters::default();
    let values = [
        ("key", key.matches(table, &mut parameters)),
        ("current", current(table, based_on, &mut parameters)),
        held(table, writer, &mut parameters),
    ];
    let statement = table.statement(DELETE_ROW, &values, parameters);
    Ok(Plan {
        statement,
        based_on: Some(based_on),
        guarded: Vec::new(),
        key: Some(key),
        guards: String::new(),
    })
}

/// SQL that tells the log who writes, and fails where the table is not the channel's any more.
fn held(table: &Table, writer: &Writer, parameters: &mut Parameters) -> (&'static str, String) {
    let who = writer.told(parameters).map(|told| told + " and").unwrap_or_default();
    let (channel, name) = (parameters.add(&*table.channel), parameters.add(&*table.relation));
    ("held", fill(HELD, &[("who", &who), ("channel", &channel), ("table", &name)]))
}

fn current(table: &Table, based_on: i64, parameters: &mut Parameters) -> String {
    format!("{} = {}", table.version(), parameters.add(based_on.to_string()))
}

/// What a column is set to, from the body's row `r`.
fn new_value(column: &Column, verb: Verb) -> String {
    let (name, type_name) = (&column.quoted, &column.type_name);
    if verb != Verb::Patch || !column.holds_json() {
        return format!("r.{name}");
    }
    format!(
        "case when json_typeof(r.{name}::json) = 'object' and r.{name}::text is distinct from t.{name}::text then rowbell.merge_patch(t.{name}::jsonb, r.{name}::jsonb)::{type_name} \
         else r.{name} end"
    )
}

/// SQL that says the body has for a column what the row has. As jsonb, because not every type can be compared, and
/// because 2.50 comes back as 2.5 from most clients.
fn is_unchanged(column: &Column) -> String {
    format!("to_jsonb(t.{0}) is not distinct from to_jsonb(r.{0})", column.quoted)
}

/// SQL for the body's row `r`, read by PostgreSQL as the columns' types.
fn record(columns: &[&Column], body: &str, parameters: &mut Parameters) -> String {
    let types: Vec<_> =
        columns.iter().map(|column| format!("{} {}", column.quoted, column.type_name)).collect();
    format!("json_to_record({}::json) as r({})", parameters.add(body), types.join(", "))
}

fn join(columns: &[&Column], body: &str, parameters: &mut Parameters) -> String {
    if columns.is_empty() {
        String::new()
    } else {
        format!("cross join {}", record(columns, body, parameters))
    }
}

fn names<'a>(columns: &'a [&Column]) -> impl Iterator<Item = &'a str> {
    columns.iter().map(|column| column.name.as_str())
}

fn quoted(columns: &[&Column]) -> String {
    columns.iter().map(|column| column.quoted.as_str()).collect::<Vec<_>>().join(", ")
}

fn columns_of<'a>(table: &'a Table, names: &[String]) -> Vec<&'a Column> {
    names.iter().filter_map(|name| table.column(name).ok()).collect()
}
