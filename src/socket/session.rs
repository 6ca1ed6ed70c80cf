//! One WebSocket: what is heard, what is told, and how it ends.
//!
//! One task per session, which sleeps while the feed hands its frames to the peer by itself (`outlet`). Everything that
//! can happen to it is one source in `sources`, which polls only the source that woke it: pushing a frame does not touch
//! the read side. Nothing is taken from any source while something waits to be written, so a client that does not read
//! stops being read from, and its deliveries stay in the log.

mod following;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::Edge;
use super::close::{Close, echo};
use super::outlet::{Outlet, Output};
use super::reader::Heard;
use super::topics::News;
use super::visit::Visit;
use super::writer::Opcode;
use crate::words::Topic;
use crate::words::frame::{self, BadFrame, ClientFrame, ErrorFrame, Token};
use following::{AskedBy, Following};

/// Bytes that are gathered before they are written; one frame may be more.
const FLUSH_AT: usize = 64 * 1024;

/// Things that may happen before what they led to is written.
const EVENTS_AT_ONCE: usize = 64;

/// How long a closing session may take to tell the peer and hear from it.
const FAREWELL: Duration = Duration::from_secs(2);

/// What can happen to a session.
enum Event {
    Heard(Heard),
    News(Topic, News),
}

/// How a session ends.
enum End {
    /// The peer is gone; there is nobody to tell.
    Gone,
    /// The peer closed, and gets its close frame back.
    Answered(Bytes),
    /// The server closes.
    Closed(Close),
}

type Flow = ControlFlow<End>;

/// One connection's state; owned by its task.
pub(super) struct Session {
    edge: Edge,
    outlet: Arc<Outlet>,
    sources: SelectAll<BoxStream<'static, Event>>,
    /// Few, and most sessions have one: a table would be four times as large.
    topics: Vec<Following>,
    shutdown: CancellationToken,
    beat: Interval,
    /// Pings since the peer last gave a sign of life.
    unanswered: u8,
}

impl Session {
    pub(super) fn new(
        edge: Edge,
        output: Output,
        heard: impl stream::Stream<Item = Heard> + Send + 'static,
    ) -> Self {
        let shutdown = edge.shutdown().clone();
        let heartbeat = edge.config().heartbeat;
        let mut beat = interval_at(tokio::time::Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sources = SelectAll::new();
        sources.push(heard.map(Event::Heard).boxed());
        let outlet = Arc::new(Outlet::new(edge.clone(), output));
        let topics = Vec::new();
        Self { edge, outlet, sources, topics, shutdown, beat, unanswered: 0 }
    }

    /// Serves the connection from the first frame to the last.
    pub(super) async fn run(mut self, visit: Visit) {
        // Boxed, as is the end: they come once, and would be room in every session for as long as it lasts.
        let mut flow = Box::pin(self.open(visit)).await;
        let end = loop {
            match flow {
                ControlFlow::Break(end) => break end,
                ControlFlow::Continue(()) => flow = self.turn().await,
            }
        };
        Box::pin(self.part(end)).await;
    }

    async fn open(&mut self, visit: Visit) -> Flow {
        if let Visit::Refused(told, close) = visit {
            self.say(frame::error(told));
            return Flow::Break(End::Closed(close));
        }
        let session = format!("{:016x}", rand::random::<u64>());
        self.say(frame::welcome(&session, self.edge.config().heartbeat.as_secs().max(1)));
        match visit {
            Visit::Subscribing(subscribe) => self.subscribe(subscribe, AskedBy::Url)?,
            Visit::Mistaken(told) => self.say(frame::error(told)),
            Visit::Free | Visit::Refused(..) => {}
        }
        self.flush().await
    }

    async fn turn(&mut self) -> Flow {
        tokio::select! {
            event = self.sources.next() => {
                self.take(event)?;
                self.gather()?;
            }
            _ = self.beat.tick() => self.ping()?,
            () = self.outlet.stuck() => {}
            () = self.shutdown.cancelled() => return Flow::Break(End::Closed(Close::GoingAway)),
        }
        self.flush().await
    }

    /// Takes whatever else is there already, so that it goes out in the same write.
    fn gather(&mut self) -> Flow {
        for _ in 0..EVENTS_AT_ONCE {
            if self.outlet.waiting() >= FLUSH_AT {
                break;
            }
            match self.sources.next().now_or_never() {
                Some(event) => self.take(event)?,
                None => break,
            }
        }
        Flow::Continue(())
    }

    fn take(&mut self, event: Option<Event>) -> Flow {
        match event {
            Some(Event::Heard(Heard::Message(message))) => {
                self.unanswered = 0;
                self.hear(message)
            }
            Some(Event::Heard(Heard::Unreadable(close))) => Flow::Break(End::Closed(close)),
            Some(Event::Heard(Heard::Gone)) | None => Flow::Break(End::Gone),
            Some(Event::News(topic, news)) => self.tell(topic, news),
        }
    }

    fn hear(&mut self, message: Message) -> Flow {
        match message {
            Message::Text(text) => return self.obey(&text),
            Message::Binary(_) => return Flow::Break(End::Closed(Close::NotAnObject)),
            Message::Ping(payload) => self.outlet.push(Opcode::Pong, payload),
            Message::Close(close) => return Flow::Break(End::Answered(echo(close.as_ref()))),
            Message::Pong(_) | Message::Frame(_) => {}
        }
        Flow::Continue(())
    }

    /// Does what a client's frame says.
    fn obey(&mut self, text: &str) -> Flow {
        match ClientFrame::parse(text) {
            Ok(ClientFrame::Subscribe(subscribe)) => return self.subscribe(subscribe, AskedBy::Frame),
            Ok(ClientFrame::Unsubscribe { topic, reference }) => self.unsubscribe(topic, reference),
            Ok(ClientFrame::Ping { reference }) => self.say(frame::pong(reference)),
            Ok(ClientFrame::Auth { token }) => return self.admit(token.as_ref()),
            Err(BadFrame::NotAnObject) => return Flow::Break(End::Closed(Close::NotAnObject)),
            Err(BadFrame::Refused { code, message, topic, reference }) => {
                self.say(frame::error(ErrorFrame { code, message, topic, reference }));
            }
        }
        Flow::Continue(())
    }

    /// Judges a fresh token; a good one is no news.
    fn admit(&mut self, token: Option<&Token>) -> Flow {
        let refused = |code, message: &str| {
            frame::error(ErrorFrame { code, message: message.to_owned(), ..ErrorFrame::default() })
        };
        if !self.edge.door().takes(token.map(Token::secret)) {
            self.say(refused("unauthorized", "the token is missing or not the one this server takes"));
            return Flow::Break(End::Closed(Close::Unauthorized));
        }
        if token.is_none() {
            self.say(refused("bad_frame", "this frame needs a \"token\""));
        }
        Flow::Continue(())
    }

    fn ping(&mut self) -> Flow {
        if self.unanswered >= 2 {
            return Flow::Break(End::Closed(Close::Silent));
        }
        self.unanswered += 1;
        self.outlet.push(Opcode::Ping, Bytes::new());
        Flow::Continue(())
    }

    fn say(&mut self, frame: String) {
        self.send(frame.into());
    }

    fn send(&mut self, payload: Bytes) {
        self.outlet.send(payload);
    }

    /// Writes what waits, for as long as the peer takes any of it.
    async fn flush(&mut self) -> Flow {
        if self.outlet.is_broken() {
            return Flow::Break(End::Gone);
        }
        while self.outlet.waiting() > 0 {
            let Some(written) = self.outlet.write_some().now_or_never() else {
                self.wait_for_room().await?;
                continue;
            };
            if written.is_err() {
                return Flow::Break(End::Gone);
            }
        }
        Flow::Continue(())
    }

    async fn wait_for_room(&mut self) -> Flow {
        let stuck = self.edge.config().stuck;
        tokio::select! {
            biased;
            written = timeout(stuck, self.outlet.write_some()) => match written {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Flow::Break(End::Gone),
                Err(_) => return Flow::Break(End::Closed(Close::NotReading)),
            },
            () = self.shutdown.cancelled() => return Flow::Break(End::Closed(Close::GoingAway)),
        }
        // Whoever makes room in a full pipe is alive, though its answer to a ping may wait unread.
        self.unanswered = 0;
        Flow::Continue(())
    }

    /// Tells the peer why, and waits a little for it to hang up.
    async fn part(mut self, end: End) {
        self.outlet.close();
        let payload = match end {
            End::Gone => return,
            End::Answered(payload) => payload,
            End::Closed(close) => {
                log::debug!("closing a session with {}", close.code());
                if matches!(close, Close::GoingAway | Close::NotReading) {
                    self.outlet.forget_unsent();
                }
                close.payload()
            }
        };
        for following in &self.topics {
            following.let_go();
        }
        self.outlet.push(Opcode::Close, payload);
        // Both at once: polling the sources is also what drops the subscriptions that were aborted.
        let farewell = async { tokio::join!(self.outlet.finish(), hung_up(&mut self.sources)) };
        // Who does not hang up in time is left behind.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// Waits until nothing comes from the peer any more.
async fn hung_up(sources: &mut SelectAll<BoxStream<'static, Event>>) {
    while let Some(event) = sources.next().await {
        if matches!(event, Event::Heard(Heard::Gone)) {
            return;
        }
    }
}
