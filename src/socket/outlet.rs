//! The write side of a session, shared by its task and by the feed.
//!
//! While a peer takes all that is written, the feed writes its frames here itself, and the session's task sleeps on.
//! The first frame that does not go out whole wakes the task; until it has written what waits, the feed is refused.

use std::fmt;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use super::Edge;
use super::writer::{Opcode, Writer};
use crate::feed::Sink;

/// The bytes a connection writes.
pub(super) enum Output {
    Socket(OwnedWriteHalf),
    /// Whatever else was upgraded.
    Other(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Output {
    /// Writes what goes out without waiting; the error is `WouldBlock` where that is nothing.
    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> Result<usize> {
        match self {
            Output::Socket(socket) => socket.try_write_vectored(slices),
            Output::Other(_) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self.get_mut() {
            Output::Socket(socket) => Pin::new(socket),
            Output::Other(other) => Pin::new(&mut **other),
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.inner().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Output::Socket(socket) => socket.is_write_vectored(),
            Output::Other(other) => other.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner().poll_shutdown(context)
    }
}

/// What waits to be written to one peer.
pub(super) struct Outlet {
    edge: Edge,
    state: Mutex<State>,
}

struct State {
    writer: Writer<Output>,
    /// Only the session writes any more.
    closed: bool,
    /// A write of the feed's failed: the peer is gone.
    broken: bool,
    /// The session's task, to be woken when there is something to write that the feed could not.
    waker: Option<Waker>,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet")
    }
}

impl Outlet {
    pub(super) fn new(edge: Edge, output: Output) -> Self {
        let state = State { writer: Writer::new(output), closed: false, broken: false, waker: None };
        Self { edge, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a text frame at the end of what waits; nothing is written before `write_some`.
    pub(super) fn send(&self, payload: Bytes) {
        self.count(payload.len());
        self.push(Opcode::Text, payload);
    }

    /// The same for a frame that is not counted.
    pub(super) fn push(&self, opcode: Opcode, payload: Bytes) {
        self.state().writer.push(opcode, payload);
    }

    /// Bytes that are not out yet.
    pub(super) fn waiting(&self) -> usize {
        self.state().writer.waiting()
    }

    /// Writes what one call takes; waits until that is something. Cancel-safe.
    pub(super) async fn write_some(&self) -> Result<()> {
        poll_fn(|context| self.state().writer.poll_write_some(context)).await
    }

    /// Returns when something waits that the feed could not write, or when it found the peer gone. Cancel-safe.
    pub(super) async fn stuck(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.broken || state.writer.waiting() > 0 {
                return Poll::Ready(());
            }
            match &mut state.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }

    /// True when a write of the feed's failed.
    pub(super) fn is_broken(&self) -> bool {
        self.state().broken
    }

    /// From now on the feed is refused.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    /// Drops the frames of which nothing is out, so that a last word can still be said.
    pub(super) fn forget_unsent(&self) {
        self.state().writer.forget_unsent();
    }

    /// Writes everything and says that nothing follows.
    pub(super) async fn finish(&self) -> Result<()> {
        poll_fn(|context| {
            let mut state = self.state();
            while state.writer.waiting() > 0 {
                ready!(state.writer.poll_write_some(context))?;
            }
            state.writer.poll_shutdown(context)
        })
        .await
    }

    fn count(&self, bytes: usize) {
        let stats = self.edge.feed().stats();
        stats.frames.add(1);
        stats.bytes.add(bytes);
    }
}

/// One topic's way to an outlet.
#[derive(Debug)]
pub(super) struct Spout {
    outlet: Arc<Outlet>,
    shut: AtomicBool,
}

impl Spout {
    pub(super) fn new(outlet: &Arc<Outlet>) -> Self {
        Self { outlet: Arc::clone(outlet), shut: AtomicBool::new(false) }
    }

    /// From now on the topic is refused: nothing of it follows what the session pushes after this.
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }
}

impl Sink for Spout {
    fn take(&self, frame: &Bytes) -> bool {
        let mut state = self.outlet.state();
        // Looked at under the lock that the session's next push takes, so it comes before or is seen.
        if state.closed || state.broken || self.shut.load(Ordering::Relaxed) || state.writer.waiting() > 0 {
            return false;
        }
        let written = state.writer.write_now(Opcode::Text, frame);
        state.broken = written.is_err();
        if state.broken || state.writer.waiting() > 0 {
            let waker = state.waker.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
        if written.is_ok() {
            self.outlet.count(frame.len());
        }
        written.is_ok()
    }
}
