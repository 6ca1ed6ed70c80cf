//! The body of a batch: checked as a whole before anything is done.

use serde::Deserialize;
use serde_json::value::RawValue;
use warp::http::StatusCode;

use super::refused::bad_value;
use super::request::{KEY_RULE, STRATEGY_RULE, is_key};
use crate::pg::resource::{Change, Operation, Strategy, Verb};
use crate::problem::Problem;
use crate::words::RowBody;

/// Operations of one batch.
const MOST_OPERATIONS: usize = 1000;

/// A batch as it was sent.
#[derive(Debug)]
pub(super) struct Batch {
    /// All of it in one transaction, or each by itself.
    pub(super) atomic: bool,
    pub(super) operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(default)]
    atomic: bool,
    #[serde(borrow)]
    operations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    method: String,
    channel: String,
    id: Option<String>,
    version: Option<Box<RawValue>>,
    row: Option<RowBody>,
    key: Option<String>,
    conflict: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: usize,
}

/// On which version an operation is based.
enum Base {
    None,
    Version(i64),
    After(usize),
}

impl Batch {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|_| bad_json("the body is not UTF-8"))?;
        let body: Body<'_> = serde_json::from_str(text).map_err(|error| {
            bad_json(&format!("the body is no batch, {{\"atomic\", \"operations\"}}: {error}"))
        })?;
        let count = body.operations.len();
        if count > MOST_OPERATIONS {
            let detail = format!("a batch may have up to {MOST_OPERATIONS} operations, and this has {count}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        let mut operations = Vec::with_capacity(count);
        for (place, sent) in body.operations.into_iter().enumerate() {
            let operation = operation(sent.get(), &operations);
            operations
                .push(operation.map_err(|problem| problem.with_preface(&format!("operation {place}: ")))?);
        }
        one_key_each(&operations)?;
        Ok(Self { atomic: body.atomic, operations })
    }
}

fn operation(text: &str, before: &[Operation]) -> Result<Operation, Problem> {
    let sent: Sent = serde_json::from_str(text).map_err(|error| bad_json(&error.to_string()))?;
    let (version, after) = match base(sent.version.as_deref())? {
        Base::None => (None, None),
        Base::Version(version) => (Some(version), None),
        Base::After(earlier) => (None, Some(earlier)),
    };
    let verb = match sent.method.as_str() {
        "POST" => Verb::Insert,
        "PUT" => Verb::Replace,
        "PATCH" => Verb::Patch,
        "DELETE" => Verb::Delete,
        _ => return Err(bad_value("\"method\" is POST, PUT, PATCH or DELETE")),
    };
    match (verb, version.is_some() || after.is_some(), &sent.id, after) {
        (Verb::Insert, true, ..) => return Err(bad_value("a POST is based on no version; leave it out")),
        (Verb::Insert, ..) | (_, _, Some(_), _) | (_, _, None, Some(_)) => {}
        (_, _, None, None) => return Err(bad_value("\"id\" says which row is meant")),
    }
    if verb != Verb::Delete && sent.row.is_none() {
        return Err(bad_value("\"row\" is an object of columns"));
    }
    if let Some(earlier) = after {
        follows(earlier, &sent, before)?;
    }
    if sent.key.as_deref().is_some_and(|key| !is_key(key)) {
        return Err(bad_value(format!("\"key\" {KEY_RULE}")));
    }
    let strategy = match sent.conflict.as_deref() {
        None => Strategy::Reject,
        Some(name) => Strategy::of(name).ok_or_else(|| bad_value(format!("\"conflict\" {STRATEGY_RULE}")))?,
    };
    let row = sent.row.unwrap_or_default();
    let change = Change { verb, id: sent.id, version, row, strategy, key: sent.key };
    Ok(Operation { channel: sent.channel, change, after })
}

/// `{"after": i}` names an operation that leaves a version of the same row behind.
fn follows(earlier: usize, sent: &Sent, before: &[Operation]) -> Result<(), Problem> {
    let Some(of) = before.get(earlier) else {
        return Err(bad_value(format!("\"after\" names an earlier operation, and {earlier} is none")));
    };
    if of.change.verb == Verb::Delete {
        return Err(bad_value(format!("operation {earlier} is a DELETE, which leaves no version")));
    }
    let other_id = matches!((&of.change.id, &sent.id), (Some(one), Some(other)) if one != other);
    if of.channel != sent.channel || other_id {
        return Err(bad_value(format!("operation {earlier} is about another row")));
    }
    Ok(())
}

fn base(sent: Option<&RawValue>) -> Result<Base, Problem> {
    let Some(text) = sent.map(RawValue::get) else { return Ok(Base::None) };
    if text == "null" {
        return Ok(Base::None);
    }
    if let Ok(version) = text.parse() {
        return Ok(Base::Version(version));
    }
    let after = serde_json::from_str(text).map(|After { after }| Base::After(after));
    after.map_err(|_| {
        bad_value("\"version\" is a whole number, or {\"after\": N} with the place of an earlier operation")
    })
}

fn one_key_each(operations: &[Operation]) -> Result<(), Problem> {
    let mut places = std::collections::HashMap::new();
    for (place, operation) in operations.iter().enumerate() {
        let Some(key) = operation.change.key.as_deref() else { continue };
        if let Some(earlier) = places.insert(key, place) {
            return Err(bad_value(format!("operation {place}: its key is that of operation {earlier}")));
        }
    }
    Ok(())
}

fn bad_json(told: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_json", told)
}
