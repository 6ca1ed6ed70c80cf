//! What became of a row, as an operation and as parameters of its read.

use serde_json::{Map, Value, json};

use super::answers::{answer, responses};
use super::operations::parameters;
use super::values::reference;
use crate::pg::resource::DescribedTable;
use crate::words::query::{DEFAULT_LIMIT, LARGEST_HISTORY};

const PROBLEMS: [&str; 7] =
    ["BadQuery", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "TooLarge", "Unavailable"];

/// The changes of one row.
pub(super) fn operation(table: &DescribedTable) -> Value {
    let page = "The changes, newest first; also of a row that is deleted. A page may have some more than `limit`; one \
        that has fewer is the last.";
    let changes = json!({"type": "array", "items": reference("PastChange")});
    let given = Map::from_iter([("200".to_owned(), answer(page, changes, &[]))]);
    json!({
        "operationId": format!("{}.history", table.channel), "tags": [&*table.channel],
        "summary": "Tells what became of a row.",
        "description": "As long as the log is kept, and from when the table was last watched.",
        "parameters": parameters(&["history-limit", "before"]),
        "responses": responses(given, &PROBLEMS),
    })
}

/// Parameters of it, and of a row as it was.
pub(super) fn components() -> Vec<(&'static str, Value)> {
    let query = |name: &str, about: &str, schema: Value| json!({"name": name, "in": "query", "description": about, "schema": schema});
    let number = || json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": i64::MAX});
    vec![
        (
            "history-limit",
            query(
                "limit",
                "The most changes to answer.",
                json!({"type": "integer", "minimum": 0, "maximum": LARGEST_HISTORY, "default": DEFAULT_LIMIT}),
            ),
        ),
        (
            "before",
            query(
                "before",
                "Begins after the change that made this version; of a channel without versions, the one with this `seq`.",
                number(),
            ),
        ),
        (
            "as-of-version",
            query("version", "The row as it was at this version; not together with `at`.", number()),
        ),
        (
            "as-of-time",
            query(
                "at",
                "The row after all commits of this time and before, which is past; not together with `version`.",
                json!({"type": "string", "format": "date-time"}),
            ),
        ),
    ]
}

/// The schema of a change in it.
pub(super) fn schema() -> (&'static str, Value) {
    let schema = json!({
        "description": "A change, with what the feed tells of its commit.",
        "allOf": [reference("Change")],
        "properties": {
            "xid": {"type": "string", "pattern": "^[0-9]+$"},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"type": ["string", "null"]},
            "branch": {"type": ["string", "null"]},
        },
        "required": ["xid", "at"],
    });
    ("PastChange", schema)
}
