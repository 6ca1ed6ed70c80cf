//! Several writes in one request: `/api/batch`.

use serde_json::{Map, Value, json};

use super::answers::{answer, problem, responses};
use super::operations::{KEY, WRITE, parameters};
use super::rows::{name, refer};
use super::values::{or_null, reference};
use crate::pg::resource::{DescribedTable, Kind};

/// Operations of one batch.
const MOST_OPERATIONS: usize = 1000;

/// Its path.
pub(super) fn path() -> (String, Value) {
    let given = Map::from_iter([
        (
            "200".to_owned(),
            answer("What became of each operation, in their places.", reference("BatchResults"), &[]),
        ),
        (
            "409".to_owned(),
            problem("An atomic batch met a conflict, and nothing was written.", reference("Problem")),
        ),
    ]);
    let problems = [&WRITE[..], &["VersionRequired"]].concat();
    let post = json!({
        "operationId": "batch", "tags": ["batch"], "summary": "Does several writes.",
        "description": "Each means what the request of its own means. All in one transaction where `atomic`; each by \
            itself otherwise, and then the answer is 200 whatever became of them.",
        "parameters": parameters(&["actor", "branch"]),
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("Batch")}}},
        "responses": responses(given, &problems),
    });
    ("/api/batch".to_owned(), json!({"post": post}))
}

/// The operations on one table.
pub(super) fn component(table: &DescribedTable) -> (String, Value) {
    let of =
        |methods: &[&str], row: Option<&str>, required: &[&str]| operation(table, methods, row, required);
    let operations = [
        of(&["POST"], Some("new"), &["method", "channel", "row"]),
        of(&["PUT"], Some("replacement"), &["method", "channel", "id", "row"]),
        of(&["PATCH"], Some("change"), &["method", "channel", "id", "row"]),
        of(&["DELETE"], None, &["method", "channel", "id"]),
    ];
    (name(table, "operation"), json!({"oneOf": operations}))
}

fn operation(table: &DescribedTable, methods: &[&str], row: Option<&str>, required: &[&str]) -> Value {
    let mut properties = json!({
        "method": {"enum": methods},
        "channel": {"const": &*table.channel},
        "id": id(table),
        "key": {"description": "As `Idempotency-Key`.", "type": ["string", "null"], "pattern": KEY, "maxLength": 200},
        "conflict": {"enum": ["reject", "merge", "force", "keep", null]},
    });
    properties["row"] = match row {
        Some(row) => refer(table, row),
        // A DELETE may name the version there, and nothing else.
        None => json!({"type": ["object", "null"], "maxProperties": 0}),
    };
    if methods == ["POST"] {
        properties["id"] = or_null(id(table));
    } else {
        properties["version"] = reference("BasedOn");
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// An id as text.
fn id(table: &DescribedTable) -> Value {
    let mut key = table.key_columns().map(|column| &column.kind);
    match (key.next(), key.next()) {
        (Some(Kind::Uuid), None) => json!({"type": "string", "format": "uuid"}),
        (Some(Kind::Integer(bits)), None) => {
            let digits = match bits {
                16 => 4,
                32 => 9,
                _ => 18,
            };
            json!({"type": "string", "pattern": format!("^-?[0-9]{{1,{digits}}}$")})
        }
        (_, None) => json!({"type": "string", "minLength": 1}),
        _ => {
            json!({"type": "string", "contentMediaType": "application/json", "description": "The JSON array of the key."})
        }
    }
}

/// Schemas that all tables share; `tables` are those that take writes.
pub(super) fn schemas<'a>(tables: impl Iterator<Item = &'a DescribedTable>) -> Vec<(&'static str, Value)> {
    let operations: Vec<_> = tables.map(|table| refer(table, "operation")).collect();
    let operation = if operations.is_empty() { json!(false) } else { json!({"anyOf": operations}) };
    let batch = json!({
        "type": "object",
        "properties": {
            "atomic": {"description": "All or nothing.", "type": "boolean", "default": false},
            "operations": {"type": "array", "maxItems": MOST_OPERATIONS, "items": operation},
        },
        "required": ["operations"],
        "additionalProperties": false,
    });
    let version = json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX});
    let after = json!({
        "type": "object",
        "properties": {"after": {"type": "integer", "minimum": 0, "maximum": MOST_OPERATIONS}},
        "required": ["after"],
        "additionalProperties": false,
    });
    let based_on = json!({
        "description": "The version the row was read at; or `{\"after\": N}`, the one that operation N of this batch leaves.",
        "anyOf": [version, after, {"type": "null"}],
    });
    vec![("Batch", batch), ("BasedOn", based_on), ("BatchResults", results(&version))]
}

fn results(version: &Value) -> Value {
    let written = json!({
        "type": "object",
        "properties": {
            "status": {"enum": [200, 201]},
            "id": {"type": "string"},
            "version": version,
            "xid": {"type": "string", "pattern": "^[0-9]+$"},
            "replayed": {"const": true},
            "row": {"type": ["object", "null"]},
        },
        "required": ["status", "id", "row"],
    });
    let failed = json!({
        "type": "object",
        "properties": {
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "retry_after": {"type": "integer", "minimum": 0},
            "problem": reference("Problem"),
        },
        "required": ["status", "problem"],
    });
    json!({
        "type": "object",
        "properties": {"results": {"type": "array", "items": {"oneOf": [written, failed]}}},
        "required": ["results"],
    })
}
