//! A server whose feed is played by the test.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use rowbell::auth::Door;
use rowbell::feed::{Sink, Start, Stats};
use rowbell::socket::{Database, Edge, Look, News, Probe, Topics, guarded, routes, serve};
use rowbell::words::{
    Cursor, Error, FeedConfig, KeeperConfig, Origin, RestConfig, Result, ServeConfig, Snapshot, Topic,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Awaits what must happen soon; the panic names the line that waited.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        match tokio::time::timeout(Duration::from_secs(20), future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing happened for 20 s at {place}"),
        }
    }
}

/// A cursor like any other.
pub fn cursor(xmax: u64) -> Cursor {
    Cursor { origin: Origin { installation: 1, generation: 2 }, snapshot: Snapshot::new(xmax, vec![]) }
}

/// A subscription that the edge asked for; what is sent to `news` reaches its session.
pub struct Asked {
    pub topic: String,
    pub start: Start,
    pub news: mpsc::Sender<News>,
    /// The session's shorter way for frames; an event stream has none.
    pub sink: Option<Arc<dyn Sink>>,
}

impl Asked {
    pub async fn tell(&self, news: News) {
        soon(self.news.send(news)).await.expect("the session gave up this topic");
    }

    /// Waits until the session has dropped it.
    pub async fn given_up(&self) {
        soon(self.news.closed()).await;
    }

    /// Hands a frame over on the spot, as the feed does; true when it was taken.
    pub fn hand(&self, frame: &Bytes) -> bool {
        self.sink.as_ref().expect("a session on a WebSocket").take(frame)
    }
}

/// A look into the feed that a long poll asked for.
pub struct Looked {
    pub topic: String,
    pub since: Cursor,
    pub changes: u32,
    answer: oneshot::Sender<Look>,
}

impl Looked {
    /// Answers with a body, piece by piece.
    pub fn found(self, pieces: impl IntoIterator<Item = Result<Bytes>>) {
        let pieces: Vec<_> = pieces.into_iter().collect();
        self.answer(Look::Found(stream::iter(pieces).boxed()));
    }

    /// Answers that there is nothing yet; what is sent down the queue comes next.
    pub fn nothing(self, seen: Cursor) -> mpsc::Sender<News> {
        let (tx, news) = queue();
        self.answer(Look::Nothing(seen, news));
        tx
    }

    pub fn ended(self, news: News) {
        self.answer(Look::Ended(news));
    }

    fn answer(self, look: Look) {
        assert!(self.answer.send(look).is_ok(), "nobody waits for the answer");
    }
}

fn queue() -> (mpsc::Sender<News>, BoxStream<'static, News>) {
    let (tx, rx) = mpsc::channel(64);
    (tx, stream::unfold(rx, |mut rx| async { rx.recv().await.map(|news| (news, rx)) }).boxed())
}

struct PlayedFeed {
    stats: Stats,
    asked: mpsc::UnboundedSender<Asked>,
    looked: mpsc::UnboundedSender<Looked>,
}

impl PlayedFeed {
    fn ask(&self, topic: &Topic, start: Start, sink: Option<Arc<dyn Sink>>) -> BoxStream<'static, News> {
        let (news, told) = queue();
        let _ = self.asked.send(Asked { topic: topic.text().to_owned(), start, news, sink });
        told
    }
}

impl Topics for PlayedFeed {
    fn follow(&self, topic: Topic, start: Start) -> BoxStream<'static, News> {
        self.ask(&topic, start, None)
    }

    fn follow_into(&self, topic: Topic, start: Start, sink: Arc<dyn Sink>) -> BoxStream<'static, News> {
        self.ask(&topic, start, Some(sink))
    }

    fn poll(&self, topic: Topic, since: Cursor, changes: u32) -> BoxFuture<'static, Look> {
        let (answer, answered) = oneshot::channel();
        let topic = topic.text().to_owned();
        let _ = self.looked.send(Looked { topic, since, changes, answer });
        Box::pin(async { answered.await.expect("the test answers") })
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn topics(&self) -> usize {
        3
    }

    fn listened(&self, most: usize) -> Vec<(String, usize)> {
        vec![("orders".to_owned(), most)]
    }
}

struct PlayedProbe(Mutex<Option<Error>>);

impl Probe for PlayedProbe {
    fn ready(&self) -> BoxFuture<'_, Result<()>> {
        let answer = self.0.lock().expect("a lock").take().map_or(Ok(()), Err);
        Box::pin(async { answer })
    }

    fn database(&self) -> BoxFuture<'_, Database> {
        let database = Database {
            pool_size: 8,
            pool_available: 7,
            pool_waiting: 0,
            queue_usage: Some(0.25),
            log_bytes: None,
            retention: Some(Duration::from_millis(90_500)),
        };
        Box::pin(async move { database })
    }
}

/// How a test wants its server.
pub struct Wanted {
    pub config: ServeConfig,
    /// The next answer of `/readyz`, if not yes.
    pub not_ready: Option<Error>,
}

impl Default for Wanted {
    fn default() -> Self {
        let config = ServeConfig {
            database_url: String::new(),
            listen_url: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: None,
            allow_origin: Vec::new(),
            feed: FeedConfig::default(),
            rest: RestConfig::default(),
            keeper: KeeperConfig::default(),
        };
        Self { config, not_ready: None }
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub edge: Edge,
    pub shutdown: CancellationToken,
    pub asked: mpsc::UnboundedReceiver<Asked>,
    pub looked: mpsc::UnboundedReceiver<Looked>,
    pub stats: Arc<dyn Topics>,
    served: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose configuration the test changes first.
    pub async fn with(change: impl FnOnce(&mut Wanted)) -> Self {
        let mut wanted = Wanted::default();
        change(&mut wanted);
        let listener = TcpListener::bind(wanted.config.address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let door = Arc::new(Door::new(&wanted.config, address));
        let (tx, asked) = mpsc::unbounded_channel();
        let (looked_tx, looked) = mpsc::unbounded_channel();
        let feed: Arc<dyn Topics> =
            Arc::new(PlayedFeed { stats: Stats::default(), asked: tx, looked: looked_tx });
        let probe = Arc::new(PlayedProbe(Mutex::new(wanted.not_ready)));
        let shutdown = CancellationToken::new();
        let stats = Arc::clone(&feed);
        let stuck = wanted.config.feed.stuck;
        let edge = Edge::new(feed, probe, Arc::clone(&door), wanted.config.feed, shutdown.clone());
        let all = guarded(door, routes(edge.clone()));
        let served = tokio::spawn(serve(listener, all, stuck, shutdown.clone()));
        Self { address, edge, shutdown, asked, looked, stats, served }
    }

    /// The next subscription that a session asks for.
    pub async fn next_asked(&mut self) -> Asked {
        soon(self.asked.recv()).await.expect("a wish")
    }

    /// The next look into the feed that a long poll asks for.
    pub async fn next_looked(&mut self) -> Looked {
        soon(self.looked.recv()).await.expect("a look")
    }

    /// Waits until so many sessions are counted.
    pub async fn sessions(&self, count: i64) {
        let counted = async {
            while self.stats.stats().sessions.get() != count {
                tokio::task::yield_now().await;
            }
        };
        soon(counted).await;
    }

    /// Waits until all WebSocket sessions have ended.
    pub async fn ended(&self) {
        soon(self.edge.ended()).await;
    }

    /// Stops the server and waits until it accepts nothing and serves no request; not for the sessions, whose
    /// clients a test no longer reads.
    pub async fn stop(self) {
        self.shutdown.cancel();
        soon(self.served).await.expect("an end in good order");
    }
}
