//! What there is to say of the watched tables for those who write clients: columns, their types and their rules, as
//! the catalog has them now.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::Resources;
use super::refusal::{Failure, Refusal};
use super::table::{Numbers, Role, Table};
use crate::pg::rows::get;
use crate::pg::statement::{Parameters, Statement, fill};
use crate::words::Error;

const DESCRIBED_COLUMNS: &str = include_str!("../../../sql/queries/described_columns.sql");

/// What PostgreSQL adds to the length of a `varchar` in its typmod.
const TYPMOD_HEADER: i32 = 4;

/// A watched table.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedTable {
    /// Its channel.
    pub channel: Arc<str>,
    /// The comment on the table.
    pub about: Option<String>,
    /// What clients see, in the table's order.
    pub columns: Vec<DescribedColumn>,
    /// Places of the key's columns, in key order.
    pub key: Vec<usize>,
}

/// A column that clients see.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedColumn {
    /// Its name.
    pub name: String,
    /// The comment on it.
    pub about: Option<String>,
    /// Its type as SQL knows it, with length and precision.
    pub type_name: String,
    /// What its values are.
    pub kind: Kind,
    /// Arrays around a value: 0 where it is none.
    pub arrays: u32,
    /// A row may be without a value.
    pub nullable: bool,
    /// A new row gets a value where none is sent.
    pub has_default: bool,
    /// Who gives it its value.
    pub role: Role,
    /// Its numbers are sent as text.
    pub as_text: bool,
}

/// What the values of a type are, below its domains and arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`.
    Boolean,
    /// `smallint`, `integer`, `bigint`: so many bits.
    Integer(u32),
    /// `real`, `double precision`: so many bits.
    Float(u32),
    /// `numeric`, with its digits and how many of them stand after the point, where it has such a limit.
    Decimal(Option<(u16, u16)>),
    /// Text of any kind, with its longest length in characters.
    Text(Option<u32>),
    /// `uuid`.
    Uuid,
    /// `date`.
    Date,
    /// `time` without a zone.
    Time,
    /// `timestamp` without a zone.
    Timestamp,
    /// `timestamptz`.
    TimestampTz,
    /// `bytea`.
    Bytes,
    /// An enum and its labels, in their order.
    Enum(Vec<String>),
    /// Any JSON.
    Json,
    /// An object, of a composite type.
    Composite,
    /// Another type, by its name; its values are their text.
    Other(String),
}

impl DescribedTable {
    /// The columns of the key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &DescribedColumn> {
        self.key.iter().filter_map(|place| self.columns.get(*place))
    }

    /// The column that carries the version; none when feed-only.
    pub fn version(&self) -> Option<&DescribedColumn> {
        self.columns.iter().find(|column| column.role == Role::Version)
    }

    /// True for a column of the key.
    pub fn is_key(&self, column: &DescribedColumn) -> bool {
        self.key_columns().any(|part| part.name == column.name)
    }
}

impl Resources {
    /// All watched tables, by channel. One that lost its key is not among them: nothing can be asked of it.
    pub async fn described(&self) -> Result<Vec<DescribedTable>, Failure> {
        let session = self.0.pool.session("could not describe the tables").await?;
        let statement = Statement { sql: fill(DESCRIBED_COLUMNS, &[]), parameters: Parameters::default() };
        let rows = session.read(&statement).await?;
        let mut tables = Vec::new();
        let mut rest = rows.as_slice();
        while let Some(first) = rest.first() {
            let channel: &str = get(first, 0)?;
            let mut count = 0;
            while rest.get(count).map(|row| get::<&str>(row, 0)).transpose()? == Some(channel) {
                count += 1;
            }
            let (of_table, others) = rest.split_at(count);
            rest = others;
            match self.0.known.table(&session, channel).await {
                Ok(table) => tables.push(describe(&table, of_table)?),
                Err(Failure::Refused(Refusal::UnknownChannel)) => {}
                Err(Failure::Broken(error)) if error.is_refused() => {
                    log::debug!("a channel is not described: {}", error.report());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(tables)
    }
}

/// Puts together what two questions found; a column that only one of them saw was added or dropped meanwhile.
fn describe(table: &Table, rows: &[Row]) -> Result<DescribedTable, Error> {
    let mut places = HashMap::new();
    let mut columns = Vec::new();
    for row in rows {
        let name: String = get(row, 2)?;
        let Ok(column) = table.column(&name) else { continue };
        places.insert(name.clone(), columns.len());
        columns.push(DescribedColumn {
            name,
            about: get(row, 3)?,
            type_name: column.type_name.clone(),
            kind: kind(row)?,
            arrays: u32::try_from(get::<i32>(row, 6)?).unwrap_or(0),
            nullable: !get::<bool>(row, 4)?,
            has_default: get(row, 5)?,
            role: column.role,
            as_text: matches!(column.numbers, Numbers::AsText(_)),
        });
    }
    let key = table.key_columns().filter_map(|column| places.get(&column.name).copied()).collect();
    let about = rows.first().map(|row| get(row, 1)).transpose()?.flatten();
    Ok(DescribedTable { channel: Arc::clone(&table.channel), about, columns, key })
}

fn kind(row: &Row) -> Result<Kind, Error> {
    let (name, typmod): (&str, i32) = (get(row, 7)?, get(row, 8)?);
    Ok(match name {
        "bool" => Kind::Boolean,
        "int2" => Kind::Integer(16),
        "int4" => Kind::Integer(32),
        "int8" => Kind::Integer(64),
        "float4" => Kind::Float(32),
        "float8" => Kind::Float(64),
        "numeric" => Kind::Decimal(digits(typmod)),
        "text" | "name" => Kind::Text(None),
        "varchar" | "bpchar" => Kind::Text(u32::try_from(typmod - TYPMOD_HEADER).ok()),
        "uuid" => Kind::Uuid,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "bytea" => Kind::Bytes,
        "enum" => Kind::Enum(get(row, 9)?),
        "json" | "jsonb" => Kind::Json,
        "composite" => Kind::Composite,
        other => Kind::Other(other.to_owned()),
    })
}

/// Precision and scale of a `numeric`; none where it has no limit, or a scale that only newer versions know (negative,
/// or greater than the precision).
fn digits(typmod: i32) -> Option<(u16, u16)> {
    let packed = u32::try_from(typmod - TYPMOD_HEADER).ok()?;
    let (precision, scale) = (u16::try_from(packed >> 16).ok()?, u16::try_from(packed & 0x7ff).ok()?);
    (scale <= precision).then_some((precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_postgresql_packs_them() {
        // numeric(12,4), numeric, numeric(3,-2), numeric(2,5)
        assert_eq!(digits(((12 << 16) | 4) + 4), Some((12, 4)));
        assert_eq!(digits(-1), None);
        assert_eq!(digits(((3 << 16) | (2048 - 2)) + 4), None);
        assert_eq!(digits(((2 << 16) | 5) + 4), None);
    }
}
