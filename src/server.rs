//! Floor 4: wiring. One node from its configuration to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warp::Filter;

use crate::auth::Door;
use crate::feed::{Feed, Keeper, Listener};
use crate::operate::{self, Operators};
use crate::pg::connect::Connector;
use crate::pg::pool::{Naming, Pool, PoolOptions};
use crate::pg::resource::Resources;
use crate::pg::{bell, catalog, migrate, origin, retention};
use crate::rest::{self, Rest};
use crate::socket::{self, Database, Edge, Probe};
use crate::words::{Error, RestConfig, Result, ServeConfig};

/// How long the listener may be away before the node calls itself not ready.
const LISTENER_AWAY: Duration = Duration::from_secs(30);

/// A node whose database has been looked at and found fit; nothing runs yet.
pub struct Server {
    config: ServeConfig,
    /// For what needs a connection of its own.
    connector: Connector,
    pool: Pool,
    /// For requests, apart from those who catch up: neither may starve the other.
    requests: Pool,
    feed: Feed,
    listener: Listener,
    keeper: Keeper,
}

impl Server {
    /// Looks at the database once, and fails with what to do where waiting would not help.
    pub async fn prepare(config: ServeConfig) -> Result<Self> {
        let connector = Connector::parse(&config.database_url)?;
        let listen = config.listen_url.as_deref().map_or_else(|| Ok(connector.clone()), Connector::parse)?;
        let link = connector.connect("start").await?;
        migrate::check_schema(&link.client).await?;
        origin::open_origin(&link.client).await?;
        if let Some(keep) = config.keeper.retention {
            tell_retention(retention::keep_for(&link.client, keep).await?, keep);
        }
        bell::probe(&listen, &connector).await?;
        let pool = connector.pool(PoolOptions::of(config.feed.pool))?;
        let requests = connector.pool(request_pool(&config))?;
        let keeper = Keeper::new(listen.clone(), config.keeper.clone());
        let (feed, listener) = Feed::new(config.feed.clone(), listen, pool.clone());
        Ok(Self { config, connector, pool, requests, feed, listener, keeper })
    }

    /// Serves until `shutdown`; sessions are sent away with 1001. An error means the database stopped being fit.
    pub async fn serve(self, tcp: TcpListener, shutdown: CancellationToken) -> Result<()> {
        let bound = bound_address(&tcp)?;
        // The listener outlives the sessions, which may still read to the end of a frame.
        let (stop_edge, stop_feed) = (shutdown.child_token(), CancellationToken::new());
        let _stop_when_dropped = stop_feed.clone().drop_guard();
        let keeping = tokio::spawn(self.keeper.run(stop_feed.clone()));
        let mut listening = tokio::spawn(self.listener.run(stop_feed.clone()));
        let door = Arc::new(Door::new(&self.config, bound));
        let pool = self.pool.clone();
        let probe = Arc::new(DatabaseProbe { pool: self.pool, feed: self.feed.clone() });
        let feed = Arc::new(self.feed);
        let stuck = self.config.feed.stuck;
        let edge = Edge::new(feed, probe, Arc::clone(&door), self.config.feed, stop_edge.clone());
        let resources = Resources::new(self.requests, self.config.rest.answer_limit);
        let rest = rest::routes(Rest::new(resources, Arc::clone(&door), self.config.rest));
        let operators = operate::routes(Operators::new(Arc::clone(&door), pool, self.connector));
        let routes = socket::routes(edge.clone()).or(rest).unify().or(operators).unify();
        let routes = socket::guarded(door, routes);
        let stopped = |error| Err(Error::unexpected("the listener stopped").with_source(error));
        let ended = tokio::select! {
            () = socket::serve(tcp, routes, stuck, stop_edge.clone()) => None,
            ended = &mut listening => Some(ended.unwrap_or_else(stopped)),
        };
        stop_edge.cancel();
        edge.ended().await;
        stop_feed.cancel();
        // Seen to its end, so that its session is over when the node is.
        let _ended = keeping.await;
        match ended {
            Some(ended) => ended,
            None => listening.await.unwrap_or_else(stopped),
        }
    }
}

/// One node from start to end; binds nothing itself, so that tests can take any free port.
pub async fn run(config: ServeConfig, tcp: TcpListener, shutdown: CancellationToken) -> Result<()> {
    Server::prepare(config).await?.serve(tcp, shutdown).await
}

/// A retention that was another is worth a line: other nodes keep to it too.
fn tell_retention(before: Duration, now: Duration) {
    if before != now {
        let (now, before) = (humantime::format_duration(now), humantime::format_duration(before));
        log::warn!("changes are kept for {now} from now on, by every node of this database; it was {before}");
    }
}

fn request_pool(config: &ServeConfig) -> PoolOptions {
    // Who gives a second address has a pooler behind the first.
    let naming = if config.listen_url.is_some() { Naming::Unnamed } else { Naming::Named };
    let RestConfig { pool, pool_wait, statement, .. } = config.rest;
    PoolOptions { size: pool, wait: pool_wait, statement, naming }
}

fn bound_address(tcp: &TcpListener) -> Result<SocketAddr> {
    tcp.local_addr()
        .map_err(|error| Error::machine("could not read the address listened on").with_source(error))
}

/// What the edges may ask about the database.
struct DatabaseProbe {
    pool: Pool,
    feed: Feed,
}

impl Probe for DatabaseProbe {
    fn ready(&self) -> BoxFuture<'_, Result<()>> {
        async {
            if self.feed.away_for().is_some_and(|away| away > LISTENER_AWAY) {
                return Err(Error::unavailable("the listening connection has been away for too long"));
            }
            migrate::check_schema(&*self.pool.client("could not ask the database").await?).await
        }
        .boxed()
    }

    fn database(&self) -> BoxFuture<'_, Database> {
        async {
            let numbers = async {
                let client = self.pool.client("could not ask the database").await?;
                let (usage, size) = tokio::join!(catalog::queue_usage(&client), retention::log_size(&client));
                Ok::<_, Error>((usage?, size?))
            };
            let (queue_usage, log) = numbers.await.ok().unzip();
            let (log_bytes, retention) = log.unzip();
            let status = self.pool.status();
            Database {
                pool_size: status.size,
                pool_available: status.available,
                pool_waiting: status.waiting,
                queue_usage,
                log_bytes,
                retention,
            }
        }
        .boxed()
    }
}
