//! What operations answer: problems with their codes, and headers.

use serde_json::{Map, Value, json};

use super::values::reference;

/// Problems that operations share: the status, the name of the response, its codes, and when it is given.
const PROBLEMS: [(u16, &str, &[&str], &str); 13] = [
    (
        400,
        "BadBody",
        &["bad_json", "bad_value", "unknown_column", "unknown_field"],
        "Something in the request cannot be meant, or does not fit its column.",
    ),
    (
        400,
        "BadQuery",
        &["bad_filter", "bad_limit", "bad_value", "unknown_column", "unknown_field"],
        "Something in the URL cannot be meant, or does not fit its column.",
    ),
    (401, "Unauthorized", &["unauthorized"], "The token is missing or wrong."),
    (403, "Forbidden", &["forbidden"], "A page of another origin, or a privilege or policy of the database."),
    (
        404,
        "NotFound",
        &["not_found", "unknown_channel"],
        "There is no such row, or no such channel any more.",
    ),
    (405, "MethodNotAllowed", &["method_not_allowed"], "`Allow` lists what the path takes."),
    (408, "SlowBody", &["timeout"], "The body did not arrive in time."),
    (
        410,
        "Expired",
        &["expired"],
        "Nothing can be continued from this cursor, and `reason` says why: read the rows anew, and go on since the cursor of that read. Or the log does not reach back to the version or time asked for.",
    ),
    (413, "TooLarge", &["too_large"], "The body is too large, or the answer would be."),
    (
        415,
        "UnsupportedMediaType",
        &["unsupported_media_type"],
        "The body is not sent as `application/json` in UTF-8.",
    ),
    (
        422,
        "Constraint",
        &["constraint", "key_reused"],
        "A rule of the table forbids it, or another request was sent under this key.",
    ),
    (428, "VersionRequired", &["version_required"], "The write names no version."),
    (
        429,
        "TooManyRequests",
        &["too_many_requests"],
        "This node has no room for another who waits; try again after `Retry-After` seconds.",
    ),
];

/// Away, busy, or too slow; told apart from the others because its header may be absent.
const UNAVAILABLE: &str = "The database is away (`database_unavailable`) or took too long (`timeout`). Try again after \
    `Retry-After` seconds; a write without that header may have been done: read before you try again.";

/// Responses by name, for the document's components.
pub(super) fn components() -> Map<String, Value> {
    let mut responses = Map::new();
    for (_, name, codes, about) in PROBLEMS {
        responses.insert(name.to_owned(), problem(about, narrowed(codes)));
    }
    for (name, header) in [
        ("Unauthorized", "WWW-Authenticate"),
        ("MethodNotAllowed", "Allow"),
        ("TooManyRequests", "Retry-After"),
    ] {
        if let Some(response) = responses.get_mut(name) {
            response["headers"] = json!({header: header_reference(header)});
        }
    }
    let mut unavailable = problem(UNAVAILABLE, narrowed(&["database_unavailable", "timeout"]));
    unavailable["headers"] = json!({"Retry-After": {"schema": {"type": "integer", "minimum": 0}}});
    responses.insert("Unavailable".to_owned(), unavailable);
    responses
}

/// Headers by name, for the document's components. All of them are there in answers that name them.
pub(super) fn headers() -> Value {
    let header =
        |about: &str, schema: Value| json!({"description": about, "required": true, "schema": schema});
    json!({
        "ETag": header("The row's version: `\"7\"`.", json!({"type": "string", "pattern": TAG})),
        "Location": header("The row's path, ready to use.", json!({"type": "string", "pattern": "^/api/"})),
        "Rowbell-Cursor": header("The position of the feed at the snapshot that was read; subscribe `since` it.", json!({"type": "string"})),
        "Retry-After": header("Seconds to wait before another try.", json!({"type": "integer", "minimum": 0})),
        "WWW-Authenticate": header("How to show the token.", json!({"type": "string"})),
        "Allow": header("The methods the path takes.", json!({"type": "string"})),
    })
}

/// A version as it is written in headers.
pub(super) const TAG: &str = "^\"-?[0-9]{1,19}\"$";

/// A reference to a header of the document.
pub(super) fn header_reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

/// The schemas of problems.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Problem",
            json!({
                "description": "RFC 9457: what went wrong, in `code` for programs and in `detail` for people.",
                "type": "object",
                "properties": {
                    "type": {"type": "string", "format": "uri-reference", "pattern": "^/errors/"},
                    "title": {"type": "string"},
                    "status": {"type": "integer", "minimum": 400, "maximum": 599},
                    "detail": {"type": "string"},
                    "code": {"type": "string", "pattern": "^[a-z_]+$"},
                },
                "required": ["type", "title", "status", "detail", "code"],
            }),
        ),
        (
            "ConstraintProblem",
            json!({
                "allOf": [reference("Problem")],
                "properties": {
                    "constraint": {"description": "The name of the rule, null where it has none.", "type": ["string", "null"]},
                    "column": {"description": "The column it is about, where it is about one.", "type": "string"},
                },
                "required": ["constraint"],
            }),
        ),
    ]
}

/// The responses of an operation: those given, and the problems of these names.
pub(super) fn responses(mut given: Map<String, Value>, problems: &[&str]) -> Value {
    for (status, name, ..) in PROBLEMS {
        if problems.contains(&name) {
            given.insert(status.to_string(), refer(name));
        }
    }
    if problems.contains(&"Unavailable") {
        given.insert("503".to_owned(), refer("Unavailable"));
    }
    given.sort_keys();
    given.into()
}

fn refer(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// A problem with that schema.
pub(super) fn problem(about: &str, schema: Value) -> Value {
    json!({"description": about, "content": {"application/problem+json": {"schema": schema}}})
}

/// A problem with one of these codes.
fn narrowed(codes: &[&str]) -> Value {
    let of = |name: &str, codes: &[&str]| json!({"allOf": [reference(name)], "properties": {"code": {"enum": codes}}});
    match codes {
        ["constraint", others @ ..] => {
            json!({"oneOf": [of("ConstraintProblem", &["constraint"]), of("Problem", others)]})
        }
        _ => of("Problem", codes),
    }
}

/// An answer with a body of that schema and these headers.
pub(super) fn answer(about: &str, schema: Value, headers: &[&str]) -> Value {
    let mut answer = json!({"description": about, "content": {"application/json": {"schema": schema}}});
    if !headers.is_empty() {
        let named = headers.iter().map(|name| ((*name).to_owned(), header_reference(name)));
        answer["headers"] = named.collect::<Map<_, _>>().into();
    }
    answer
}
