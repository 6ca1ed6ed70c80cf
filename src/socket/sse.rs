//! The feed as server-sent events: the frames of a subscription, each an event with its cursor as `id`.
//!
//! hyper asks for the next piece when it has room for it, so whoever reads slowly stays in the log, as on a WebSocket.
//! A browser comes back by itself whenever a stream ends, for ever, with the last id it saw, and sees no status of an
//! answer. So everything is told by events; and one after which coming back would change nothing has the id `end`,
//! with which a browser comes back once and is sent away by a 204, the one answer it takes for an end.

use std::convert::Infallible;
use std::fmt::Write as _;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rand::Rng;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use warp::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName};
use warp::http::{Response as Plain, StatusCode};
use warp::reply::Response;
use warp::{Reply, reply};

use super::accept::Place;
use super::topics::{News, TOO_SLOW};
use super::transport::Body;
use super::visit::Query;
use super::wish::Wish;
use super::{Edge, NO_ROOM, NO_TOKEN, Room};
use crate::feed::Start;
use crate::words::frame::{self, ErrorFrame, Outline};
use crate::words::{Error, Topic};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The id of an event after which there is nothing to come back for; no cursor reads like it.
const END: &str = "end";

/// Milliseconds after which a browser comes back, and after which it does so where it was refused for want of
/// room or of a database. Each stream gets its own, so that a node's clients do not return in step.
const RETRY: std::ops::Range<u32> = 1000..2000;
const RETRY_LATER: std::ops::Range<u32> = 5000..10_000;

/// What an event says about coming back.
enum Id<'a> {
    /// With what was the last id so far.
    Kept,
    /// After this cursor.
    Cursor(&'a str),
    /// Not at all.
    End,
}

/// Answers a request for `/feed/{topic}` by a stream of events.
pub(super) fn open(
    edge: &Edge,
    topic: &str,
    mut query: Query,
    headers: &HeaderMap,
    place: Option<&Place>,
) -> Response {
    let last = headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    if last.as_deref() == Some(END) {
        return StatusCode::NO_CONTENT.into_response();
    }
    if !edge.door().admits(headers, query.token.as_deref()) {
        return refusal(ErrorFrame {
            code: "unauthorized",
            message: NO_TOKEN.into(),
            ..ErrorFrame::default()
        });
    }
    if let Some(last) = last.filter(|last| !last.is_empty()) {
        query.continue_after(last);
    }
    let wish = match query.subscribe(topic).and_then(|subscribe| Wish::read(&subscribe)) {
        Ok(wish) => wish,
        Err(told) => return refusal(told),
    };
    let Some(room) = edge.room() else {
        let message = NO_ROOM.into();
        return refusal(ErrorFrame { code: "too_many_requests", message, ..ErrorFrame::default() });
    };
    if let Some(place) = place {
        place.leave();
    }
    let events = Box::new(Events::new(edge.clone(), wish, room));
    let pieces = stream::unfold(events, |mut events| async {
        let piece = events.next().await?;
        Some((Ok::<_, Infallible>(piece), events))
    });
    answer(reply::stream(Body::new(pieces.boxed())).into_response())
}

/// A stream of one `error` event.
fn refusal(told: ErrorFrame) -> Response {
    let retry = if comes_back(told.code) { RETRY_LATER } else { RETRY };
    let id = if comes_back(told.code) { Id::Kept } else { Id::End };
    let event = event(frame::error(told).into(), id).concat();
    answer(Plain::new([hint(retry).into(), event].concat()).into_response())
}

fn answer(mut reply: Response) -> Response {
    let fields = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Proxies would hold events back until a buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
        // The connection has left its place among those that speak HTTP.
        (CONNECTION, "close"),
    ];
    for (name, value) in fields {
        reply.headers_mut().insert(name, warp::http::HeaderValue::from_static(value));
    }
    reply
}

/// True for errors that pass by themselves.
fn comes_back(code: &str) -> bool {
    matches!(code, "too_many_requests" | "database_unavailable" | "internal")
}

fn hint(retry: std::ops::Range<u32>) -> String {
    format!("retry: {}\n", rand::rng().random_range(retry))
}

/// A frame as an event, in pieces that share the frame with every other session on its topic.
fn event(frame: Bytes, id: Id<'_>) -> [Bytes; 3] {
    let mut head = format!("event: {}\n", Outline::of(&frame).kind);
    // Writing to a String cannot fail.
    let _ = match id {
        Id::Kept => Ok(()),
        Id::Cursor(cursor) => writeln!(head, "id: {cursor}"),
        Id::End => writeln!(head, "id: {END}"),
    };
    head.push_str("data: ");
    [head.into(), one_field_a_line(frame), Bytes::from_static(b"\n\n")]
}

/// PostgreSQL passes a column of type json on as it was written, line breaks between its tokens included. Each
/// would end the field, so what follows it becomes another `data`, and the client puts a line break back.
fn one_field_a_line(frame: Bytes) -> Bytes {
    if !frame.contains(&b'\n') && !frame.contains(&b'\r') {
        return frame;
    }
    let mut lines = Vec::with_capacity(frame.len() + 1024);
    for (at, byte) in frame.iter().enumerate() {
        match byte {
            b'\r' if frame.get(at + 1) == Some(&b'\n') => {}
            b'\r' | b'\n' => lines.extend_from_slice(b"\ndata: "),
            _ => lines.push(*byte),
        }
    }
    lines.into()
}

/// One stream's state; owned by its body, and dropped with the connection.
struct Events {
    edge: Edge,
    topic: Topic,
    /// True when it continues from a cursor.
    recovered: bool,
    /// False for a start that a cursor alone cannot repeat.
    resumes: bool,
    news: BoxStream<'static, News>,
    beat: Interval,
    shutdown: CancellationToken,
    /// One event at most, on its way out, last piece first.
    pieces: Vec<Bytes>,
    over: bool,
    _room: Room,
}

impl Events {
    fn new(edge: Edge, wish: Wish, room: Room) -> Self {
        let Wish { topic, start } = wish;
        let recovered = matches!(start, Start::After(_));
        let resumes = matches!(start, Start::Now | Start::After(_));
        let news = edge.feed().follow(topic.clone(), start);
        let heartbeat = edge.config().heartbeat;
        let mut beat = interval_at(Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = edge.shutdown().clone();
        let pieces = vec![Bytes::from(hint(RETRY) + "\n")];
        Self { edge, topic, recovered, resumes, news, beat, shutdown, pieces, over: false, _room: room }
    }

    /// The next piece of the body; none at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.pieces.pop() {
                return Some(piece);
            }
            if self.over {
                return None;
            }
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                news = self.news.next() => match news {
                    Some(news) => self.tell(news),
                    None => self.over = true,
                },
                _ = self.beat.tick() => self.pieces.push(Bytes::from_static(b":\n\n")),
            }
        }
    }

    fn tell(&mut self, news: News) {
        match news {
            News::Frame(frame) => {
                let cursor = Outline::of(&frame).cursor.map(str::to_owned);
                self.say(frame.clone(), cursor.as_deref().map_or(Id::Kept, Id::Cursor));
            }
            News::Held(cursor) => {
                let frame = frame::subscribed(&self.topic, &cursor, self.recovered, None);
                let cursor = cursor.to_string();
                self.say(frame.into(), if self.resumes { Id::Cursor(&cursor) } else { Id::Kept });
            }
            News::Reset(reason) => self.end(frame::reset(&self.topic, reason), Id::End),
            News::Unwatched => self.end(frame::unwatched(&self.topic), Id::End),
            News::SnapshotTooSlow => self.complain("snapshot_too_slow", TOO_SLOW.to_owned()),
            News::UnknownChannel(name) => {
                self.complain("unknown_channel", format!("there is no channel {name:?}"));
            }
            News::BadFilter(code, told) => self.complain(code, told),
            News::Failed(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &Error) {
        if error.is_usage() {
            return self.complain("bad_value", error.to_string());
        }
        if error.is_unavailable() {
            log::debug!("could not serve a stream of events: {}", error.report());
            self.complain("database_unavailable", "the database is away; try again".to_owned());
        } else {
            log::error!("could not serve a stream of events: {}", error.report());
            self.complain("internal", "something went wrong on the server".to_owned());
        }
    }

    fn complain(&mut self, code: &'static str, message: String) {
        let topic = Some(self.topic.text().to_owned());
        let frame = frame::error(ErrorFrame { code, message, topic, reference: None });
        let passes = comes_back(code);
        self.end(frame, if passes { Id::Kept } else { Id::End });
        if passes {
            self.pieces.push(hint(RETRY_LATER).into());
        }
    }

    /// The last event of the stream.
    fn end(&mut self, frame: String, id: Id<'_>) {
        self.say(frame.into(), id);
        self.over = true;
    }

    fn say(&mut self, frame: Bytes, id: Id<'_>) {
        let stats = self.edge.feed().stats();
        stats.frames.add(1);
        stats.bytes.add(frame.len());
        self.pieces.extend(event(frame, id).into_iter().rev());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_frame_ends_no_event() {
        let frame = Bytes::from_static(b"{\"type\":\"commits\",\"a\":[1,\n2,\r3,\r\n4]}");
        let text = event(frame.clone(), Id::Cursor("c")).concat();
        let expected =
            "event: commits\nid: c\ndata: {\"type\":\"commits\",\"a\":[1,\ndata: 2,\ndata: 3,\ndata: 4]}\n\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let plain = Bytes::from_static(b"{\"type\":\"reset\"}");
        let [_, shared, _] = event(plain.clone(), Id::End);
        assert_eq!(shared.as_ptr(), plain.as_ptr());
    }
}
