//! What a node can be told; plain values, read once at start.

use std::net::SocketAddr;
use std::time::Duration;

/// How one node serves.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// A libpq URL or conninfo of the database.
    pub database_url: String,
    /// Another URL for the listening connection, where the first leads to a pooler.
    pub listen_url: Option<String>,
    /// Where to accept connections; port 0 takes any free one.
    pub address: SocketAddr,
    /// The bearer token every request must carry; none leaves the door open, on loopback only.
    pub token: Option<String>,
    /// Origins of pages, besides the server's own, that may connect; compared to the letter.
    pub allow_origin: Vec<String>,
    /// How the feed paces itself.
    pub feed: FeedConfig,
    /// What REST requests may take.
    pub rest: RestConfig,
    /// How the log is kept.
    pub keeper: KeeperConfig,
}

/// How the log is kept. One node does it for all.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// How long changes are kept; none leaves what the database says.
    pub retention: Option<Duration>,
    /// How often a tick is written while changes flow, and how often other nodes ask for their turn.
    pub beat: Duration,
    /// How often what is past retention is emptied.
    pub tidy: Duration,
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self { retention: None, beat: Duration::from_secs(1), tidy: Duration::from_secs(30) }
    }
}

/// What REST requests may take.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// Connections for requests.
    pub pool: usize,
    /// How long a request waits for a connection while all are busy.
    pub pool_wait: Duration,
    /// How long one statement of a request may run, or wait for another writer.
    pub statement: Duration,
    /// How long a batch may begin further writes.
    pub batch: Duration,
    /// How long a client may take to send a body.
    pub body_wait: Duration,
    /// Bytes of a body that is still read.
    pub body_limit: usize,
    /// Bytes of a list that is still answered.
    pub answer_limit: usize,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            pool: 16,
            pool_wait: Duration::from_secs(5),
            statement: Duration::from_secs(30),
            batch: Duration::from_secs(60),
            body_wait: Duration::from_secs(30),
            body_limit: 4 << 20,
            answer_limit: 64 << 20,
        }
    }
}

/// How the feed paces itself. The defaults are what the protocol promises; tests shorten them.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// How often the log is read although no bell rang.
    pub heartbeat_drain: Duration,
    /// How often the log is read for a channel whose writers never ring.
    pub silent_drain: Duration,
    /// Commits per second from which on the log is read all the time instead of when a bell rings.
    pub busy: u32,
    /// Commits per second below which the bell is worth it again.
    pub calm: u32,
    /// How long one read of the log may take before the listener leaves it to those behind.
    pub drain_patience: Duration,
    /// How long a topic may stay silent while the position moves.
    pub quiet: Duration,
    /// How often a session is pinged; two unanswered pings end it.
    pub heartbeat: Duration,
    /// How long a session may read nothing before it is closed.
    pub stuck: Duration,
    /// Bytes of a frame after which it goes on in another part.
    pub frame_limit: usize,
    /// Bytes of one drain that are held in memory; a larger one is read from the log by each session instead.
    pub drain_limit: usize,
    /// Bytes one read of the log brings into memory for a session that is behind.
    pub chunk: usize,
    /// Log rows between two cursors of a session that is behind.
    pub step: usize,
    /// Frames a topic keeps for sessions that are a little behind; those further behind read the log.
    pub backlog: usize,
    /// Bytes of such frames; the newest one is kept however large it is, until everybody has it.
    pub backlog_bytes: usize,
    /// Sessions one node accepts.
    pub max_sessions: usize,
    /// Topics one session may subscribe to.
    pub max_topics: usize,
    /// Connections for catching up, besides the listening one.
    pub pool: usize,
    /// Snapshots that may be open at once, each on a connection of its own.
    pub snapshots: usize,
    /// How long a snapshot's transaction lives; a client that reads more slowly pages by REST.
    pub snapshot_patience: Duration,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            heartbeat_drain: Duration::from_secs(1),
            silent_drain: Duration::from_millis(100),
            busy: 400,
            calm: 200,
            drain_patience: Duration::from_secs(60),
            quiet: Duration::from_secs(45),
            heartbeat: Duration::from_secs(25),
            stuck: Duration::from_secs(30),
            frame_limit: 1 << 20,
            drain_limit: 16 << 20,
            chunk: 512 << 10,
            step: 1024,
            backlog: 64,
            backlog_bytes: 4 << 20,
            max_sessions: 20_000,
            max_topics: 100,
            pool: 8,
            snapshots: 4,
            snapshot_patience: Duration::from_secs(60),
        }
    }
}
