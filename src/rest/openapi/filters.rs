//! What a list's URL may ask for, as parameters: a filter a column, the order, and which part.

use serde_json::{Value, json};

use crate::pg::resource::{DescribedColumn, DescribedTable, Kind};
use crate::words::query::{DEFAULT_LIMIT, LARGEST_LIMIT};

/// Types whose values PostgreSQL does not compare.
const INCOMPARABLE: [&str; 8] = ["xml", "point", "line", "polygon", "box", "lseg", "path", "circle"];

/// Parameters of a list; a column with such a name is filtered by in double quotes.
const OWN: [&str; 8] = ["select", "order", "limit", "offset", "and", "or", "not.and", "not.or"];

/// How a filter is written.
pub(super) const GRAMMAR: &str = "A filter is `COLUMN=OPERATOR.VALUE`, in the spelling of PostgREST, with the operators \
    `eq`, `neq`, `gt`, `gte`, `lt`, `lte`, `like`, `ilike`, `cs`, `in.(A,B)` and `is.null`, each also after `not.`; \
    PostgreSQL reads the value as the column's type.";

/// All parameters of a table's list.
pub(super) fn of_list(table: &DescribedTable) -> Vec<Value> {
    let filters = table.columns.iter().map(filter);
    let order = json!({
        "name": "order", "in": "query", "style": "form", "explode": false,
        "description": "Columns to order by; the key decides between equals.",
        "schema": {"type": "array", "items": {"type": "string", "pattern": order_pattern(table)}},
    });
    let select = json!({
        "name": "select", "in": "query", "style": "form", "explode": false,
        "description": "The columns to answer, in this order; all where it is absent.",
        "schema": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"enum": names(table, |_| true)}},
    });
    let mut parameters: Vec<_> = filters.collect();
    parameters.extend([refer("and"), refer("or"), select, order]);
    parameters.extend(["limit", "offset", "count"].map(refer));
    parameters
}

/// What all lists have.
pub(super) fn components() -> Vec<(&'static str, Value)> {
    let group = |name: &str, about: &str| {
        json!({
            "name": name, "in": "query", "style": "form", "explode": true, "description": about,
            "schema": {"type": "array", "items": {"type": "string", "format": "filter-group"}},
        })
    };
    vec![
        ("and", group("and", "`(COLUMN.OPERATOR.VALUE,…)`, of which all must hold; also `not.and`.")),
        ("or", group("or", "`(COLUMN.OPERATOR.VALUE,and(…),…)`, of which one must hold; also `not.or`.")),
        (
            "count",
            json!({
                "name": "Prefer", "in": "header",
                "description": "`count=exact` counts all rows that pass, into `Content-Range`.",
                "schema": {"type": "string"},
            }),
        ),
        (
            "limit",
            json!({
                "name": "limit", "in": "query", "description": "The most rows to answer.",
                "schema": {"type": "integer", "minimum": 0, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
            }),
        ),
        (
            "offset",
            json!({
                "name": "offset", "in": "query", "description": "Rows to leave out before the first.",
                "schema": {"type": "integer", "minimum": 0, "maximum": i64::MAX, "default": 0},
            }),
        ),
    ]
}

fn refer(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// The filter of one column; it may stand there several times.
fn filter(column: &DescribedColumn) -> Value {
    json!({
        "name": written(&column.name), "in": "query", "style": "form", "explode": true,
        "description": about(column),
        "schema": {"type": "array", "items": condition(column)},
    })
}

fn about(column: &DescribedColumn) -> String {
    let example = match &column.kind {
        _ if !is_comparable(column) => "is.null",
        Kind::Boolean => "is.true",
        Kind::Integer(_) | Kind::Float(_) | Kind::Decimal(_) => "gte.10",
        Kind::Date => "gte.2026-01-01",
        Kind::Timestamp | Kind::TimestampTz => "lt.2026-01-01T00:00:00Z",
        _ => "not.is.null",
    };
    let type_name = &column.type_name;
    format!("Rows whose `{}` ({type_name}) passes, as in `{example}`; several must all hold.", column.name)
}

fn condition(column: &DescribedColumn) -> Value {
    let truths =
        if column.kind == Kind::Boolean && column.arrays == 0 { "null|true|false|unknown" } else { "null" };
    if !is_comparable(column) {
        return json!({"type": "string", "pattern": format!("^(not\\.)?is\\.({truths})$")});
    }
    match value(&column.kind).filter(|_| column.arrays == 0) {
        Some((value, listed)) => {
            let pattern = format!(
                "^(not\\.)?((eq|neq|gt|gte|lt|lte)\\.({value})|in\\.\\((({listed})(,({listed}))*)?\\)|is\\.({truths}))$"
            );
            json!({"type": "string", "pattern": pattern})
        }
        // No pattern says what a date is; the list's description tells the operators.
        None => {
            let of = match &column.kind {
                _ if column.arrays > 0 => "array",
                Kind::Date => "date",
                Kind::Time => "time-local",
                Kind::Timestamp => "date-time-local",
                Kind::TimestampTz => "date-time",
                Kind::Json => "json",
                Kind::Composite => "composite",
                Kind::Other(name) => name,
                _ => "text",
            };
            json!({"type": "string", "format": format!("filter-of-{of}")})
        }
    }
}

/// A pattern that the texts of a type's values have in a filter, and no other texts, alone and in a list; none where no
/// pattern says that.
fn value(kind: &Kind) -> Option<(String, String)> {
    let pattern = match kind {
        Kind::Boolean => "true|false",
        Kind::Integer(16) => "-?[0-9]{1,4}",
        Kind::Integer(32) => "-?[0-9]{1,9}",
        Kind::Integer(_) => "-?[0-9]{1,18}",
        Kind::Float(_) | Kind::Decimal(_) => "-?[0-9]{1,30}(\\.[0-9]{1,10})?",
        Kind::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        Kind::Bytes => "\\\\x([0-9a-f]{2})*",
        Kind::Enum(labels) => {
            let one_of =
                |texts: Vec<String>| texts.iter().map(|text| escaped(text)).collect::<Vec<_>>().join("|");
            return Some((
                one_of(labels.clone()),
                one_of(labels.iter().map(|label| quoted(label)).collect()),
            ));
        }
        _ => return None,
    };
    Some((pattern.to_owned(), pattern.to_owned()))
}

/// True where PostgreSQL tells greater from less, and so can filter by value and order.
fn is_comparable(column: &DescribedColumn) -> bool {
    match &column.kind {
        Kind::Json => column.type_name.starts_with("jsonb"),
        Kind::Other(name) => !INCOMPARABLE.contains(&name.as_str()),
        _ => true,
    }
}

fn order_pattern(table: &DescribedTable) -> String {
    let names: Vec<_> = names(table, is_comparable).iter().map(|name| escaped(name)).collect();
    format!("^({})(\\.(asc|desc))?(\\.(nullsfirst|nullslast))?$", names.join("|"))
}

/// Columns as they are written in lists of names.
fn names(table: &DescribedTable, wanted: impl Fn(&DescribedColumn) -> bool) -> Vec<String> {
    table.columns.iter().filter(|column| wanted(column)).map(|column| written(&column.name)).collect()
}

/// A column's name in a URL: in double quotes where it would be read otherwise.
fn written(name: &str) -> String {
    let plain = !name.contains(['"', '\\', ',', '(', ')', '.', '*']) && !OWN.contains(&name);
    if plain {
        return name.to_owned();
    }
    quoted(name)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A name as a pattern that only it has.
fn escaped(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_punctuation() && letter != '_' {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// The id of a row, in its path.
pub(super) fn id(table: &DescribedTable) -> Value {
    let mut key = table.key_columns();
    let schema = |column: &DescribedColumn| match &column.kind {
        Kind::Integer(64) => {
            json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX})
        }
        Kind::Text(None) => json!({"type": "string", "minLength": 1}),
        Kind::Text(Some(longest)) => json!({"type": "string", "minLength": 1, "maxLength": longest}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        kind => super::values::of_kind(kind, super::values::Way::Written),
    };
    match (key.next(), key.next()) {
        (Some(column), None) => json!({
            "name": "id", "in": "path", "required": true, "description": format!("The row's `{}`.", column.name),
            "schema": schema(column),
        }),
        _ => {
            let names: Vec<_> = table.key_columns().map(|column| format!("`{}`", column.name)).collect();
            let items: Vec<_> = table.key_columns().map(schema).collect();
            let count = items.len();
            json!({
                "name": "id", "in": "path", "required": true,
                "description": format!("The JSON array of {}, percent-encoded.", names.join(", ")),
                "content": {"application/json": {
                    "schema": {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}}},
            })
        }
    }
}
