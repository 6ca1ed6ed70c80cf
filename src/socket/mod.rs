//! Floor 3, one of the edges: the feed by WebSocket, server-sent events and long poll, and what operators ask.
//!
//! warp routes the requests; the upgrade, the sessions and the accept loop are our own (`handshake`,
//! `session`, `accept`), because warp's cost 135 kB for an idle socket and have no time limit for headers.
//! What a URL asks for (`visit`, `wish`) and where it gets it from (`topics`) is one for all three transports.

mod accept;
mod around;
mod close;
mod guard;
mod handshake;
mod numbers;
mod outlet;
mod pages;
mod patient;
mod poll;
mod reader;
mod session;
mod sse;
mod topics;
mod transport;
mod visit;
mod web;
mod wish;
mod writer;

pub use accept::serve;
pub use around::{Database, Probe};
pub use guard::guarded;
pub use topics::{Look, News, Topics};

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::http::header::{ALLOW, HeaderMap};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::auth::Door;
use crate::problem::Problem;
use crate::words::FeedConfig;
use crate::words::frame::ErrorFrame;
use accept::Place;
use close::Close;
use handshake::{Handshake, halves};
use session::Session;
use transport::Transport;
use visit::{Query, Visit};

/// Connections that may be on their way out with a refusal at once; more are refused before the upgrade.
const REFUSALS: usize = 256;

/// What is said to whoever is not let in.
const NO_TOKEN: &str = "send the token as Authorization: Bearer, or as the parameter \"token\"";
const NO_ROOM: &str = "this node has no room for another session";

/// What the sessions of one node share; cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Shared>);

struct Shared {
    feed: Arc<dyn Topics>,
    probe: Arc<dyn Probe>,
    door: Arc<Door>,
    config: FeedConfig,
    /// Cancelled, it sends every session away.
    shutdown: CancellationToken,
    /// The sessions that run.
    tasks: TaskTracker,
    /// One permit per session the node still takes, of whatever transport.
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Edge {
    /// An edge before its first session; cancelling `shutdown` ends them all with 1001.
    pub fn new(
        feed: Arc<dyn Topics>,
        probe: Arc<dyn Probe>,
        door: Arc<Door>,
        config: FeedConfig,
        shutdown: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(config.max_sessions.min(Semaphore::MAX_PERMITS)));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let tasks = TaskTracker::new();
        Self(Arc::new(Shared { feed, probe, door, config, shutdown, tasks, places, refusals }))
    }

    /// Waits until every WebSocket session has ended; after a shutdown that takes seconds at most. The others end
    /// with their connections, for which `serve` waits.
    pub async fn ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn feed(&self) -> &dyn Topics {
        &*self.0.feed
    }

    fn probe(&self) -> &dyn Probe {
        &*self.0.probe
    }

    fn door(&self) -> &Door {
        &self.0.door
    }

    fn config(&self) -> &FeedConfig {
        &self.0.config
    }

    fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }

    /// The visit a request is let in for, and the room it takes; none when even refusals are too many.
    fn let_in(&self, visit: Visit, admitted: bool) -> Option<(Visit, Room)> {
        let refused = |code, message: &str, close| {
            let told = ErrorFrame { code, message: message.to_owned(), ..ErrorFrame::default() };
            let permit = Arc::clone(&self.0.refusals).try_acquire_owned().ok()?;
            Some((Visit::Refused(told, close), Room { _permit: permit, counted: None }))
        };
        if !admitted {
            return refused("unauthorized", NO_TOKEN, Close::Unauthorized);
        }
        match self.room() {
            Some(room) => Some((visit, room)),
            None => refused("too_many_requests", NO_ROOM, Close::TooMany),
        }
    }

    /// The room of one more session, if there is any.
    fn room(&self) -> Option<Room> {
        let permit = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        Some(Room::counted(permit, self.clone()))
    }
}

/// The room one connection takes; dropped, it is free again.
struct Room {
    _permit: OwnedSemaphorePermit,
    /// Where the session is counted, if it is one.
    counted: Option<Edge>,
}

impl Room {
    fn counted(permit: OwnedSemaphorePermit, edge: Edge) -> Self {
        edge.feed().stats().sessions.hold();
        Self { _permit: permit, counted: Some(edge) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(edge) = &self.counted {
            edge.feed().stats().sessions.release();
        }
    }
}

/// `/feed`, `/ws`, `/feed/{topic}`, `/healthz`, `/readyz`, `/stats` and `/web/*.js`; to be composed with others and `guarded`.
pub fn routes(
    edge: Edge,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let around = around::routes(edge.clone());
    let free = warp::path!("feed").or(warp::path!("ws")).unify().map(|| None);
    let topic = warp::path!("feed" / String).map(Some);
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let feed = free
        .or(topic)
        .unify()
        .and(only_get())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<Place>())
        .then(move |topic: Option<String>, query: String, headers, on_upgrade, place: Option<Place>| {
            let (edge, query) = (edge.clone(), Query::parse(&query));
            async move {
                match (topic.as_deref(), Transport::of(&headers)) {
                    (Some(topic), Transport::Events) => {
                        sse::open(&edge, topic, query, &headers, place.as_ref())
                    }
                    (Some(topic), Transport::Poll) => {
                        poll::answer(&edge, topic, query, &headers, place.as_ref()).await
                    }
                    (topic, _) => {
                        let answer = upgrade(&edge, topic, query, &headers, on_upgrade);
                        answer.unwrap_or_else(Problem::into_response)
                    }
                }
            }
        });
    let around = around.or(web::routes()).unify().or(pages::routes()).unify();
    feed.or(around).unify()
}

fn upgrade(
    edge: &Edge,
    topic: Option<&str>,
    query: Query,
    headers: &HeaderMap,
    on_upgrade: Option<OnUpgrade>,
) -> Result<Response, Problem> {
    let handshake = Handshake::read(headers, on_upgrade)?;
    let admitted = edge.door().admits(headers, query.token.as_deref());
    let visit = match topic {
        Some(topic) => query.with_topic(topic),
        None => query.without_topic(),
    };
    let (visit, room) = edge
        .let_in(visit, admitted)
        .ok_or_else(|| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "try again later"))?;
    let reply = handshake.reply();
    edge.0.tasks.spawn(hold(edge.clone(), handshake.on_upgrade, visit, room));
    Ok(reply)
}

/// One session, from the upgrade to its end.
async fn hold(edge: Edge, on_upgrade: OnUpgrade, visit: Visit, room: Room) {
    match on_upgrade.await {
        Ok(upgraded) => {
            let (input, output, begun) = halves(upgraded);
            let heard = reader::listen(input, begun).await;
            Session::new(edge, output, heard).run(visit).await;
        }
        Err(error) => log::debug!("an upgrade broke off: {error}"),
    }
    drop(room);
}

/// Lets GET pass, and refuses other methods with the header that says so.
fn only_get() -> impl Filter<Extract = (), Error = Rejection> + Copy + Send + Sync + 'static {
    let check = |method: Method| async move {
        match method {
            Method::GET | Method::HEAD => Ok(()),
            _ => {
                let detail = "this path only takes GET";
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
                Err(warp::reject::custom(problem.with_header(ALLOW, "GET, HEAD")))
            }
        }
    };
    warp::method().and_then(check).untuple_one()
}
