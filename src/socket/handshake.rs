//! Our own upgrade: from an HTTP request to the two halves of its connection.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::Reply;
use warp::http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use warp::http::{Response as Plain, StatusCode};
use warp::reply::Response;

use super::accept::Connection;
use super::outlet::Output;
use super::reader::Input;
use crate::problem::Problem;

/// A request that may become a WebSocket.
pub(super) struct Handshake {
    accept: String,
    /// Resolves once the 101 is out.
    pub(super) on_upgrade: OnUpgrade,
}

impl Handshake {
    /// Checks the headers; what is wrong with them is told as HTTP.
    pub(super) fn read(headers: &HeaderMap, on_upgrade: Option<OnUpgrade>) -> Result<Self, Problem> {
        if !lists(headers, UPGRADE, "websocket") {
            let detail = "without a topic the feed is a WebSocket: send Upgrade: websocket, or name a topic in the path";
            return Err(upgrade_required(detail));
        }
        if !lists(headers, CONNECTION, "upgrade") {
            return Err(bad("a WebSocket handshake needs Connection: Upgrade"));
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(upgrade_required("this server speaks version 13 of WebSocket"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map_or(&[][..], |key| key.as_bytes());
        if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
            return Err(bad("Sec-WebSocket-Key must be 16 bytes in base64"));
        }
        let on_upgrade = on_upgrade.ok_or_else(|| bad("a WebSocket handshake needs GET and HTTP/1.1"))?;
        Ok(Self { accept: derive_accept_key(key), on_upgrade })
    }

    /// The 101.
    pub(super) fn reply(&self) -> Response {
        let reply = Plain::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, &self.accept)
            .body("");
        reply.into_response()
    }
}

/// The two halves of an upgraded connection, and what was read of it along with the request.
pub(super) fn halves(upgraded: Upgraded) -> (Input, Output, Vec<u8>) {
    match upgraded.downcast::<Connection>() {
        Ok(parts) => {
            let (input, output) = parts.io.into_inner().into_inner().into_split();
            // A copy of the few bytes there are, or the session would keep hyper's whole buffer.
            (Box::new(input), Output::Socket(output), parts.read_buf.to_vec())
        }
        // Under TLS there is more than a socket to it.
        Err(upgraded) => {
            let (input, output) = tokio::io::split(TokioIo::new(upgraded));
            (Box::new(input), Output::Other(Box::new(output)), Vec::new())
        }
    }
}

fn upgrade_required(detail: &str) -> Problem {
    Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail)
        .with_header(UPGRADE, "websocket")
        .with_header(CONNECTION, "Upgrade")
        .with_header(SEC_WEBSOCKET_VERSION, "13")
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_handshake", detail)
}

/// True when a header that is a list of words holds that word.
pub(super) fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Incoming;
    use hyper::server::conn::http1::Builder;
    use hyper::service::service_fn;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// Upgrades the first request that comes, and writes back what comes after it.
    async fn echo(near: DuplexStream) {
        let service = service_fn(|request: hyper::Request<Incoming>| async move {
            let handshake = Handshake::read(request.headers(), request.extensions().get().cloned()).unwrap();
            let reply = handshake.reply();
            tokio::spawn(async move {
                let (mut input, mut output, begun) = halves(handshake.on_upgrade.await.unwrap());
                output.write_all(&begun).await.unwrap();
                tokio::io::copy(&mut input, &mut output).await.unwrap();
            });
            Ok::<_, Infallible>(reply)
        });
        Builder::new().serve_connection(TokioIo::new(near), service).with_upgrades().await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_bare_socket_is_upgraded_too() {
        let (near, mut far) = tokio::io::duplex(1000);
        tokio::spawn(echo(near));
        let request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly";
        far.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nearly") {
            answer.push(far.read_u8().await.unwrap());
        }
        far.write_all(b"late").await.unwrap();
        let mut late = [0; 4];
        far.read_exact(&mut late).await.unwrap();
        assert_eq!(&late, b"late");
    }
}
