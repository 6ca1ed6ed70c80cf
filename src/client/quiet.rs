//! A connection that ends when nothing comes for too long.
//!
//! A peer that vanished without a word leaves a connection that looks open for ever. Bytes are watched rather than
//! messages, so that one large message on a slow line is no silence.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long nothing may come; shared with whoever learns the peer's heartbeat.
#[derive(Debug, Clone)]
pub(super) struct Patience(Arc<AtomicU64>);

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        let new = Self(Arc::default());
        new.set(patience);
        new
    }

    pub(super) fn set(&self, patience: Duration) {
        self.0.store(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A byte stream whose reads fail with `TimedOut` when nothing came for as long as patience lasts.
#[derive(Debug)]
pub(super) struct Quiet<S> {
    inner: S,
    patience: Patience,
    /// Runs from the moment a reader found nothing.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<S> Quiet<S> {
    pub(super) fn new(inner: S, patience: Patience) -> Self {
        Self { inner, patience, silence: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quiet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // First what is there: a reader that was busy elsewhere for long must not take that for silence.
        if let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            self.silence = None;
            return Poll::Ready(read);
        }
        let patience = self.patience.get();
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came for two heartbeats")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quiet<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_read_and_a_byte_ends_the_silence() {
        let (mut far, near) = tokio::io::duplex(16);
        let patience = Patience::new(Duration::from_secs(50));
        let mut quiet = Quiet::new(near, patience.clone());
        let begun = Instant::now();
        let writer = tokio::spawn(async move {
            for _ in 0..3 {
                sleep(Duration::from_secs(40)).await;
                far.write_all(b"x").await.unwrap();
            }
            far
        });
        for _ in 0..3 {
            assert_eq!(quiet.read_u8().await.unwrap(), b'x');
        }
        let _far = writer.await.unwrap();
        assert_eq!(quiet.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 120 + 50);
        patience.set(Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_busy_elsewhere_finds_what_came_meanwhile() {
        let (mut far, near) = tokio::io::duplex(16);
        let mut quiet = Quiet::new(near, Patience::new(Duration::from_secs(50)));
        assert!(tokio::time::timeout(Duration::from_secs(1), quiet.read_u8()).await.is_err());
        far.write_all(b"x").await.unwrap();
        sleep(Duration::from_secs(600)).await;
        assert_eq!(quiet.read_u8().await.unwrap(), b'x');
    }
}
