//! Clients of the edge: one that speaks WebSocket, and bare connections.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::server::{Server, soon};

/// What a good handshake sends after its first line and `Host`.
pub const UPGRADE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A WebSocket client.
pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn connect(server: &Server, path: &str) -> Self {
        Self::connect_with(server, path, &[]).await.expect("an upgrade")
    }

    /// Connects and takes the `welcome`.
    pub async fn welcomed(server: &Server, path: &str) -> Self {
        let mut client = Self::connect(server, path).await;
        assert_eq!(client.frame().await["type"], "welcome");
        client
    }

    pub async fn connect_with(
        server: &Server,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{}{path}", server.address).into_client_request()?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let stream = TcpStream::connect(server.address).await.expect("a connection");
        let (socket, _) = soon(tokio_tungstenite::client_async(request, stream)).await?;
        Ok(Self(socket))
    }

    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub async fn send(&mut self, message: Message) {
        soon(self.0.send(message)).await.expect("an open connection");
    }

    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        soon(self.0.next()).await
    }

    /// The next text message; pings in between are answered by the library.
    pub async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no text but {other:?}"),
            }
        }
    }

    pub async fn frame(&mut self) -> Value {
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// Says something and takes the answer.
    pub async fn ask(&mut self, text: &str) -> Value {
        self.say(text).await;
        self.frame().await
    }

    /// The code of the `error` frame that comes next.
    pub async fn error(&mut self) -> String {
        let frame = self.frame().await;
        assert_eq!(frame["type"], "error", "{frame}");
        assert!(frame["message"].as_str().is_some_and(|message| !message.is_empty()), "{frame}");
        frame["code"].as_str().expect("a code").to_owned()
    }

    /// Reads to the end, and gives the code of the close frame.
    pub async fn close_code(&mut self) -> u16 {
        let mut code = None;
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(close)))) => code = Some(close.code.into()),
                Some(Ok(_)) => {}
                None => return code.expect("a close frame with a code"),
                Some(Err(error)) => panic!("broken off after {code:?}: {error}"),
            }
        }
    }
}

/// Sends bytes as they are and reads to the end.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request).await.expect("room for a request");
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An HTTP request on a connection of its own: status, headers, body.
pub async fn request(server: &Server, line: &str, headers: &str) -> (u16, String, Value) {
    let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    let text = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n");
    let answer = exchange(server.address, text.as_bytes()).await;
    parts(&answer)
}

/// The same, as a handshake; the connection is closed after the head, whatever it says.
pub async fn handshake(server: &Server, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let text = format!("GET {path} HTTP/1.1\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.expect("room for a request");
    let head = head(&mut stream).await;
    (parts(&head).0, head)
}

/// Reads up to the end of the headers.
pub async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = soon(stream.read_u8()).await.expect("headers");
        head.push(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn parts(answer: &str) -> (u16, String, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    (status, head.to_ascii_lowercase(), body)
}

/// A frame as a client sends it: masked, final.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("a short payload");
    let mask = [1, 2, 3, 4];
    let mut frame = vec![0x80 | opcode, 0x80 | len];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
