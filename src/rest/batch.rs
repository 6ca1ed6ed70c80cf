//! `POST /api/batch`: several writes in one request.

use std::fmt::Write;

use serde_json::json;
use tokio::time::Instant;
use warp::http::StatusCode;
use warp::http::header::RETRY_AFTER;
use warp::reply::Response;

use super::operations::Batch;
use super::{Request, Rest, answer, refused, request};
use crate::pg::resource::{Change, Failure, Limits, Operation, Outcome, Refusal, Stored, Undone, Written};
use crate::problem::Problem;

impl Rest {
    pub(super) async fn batch(&self, request: Request) -> Result<Response, Problem> {
        request::refuse_parameters(&request.query)?;
        request::refuse_single(&request.headers)?;
        let writer = request::writer(&request.headers)?;
        let body = request.body.json(&request.headers, self.bounds()).await?;
        let Batch { atomic, operations } = Batch::parse(&body)?;
        drop(body);
        let (limits, resources) = (self.limits(), self.0.resources.clone());
        let patience = limits.end.duration_since(Instant::now()) + self.patience();
        let done = self.to_its_end(Failure::Unsure, patience, async move {
            if atomic {
                Ok(match resources.write_all(&operations, &writer, limits).await {
                    Ok(stored) => Ok(results(stored.iter().map(written))),
                    Err(undone) => Err(none_applied(undone, &operations)),
                })
            } else {
                let outcomes = resources.write_each(&operations, &writer, limits).await?;
                let told = outcomes.into_iter().zip(&operations);
                Ok(Ok(results(told.map(|(outcome, operation)| result(outcome, &operation.change)))))
            }
        });
        answer::results(done.await??)
    }

    fn limits(&self) -> Limits {
        let config = &self.0.config;
        let begin = Instant::now() + config.pool_wait + config.batch;
        Limits { begin, end: begin + config.statement, bytes: config.answer_limit }
    }
}

fn results(each: impl Iterator<Item = String>) -> String {
    let mut body = String::from("{\"results\":[");
    for (place, result) in each.enumerate() {
        if place > 0 {
            body.push(',');
        }
        body.push_str(&result);
    }
    body.push_str("]}");
    body
}

fn result(outcome: Outcome, change: &Change) -> String {
    match outcome {
        Outcome::Ended(Ok(Written::Done(stored))) => written(&stored),
        Outcome::Ended(told) => failed(&problem(told, change)),
        Outcome::Skipped(earlier) => {
            let detail = format!("operation {earlier}, about the same row, failed; nothing was tried");
            failed(&Problem::new(StatusCode::FAILED_DEPENDENCY, "skipped", detail))
        }
    }
}

fn written(stored: &Stored) -> String {
    let status = if stored.made { StatusCode::CREATED } else { StatusCode::OK };
    let mut result = format!("{{\"status\":{},\"id\":{}", status.as_u16(), json!(stored.id));
    // Writing to a string does not fail.
    if let Some(version) = stored.version {
        let _infallible = write!(result, ",\"version\":{version}");
    }
    if let Some(xid) = stored.xid {
        let _infallible = write!(result, ",\"xid\":\"{xid}\"");
    }
    if stored.replayed {
        result.push_str(",\"replayed\":true");
    }
    result.push_str(",\"row\":");
    result.push_str(&stored.row);
    result.push('}');
    result
}

/// A problem has no headers here, so when to try again stands beside it.
fn failed(problem: &Problem) -> String {
    let status = problem.status().as_u16();
    let retry = problem.header(&RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry = retry.map(|seconds| format!(",\"retry_after\":{seconds}")).unwrap_or_default();
    format!("{{\"status\":{status}{retry},\"problem\":{}}}", problem.json())
}

fn problem(told: Result<Written, Failure>, change: &Change) -> Problem {
    match told {
        Ok(Written::Stale(conflict)) => refused::conflict(conflict, change),
        Ok(Written::Missing) => refused::missing(),
        // A write that is done is no problem; where it is asked for one, something of ours broke.
        Ok(Written::Done(_)) => Problem::internal(),
        Err(Failure::Refused(Refusal::TooMuch)) => refused::too_much_at_once(),
        Err(failure) => refused::problem(failure),
    }
}

/// The problem of the operation that failed, as that of the whole.
fn none_applied(undone: Undone, operations: &[Operation]) -> Problem {
    let Some((place, operation)) = undone.place.and_then(|place| Some((place, operations.get(place)?)))
    else {
        return match undone.told {
            Err(failure @ Failure::Unsure(_)) => refused::problem(failure),
            Err(failure) => refused::problem(failure).with_preface("none of the batch was applied: "),
            Ok(_) => Problem::internal(),
        };
    };
    problem(undone.told, &operation.change)
        .with_preface(&format!("operation {place} failed, and none of the batch was applied: "))
        .with_member("operation", place.to_string())
}
