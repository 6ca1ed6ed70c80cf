//! Floor 3, for operators: what is watched, and watching and unwatching by request.
//!
//! `watch` changes a table, so it takes more than reading and writing rows does: the server's token, or a server that
//! only its own machine can reach.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, RETRY_AFTER};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::auth::Door;
use crate::body::{Bounds, Incoming};
use crate::pg::catalog::{self, Channel, WatchOptions};
use crate::pg::connect::Connector;
use crate::pg::fault::sqlstate;
use crate::pg::pool::Pool;
use crate::problem::Problem;
use crate::words::{Error, Result};

/// A wish to watch is short.
const BOUNDS: Bounds = Bounds { limit: 64 << 10, wait: Duration::from_secs(30) };

/// What operators' requests share; cheap to clone.
#[derive(Clone)]
pub struct Operators(Arc<Shared>);

struct Shared {
    door: Arc<Door>,
    pool: Pool,
    /// Watching takes a connection of its own: it waits for locks, and the pool is for those who do not.
    connector: Connector,
}

/// The body of `POST /channels`; what is absent is as in `rowbell watch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The table, as SQL names it.
    table: String,
    channel: Option<String>,
    #[serde(default)]
    omit: Vec<String>,
    notify: Option<String>,
    #[serde(default)]
    feed_only: bool,
    version_column: Option<String>,
    #[serde(default)]
    replica: bool,
    #[serde(default)]
    as_text: Vec<String>,
}

impl Operators {
    /// Before the first request.
    pub fn new(door: Arc<Door>, pool: Pool, connector: Connector) -> Self {
        Self(Arc::new(Shared { door, pool, connector }))
    }

    async fn list(&self, headers: &HeaderMap) -> Result<Response, Problem> {
        self.0.door.check_token(headers)?;
        let client = self.0.pool.client("could not ask what is watched").await;
        let client = client.map_err(|error| broken(&error))?;
        let (channels, tables) = tokio::join!(catalog::channels(&client), catalog::tables(&client));
        let (channels, tables) = (channels.map_err(|e| broken(&e))?, tables.map_err(|e| broken(&e))?);
        let may_operate = self.0.door.admits_operators();
        let told = |channel: &Channel| {
            let owned =
                tables.iter().any(|table| table.owned && table.channel.as_deref() == Some(&*channel.name));
            told(channel, may_operate && owned)
        };
        let watched: Vec<_> = channels.iter().map(told).collect();
        let others = tables.iter().filter(|table| table.channel.is_none());
        let others: Vec<_> = others
            .map(|table| json!({"table": table.name, "may_watch": may_operate && table.owned}))
            .collect();
        Ok(answer(StatusCode::OK, &json!({"channels": watched, "tables": others})))
    }

    async fn watch<B: Buf>(
        &self,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
    ) -> Result<Response, Problem> {
        self.check_operator(headers)?;
        let body = Incoming::new(body).json(headers, BOUNDS).await?;
        // In serde's words, which are about the client's own text.
        let wish: Wish = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("this is no wish to watch: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "bad_json", detail)
        })?;
        let options = WatchOptions {
            channel: wish.channel,
            omit: wish.omit,
            notify: wish.notify.unwrap_or_else(|| "auto".to_owned()),
            feed_only: wish.feed_only,
            version_column: wish.version_column.unwrap_or_else(|| "version".to_owned()),
            replica: wish.replica,
            as_text: wish.as_text,
        };
        let watched = catalog::watch(&self.0.connector, &wish.table, &options).await;
        let (channel, notices) = watched.map_err(|error| refused(&error))?;
        log::info!("{} is watched as channel {channel}, by request", wish.table);
        Ok(answer(StatusCode::CREATED, &json!({"channel": channel, "notices": notices})))
    }

    async fn unwatch(&self, headers: &HeaderMap, channel: &str) -> Result<Response, Problem> {
        self.check_operator(headers)?;
        let client = self.0.pool.client("could not ask what is watched").await;
        let channels = catalog::channels(&*client.map_err(|error| broken(&error))?).await;
        let channels = channels.map_err(|error| broken(&error))?;
        let Some(found) = channels.iter().find(|known| &*known.name == channel) else {
            let detail = "no table is watched as this channel; GET /channels lists them";
            return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_channel", detail));
        };
        let unwatched = catalog::unwatch(&self.0.connector, &found.table).await;
        let (channel, notices) = unwatched.map_err(|error| refused(&error))?;
        log::info!("{} is no longer watched, by request", found.table);
        let told = json!({"channel": channel, "table": found.table, "notices": notices});
        Ok(answer(StatusCode::OK, &told))
    }

    fn check_operator(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.0.door.check_token(headers)?;
        if self.0.door.admits_operators() {
            return Ok(());
        }
        let detail =
            "tables are watched and unwatched by request only with the server's token, or on loopback";
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }
}

/// `/channels` and `/channels/{channel}`; to be composed with others.
pub fn routes(
    operators: Operators,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let all = warp::path!("channels").map(|| None);
    let one = warp::path!("channels" / String).map(Some);
    all.or(one)
        .unify()
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |channel: Option<String>, method: Method, headers: HeaderMap, body| {
            let operators = operators.clone();
            async move {
                let answered = match (channel, method.as_str()) {
                    (None, "GET" | "HEAD") => operators.list(&headers).await,
                    (None, "POST") => operators.watch(&headers, body).await,
                    (Some(channel), "DELETE") => operators.unwatch(&headers, &channel).await,
                    (None, _) => Err(Problem::other_method("GET, HEAD, POST")),
                    (Some(_), _) => Err(Problem::other_method("DELETE")),
                };
                answered.unwrap_or_else(Problem::into_response)
            }
        })
}

fn told(channel: &Channel, may_unwatch: bool) -> Value {
    json!({
        "channel": &*channel.name, "table": channel.table, "key": channel.key_columns,
        "version_column": channel.version_column, "omit": channel.omit, "notify": channel.notify,
        "replica": channel.replica, "as_text": channel.as_text, "may_unwatch": may_unwatch,
    })
}

/// Why a table was not watched. What Rowbell's own functions say is for whoever asked; of the rest only its kind.
fn refused(error: &Error) -> Problem {
    match sqlstate(error) {
        Some("RB001") => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "constraint", error.report()),
        Some("RB002") => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", error.report())
            .with_header(RETRY_AFTER, "1"),
        Some("42501") => {
            let detail =
                "the server's role does not own this table, so it cannot be watched or unwatched here";
            Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
        }
        Some("42P01" | "3F000" | "42602" | "42601" | "0A000") => {
            let detail =
                "there is no table of that name; write it as SQL does: orders, public.orders, \"Orders\"";
            Problem::new(StatusCode::BAD_REQUEST, "bad_value", detail)
        }
        _ => broken(error),
    }
}

fn broken(error: &Error) -> Problem {
    if error.is_unavailable() {
        log::warn!("an operator's request could not be answered: {}", error.report());
        let detail = "the database is away or busy; try again";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
            .with_header(RETRY_AFTER, "1");
    }
    log::error!("an operator's request could not be answered: {}", error.report());
    Problem::internal()
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut reply = warp::reply::with_status(warp::reply::json(body), status).into_response();
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
