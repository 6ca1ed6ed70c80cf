//! What a request is answered that could be done.

use bytes::Bytes;
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use warp::http::{Response as Plain, StatusCode};
use warp::reply::Response;

use super::counting;
use super::request::KnownVersions;
use crate::pg::resource::{CurrentRow, List, Stored, Strategy, Verb};
use crate::problem::Problem;
use crate::words::address::{path_part, tag_of};

const CURSOR: HeaderName = HeaderName::from_static("rowbell-cursor");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const REPLAYED: HeaderName = HeaderName::from_static("rowbell-replayed");
const XID: HeaderName = HeaderName::from_static("rowbell-xid");

/// The rows of a list that leaves out the first `offset`, with the position the feed continues them from.
pub(super) fn list(list: List, offset: u64) -> Result<Response, Problem> {
    let mut headers = vec![(CURSOR, list.cursor.to_string()), (CACHE_CONTROL, "no-store".to_owned())];
    let mut status = StatusCode::OK;
    if let Some(total) = list.total {
        status = counting::status(list.count, total);
        headers.extend(counting::headers(offset, list.count, total));
    }
    json(status, list.rows, &headers)
}

/// One row, or that the reader has it already.
pub(super) fn row(row: CurrentRow, known: &KnownVersions) -> Result<Response, Problem> {
    // Kept by whoever likes, and asked for again each time.
    let mut headers = vec![(CACHE_CONTROL, "private, no-cache".to_owned())];
    if let Some(version) = row.version {
        headers.push((ETAG, tag_of(version)));
        if known.holds(version) {
            let mut reply = json(StatusCode::NOT_MODIFIED, String::new(), &headers)?;
            reply.headers_mut().remove(CONTENT_TYPE);
            return Ok(reply);
        }
    }
    json(StatusCode::OK, row.row, &headers)
}

/// A row that was written; the xid is that of its commit in the feed.
pub(super) fn stored(
    verb: Verb,
    channel: &str,
    stored: &Stored,
    wanted: Option<Strategy>,
) -> Result<Response, Problem> {
    let mut headers = vec![(CACHE_CONTROL, "no-store".to_owned())];
    if let Some(version) = stored.version.filter(|_| verb != Verb::Delete) {
        headers.push((ETAG, tag_of(version)));
    }
    if let Some(xid) = stored.xid {
        headers.push((XID, xid.to_string()));
    }
    if let Some(strategy) = wanted.filter(|_| verb != Verb::Insert) {
        headers.push((APPLIED, format!("conflict={}", strategy.name())));
    }
    if stored.replayed {
        headers.push((REPLAYED, "true".to_owned()));
    }
    let status = if stored.made {
        headers.push((LOCATION, format!("/api/{channel}/{}", path_part(&stored.id))));
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json(status, stored.row.clone(), &headers)
}

/// What became of each write of a batch.
pub(super) fn results(body: String) -> Result<Response, Problem> {
    json(StatusCode::OK, body, &[(CACHE_CONTROL, "no-store".to_owned())])
}

/// The description of what is served.
pub(super) fn document(text: Bytes) -> Result<Response, Problem> {
    json(StatusCode::OK, text, &[(CACHE_CONTROL, "private, no-cache".to_owned())])
}

fn json(
    status: StatusCode,
    body: impl Into<Bytes>,
    headers: &[(HeaderName, String)],
) -> Result<Response, Problem> {
    let mut reply = Plain::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        // Numbers, cursors and percent-encoded ids: none of them holds what a header may not.
        let value = HeaderValue::from_str(value).map_err(|_| Problem::internal())?;
        reply.headers_mut().insert(name, value);
    }
    Ok(reply.into_response())
}
