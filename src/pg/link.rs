//! One connection with its driver: statements go in, bells and notices come out.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Connection};
use tokio_util::task::AbortOnDropHandle;

use super::fault::database_error;
use crate::words::Error;

/// How many messages wait for the owner of a link before further ones are dropped.
pub(super) const QUEUE: usize = 256;

/// What the server says unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Somebody rang: there is something to read.
    Bell {
        /// The name that was notified.
        topic: String,
    },
    /// The server remarks on a statement of ours.
    Notice {
        /// `NOTICE`, `WARNING` and so on.
        severity: String,
        /// What it says; it may quote rows, so it goes to the user who ran the statement and not to the log.
        text: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// A connection of its own, outside the pool: for listening, for locks held long, for one-off work.
///
/// Keep it whole: dropping it, or taking `client` or `messages` out of it, ends the connection.
pub struct Link {
    /// Runs statements. Every one of them fails once the connection has ended.
    pub client: Client,
    /// Bells and notices in the order they came; closed when the connection has ended.
    pub messages: mpsc::Receiver<Message>,
    reason: Reason,
    driver: AbortOnDropHandle<()>,
}

impl Link {
    pub(super) fn new(opened: Opened, messages: mpsc::Receiver<Message>, reason: Reason) -> Self {
        Self { client: opened.client, messages, reason, driver: opened.driver }
    }

    /// True when the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished() || self.client.is_closed()
    }

    /// Waits until the connection ends and says why; messages still in the queue are lost.
    pub async fn closed(mut self) -> Error {
        while self.messages.recv().await.is_some() {}
        self.reason.take()
    }
}

/// Why a connection ended: written once by its driver before the queue closes, read by the link.
#[derive(Clone, Default)]
pub(super) struct Reason(Arc<Mutex<Option<Error>>>);

impl Reason {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Error {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.unwrap_or_else(|| Error::unavailable("the connection to PostgreSQL is closed"))
    }
}

/// Where a driver puts what it hears: a link has both ends, a pooled connection needs no queue.
#[derive(Clone, Default)]
pub(super) struct Outlet {
    pub(super) messages: Option<mpsc::Sender<Message>>,
    pub(super) reason: Reason,
}

/// A client and the task that moves its bytes; dropping the task's handle closes the socket at once.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) driver: AbortOnDropHandle<()>,
}

/// Moves the connection's bytes until it ends.
pub(super) async fn drive<S, T>(mut connection: Connection<S, T>, outlet: Outlet)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let error = loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(message)) => outlet.put(message),
            Some(Err(error)) => break database_error("lost the connection to PostgreSQL", error),
            None => break Error::unavailable("the connection to PostgreSQL was closed from here"),
        }
    };
    log::debug!("a connection ended: {}", error.report());
    outlet.reason.set(error);
}

impl Outlet {
    /// Never waits: a bell is only a hint, and a full queue already means "something to read".
    fn put(&self, message: AsyncMessage) {
        let Some(messages) = &self.messages else { return };
        let message = match message {
            AsyncMessage::Notification(bell) => Message::Bell { topic: bell.channel().to_owned() },
            AsyncMessage::Notice(notice) => Message::Notice {
                severity: notice.severity().to_owned(),
                text: notice.message().to_owned(),
                hint: notice.hint().map(str::to_owned),
            },
            _ => return,
        };
        let _dropped_when_full = messages.try_send(message);
    }
}
