//! What can be done to the rows of one channel, as operations on its two paths.

use serde_json::{Map, Value, json};

use super::answers::{TAG, answer, header_reference, problem, responses};
use super::values::or_null;
use super::{filters, history, rows};
use crate::pg::resource::DescribedTable;

/// Problems that every read and every write may end in.
const READ: [&str; 7] =
    ["BadQuery", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "TooLarge", "Unavailable"];
pub(super) const WRITE: [&str; 10] = [
    "BadBody",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "MethodNotAllowed",
    "SlowBody",
    "TooLarge",
    "UnsupportedMediaType",
    "Constraint",
    "Unavailable",
];

/// A key as a header carries it.
pub(super) const KEY: &str = "^[!-~]([ -~]*[!-~])?$";

/// The paths of a channel.
pub(super) fn paths(table: &DescribedTable) -> Vec<(String, Value)> {
    let (mut all, mut one) = (Map::new(), Map::new());
    all.insert("get".into(), list(table));
    one.insert("parameters".into(), json!([filters::id(table)]));
    one.insert("get".into(), read(table));
    if table.version().is_some() {
        all.insert("post".into(), create(table));
        one.insert("put".into(), replace(table));
        one.insert("patch".into(), change(table));
        one.insert("delete".into(), delete(table));
    }
    let path = format!("/api/{}", table.channel);
    let past = json!({"parameters": [filters::id(table)], "get": history::operation(table)});
    vec![(format!("{path}/{{id}}/history"), past), (format!("{path}/{{id}}"), one.into()), (path, all.into())]
}

/// Parameters of writes.
pub(super) fn components() -> Vec<(&'static str, Value)> {
    let header = |name: &str, about: &str, schema: Value| json!({"name": name, "in": "header", "description": about, "schema": schema});
    let name = || json!({"type": "string", "maxLength": 200, "pattern": "^[ -~]*$"});
    vec![
        (
            "if-match",
            header(
                "If-Match",
                "The version the row was read at, as it stood in `ETag`. It may stand in the body instead.",
                json!({"type": "string", "pattern": "^(W/)?\"-?[0-9]{1,18}\"$"}),
            ),
        ),
        (
            "if-none-match",
            header(
                "If-None-Match",
                "Versions the client has: where the row is at one of them the answer is 304.",
                json!({"type": "string"}),
            ),
        ),
        (
            "if-absent",
            header(
                "If-None-Match",
                "`*` creates the row under this id; not together with `If-Match`.",
                json!({"const": "*"}),
            ),
        ),
        (
            "strategy",
            header(
                "Prefer",
                "What to do when the version is not current: `conflict=reject` (as without it), `merge`, `force` or `keep`.",
                json!({"type": "string"}),
            ),
        ),
        (
            "key",
            header(
                "Idempotency-Key",
                "The same request under the same key is done once, and answered as the first time.",
                json!({"type": "string", "maxLength": 200, "pattern": KEY}),
            ),
        ),
        (
            "actor",
            header(
                "Rowbell-Actor",
                "Who writes, told with the commit in the feed; UTF-8, percent-encoded.",
                name(),
            ),
        ),
        ("branch", header("Rowbell-Branch", "From where, likewise.", name())),
    ]
}

fn operation(table: &DescribedTable, verb: &str, summary: &str) -> Value {
    json!({"operationId": format!("{}.{verb}", table.channel), "tags": [&*table.channel], "summary": summary})
}

/// References to parameters of the document.
pub(super) fn parameters(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect()
}

fn one(status: &str, response: Value) -> Map<String, Value> {
    Map::from_iter([(status.to_owned(), response)])
}

/// The row, in answers that carry one.
fn row(table: &DescribedTable, about: &str, headers: &[&str]) -> Value {
    let tag = table.version().map(|_| "ETag");
    let headers: Vec<_> = tag.into_iter().chain(headers.iter().copied()).collect();
    answer(about, rows::refer(table, "row"), &headers)
}

fn list(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "list", &format!("Lists {}.", table.channel));
    operation["description"] = filters::GRAMMAR.into();
    operation["parameters"] = filters::of_list(table).into();
    let items = json!({"anyOf": [rows::refer(table, "row"), rows::refer(table, "part")]});
    let rows = json!({"type": "array", "items": items});
    let counted = json!({"Content-Range": {
        "description": "`FIRST-LAST/TOTAL` where all were counted.", "schema": {"type": "string", "pattern": "^([0-9]+-[0-9]+|\\*)/[0-9]+$"}}});
    let mut whole =
        answer("The rows; of those selected, the columns selected.", rows.clone(), &["Rowbell-Cursor"]);
    whole["headers"]["Content-Range"] = counted["Content-Range"].clone();
    let mut part = answer("Some of the rows that were counted.", rows, &["Rowbell-Cursor", "Content-Range"]);
    part["description"] = "Part of the rows that were counted.".into();
    let mut given = one("200", whole);
    given.insert("206".into(), part);
    operation["responses"] = responses(given, &READ);
    operation
}

fn read(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "read", "Reads one row, as it is or as it was.");
    operation["parameters"] = parameters(&["as-of-time"]);
    let mut given = one("200", row(table, "The row; as it was, with the columns of then.", &[]));
    if table.version().is_some() {
        operation["parameters"] = parameters(&["if-none-match", "as-of-version", "as-of-time"]);
        let headers = json!({"ETag": header_reference("ETag")});
        given
            .insert("304".into(), json!({"description": "The client has this version.", "headers": headers}));
    }
    operation["responses"] = responses(given, &[&READ[..], &["Expired"]].concat());
    operation
}

fn create(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "create", "Creates a row.");
    operation["parameters"] = parameters(&["key", "actor", "branch"]);
    operation["requestBody"] = body(table, "new");
    let mut created = written(row(table, "The row as it is now.", &["Location"]));
    if let Some(links) = links(table) {
        created["links"] = links;
    }
    let mut given = one("201", created);
    given.insert("409".into(), exists());
    operation["responses"] = responses(given, &WRITE);
    operation
}

fn replace(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "replace", "Replaces a row, or creates it under this id.");
    operation["description"] =
        "Columns that are absent take their defaults. It needs the version, or `If-None-Match: *` to create."
            .into();
    operation["parameters"] = parameters(&["if-match", "if-absent", "strategy", "key", "actor", "branch"]);
    operation["requestBody"] = body(table, "replacement");
    let mut given = one("200", settled(table));
    given.insert("201".into(), written(row(table, "The row, created.", &["Location"])));
    given.insert("409".into(), stale(table, "The row is at another version, or there is one already."));
    operation["responses"] = responses(given, &[&WRITE[..], &["VersionRequired"]].concat());
    operation
}

fn change(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "patch", "Sets the columns given.");
    operation["description"] =
        "It needs the version. An object for a `json` or `jsonb` column is merged (RFC 7396).".into();
    operation["parameters"] = parameters(&["if-match", "strategy", "key", "actor", "branch"]);
    operation["requestBody"] = body(table, "change");
    let mut given = one("200", settled(table));
    given.insert("201".into(), written(row(table, "The row, made anew by force.", &["Location"])));
    given.insert("409".into(), stale(table, "The row is at another version."));
    operation["responses"] = responses(given, &[&WRITE[..], &["VersionRequired"]].concat());
    operation
}

fn delete(table: &DescribedTable) -> Value {
    let mut operation = operation(table, "delete", "Deletes a row.");
    operation["description"] = "It needs the version.".into();
    operation["parameters"] = parameters(&["if-match", "strategy", "key", "actor", "branch"]);
    let last = or_null(rows::refer(table, "row"));
    let last = answer(
        "The row as it was; null where it was gone already, and the strategy lets that be.",
        last,
        &[],
    );
    let mut given = one("200", written(last));
    given.insert("409".into(), stale(table, "The row is at another version."));
    operation["responses"] = responses(given, &[&WRITE[..], &["VersionRequired"]].concat());
    operation
}

fn body(table: &DescribedTable, what: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": rows::refer(table, what)}}})
}

/// The row after a change, whatever the strategy made of it.
fn settled(table: &DescribedTable) -> Value {
    let row = or_null(rows::refer(table, "row"));
    let mut answer =
        answer("The row as it is now; null where it was deleted, and the strategy lets that be.", row, &[]);
    answer["headers"]["ETag"] = version_header();
    written(answer)
}

fn version_header() -> Value {
    json!({
        "description": "The version the row is at, where there is one.", "schema": {"type": "string", "pattern": TAG},
    })
}

/// What answers to writes carry besides; not where nothing changed.
fn written(mut answer: Value) -> Value {
    answer["headers"]["Rowbell-Xid"] = json!({
        "description": "The transaction: the `xid` of its commit in the feed. Absent where nothing changed.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    });
    answer["headers"]["Preference-Applied"] = json!({
        "description": "The strategy, where one was preferred.", "schema": {"type": "string", "pattern": "^conflict="},
    });
    answer["headers"]["Rowbell-Replayed"] = json!({
        "description": "The request was answered before, under its key.", "schema": {"const": "true"},
    });
    answer
}

fn exists() -> Value {
    problem("There is a row under that id already.", super::values::reference("Problem"))
}

fn stale(table: &DescribedTable, about: &str) -> Value {
    let mut response = problem(about, rows::refer(table, "conflict"));
    response["headers"] = json!({"ETag": version_header()});
    response
}

/// Where a new row leads, for tables whose key is one column.
fn links(table: &DescribedTable) -> Option<Value> {
    let mut key = table.key_columns();
    let (Some(column), None) = (key.next(), key.next()) else { return None };
    let id = format!("$response.body#/{}", column.name.replace('~', "~0").replace('/', "~1"));
    let link = |verb: &str, parameters: Value| json!({"operationId": format!("{}.{verb}", table.channel), "parameters": parameters});
    let based = json!({"path.id": id, "header.If-Match": "$response.header.ETag"});
    Some(json!({
        "read": link("read", json!({"path.id": id})),
        "replace": link("replace", based.clone()),
        "patch": link("patch", based.clone()),
        "delete": link("delete", based),
    }))
}
