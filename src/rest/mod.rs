//! Floor 3, the other edge: one REST resource per channel, `/api/{channel}` and `/api/{channel}/{id}`, and their
//! description, `/openapi.json`.
//!
//! A request is answered from the database. What follows from a write reaches subscribers as any other program's
//! write does, through the log; nothing here knows that there is a feed.

mod answer;
mod batch;
mod counting;
mod history;
mod openapi;
mod operations;
mod refused;
mod request;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use warp::http::Method;
use warp::http::header::HeaderMap;
use warp::path::Tail;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::auth::Door;
use crate::body::{Bounds, Incoming};
use crate::pg::resource::{Change, Failure, Resources, Verb, Written};
use crate::problem::Problem;
use crate::words::topic::is_channel_name;
use crate::words::{Error, ListQuery, RestConfig, RowBody};
use openapi::Document;
use request::{Target, Wanted};

/// What requests share; cheap to clone.
#[derive(Clone)]
pub struct Rest(Arc<Shared>);

struct Shared {
    resources: Resources,
    door: Arc<Door>,
    config: RestConfig,
    document: Document,
}

/// One request, its body still to be read.
struct Request {
    method: Method,
    target: Target,
    query: String,
    headers: HeaderMap,
    body: Incoming,
}

impl Rest {
    /// The edge before its first request.
    pub fn new(resources: Resources, door: Arc<Door>, config: RestConfig) -> Self {
        Self(Arc::new(Shared { resources, door, config, document: Document::default() }))
    }
}

/// `/api/…` and `/openapi.json`; to be composed with others.
pub fn routes(
    rest: Rest,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    description(rest.clone()).or(rows(rest)).unify()
}

fn description(
    rest: Rest,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path!("openapi.json").and(warp::method()).and(warp::header::headers_cloned()).then(
        move |method, headers| {
            let rest = rest.clone();
            async move { rest.describe(&method, &headers).await.unwrap_or_else(Problem::into_response) }
        },
    )
}

fn rows(rest: Rest) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path("api")
        .and(warp::path::tail())
        .and(warp::method())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |path: Tail, method, query, headers, stream| {
            let rest = rest.clone();
            async move {
                let answered = match Target::read(path.as_str()) {
                    Ok(target) => {
                        let body = Incoming::new(stream);
                        rest.answer(Request { method, target, query, headers, body }).await
                    }
                    Err(problem) => Err(problem),
                };
                answered.unwrap_or_else(Problem::into_response)
            }
        })
}

impl Rest {
    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        self.0.door.check_token(&request.headers)?;
        if request.target != Target::Batch && !is_channel_name(request.target.channel()) {
            return Err(refused::unknown_channel());
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") && request.target != Target::Batch {
            self.check_writable(request.target.channel()).await?;
        }
        match (&request.target, request.method.as_str()) {
            (Target::Batch, "POST") => self.batch(request).await,
            (Target::Rows { .. }, "GET" | "HEAD") => self.list(request).await,
            (Target::Rows { .. }, "POST") => self.create(request).await,
            (Target::Row { .. }, "GET" | "HEAD") => self.read(request).await,
            (Target::History { .. }, "GET" | "HEAD") => self.history(request).await,
            (Target::Row { .. }, "PUT") => self.replace(request).await,
            (Target::Row { .. }, "PATCH") => self.change(Verb::Patch, request).await,
            (Target::Row { .. }, "DELETE") => self.change(Verb::Delete, request).await,
            (target, _) => Err(Problem::other_method(target.methods())),
        }
    }

    /// Refuses everything but reading of a channel that takes no writes.
    async fn check_writable(&self, channel: &str) -> Result<(), Problem> {
        let (resources, channel) = (self.0.resources.clone(), channel.to_owned());
        let looking = async move { resources.takes_writes(&channel).await };
        match self.while_wanted(Failure::Broken, self.patience(), looking).await? {
            true => Ok(()),
            false => Err(refused::feed_only()),
        }
    }

    async fn describe(&self, method: &Method, headers: &HeaderMap) -> Result<Response, Problem> {
        self.0.door.check_token(headers)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Problem::other_method("GET, HEAD"));
        }
        let (rest, guarded) = (self.clone(), self.0.door.is_guarded());
        let text = self
            .while_wanted(Failure::Broken, self.patience(), async move {
                rest.0.document.text(&rest.0.resources, guarded).await
            })
            .await?;
        answer::document(text)
    }

    async fn list(&self, request: Request) -> Result<Response, Problem> {
        let mut query = ListQuery::parse(&request.query).map_err(refused::bad_query)?;
        query.count = counting::wanted(&request.headers);
        let offset = query.offset;
        let (resources, channel) = (self.0.resources.clone(), request.target.channel().to_owned());
        let list =
            self.while_wanted(Failure::Broken, self.patience(), async move {
                resources.list(&channel, &query).await
            })
            .await?;
        answer::list(list, offset)
    }

    async fn read(&self, request: Request) -> Result<Response, Problem> {
        if let Some(moment) = history::moment(&request.query)? {
            return self.row_as_of(request, moment).await;
        }
        let (resources, channel) = (self.0.resources.clone(), request.target.channel().to_owned());
        let id = request.target.id().to_owned();
        let row = self
            .while_wanted(Failure::Broken, self.patience(), async move { resources.row(&channel, &id).await })
            .await?;
        let row = row.ok_or_else(refused::missing)?;
        answer::row(row, &request::known_versions(&request.headers))
    }

    async fn create(&self, request: Request) -> Result<Response, Problem> {
        self.write(Verb::Insert, None, None, request).await
    }

    async fn replace(&self, request: Request) -> Result<Response, Problem> {
        match request::wanted(&request.headers)? {
            Wanted::Absent => {
                let id = request.target.id().to_owned();
                self.write(Verb::Insert, Some(id), None, request).await
            }
            Wanted::Version(_) => self.change(Verb::Replace, request).await,
        }
    }

    async fn change(&self, verb: Verb, request: Request) -> Result<Response, Problem> {
        let version = match request::wanted(&request.headers)? {
            Wanted::Version(version) => version,
            Wanted::Absent => {
                return Err(refused::bad_value("If-None-Match is for GET and for a PUT that creates"));
            }
        };
        let id = request.target.id().to_owned();
        self.write(verb, Some(id), version, request).await
    }

    async fn write(
        &self,
        verb: Verb,
        id: Option<String>,
        version: Option<i64>,
        request: Request,
    ) -> Result<Response, Problem> {
        request::refuse_parameters(&request.query)?;
        let (writer, key) = (request::writer(&request.headers)?, request::key(&request.headers)?);
        let channel = request.target.channel().to_owned();
        let row = match (verb, request.body.is_empty(&request.headers)) {
            (Verb::Delete, true) => RowBody::default(),
            _ => request.body.row(&request.headers, self.bounds()).await?,
        };
        let wanted = request::strategy(&request.headers)?;
        let change = Change { verb, id, version, row, strategy: wanted.unwrap_or_default(), key };
        let resources = self.0.resources.clone();
        let (change, written) = self
            .while_wanted(Failure::Unsure, self.patience(), async move {
                let written = resources.write(&channel, &change, &writer).await?;
                Ok((change, written))
            })
            .await?;
        match written {
            Written::Done(stored) => answer::stored(verb, request.target.channel(), &stored, wanted),
            Written::Stale(conflict) => Err(refused::conflict(conflict, &change)),
            Written::Missing => Err(refused::missing()),
        }
    }

    fn bounds(&self) -> Bounds {
        let RestConfig { body_limit, body_wait, .. } = self.0.config;
        Bounds { limit: body_limit, wait: body_wait }
    }

    /// The time that two statements of a request may take.
    fn patience(&self) -> Duration {
        let RestConfig { pool_wait, statement, .. } = self.0.config;
        pool_wait + 2 * statement
    }

    /// Runs work for as long as its client waits for it, and no longer than some time: a connection that lost its peer
    /// never answers, and then it has come to `late`. What is under way when the client goes is called off.
    async fn while_wanted<T>(
        &self,
        late: fn(Error) -> Failure,
        patience: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Problem> {
        match timeout(patience, work).await {
            Ok(done) => done.map_err(refused::problem),
            Err(_) => Err(refused::problem(late(Error::unavailable(
                "the database did not answer a request in time",
            )))),
        }
    }

    /// Runs work that goes on when its client has gone.
    async fn to_its_end<T: Send + 'static>(
        &self,
        late: fn(Error) -> Failure,
        patience: Duration,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Problem> {
        let rest = self.clone();
        tokio::spawn(async move { rest.while_wanted(late, patience, work).await }).await.unwrap_or_else(
            |error| {
                log::error!("a request broke off: {error}");
                Err(Problem::internal())
            },
        )
    }
}
