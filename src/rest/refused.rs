//! Every refusal as the problem a client is told.

use serde_json::json;
use warp::http::StatusCode;
use warp::http::header::{ALLOW, ETAG, HeaderValue, RETRY_AFTER};

use crate::pg::resource::{Change, Conflict, Constraint, Failure, Refusal, Verb};
use crate::problem::Problem;
use crate::words::address::tag_of;
use crate::words::{BadQuery, Error};

/// What a failed request is told.
pub(super) fn problem(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(refusal) => refused(refusal),
        Failure::Broken(error) => broken(&error),
        Failure::Unsure(error) => unsure(&error),
    }
}

fn refused(refusal: Refusal) -> Problem {
    let of = |status, code, detail: &str| Problem::new(status, code, detail);
    match refusal {
        Refusal::UnknownChannel => unknown_channel(),
        Refusal::FeedOnly => feed_only(),
        Refusal::VersionRequired(column) => {
            let detail = format!(
                "name the version the row was read at: If-Match with its ETag, or {column:?} in the body"
            );
            of(StatusCode::PRECONDITION_REQUIRED, "version_required", &detail)
        }
        Refusal::UnknownColumn(told) => of(StatusCode::BAD_REQUEST, "unknown_column", &told),
        Refusal::BadFilter(told) => of(StatusCode::BAD_REQUEST, "bad_filter", &told),
        Refusal::BadValue(told) | Refusal::WrongKind(told) => bad_value(told),
        Refusal::Misfit => bad_value("a value does not fit its column"),
        Refusal::Exists => {
            let detail = "there is a row under this id already; read it, and change it with its version";
            of(StatusCode::CONFLICT, "exists", detail)
        }
        Refusal::KeyReused => {
            let detail = "another request was sent under this key before; give each request a key of its own";
            of(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail)
        }
        Refusal::Constraint(constraint) | Refusal::Taken(constraint) => broken_rule(&constraint),
        Refusal::Forbidden(told) => of(StatusCode::FORBIDDEN, "forbidden", told),
        Refusal::TimedOut | Refusal::Contended => {
            let detail = "the database took too long, or another writer was in the way; nothing was written, try again";
            of(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).with_header(RETRY_AFTER, "1")
        }
        Refusal::TooMuch => of(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "the answer is too large; ask for fewer rows by limit",
        ),
        Refusal::Outdated(code) => {
            log::error!("a statement made for a request does not fit its table ({code})");
            Problem::internal()
        }
    }
}

fn broken_rule(constraint: &Constraint) -> Problem {
    let subject = match (&constraint.column, &constraint.name) {
        (Some(column), _) => format!("column {column:?}"),
        (None, Some(name)) => format!("constraint {name:?}"),
        (None, None) => "the row".to_owned(),
    };
    let detail = format!("{subject}: {}", constraint.rule);
    let name = json!(constraint.name).to_string();
    let problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "constraint", detail).with_member("constraint", name);
    match &constraint.column {
        Some(column) => problem.with_member("column", json!(column).to_string()),
        None => problem,
    }
}

/// The client is told no more than that it may try again; the log knows more.
fn broken(error: &Error) -> Problem {
    if error.is_unavailable() || error.is_refused() {
        log::warn!("a request could not be answered: {}", error.report());
        let detail = "the database is away or busy; try again";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
            .with_header(RETRY_AFTER, "1");
    }
    log::error!("a request could not be answered: {}", error.report());
    Problem::internal()
}

/// The client must not simply try again: a row made twice has two ids.
fn unsure(error: &Error) -> Problem {
    log::warn!("nobody knows whether a write was committed: {}", error.report());
    let detail = "the database went away in the middle: it is not known whether this was written, so read before you \
        try again, or send it again under the key it was sent with";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
}

/// 413 for an operation whose turn did not come, because the answer is large already.
pub(super) fn too_much_at_once() -> Problem {
    let detail = "the answer to the operations before is too large already; send this one in another batch";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// 400 for a value that cannot be.
pub(super) fn bad_value(told: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_value", told)
}

/// 400 for a query that cannot be meant.
pub(super) fn bad_query(bad: BadQuery) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, bad.code, bad.message)
}

/// 405 for a write to a channel that keeps no versions.
pub(super) fn feed_only() -> Problem {
    let detail = "this channel is feed-only: it keeps no versions, so it takes no writes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).with_header(ALLOW, "GET, HEAD")
}

/// 404 for a channel.
pub(super) fn unknown_channel() -> Problem {
    let detail = "no table is watched as this channel; rowbell channels lists them";
    Problem::new(StatusCode::NOT_FOUND, "unknown_channel", detail)
}

/// 404 for a row.
pub(super) fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no row under this id")
}

/// 409 with everything a client needs to settle it.
pub(super) fn conflict(conflict: Conflict, change: &Change) -> Problem {
    let detail = match conflict.version {
        Some(version) if change.verb == Verb::Delete => format!(
            "the row is at version {version} by now: look at \"current\", and delete it with that version if it shall still go"
        ),
        Some(version) => format!(
            "the row is at version {version} by now: bring \"current\" and \"yours\" together, and write with that version"
        ),
        None if change.verb == Verb::Delete => "the row is deleted already".to_owned(),
        None => "the row was deleted meanwhile: create it anew, or give up the change".to_owned(),
    };
    let null = || "null".to_owned();
    let problem = Problem::new(StatusCode::CONFLICT, "conflict", detail)
        .with_member("current", conflict.current.unwrap_or_else(null))
        .with_member("base", conflict.base.unwrap_or_else(null))
        .with_member("yours", change.row.text())
        .with_member("merged", conflict.merged.unwrap_or_else(null))
        .with_member("conflicts", json!(conflict.conflicts).to_string());
    match conflict.version.and_then(|version| HeaderValue::from_str(&tag_of(version)).ok()) {
        Some(tag) => problem.with_header_value(ETAG, tag),
        None => problem,
    }
}
