//! What operators ask: is it up, is it ready, what does it do.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use super::{Edge, numbers, only_get};
use crate::problem::Problem;
use crate::words::Result;

/// What the database's side of the node says of itself; the server supplies it, because this floor has no database.
pub trait Probe: Send + Sync + 'static {
    /// Whether the database can be used: reachable, its schema current. While only the listener reconnects, yes.
    fn ready(&self) -> BoxFuture<'_, Result<()>>;

    /// The numbers of the database's side; asked for every `/stats` and `/metrics`.
    fn database(&self) -> BoxFuture<'_, Database>;
}

/// The database's side of `/stats` and `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Database {
    /// Connections of the pool that are open.
    pub pool_size: usize,
    /// Connections of the pool that nobody uses.
    pub pool_available: usize,
    /// Who waits for a connection of the pool.
    pub pool_waiting: usize,
    /// How full PostgreSQL's notification queue is, from 0 to 1; none while nobody can say.
    pub queue_usage: Option<f64>,
    /// Bytes the log takes with its indexes; none while nobody can say.
    pub log_bytes: Option<i64>,
    /// How long changes are kept; none while nobody can say.
    pub retention: Option<Duration>,
}

/// `/healthz`, `/readyz`, `/stats` and `/metrics`.
pub(super) fn routes(
    edge: Edge,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let edge = warp::any().map(move || edge.clone());
    let health = warp::path!("healthz").and(only_get()).map(|| answer(&json!({"status": "ok"})));
    let ready = warp::path!("readyz").and(only_get()).and(edge.clone()).then(ready);
    let headers = warp::header::headers_cloned();
    let stats = warp::path!("stats").and(only_get()).and(edge.clone()).and(headers).then(stats);
    let metrics = warp::path!("metrics").and(only_get()).and(edge).and(headers).then(metrics);
    health.or(ready).unify().or(stats).unify().or(metrics).unify()
}

async fn ready(edge: Edge) -> Response {
    match edge.probe().ready().await {
        Ok(()) => answer(&json!({"status": "ready"})),
        Err(error) => {
            log::warn!("not ready: {}", error.report());
            let detail = "the database is away or its schema is not current";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
                .with_header(RETRY_AFTER, "1")
                .into_response()
        }
    }
}

async fn stats(edge: Edge, headers: HeaderMap) -> Response {
    if let Err(problem) = edge.door().check_token(&headers) {
        return problem.into_response();
    }
    answer(&numbers::stats(&edge, &edge.probe().database().await))
}

async fn metrics(edge: Edge, headers: HeaderMap) -> Response {
    if let Err(problem) = edge.door().check_token(&headers) {
        return problem.into_response();
    }
    let mut reply = numbers::metrics(&edge, &edge.probe().database().await).into_response();
    let into = reply.headers_mut();
    into.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    into.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn answer(body: &serde_json::Value) -> Response {
    let mut reply = warp::reply::json(body).into_response();
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
