//! The pool: connections made the same way as every other, so with the same TLS and the same settings.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::connect::Connector;
use super::failure::Failure;
use super::fault::pool_error;
use super::link::Outlet;
use crate::words::{Error, Result};

/// How long a request waits for somebody else's connection.
const WAIT: Duration = Duration::from_secs(5);
/// How long a new connection may take.
const CREATE: Duration = Duration::from_secs(10);

/// Connections for work that is soon done; cheap to clone.
#[derive(Clone)]
pub struct Pool(deadpool_postgres::Pool);

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
        self.0.get().await.map_err(|error| pool_error(attempted, error))
    }

    /// How it is doing now.
    pub fn status(&self) -> PoolStatus {
        let status = self.0.status();
        PoolStatus { size: status.size, available: status.available, waiting: status.waiting }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

impl Connector {
    /// A pool of at most `size` connections, which are made when they are first needed.
    ///
    /// A connection is handed out again if it is still open; nothing resets it, so what a user of one sets must
    /// be local to its transaction.
    pub fn pool(&self, size: usize) -> Result<Pool> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // The manager shows this configuration in its Debug and hands it to `connect`, which has its own.
        let manager = Manager::from_connect(Config::new(), Pooled(self.clone()), recycling);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CREATE))
            .recycle_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::machine("could not make the connection pool").with_source(error))?;
        Ok(Pool(pool))
    }
}

struct Pooled(Connector);

type Made = std::result::Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl Connect for Pooled {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Made> + Send + '_>> {
        Box::pin(async move {
            match self.0.open("pool", Outlet::default()).await {
                Ok(opened) => Ok((opened.client, opened.driver.detach())),
                Err(Failure::Postgres { error, .. }) => Err(error),
                // Only tokio_postgres can make its errors and it has none for this, so the pool's own limit
                // for new connections, which is near, ends the wait and says so.
                Err(Failure::TimedOut { .. }) => pending().await,
            }
        })
    }
}
