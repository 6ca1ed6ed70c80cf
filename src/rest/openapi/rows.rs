//! Rows as JSON Schema: as they are read, and what may be sent to make, replace or change one.

use serde_json::{Map, Value, json};

use super::values::{Way, of_column, or_null, reference};
use crate::pg::resource::{DescribedColumn, DescribedTable, Role};

/// The name of a table's schema in the document. Channels have no dots, so no two are alike.
pub(super) fn name(table: &DescribedTable, what: &str) -> String {
    format!("{}.{what}", table.channel)
}

/// A reference to one of a table's schemas.
pub(super) fn refer(table: &DescribedTable, what: &str) -> Value {
    reference(&name(table, what))
}

/// All schemas of a table.
pub(super) fn components(table: &DescribedTable) -> Vec<(String, Value)> {
    let row = row(table);
    let mut part = row.clone();
    if let Some(part) = part.as_object_mut() {
        part.shift_remove("required");
    }
    let mut schemas = vec![(name(table, "row"), row), (name(table, "part"), part)];
    if table.version().is_some() {
        schemas.push((name(table, "new"), new(table)));
        schemas.push((name(table, "replacement"), replacement(table)));
        schemas.push((name(table, "change"), change(table)));
        schemas.push((name(table, "conflict"), conflict(table)));
    }
    schemas
}

/// A row as it is read. Columns that are added to the table appear without a word, so it is open.
fn row(table: &DescribedTable) -> Value {
    let names: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
    let columns = table.columns.iter().map(|column| {
        let mut schema = of_column(column, Way::Read);
        if !matches!(column.role, Role::Writable) {
            schema["readOnly"] = true.into();
        }
        (column.name.clone(), schema)
    });
    let mut schema =
        json!({"type": "object", "properties": columns.collect::<Map<_, _>>(), "required": names});
    if let Some(about) = &table.about {
        schema["description"] = about.clone().into();
    }
    schema
}

fn new(table: &DescribedTable) -> Value {
    let columns = table.columns.iter().filter(|column| column.role == Role::Writable);
    to_write(columns, &|column| !column.nullable && !column.has_default)
}

fn replacement(table: &DescribedTable) -> Value {
    let mut schema = to_write(settable(table), &|column| !column.nullable && !column.has_default);
    add_version(table, &mut schema);
    schema
}

fn change(table: &DescribedTable) -> Value {
    let mut schema = to_write(settable(table), &|_| false);
    add_version(table, &mut schema);
    schema
}

/// What a client may set in a row that is there.
fn settable(table: &DescribedTable) -> impl Iterator<Item = &DescribedColumn> {
    table.columns.iter().filter(|column| column.role == Role::Writable && !table.is_key(column))
}

fn to_write<'a>(
    columns: impl Iterator<Item = &'a DescribedColumn>,
    is_required: &dyn Fn(&DescribedColumn) -> bool,
) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for column in columns {
        properties.insert(column.name.clone(), of_column(column, Way::Written));
        if is_required(column) {
            required.push(column.name.clone());
        }
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The version a write is based on may stand in its body.
fn add_version(table: &DescribedTable, schema: &mut Value) {
    if let Some(version) = table.version() {
        let about = "The version the row was read at, where `If-Match` does not name it.";
        schema["properties"][&version.name] = json!({
            "description": about, "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX,
        });
    }
}

/// What a writer is told whose version is not the row's any more.
fn conflict(table: &DescribedTable) -> Value {
    let row = || or_null(refer(table, "row"));
    json!({
        "allOf": [reference("Problem")],
        "properties": {
            "current": {"description": "The row as it is now; null when it was deleted.", "anyOf": [row()]},
            "base": {"description": "The row at the version that was named; null where the log does not hold it.", "anyOf": [row()]},
            "yours": {"description": "The body as it was sent.", "type": "object"},
            "merged": {"description": "What `conflict=merge` would make of it, where that is known.", "type": ["object", "null"]},
            "conflicts": {"description": "Paths of what both sides changed.", "type": "array", "items": {"type": "string"}},
        },
    })
}
