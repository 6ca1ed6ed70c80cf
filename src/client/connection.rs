//! One WebSocket, from the connection to its end.

use futures::{SinkExt, StreamExt};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::Shared;
use super::error::{Error, Refusal, Result};
use super::frame::Frame;
use super::quiet::{Patience, Quiet};

/// Longest message that is still read. A server sends parts of 1 MiB; only a row of a snapshot, which comes whole
/// however long it is, may be more.
const LONGEST_MESSAGE: usize = 80 << 20;

/// A live subscription's connection.
pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<Quiet<TcpStream>>>,
    patience: Patience,
}

impl Connection {
    /// Connects and says `wish`, a `subscribe` frame.
    pub(super) async fn open(shared: &Shared, wish: String) -> Result<Self> {
        let opened = timeout(shared.connect_timeout, Self::connect(shared, wish)).await;
        opened.unwrap_or_else(|_| {
            let seconds = shared.connect_timeout.as_secs_f32();
            Err(Error::unreachable(format!("could not connect within {seconds} s")))
        })
    }

    async fn connect(shared: &Shared, wish: String) -> Result<Self> {
        let request = upgrade(shared)?;
        let tcp = tcp(&shared.api).await?;
        // Until the server names its heartbeat, silence is as long as a connection may take.
        let patience = Patience::new(shared.connect_timeout);
        let config = WebSocketConfig::default()
            .max_message_size(Some(LONGEST_MESSAGE))
            .max_frame_size(Some(LONGEST_MESSAGE));
        let connector = shared.tls.clone().map_or(Connector::Plain, Connector::Rustls);
        let stream = Quiet::new(tcp, patience.clone());
        let upgraded = client_async_tls_with_config(request, stream, Some(config), Some(connector)).await;
        let (mut socket, _) = upgraded.map_err(not_upgraded)?;
        socket.send(Message::text(wish)).await.map_err(broken)?;
        Ok(Self { socket, patience })
    }

    /// The next frame, and how many bytes it took.
    pub(super) async fn frame(&mut self) -> Result<(Frame, usize)> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = Frame::read(&text)?;
                    if let Frame::Welcome { heartbeat } = frame {
                        self.patience.set(heartbeat * 2);
                    }
                    return Ok((frame, text.len()));
                }
                Some(Ok(Message::Binary(_))) => {
                    return Err(Error::unexpected("the server sent a message that is no text"));
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err(Error::closed(close.code.into(), &close.reason));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(Error::unreachable("the connection ended"));
                }
                // Pings are answered by the socket itself while it is read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    }
}

async fn tcp(url: &Url) -> Result<TcpStream> {
    let attempted = || format!("could not connect to {}", url.authority());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|error| Error::unreachable(attempted()).with_source(error))?;
    stream.set_nodelay(true).map_err(|error| Error::unreachable(attempted()).with_source(error))?;
    Ok(stream)
}

fn upgrade(shared: &Shared) -> Result<http::Request<()>> {
    let bad = || Error::usage("the server's URL cannot be that of a WebSocket");
    let text = format!("{}feed", shared.api.as_str().replacen("http", "ws", 1));
    let mut request = text.into_client_request().map_err(|error| bad().with_source(error))?;
    let agent = concat!("rowbell-client/", env!("CARGO_PKG_VERSION"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
    // In a header rather than the URL, which proxies write into their logs.
    request.headers_mut().extend(shared.token.clone().map(|token| (AUTHORIZATION, token)));
    Ok(request)
}

fn not_upgraded(error: SocketError) -> Error {
    match error {
        SocketError::Http(answer) => {
            let status = answer.status().as_u16();
            let refusal = Refusal { status: Some(status), ..Refusal::default() };
            Error::refused(refusal, format!("the server answered {status} instead of opening the feed"))
        }
        other => broken(other),
    }
}

fn broken(error: SocketError) -> Error {
    match error {
        SocketError::Capacity(_) => {
            Error::too_large(format!("the server sent a message over {LONGEST_MESSAGE} bytes"))
                .with_source(error)
        }
        _ => Error::unreachable("the connection broke off").with_source(error),
    }
}
