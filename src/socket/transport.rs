//! Which way a request wants the feed, and what the bodies of the other two have in common.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream};
use warp::http::header::{ACCEPT, HeaderMap, UPGRADE};

use super::handshake::lists;

/// How the feed travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Events,
    Poll,
}

impl Transport {
    /// What the request asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if lists(headers, UPGRADE, "websocket") {
            return Transport::WebSocket;
        }
        let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let events = values.flat_map(|value| value.split(',')).any(is_events);
        if events { Transport::Events } else { Transport::Poll }
    }
}

/// True for `text/event-stream`, unless it is what the client does not want (`q=0`).
fn is_events(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"));
    let refused = |parameter: &str| {
        let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        weight.is_some_and(|(_, weight)| weight.trim().parse() == Ok(0.0))
    };
    named && !parts.any(refused)
}

/// A body that hyper asks for piece by piece. It must be `Sync`, which no boxed stream is, so the stream lies in a
/// lock; its one owner reaches it without locking.
pub(super) struct Body<E = Infallible>(Mutex<BoxStream<'static, Result<Bytes, E>>>);

impl<E> Body<E> {
    pub(super) fn new(pieces: BoxStream<'static, Result<Bytes, E>>) -> Self {
        Self(Mutex::new(pieces))
    }
}

impl<E> Stream for Body<E> {
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn the_request_chooses() {
        for (upgrade, accept, transport) in [
            (None, None, Transport::Poll),
            (None, Some("*/*"), Transport::Poll),
            (None, Some("application/json"), Transport::Poll),
            (None, Some("text/event-stream"), Transport::Events),
            (None, Some("application/json, Text/Event-Stream;q=0.5"), Transport::Events),
            (None, Some("text/event-stream; q=0.0, */*"), Transport::Poll),
            (None, Some("text/event-streams"), Transport::Poll),
            (Some("h2c"), None, Transport::Poll),
            (Some("h2c, WebSocket"), Some("text/event-stream"), Transport::WebSocket),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(upgrade.map(|value| (UPGRADE, HeaderValue::from_static(value))));
            headers.extend(accept.map(|value| (ACCEPT, HeaderValue::from_static(value))));
            assert_eq!(Transport::of(&headers), transport, "{upgrade:?} {accept:?}");
        }
    }
}
