//! Values of columns as JSON Schema: as they are read, and as they may be written.

use serde_json::{Value, json};

use crate::pg::resource::{DescribedColumn, Kind};

/// Which way a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the client.
    Read,
    /// From it.
    Written,
}

/// Digits that a double keeps exactly.
const EXACT_DIGITS: u16 = 15;

/// The values a column may have.
pub(super) fn of_column(column: &DescribedColumn, way: Way) -> Value {
    let mut schema = match (column.as_text, way) {
        (false, _) => of_kind(&column.kind, way),
        (true, Way::Read) => text_of(&column.kind),
        (true, Way::Written) if matches!(column.kind, Kind::Integer(64) | Kind::Decimal(_)) => {
            of_kind(&column.kind, way)
        }
        (true, Way::Written) => {
            json!({"anyOf": [of_kind(&column.kind, way), writable_text_of(&column.kind)]})
        }
    };
    for _ in 0..column.arrays {
        schema = json!({"type": "array", "items": or_null(schema)});
    }
    if column.nullable {
        schema = or_null(schema);
    }
    if let Some(about) = about(column) {
        schema["description"] = about.into();
    }
    schema
}

/// The comment on a column, and its type where the schema does not say it.
fn about(column: &DescribedColumn) -> Option<String> {
    let type_name = match column.kind {
        Kind::Other(_) | Kind::Composite | Kind::Decimal(_) => Some(format!("`{}`", column.type_name)),
        _ => None,
    };
    match (&column.about, type_name) {
        (Some(about), Some(type_name)) => Some(format!("{about} ({type_name})")),
        (Some(about), None) => Some(about.clone()),
        (None, type_name) => type_name,
    }
}

/// The values of a type without its arrays, none of them null.
pub(super) fn of_kind(kind: &Kind, way: Way) -> Value {
    match kind {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer(16) => {
            json!({"type": "integer", "format": "int16", "minimum": i16::MIN, "maximum": i16::MAX})
        }
        Kind::Integer(32) => {
            json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        Kind::Integer(_) => component(way, "BigInteger", "BigIntegerToWrite"),
        Kind::Float(_) => component(way, "Float", "Float"),
        Kind::Decimal(None) => component(way, "Decimal", "DecimalToWrite"),
        Kind::Decimal(Some((precision, scale))) => decimal(*precision, *scale, way),
        Kind::Text(None) => json!({"type": "string"}),
        Kind::Text(Some(longest)) => json!({"type": "string", "maxLength": longest}),
        Kind::Uuid => json!({"type": "string", "format": "uuid"}),
        Kind::Date => component(way, "Date", "DateToWrite"),
        Kind::Time => json!({"type": "string", "format": "time-local"}),
        Kind::Timestamp => component(way, "Timestamp", "TimestampToWrite"),
        Kind::TimestampTz => component(way, "TimestampTz", "TimestampTzToWrite"),
        Kind::Bytes => reference("Bytes"),
        Kind::Enum(labels) => json!({"type": "string", "enum": labels}),
        Kind::Json => json!({}),
        Kind::Composite => json!({"type": "object"}),
        Kind::Other(name) => json!({"type": "string", "format": name}),
    }
}

/// A number as the text it is sent as.
fn text_of(kind: &Kind) -> Value {
    let (what, pattern) = match kind {
        Kind::Integer(_) => ("A whole number", "^-?[0-9]{1,19}$"),
        Kind::Float(_) => {
            ("A floating-point number", "^(-?[0-9]+(\\.[0-9]+)?(e[+-][0-9]+)?|NaN|-?Infinity)$")
        }
        _ => ("An exact number", "^(-?[0-9]+(\\.[0-9]+)?|NaN|-?Infinity)$"),
    };
    json!({"description": format!("{what} as text, all of its digits."), "type": "string", "pattern": pattern})
}

/// Text of a small number that any column of such a type has room for.
fn writable_text_of(kind: &Kind) -> Value {
    match kind {
        Kind::Integer(bits) => {
            let digits = if *bits == 16 { 4 } else { 9 };
            json!({"type": "string", "pattern": format!("^-?[0-9]{{1,{digits}}}$")})
        }
        _ => json!({"type": "string", "pattern": "^-?[0-9]{1,15}(\\.[0-9]{1,15})?$"}),
    }
}

fn decimal(precision: u16, scale: u16, way: Way) -> Value {
    let whole = 10f64.powi(i32::from(precision - scale));
    // What rounds to more digits than there are is out of range as well, so the last one that fits is named.
    let largest = match precision {
        ..=EXACT_DIGITS => whole - 10f64.powi(-i32::from(scale)),
        _ => whole * (1.0 - 1e-15),
    };
    let number = json!({"type": "number", "minimum": -largest, "maximum": largest});
    let text = match (way, precision - scale, scale) {
        (Way::Read, ..) => json!({"const": "NaN"}),
        (_, 0, scale) => json!({"type": "string", "pattern": format!("^(-?0\\.[0-9]{{1,{scale}}}|NaN)$")}),
        (_, digits, 0) => json!({"type": "string", "pattern": format!("^(-?[0-9]{{1,{digits}}}|NaN)$")}),
        (_, digits, scale) => {
            json!({"type": "string", "pattern": format!("^(-?[0-9]{{1,{digits}}}(\\.[0-9]{{1,{scale}}})?|NaN)$")})
        }
    };
    json!({"anyOf": [number, text]})
}

fn component(way: Way, read: &str, written: &str) -> Value {
    reference(if way == Way::Read { read } else { written })
}

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The same schema, or null.
pub(super) fn or_null(mut schema: Value) -> Value {
    // Whatever JSON there is, null is among it.
    if schema.as_object().is_some_and(serde_json::Map::is_empty) {
        return schema;
    }
    match schema.get("type").cloned() {
        Some(Value::String(name)) => {
            schema["type"] = json!([name, "null"]);
            if let Some(labels) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                labels.push(Value::Null);
            }
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// Schemas that columns refer to.
pub(super) fn components() -> Vec<(&'static str, Value)> {
    let date = json!({"type": "string", "format": "date"});
    let timestamp = json!({"type": "string", "format": "date-time-local"});
    let timestamptz = json!({"type": "string", "format": "date-time"});
    let infinite = json!({"enum": ["infinity", "-infinity"]});
    // Years before the first and after 9999 are beyond what these formats can write.
    let far = json!({"type": "string", "pattern": "^-?infinity$|^[0-9]{5,}-| BC$"});
    let readable = |near: &Value, about: &str| json!({"description": about, "anyOf": [near, far]});
    let writable = |near: &Value| json!({"anyOf": [near, infinite]});
    vec![
        ("BigInteger", big_integer()),
        (
            "BigIntegerToWrite",
            json!({
                "description": "A 64-bit number, or its text: most programs in JavaScript keep no number beyond 2^53 exactly.",
                "anyOf": [big_integer(), {"type": "string", "pattern": "^-?[0-9]{1,18}$"}],
            }),
        ),
        (
            "Decimal",
            json!({
                "description": "An exact number of any length.",
                "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
            }),
        ),
        (
            "DecimalToWrite",
            json!({
                "description": "An exact number, or its text where a client's own numbers would round it.",
                "anyOf": [{"type": "number"}, {"type": "string", "pattern": "^(-?[0-9]{1,1000}(\\.[0-9]{1,1000})?|NaN|-?Infinity)$"}],
            }),
        ),
        ("Float", json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})),
        (
            "Date",
            readable(
                &date,
                "A date; PostgreSQL also knows `infinity`, and years that ISO 8601 does not write.",
            ),
        ),
        ("DateToWrite", writable(&date)),
        (
            "Timestamp",
            readable(&timestamp, "A time without a zone: `2026-01-02T03:04:05.678901`, or `infinity`."),
        ),
        ("TimestampToWrite", writable(&timestamp)),
        ("TimestampTz", readable(&timestamptz, "A time in UTC, to the microsecond; or `infinity`.")),
        ("TimestampTzToWrite", writable(&timestamptz)),
        (
            "Bytes",
            json!({"description": "Bytes as `\\x` and two hexadecimal digits each.", "type": "string", "pattern": "^\\\\x([0-9a-fA-F]{2})*$"}),
        ),
    ]
}

fn big_integer() -> Value {
    json!({
        "description": "A 64-bit number. Read it with a JSON parser that keeps whole numbers beyond 2^53.",
        "type": "integer",
        "format": "int64",
        "minimum": i64::MIN,
        "maximum": i64::MAX,
    })
}
