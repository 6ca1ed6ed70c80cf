//! A subscription as a stream, across as many connections as it takes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep};

use super::Client;
use super::backoff::Backoff;
use super::connection::Connection;
use super::course::{Course, Event, Next, Parts, Start};
use super::error::Result;

/// A connection that lived as long ends a row of failures.
const HEALTHY: Duration = Duration::from_secs(5);

/// Bytes of a frame in parts that are put together unless the subscriber says otherwise.
const WHOLE: usize = 64 << 20;

/// A subscription to be made; [`Subscribe::events`] makes it.
#[derive(Debug, Clone)]
#[must_use = "a subscription does nothing until its events are read"]
pub struct Subscribe {
    client: Client,
    topic: String,
    start: Start,
    parts: Parts,
}

impl Subscribe {
    pub(super) fn new(client: Client, topic: String) -> Self {
        Self { client, topic, start: Start::Now, parts: Parts::Whole(WHOLE) }
    }

    /// Continues after a cursor that was stored; or after an RFC 3339 time.
    pub fn since(mut self, cursor: impl Into<String>) -> Self {
        self.start = Start::Since(cursor.into());
        self
    }

    /// Begins with all rows, then their changes. After a reset it begins so again by itself.
    pub fn snapshot(mut self) -> Self {
        self.start = Start::Snapshot;
        self
    }

    /// Puts frames together that come in parts, up to so many bytes on the wire; the default is 64 MiB.
    ///
    /// A frame is what one drain yields, so it is as large as the largest transaction. One over the limit ends the
    /// stream with an error (`is_too_large`), without a gap: the same cursor continues with a higher limit.
    pub fn whole_up_to(mut self, bytes: usize) -> Self {
        self.parts = Parts::Whole(bytes);
        self
    }

    /// Hands out the parts of a large frame as they come, so that memory stays small whatever is committed.
    ///
    /// A part counts only together with the [`Event::Commits`] that ends its frame: apply parts inside a
    /// transaction of yours, commit it with the cursor, and roll back at [`Event::Disconnected`].
    pub fn in_parts(mut self) -> Self {
        self.parts = Parts::Apart;
        self
    }

    /// The stream. It connects when it is first polled.
    pub fn events(self) -> Events {
        let course = Course::new(self.topic, self.start, self.parts);
        let backoff = Backoff::usual();
        let following = Following { client: self.client, course, backoff, line: Line::Apart };
        let events = stream::unfold(following, |mut following| async {
            following.next().await.map(|event| (event, following))
        });
        Events(events.boxed())
    }
}

/// What happens on a topic, in order, until the subscription ends.
///
/// A connection that is lost is made anew by itself, the first try within 250 ms, later ones within pauses that grow
/// to 5 s, and continues from the last cursor handed out. An error is the last item: what it says would happen again.
/// Nothing runs beside it: a consumer that does not poll stops reading the socket, and the server keeps what is due
/// in its log. Dropping it closes the connection; dropping a `next()` that waits loses nothing.
pub struct Events(BoxStream<'static, Result<Event>>);

impl Stream for Events {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

/// A course and the connection it is on.
struct Following {
    client: Client,
    course: Course,
    backoff: Backoff,
    line: Line,
}

enum Line {
    /// Between two connections, or before the first.
    Apart,
    On {
        connection: Box<Connection>,
        since: Instant,
    },
    /// For good.
    Over,
}

impl Following {
    async fn next(&mut self) -> Option<Result<Event>> {
        loop {
            if let Some(event) = self.course.take() {
                return Some(event);
            }
            match &mut self.line {
                Line::Over => return None,
                Line::Apart => self.connect().await,
                Line::On { connection, since } => {
                    let heard = connection.frame().await;
                    if since.elapsed() >= HEALTHY {
                        self.backoff.reset();
                    }
                    let next = match heard {
                        Ok((frame, bytes)) => self.course.heard(frame, bytes),
                        Err(error) => self.course.failed(error),
                    };
                    self.go(next);
                }
            }
        }
    }

    async fn connect(&mut self) {
        sleep(self.backoff.pause()).await;
        match Connection::open(&self.client.shared, self.course.wish()).await {
            Ok(connection) => {
                self.line = Line::On { connection: Box::new(connection), since: Instant::now() };
            }
            Err(error) => {
                let next = self.course.failed(error);
                self.go(next);
            }
        }
    }

    fn go(&mut self, next: Next) {
        match next {
            Next::Read => {}
            Next::Reconnect => {
                self.backoff.grow();
                self.line = Line::Apart;
            }
            Next::End => self.line = Line::Over,
        }
    }
}
