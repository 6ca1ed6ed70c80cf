//! What operators ask and do: the node's numbers, and what is watched.

use serde_json::{Map, Value, json};

use super::answers::{answer, responses};
use super::around::get;
use super::values::{or_null, reference};

const AROUND: [&str; 3] = ["Unauthorized", "Forbidden", "MethodNotAllowed"];

/// All of their paths.
pub(super) fn paths() -> Vec<(String, Value)> {
    let busy = [&AROUND[..], &["Unavailable"]].concat();
    let channels = json!({
        "get": get("channels", "What is watched, and what could be.", reference("Channels"), &busy),
        "post": watch(&busy),
    });
    vec![
        (
            "/stats".to_owned(),
            json!({"get": get("stats", "What the node does.", reference("Stats"), &AROUND)}),
        ),
        ("/metrics".to_owned(), json!({"get": metrics()})),
        ("/channels".to_owned(), channels),
        ("/channels/{channel}".to_owned(), json!({"delete": unwatch(&busy)})),
    ]
}

fn metrics() -> Value {
    let text = json!({
        "description": "The numbers of `/stats` in Prometheus' text format, version 0.0.4.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    });
    json!({
        "operationId": "metrics", "tags": ["around"], "summary": "The same for Prometheus.",
        "responses": responses(Map::from_iter([("200".to_owned(), text)]), &AROUND),
    })
}

fn watch(busy: &[&str]) -> Value {
    let watched = json!({
        "type": "object",
        "properties": {"channel": {"type": "string"}, "notices": notices()},
        "required": ["channel", "notices"],
    });
    let given = Map::from_iter([("201".to_owned(), answer("It is watched.", watched, &[]))]);
    let problems =
        [busy, &["BadBody", "SlowBody", "TooLarge", "UnsupportedMediaType", "Constraint"]].concat();
    json!({
        "operationId": "watch", "tags": ["around"], "summary": "Watches a table.",
        "description": "As `rowbell watch`. It takes the server's token, or a server on loopback, and a role that owns the table.",
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("ToWatch")}}},
        "responses": responses(given, &problems),
    })
}

fn unwatch(busy: &[&str]) -> Value {
    let unwatched = json!({
        "type": "object",
        "properties": {"channel": {"type": "string"}, "table": {"type": "string"}, "notices": notices()},
        "required": ["channel", "table", "notices"],
    });
    let given = Map::from_iter([("200".to_owned(), answer("It is watched no more.", unwatched, &[]))]);
    json!({
        "operationId": "unwatch", "tags": ["around"], "summary": "Unwatches a table.",
        "description": "As `rowbell unwatch`: the columns that watching had added go as well.",
        "parameters": [{"name": "channel", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": responses(given, &[busy, &["NotFound", "Constraint"]].concat()),
    })
}

fn notices() -> Value {
    json!({"description": "What the database said about it.", "type": "array", "items": {"type": "string"}})
}

/// Their schemas.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let names = || json!({"type": "array", "items": {"type": "string"}});
    let wish = json!({
        "type": "object",
        "properties": {
            "table": {"description": "As SQL names it: `orders`, `public.orders`, `\"Orders\"`.", "type": "string"},
            "channel": {"description": "Where it should not be the table's name.", "type": ["string", "null"], "pattern": "^[a-z][a-z0-9-]{0,47}$"},
            "omit": {"description": "Columns that never reach the log nor a client.", "type": "array", "items": {"type": "string"}},
            "as_text": {"description": "Columns of numbers that are sent as text.", "type": "array", "items": {"type": "string"}},
            "notify": {"description": "When writers ring.", "enum": ["auto", "always", "never", null], "default": "auto"},
            "feed_only": {"description": "No version, no writes by request.", "type": "boolean", "default": false},
            "version_column": {"type": ["string", "null"], "default": "version"},
            "replica": {"description": "Also rows that logical replication applies.", "type": "boolean", "default": false},
        },
        "required": ["table"],
        "additionalProperties": false,
    });
    let channel = required(json!({
        "channel": {"type": "string"}, "table": {"type": "string"}, "key": names(),
        "version_column": {"type": ["string", "null"]}, "omit": names(), "notify": {"enum": ["auto", "always", "never"]},
        "replica": {"type": "boolean"}, "as_text": names(), "may_unwatch": {"type": "boolean"},
    }));
    let table = required(json!({"table": {"type": "string"}, "may_watch": {"type": "boolean"}}));
    let channels = required(json!({
        "channels": {"type": "array", "items": channel}, "tables": {"type": "array", "items": table},
    }));
    vec![("ToWatch", wish), ("Channels", channels), ("Stats", stats())]
}

/// An object that has all of these.
fn required(properties: Value) -> Value {
    let names: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn stats() -> Value {
    let count = || json!({"type": "integer", "minimum": 0});
    let maybe = |schema: Value| or_null(schema);
    let names = [
        "sessions",
        "topics",
        "subscriptions",
        "bells",
        "drains",
        "empty_drains",
        "catch_ups",
        "commits",
        "changes",
        "frames",
        "bytes",
        "lag_ms",
        "reconnects",
    ];
    let mut properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), count())).collect();
    properties.insert("mode".into(), json!({"enum": ["bell", "pull"]}));
    properties
        .insert("pool".into(), required(json!({"size": count(), "available": count(), "waiting": count()})));
    properties.insert("queue_usage".into(), maybe(json!({"type": "number", "minimum": 0, "maximum": 1})));
    let log =
        json!({"bytes": maybe(count()), "retention_seconds": maybe(json!({"type": "number", "minimum": 0}))});
    properties.insert("log".into(), required(log));
    let topic = required(json!({"topic": {"type": "string"}, "subscriptions": count()}));
    properties.insert(
        "listened".into(),
        json!({"description": "The topics with most subscriptions.", "type": "array", "items": topic}),
    );
    properties.insert("server".into(), json!({"description": "The node's version.", "type": "string"}));
    required(properties.into())
}
