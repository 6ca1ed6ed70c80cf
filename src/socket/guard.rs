//! What stands before every route: the rules for browsers, and what every answer carries.

use std::convert::Infallible;
use std::sync::Arc;

use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{Method, Response as Plain, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::auth::Door;
use crate::problem::{Problem, recover};

/// What pages of allowed origins may do and send, and which headers of answers they may read.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const MAY_SEND: &str = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Prefer, Last-Event-ID, \
    Rowbell-Actor, Rowbell-Branch";
const MAY_READ: &str = "Content-Range, ETag, Location, Preference-Applied, Retry-After, Rowbell-Cursor, \
    Rowbell-Xid, Rowbell-Replayed";

/// How long a browser remembers that, in seconds.
const REMEMBERED: &str = "600";

/// Puts the rules for browsers before the routes, and makes every refusal a problem.
pub fn guarded<F>(
    door: Arc<Door>,
    routes: F,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    let outer = Arc::clone(&door);
    let check = move |headers: HeaderMap| {
        let checked = check(&door, &headers).map_err(warp::reject::custom);
        async move { checked }
    };
    let guard = warp::header::headers_cloned().and_then(check).untuple_one();
    let answers = guard.and(preflight().or(routes).unify()).recover(recover).unify();
    warp::header::headers_cloned().and(answers).map(move |headers: HeaderMap, mut reply: Response| {
        reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        open_to_pages(&outer, &headers, reply.headers_mut());
        reply
    })
}

fn check(door: &Door, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |detail| Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    if !door.knows_host(headers) {
        return forbidden(
            "this server is bound to loopback and answers only to localhost, 127.0.0.1 and [::1]",
        );
    }
    if !door.knows_origin(headers) {
        return forbidden("pages of this origin may not connect; --allow-origin lets them");
    }
    Ok(())
}

/// Answers what a browser asks before a page's request, whatever the path. The origin has been checked.
fn preflight() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let asks = |method: Method, headers: HeaderMap| async move {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Err(warp::reject::not_found());
        }
        let reply = Plain::builder()
            .status(StatusCode::NO_CONTENT)
            .header(ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .header(ACCESS_CONTROL_ALLOW_HEADERS, MAY_SEND)
            .header(ACCESS_CONTROL_MAX_AGE, REMEMBERED)
            .body("");
        Ok(reply.into_response())
    };
    warp::method().and(warp::header::headers_cloned()).and_then(asks)
}

/// Lets a page of an allowed origin read the answer, refusals included.
fn open_to_pages(door: &Door, asked: &HeaderMap, answered: &mut HeaderMap) {
    if door.answers_by_origin() {
        answered.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = door.allowed_origin(asked) {
        answered.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answered.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(MAY_READ));
    }
}
