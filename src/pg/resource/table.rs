//! The shape of one watched table: what statements on it are made of.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio_postgres::Row;

use super::refusal::{Failure, Refusal};
use super::takes::Takes;
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::Error;

const TABLE_SHAPE: &str = include_str!("../../../sql/queries/table_shape.sql");

/// Columns that are named to somebody who asked for one that is not there.
const MOST_TOLD: usize = 100;

/// A watched table as clients see it. Fields of the kind `quoted` are SQL from the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Table {
    /// Its channel.
    pub(super) channel: Arc<str>,
    /// Its name with its schema, quoted.
    pub(super) relation: String,
    /// The JSON of row `t`.
    pub(super) image: String,
    /// The id of row `t` as text.
    pub(super) id_of_row: String,
    /// The id of a row `k` that has the key's columns alone.
    pub(super) id_of_key: String,
    /// A trigger of the user's may change a row once more after it was written.
    pub(super) changes_again: bool,
    /// A trigger of the user's may ask who writes before a statement has set it.
    pub(super) asks_first: bool,
    /// What clients see, in the table's order.
    pub(super) columns: Vec<Column>,
    /// Places of the key's columns, in key order.
    pub(super) key: Vec<usize>,
    /// A comment in every statement on a table of this shape. PostgreSQL settles the types of a prepared statement's
    /// parameters once, so a statement for another shape must be another statement.
    pub(super) mark: String,
}

/// One column that clients see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) quoted: String,
    /// Its type as SQL, with length and precision.
    pub(super) type_name: String,
    /// The same without length and precision.
    pub(super) bare_type: String,
    /// The type operators work on: of a domain, what is under it, without length and precision.
    pub(super) base_type: String,
    /// How its texts compare, where it has texts.
    pub(super) collation: Option<String>,
    pub(super) holds: Holds,
    /// The kind of JSON it is written as.
    pub(super) takes: Takes,
    pub(super) role: Role,
    pub(super) numbers: Numbers,
}

/// Whether a column holds numbers, and how they are sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Numbers {
    /// It holds none.
    None,
    /// As numbers of JSON.
    Plain,
    /// As text, by a cast to this type.
    AsText(String),
}

/// What a column holds, where that matters to more than PostgreSQL; of a domain, what is under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Holds {
    /// A JSON text as it was written.
    Json,
    /// A JSON value.
    Jsonb,
    /// Arrays.
    Lists,
    /// Anything else.
    Other,
}

/// Who gives a column its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whoever writes.
    Writable,
    /// Rowbell: the version.
    Version,
    /// Rowbell: `last_synced_at`, `updated_at`.
    Kept,
    /// PostgreSQL: computed, or an identity that is always its own.
    Generated,
}

impl Table {
    /// The question that a shape answers, with the channel as its one parameter.
    pub(super) fn question(channel: &str) -> Statement {
        let mut parameters = Parameters::default();
        parameters.add(channel);
        Statement { sql: fill(TABLE_SHAPE, &[]), parameters }
    }

    /// The shape from the answer: one row per column.
    pub(super) fn of_rows(channel: &str, rows: &[Row]) -> Result<Self, Failure> {
        let first = rows.first().ok_or(Refusal::UnknownChannel)?;
        let no_key = || {
            Error::refused(format!("the table of channel {channel} has no primary key any more"))
                .with_hint("add one, then rowbell watch it anew")
        };
        let mut table = Self {
            channel: Arc::from(channel),
            relation: get(first, 0)?,
            image: get(first, 1)?,
            id_of_row: get::<Option<_>>(first, 2)?.ok_or_else(no_key)?,
            id_of_key: get::<Option<_>>(first, 3)?.ok_or_else(no_key)?,
            changes_again: get(first, 4)?,
            asks_first: get(first, 5)?,
            columns: Vec::with_capacity(rows.len()),
            key: Vec::new(),
            mark: String::new(),
        };
        let mut places = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            if let Some(in_key) = get::<Option<i32>>(row, 11)? {
                places.push((in_key, place));
            }
            table.columns.push(Column::read(row)?);
        }
        places.sort_unstable();
        table.key = places.into_iter().map(|(_, place)| place).collect();
        let mut hasher = DefaultHasher::new();
        table.hash(&mut hasher);
        table.mark = format!("/* {:016x} */", hasher.finish());
        Ok(table)
    }

    /// The column of a name, or the refusal that says there is none.
    pub(super) fn column(&self, name: &str) -> Result<&Column, Refusal> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| self.no_column(name))
    }

    fn no_column(&self, name: &str) -> Refusal {
        let names: Vec<_> = self.columns.iter().take(MOST_TOLD).map(|column| column.name.as_str()).collect();
        let more = if names.len() < self.columns.len() { ", …" } else { "" };
        let told = format!("this channel has no column {name:?}; it has {}{more}", names.join(", "));
        Refusal::UnknownColumn(told)
    }

    /// The columns of the key, in key order.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|place| self.columns.get(*place))
    }

    /// Whether a client may change a column of a row that is there.
    pub(super) fn is_settable(&self, column: &Column) -> bool {
        column.role == Role::Writable && !self.key_columns().any(|part| part.name == column.name)
    }

    /// The name of the column that carries the version; none when feed-only.
    pub(super) fn version_name(&self) -> Option<&str> {
        self.version_column().map(|column| column.name.as_str())
    }

    pub(super) fn version_column(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.role == Role::Version)
    }

    /// A statement on this table: a template with the table's own SQL and what is given put in.
    pub(super) fn statement(
        &self,
        template: &str,
        given: &[(&str, String)],
        parameters: Parameters,
    ) -> Statement {
        let mut values = vec![
            ("relation", self.relation.clone()),
            ("image", self.image.clone()),
            ("version", self.version()),
            ("id", self.id_of_row.clone()),
            ("id_of_key", self.id_of_key.clone()),
        ];
        values.extend_from_slice(given);
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Statement { sql: format!("{} {}", fill(template, &values), self.mark), parameters }
    }

    /// The version of row `t`, null when feed-only.
    pub(super) fn version(&self) -> String {
        self.version_column()
            .map_or_else(|| "null::bigint".to_owned(), |column| format!("t.{}", column.quoted))
    }
}

impl Column {
    /// Refuses a value of another kind than its values are read as.
    pub(super) fn check(&self, json: &str) -> Result<(), Refusal> {
        if self.takes.fits(json) {
            return Ok(());
        }
        let (name, type_name, words) = (&self.name, &self.type_name, self.takes.words());
        Err(Refusal::WrongKind(format!("{name:?} takes {type_name}, written as {words}")))
    }

    /// True for json and jsonb, which a patch merges.
    pub(super) fn holds_json(&self) -> bool {
        matches!(self.holds, Holds::Json | Holds::Jsonb)
    }

    /// The column of row `t` as clients see it.
    pub(super) fn shown(&self) -> String {
        match &self.numbers {
            Numbers::AsText(form) => format!("t.{0}::{form} as {0}", self.quoted),
            Numbers::None | Numbers::Plain => format!("t.{}", self.quoted),
        }
    }

    /// The column in a row of some columns, with what its operators depend on.
    pub(super) fn as_part_of_record(&self) -> String {
        let collate = self.collation.as_ref().map(|name| format!(" collate {name}")).unwrap_or_default();
        format!("{} {}{collate}", self.quoted, self.base_type)
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let role = match get::<String>(row, 12)?.as_str() {
            "version" => Role::Version,
            "kept" => Role::Kept,
            "generated" | "identity" => Role::Generated,
            _ => Role::Writable,
        };
        let holds = match get::<String>(row, 10)?.as_str() {
            "json" => Holds::Json,
            "jsonb" => Holds::Jsonb,
            "lists" => Holds::Lists,
            _ => Holds::Other,
        };
        let numbers = match (get::<Option<String>>(row, 16)?, get(row, 17)?) {
            (None, _) => Numbers::None,
            (Some(_), false) => Numbers::Plain,
            (Some(form), true) => Numbers::AsText(form),
        };
        Ok(Self {
            name: get(row, 6)?,
            quoted: get(row, 7)?,
            type_name: get(row, 8)?,
            bare_type: get(row, 9)?,
            base_type: get(row, 13)?,
            collation: get(row, 14)?,
            holds,
            takes: Takes::of_word(get(row, 15)?),
            role,
            numbers,
        })
    }
}
