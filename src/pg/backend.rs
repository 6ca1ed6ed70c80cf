//! The server's side of a connection, looked at from another one.
//!
//! A connection that lost its peer without a word is half open: what is sent disappears, and nothing ever comes.
//! Keep-alives notice a dead machine, but not a proxy or a firewall that takes bytes and forgets them. The server
//! knows better: a backend that has nothing to do owes nobody an answer.

use std::time::SystemTime;

use postgres_types::Type;
use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use crate::words::Result;

const BACKEND_OF_SESSION: &str = include_str!("../../sql/queries/backend_of_session.sql");
const BACKEND_WAITS: &str = include_str!("../../sql/queries/backend_waits.sql");

/// One backend of the server.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    pid: i32,
    /// None where this role may not see it: a session that took another role at its start does not see itself.
    started: Option<SystemTime>,
}

impl Backend {
    /// The backend that serves a connection.
    pub async fn of(client: &Client) -> Result<Self> {
        let row = client.query_typed_one(BACKEND_OF_SESSION, &[]).await;
        let row = row.map_err(|error| database_error("could not find the session's backend", error))?;
        Ok(Self { pid: row.get(0), started: row.get(1) })
    }

    /// True when it is gone, or has been idle for a second: an answer it is waited for will not come.
    pub async fn owes_nothing(&self, connector: &Connector) -> Result<bool> {
        // Nobody knows, so it counts as busy.
        let Some(started) = self.started else { return Ok(false) };
        let link = connector.connect("look").await?;
        let backend = [(&self.pid as _, Type::INT4), (&started as _, Type::TIMESTAMPTZ)];
        let row = link.client.query_typed_one(BACKEND_WAITS, &backend).await;
        Ok(row.map_err(|error| database_error("could not look at the session's backend", error))?.get(0))
    }
}
