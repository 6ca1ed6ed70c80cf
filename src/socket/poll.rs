//! The feed by long poll: one answer a request, as soon as there is something to say.
//!
//! Commits the client has not seen are answered from the log at once. A client that has seen all waits in the topic's
//! live stream, beside the sessions and without a connection to the database, and is answered with the frame they
//! get, if it is no larger than what the client wants.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::time::{Instant, sleep_until};
use warp::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use warp::http::{Response as Plain, StatusCode};
use warp::reply::Response;
use warp::{Reply, reply};

use super::accept::Place;
use super::topics::{Look, News};
use super::transport::Body;
use super::visit::Query;
use super::wish::Wish;
use super::{Edge, NO_ROOM, Room};
use crate::feed::Start;
use crate::problem::Problem;
use crate::words::frame::{AnswerEncoder, ErrorFrame, Outline, ResetReason};
use crate::words::{Cursor, Error, Result, Topic, query};

/// Seconds a request may ask to wait, and waits where it does not say.
const LONGEST_WAIT: u64 = 60;
const DEFAULT_WAIT: u64 = 30;

/// Changes a request may ask for, and gets at most where it does not say.
const LARGEST_LIMIT: u32 = 10_000;
const DEFAULT_LIMIT: u32 = 1000;

/// Bytes of an answer that are read before it begins, and one piece more. What is longer goes out while it is read, and
/// an error then can only break it off.
const HELD: usize = 1 << 20;

/// One poll, as its URL asks for it.
#[derive(Debug)]
struct Poll {
    topic: Topic,
    start: Start,
    wait: Duration,
    /// In changes.
    limit: u32,
}

/// What came while a poll waited.
enum Heard {
    /// A frame, as an answer.
    Frame(Bytes),
    /// More than one answer takes; the log has it, after this position.
    TooMuch(Cursor),
    /// Nothing, up to this position.
    Nothing(Cursor),
}

/// Answers a request for `/feed/{topic}`, at the latest when it has waited for as long as it wants.
pub(super) async fn answer(
    edge: &Edge,
    topic: &str,
    query: Query,
    headers: &HeaderMap,
    place: Option<&Place>,
) -> Response {
    if !edge.door().admits(headers, query.token.as_deref()) {
        return uncached(Problem::unauthorized().into_response());
    }
    let poll = match Poll::read(topic, query) {
        Ok(poll) => poll,
        Err(told) => return uncached(refusal(told).into_response()),
    };
    let Some(room) = edge.room() else {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", NO_ROOM);
        return uncached(problem.with_header(RETRY_AFTER, "5").into_response());
    };
    if let Some(place) = place {
        place.leave();
    }
    let mut reply = uncached(poll.answer(edge, room).await.unwrap_or_else(Problem::into_response));
    if place.is_some_and(|place| !place.take_again()) {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

impl Poll {
    fn read(topic: &str, mut query: Query) -> Result<Self, ErrorFrame> {
        let (wait, limit) = (query.wait.take(), query.limit.take());
        let Wish { topic, start } = query.subscribe(topic).and_then(|subscribe| Wish::read(&subscribe))?;
        let refused = |code, message| ErrorFrame { code, message, ..ErrorFrame::default() };
        let wait = number(wait.as_deref(), DEFAULT_WAIT, 0, LONGEST_WAIT).ok_or_else(|| {
            refused("bad_value", format!("\"wait\" must be whole seconds from 0 to {LONGEST_WAIT}"))
        })?;
        let limit = number(limit.as_deref(), DEFAULT_LIMIT, 1, LARGEST_LIMIT).ok_or_else(|| {
            refused("bad_limit", format!("\"limit\" must be a number of changes from 1 to {LARGEST_LIMIT}"))
        })?;
        Ok(Self { topic, start, wait: Duration::from_secs(wait), limit })
    }

    async fn answer(self, edge: &Edge, room: Room) -> Result<Response, Problem> {
        let deadline = Instant::now() + self.wait;
        let mut cursor = match self.start.clone() {
            Start::After(cursor) => cursor,
            Start::Now => return Ok(whole(edge, nothing(&self.begin(edge).await?))),
            Start::At(_) => self.begin(edge).await?,
            Start::Snapshot => return self.begin_with_rows(edge, room).await,
        };
        loop {
            let look = edge.feed().poll(self.topic.clone(), cursor, self.limit).await;
            cursor = match look {
                Look::Found(pieces) => {
                    return found(edge, pieces, room).await.map_err(|error| failed(&error));
                }
                Look::Nothing(seen, news) => match self.listen(edge, seen, news, deadline).await? {
                    Heard::Frame(body) => return Ok(whole(edge, body)),
                    Heard::Nothing(seen) => return Ok(whole(edge, nothing(&seen))),
                    Heard::TooMuch(seen) => seen,
                },
                Look::Ended(news) => return Err(ended(news)),
            };
        }
    }

    /// Where to poll from, without what came before.
    async fn begin(&self, edge: &Edge) -> Result<Cursor, Problem> {
        let mut news = edge.feed().follow(self.topic.clone(), self.start.clone());
        match news.next().await {
            Some(News::Held(cursor)) => Ok(cursor),
            Some(news) => Err(ended(news)),
            None => Err(Problem::internal()),
        }
    }

    /// All rows, and where to poll from after them.
    async fn begin_with_rows(&self, edge: &Edge, room: Room) -> Result<Response, Problem> {
        let mut news = edge.feed().follow(self.topic.clone(), Start::Snapshot);
        match news.next().await {
            Some(News::Held(_)) => {}
            Some(news) => return Err(ended(news)),
            None => return Err(Problem::internal()),
        }
        let pieces = stream::try_unfold(Rows::Before(news), Rows::piece).boxed();
        found(edge, pieces, room).await.map_err(|error| failed(&error))
    }

    /// Waits for something to say.
    async fn listen(
        &self,
        edge: &Edge,
        mut seen: Cursor,
        mut news: BoxStream<'static, News>,
        deadline: Instant,
    ) -> Result<Heard, Problem> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        loop {
            let news = tokio::select! {
                biased;
                news = news.next() => news,
                () = sleep_until(deadline) => return Ok(Heard::Nothing(seen)),
                () = edge.shutdown().cancelled() => return Ok(Heard::Nothing(seen)),
            };
            match news {
                Some(News::Frame(frame)) if AnswerEncoder::of_frame(&frame, 0).is_none() => {
                    let answer = AnswerEncoder::of_frame(&frame, limit);
                    return Ok(answer.map_or(Heard::TooMuch(seen), Heard::Frame));
                }
                // A frame without commits only moves the cursor.
                Some(News::Frame(frame)) => seen = moved(&frame).unwrap_or(seen),
                Some(News::Held(cursor)) => seen = cursor,
                Some(news) => return Err(ended(news)),
                None => return Err(Problem::internal()),
            }
        }
    }
}

/// The frames of a snapshot on their way into an answer: `{"rows":[FRAME,…],"commits":[],"cursor":…,"more":false}`.
enum Rows {
    Before(BoxStream<'static, News>),
    Within(BoxStream<'static, News>),
    After,
}

impl Rows {
    async fn piece(self) -> Result<Option<(Bytes, Self)>> {
        let (opening, mut news) = match self {
            Rows::Before(news) => (r#"{"rows":["#, news),
            Rows::Within(news) => (",", news),
            Rows::After => return Ok(None),
        };
        let frame = match news.next().await {
            Some(News::Frame(frame)) => frame,
            Some(News::SnapshotTooSlow) => return Err(Error::unavailable("the rows were read too slowly")),
            Some(News::Failed(error)) => return Err(error),
            _ => return Err(Error::unavailable("a snapshot broke off")),
        };
        let mut piece = Vec::with_capacity(frame.len() + 100);
        piece.extend_from_slice(opening.as_bytes());
        piece.extend_from_slice(&frame);
        let Some(cursor) = Outline::of(&frame).cursor else {
            return Ok(Some((piece.into(), Rows::Within(news))));
        };
        piece.extend_from_slice(format!(r#"],"commits":[],"cursor":"{cursor}","more":false}}"#).as_bytes());
        Ok(Some((piece.into(), Rows::After)))
    }
}

fn number<N: std::str::FromStr + PartialOrd>(text: Option<&str>, default: N, least: N, most: N) -> Option<N> {
    let number = match text {
        None => default,
        Some(text) => query::number(text)?,
    };
    (number >= least && number <= most).then_some(number)
}

fn moved(frame: &[u8]) -> Option<Cursor> {
    Outline::of(frame).cursor.and_then(|text| Cursor::parse(text).ok())
}

fn nothing(cursor: &Cursor) -> Bytes {
    AnswerEncoder::new(0).finish(cursor, false)
}

/// Reads the answer as far as it is held, so that most go out whole or fail with a status.
async fn found(edge: &Edge, mut pieces: BoxStream<'static, Result<Bytes>>, room: Room) -> Result<Response> {
    let (mut held, mut size) = (Vec::<Bytes>::new(), 0);
    while size <= HELD {
        let Some(piece) = pieces.next().await.transpose()? else {
            return Ok(whole(edge, held.concat().into()));
        };
        size += piece.len();
        held.push(piece);
    }
    let feed = edge.clone();
    let rest = pieces.inspect(move |piece| {
        // The room is taken as long as the answer goes out.
        let _taken = &room;
        match piece {
            Ok(piece) => feed.feed().stats().bytes.add(piece.len()),
            Err(error) => log::warn!("a long poll's answer broke off: {}", error.report()),
        }
    });
    edge.feed().stats().frames.add(1);
    edge.feed().stats().bytes.add(size);
    let body = stream::iter(held.into_iter().map(Ok)).chain(rest).boxed();
    Ok(json(reply::stream(Body::new(body)).into_response()))
}

fn whole(edge: &Edge, body: Bytes) -> Response {
    edge.feed().stats().frames.add(1);
    edge.feed().stats().bytes.add(body.len());
    json(Plain::new(body).into_response())
}

fn json(mut reply: Response) -> Response {
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

fn uncached(mut reply: Response) -> Response {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// What cannot be asked, as an answer.
fn refusal(told: ErrorFrame) -> Problem {
    let (status, code) = match told.code {
        "unknown_channel" => (StatusCode::NOT_FOUND, "unknown_channel"),
        // There is no frame to be bad.
        "bad_frame" => (StatusCode::BAD_REQUEST, "bad_value"),
        code => (StatusCode::BAD_REQUEST, code),
    };
    Problem::new(status, code, told.message)
}

/// How a subscription ended, as an answer.
fn ended(news: News) -> Problem {
    match news {
        News::Reset(reason) => gone(reason),
        News::Unwatched => Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_channel",
            "a channel of this topic is watched no longer",
        ),
        News::UnknownChannel(name) => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_channel", format!("there is no channel {name:?}"))
        }
        News::BadFilter(code, told) => Problem::new(StatusCode::BAD_REQUEST, code, told),
        News::Failed(error) => failed(&error),
        News::Held(_) | News::Frame(_) | News::SnapshotTooSlow => Problem::internal(),
    }
}

fn gone(reason: ResetReason) -> Problem {
    let detail = "nothing can be continued from this cursor: read the rows anew, then poll since the cursor of that read";
    Problem::new(StatusCode::GONE, "expired", detail).with_member("reason", format!("{:?}", reason.word()))
}

fn failed(error: &Error) -> Problem {
    if error.is_usage() {
        return Problem::new(StatusCode::BAD_REQUEST, "bad_value", error.to_string());
    }
    if !error.is_unavailable() {
        log::error!("could not answer a long poll: {}", error.report());
        return Problem::internal();
    }
    log::debug!("could not answer a long poll: {}", error.report());
    let detail = "the database is away; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail)
        .with_header(RETRY_AFTER, "1")
}
