//! The pool: connections made the same way as every other, so with the same TLS and the same settings.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, RecyclingMethod, Runtime};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config};

use super::connect::Connector;
use super::failure::Failure;
use super::fault::{database_error, pool_error};
use super::link::Outlet;
use super::statement::fill;
use crate::words::{Error, Result};

const REQUEST_SESSION: &str = include_str!("../../sql/queries/request_session.sql");

/// Undoes whatever transaction is open.
pub(super) const UNDO: &str = include_str!("../../sql/queries/undo_request.sql");

/// How long a new connection may take.
const CREATE: Duration = Duration::from_secs(10);
/// How long a connection may take to come to rest whose statement nobody waits for any more.
const REST: Duration = Duration::from_secs(5);

/// Connections for work that is soon done; cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    connector: Connector,
    options: PoolOptions,
}

/// What a pool is for.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// The most connections it opens.
    pub size: usize,
    /// How long a request waits for somebody else's connection.
    pub wait: Duration,
    /// How long one statement may run; zero for as long as it takes.
    pub statement: Duration,
    /// How its statements are prepared.
    pub naming: Naming,
}

impl PoolOptions {
    /// That many connections, statements as long as they take.
    pub fn of(size: usize) -> Self {
        Self { size, wait: Duration::from_secs(5), statement: Duration::ZERO, naming: Naming::Named }
    }
}

/// How statements are prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Once per connection, under a name.
    Named,
    /// Anew each time, without one: behind a pooler a name may mean somebody else's statement.
    Unnamed,
}

/// A connection on loan: it goes back to its pool when dropped.
pub type Lent = deadpool_postgres::Object;

/// How a pool is doing.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    /// Connections that are open.
    pub size: usize,
    /// Connections that nobody uses.
    pub available: usize,
    /// Who waits for a connection.
    pub waiting: usize,
}

impl Pool {
    /// A connection; `attempted` is a lower-case fragment for the error, `could not read the log`.
    pub async fn client(&self, attempted: &str) -> Result<Lent> {
        self.inner.get().await.map_err(|error| pool_error(attempted, error))
    }

    /// How statements on it are prepared.
    pub(super) fn naming(&self) -> Naming {
        self.options.naming
    }

    /// How long one statement may run.
    pub(super) fn statement_limit(&self) -> Duration {
        self.options.statement
    }

    /// Ends a connection in the middle of something that nobody waits for any more: what it runs is cancelled, what is
    /// open is undone. It keeps its place in the pool meanwhile, so there are never more than its size.
    ///
    /// It is not lent again: the server may act on a cancelling after it took it, when another request would be hit.
    pub(super) fn call_off(&self, lent: Lent) {
        let Ok(runtime) = Handle::try_current() else { return drop(Lent::take(lent)) };
        let connector = self.connector.clone();
        runtime.spawn(async move {
            let token = lent.cancel_token();
            let rest = async {
                connector.cancel(&token).await?;
                // Answered after all that was sent before.
                lent.batch_execute(&fill(UNDO, &[])).await
            };
            if let Ok(Err(error)) = timeout(REST, rest).await {
                log::debug!("{}", database_error("could not call off what a request ran", error).report());
            }
            drop(Lent::take(lent));
        });
    }

    /// How it is doing now.
    pub fn status(&self) -> PoolStatus {
        let status = self.inner.status();
        PoolStatus { size: status.size, available: status.available, waiting: status.waiting }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

impl Connector {
    /// A pool of connections, which are made when they are first needed.
    ///
    /// A connection is handed out again if it is still open; nothing resets it, so what a user of one sets must
    /// be local to its transaction.
    pub fn pool(&self, options: PoolOptions) -> Result<Pool> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // The manager shows this configuration in its Debug and hands it to `connect`, which has its own.
        let pooled = Pooled { connector: self.clone(), settings: settings(&options) };
        let manager = Manager::from_connect(Config::new(), pooled, recycling);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(options.size)
            .wait_timeout(Some(options.wait))
            .create_timeout(Some(CREATE))
            .recycle_timeout(Some(options.wait))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::machine("could not make the connection pool").with_source(error))?;
        Ok(Pool { inner, connector: self.clone(), options })
    }
}

/// Settings its sessions have beyond those of all; behind a pooler they would be somebody else's soon.
fn settings(options: &PoolOptions) -> Option<String> {
    let milliseconds = options.statement.as_millis().to_string();
    let wanted = options.naming == Naming::Named && !options.statement.is_zero();
    wanted.then(|| fill(REQUEST_SESSION, &[("milliseconds", &milliseconds)]))
}

struct Pooled {
    connector: Connector,
    settings: Option<String>,
}

type Made = std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl Connect for Pooled {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Made> + Send + '_>> {
        Box::pin(async move {
            match self.connector.open("pool", Outlet::default()).await {
                Ok(opened) => {
                    if let Some(settings) = &self.settings {
                        opened.client.batch_execute(settings).await?;
                    }
                    Ok((opened.client, opened.driver.detach()))
                }
                Err(Failure::Postgres { error, .. }) => Err(error),
                // Only tokio_postgres can make its errors and it has none for this, so the pool's own limit
                // for new connections, which is near, ends the wait and says so.
                Err(Failure::TimedOut { .. }) => pending().await,
            }
        })
    }
}
