//! The client, for other Rust programs: subscriptions that continue by themselves, and versioned writes.
//!
//! ```no_run
//! # async fn run() -> Result<(), rowbell::client::Error> {
//! use futures::TryStreamExt;
//! use rowbell::client::{Client, Event};
//!
//! let client = Client::new("http://127.0.0.1:8080")?;
//! # let stored = String::new();
//! let mut events = client.subscribe("orders").since(stored).events();
//! while let Some(event) = events.try_next().await? {
//!     if let Event::Commits(frame) = event {
//!         for change in frame.commits.iter().flat_map(|commit| &commit.changes) {
//!             println!("{:?} {:?}", change.op, change.id);
//!         }
//!         println!("store {} with what was applied", frame.cursor);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Three things to begin with: [`Client::subscribe`] for the commits of a topic, [`Client::follow`] for a map that
//! always is the table as of a cursor, and [`Client::create`], [`read`](Client::read), [`list`](Client::list),
//! [`replace`](Client::replace), [`patch`](Client::patch), [`delete`](Client::delete) for rows.

mod backoff;
mod builder;
mod change;
mod collection;
mod connection;
mod course;
mod error;
mod events;
mod follow;
mod frame;
mod quiet;
mod request;
mod rows;
mod tls;

pub use builder::ClientBuilder;
pub use change::{Change, Commit, Op};
pub use collection::{Collection, Entry, Update};
pub use course::{Commits, Event, Rows};
pub use error::{Error, Result};
pub use events::{Events, Subscribe};
pub use follow::Follow;
pub use frame::ResetReason;
pub use rows::{Conflict, Created, List, Outcome, Row, Written};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

/// A server and how to speak to it; cheap to clone. It holds idle HTTP connections; each subscription has one of
/// its own.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    writer: Writer,
}

/// What all clones share.
struct Shared {
    /// The base of all URLs, with a `/` at its end.
    api: Url,
    token: Option<HeaderValue>,
    http: reqwest::Client,
    tls: Option<Arc<rustls::ClientConfig>>,
    connect_timeout: Duration,
}

/// Who writes, as headers.
#[derive(Debug, Clone, Default)]
struct Writer {
    actor: Option<HeaderValue>,
    branch: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at a URL (`http`, `https`, `ws` or `wss`; a path before `/api` and `/feed` is kept).
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none (`is_usage`).
    pub fn new(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// The same with a token, a writer's name, timeouts, certificates.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    /// The same client writing for somebody else.
    ///
    /// # Errors
    /// The name cannot stand in a header (`is_usage`).
    pub fn written_by(&self, actor: &str) -> Result<Self> {
        let mut client = self.clone();
        client.writer.actor = Some(builder::name(actor)?);
        Ok(client)
    }

    /// The same client writing from another branch office.
    ///
    /// # Errors
    /// The name cannot stand in a header (`is_usage`).
    pub fn in_branch(&self, branch: &str) -> Result<Self> {
        let mut client = self.clone();
        client.writer.branch = Some(builder::name(branch)?);
        Ok(client)
    }

    /// A subscription to channels joined by commas, `*` for all, from now on unless it is told otherwise.
    pub fn subscribe(&self, topic: impl Into<String>) -> Subscribe {
        Subscribe::new(self.clone(), topic.into())
    }

    /// A copy of one channel's rows that is kept up to date.
    pub fn follow(&self, topic: impl Into<String>) -> Follow {
        Follow::new(self.clone(), topic.into())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.shared.api.as_str()).finish_non_exhaustive()
    }
}
