//! What is there besides rows: the feed by long poll, whether the node is well, and this document.

use serde_json::{Map, Value, json};

use super::answers::{answer, responses};
use super::values::reference;

/// All of their paths.
pub(super) fn paths() -> Vec<(String, Value)> {
    let around = ["Forbidden", "MethodNotAllowed"];
    let open = |mut operation: Value| {
        operation["security"] = json!([]);
        json!({"get": operation})
    };
    let status = |word: &str| json!({"type": "object", "properties": {"status": {"const": word}}, "required": ["status"]});
    vec![
        ("/feed/{topic}".to_owned(), json!({"get": feed()})),
        ("/healthz".to_owned(), open(get("healthz", "Is the process up?", status("ok"), &around))),
        (
            "/readyz".to_owned(),
            open(get("readyz", "Can it serve?", status("ready"), &[&around[..], &["Unavailable"]].concat())),
        ),
        (
            "/openapi.json".to_owned(),
            json!({"get": get("openapi", "This document.", json!({"type": "object"}), &[&around[..], &["Unauthorized", "Unavailable"]].concat())}),
        ),
    ]
}

/// An operation that answers 200 with such a body.
pub(super) fn get(id: &str, summary: &str, schema: Value, problems: &[&str]) -> Value {
    let given = Map::from_iter([("200".to_owned(), answer(summary, schema, &[]))]);
    json!({"operationId": id, "tags": ["around"], "summary": summary, "responses": responses(given, problems)})
}

fn feed() -> Value {
    let parameter = |name: &str, about: &str, schema: Value| json!({"name": name, "in": "query", "description": about, "schema": schema});
    let topic = json!({
        "name": "topic", "in": "path", "required": true,
        "description": "Channels, joined by commas; `*` for all.",
        "schema": {"type": "string", "pattern": "^(\\*|[a-z][a-z0-9-]{0,47}(,[a-z][a-z0-9-]{0,47})*)$", "maxLength": 4096},
    });
    let given = Map::from_iter([(
        "200".to_owned(),
        answer("What was committed since, or where to go on from.", reference("Poll"), &[]),
    )]);
    let problems = [
        "BadQuery",
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "MethodNotAllowed",
        "Expired",
        "TooManyRequests",
        "Unavailable",
    ];
    json!({
        "operationId": "feed", "tags": ["feed"],
        "summary": "Waits for commits.",
        "description": "The feed by long poll. The same URL serves WebSocket and server-sent events. Where the topic is one channel, other parameters are filters as in its list.",
        "parameters": [
            topic,
            parameter("since", "A cursor, or a time; from now on where it is absent.", json!({"type": "string", "format": "rowbell-position"})),
            parameter("snapshot", "First all rows, then where to go on from; not together with `since`.", json!({"type": "boolean"})),
            parameter("wait", "Seconds to wait at most.", json!({"type": "integer", "minimum": 0, "maximum": 60, "default": 30})),
            parameter("limit", "Changes to answer at most, rounded up to whole commits.", json!({"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1000})),
        ],
        "responses": responses(given, &problems),
    })
}

/// Their schemas.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let number = || json!({"type": "integer", "format": "int64"});
    let change = json!({
        "type": "object",
        "properties": {
            "seq": number(),
            "channel": {"type": "string"},
            "op": {"enum": ["insert", "update", "delete", "truncate", "enter", "leave"]},
            "id": {"type": "string"},
            "version": number(),
            "row": {"type": ["object", "null"]},
            "old": {"type": ["object", "null"]},
            "too_large": {"const": true},
        },
        "required": ["seq", "channel", "op"],
    });
    let commit = json!({
        "type": "object",
        "properties": {
            "xid": {"type": "string", "pattern": "^[0-9]+$"},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"type": ["string", "null"]},
            "branch": {"type": ["string", "null"]},
            "changes": {"type": "array", "items": reference("Change")},
        },
        "required": ["xid", "at", "changes"],
    });
    let rows = json!({
        "type": "object",
        "properties": {
            "type": {"const": "rows"}, "topic": {"type": "string"}, "channel": {"type": "string"},
            "rows": {"type": "array", "items": {"type": "object"}}, "more": {"type": "boolean"},
        },
        "required": ["type", "topic", "channel", "rows", "more"],
    });
    let poll = json!({
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": rows},
            "commits": {"type": "array", "items": reference("Commit")},
            "cursor": {"type": "string"},
            "more": {"type": "boolean"},
        },
        "required": ["commits", "cursor", "more"],
    });
    vec![("Poll", poll), ("Commit", commit), ("Change", change)]
}
