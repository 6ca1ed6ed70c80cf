//! A WebSocket client that reads frame by frame.

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::soon;

/// One session.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects and reads `welcome`.
    #[track_caller]
    pub fn open(port: u16, path: &str) -> impl Future<Output = Self> + use<> {
        let connected = soon(connect_async(format!("ws://127.0.0.1:{port}{path}")));
        async {
            let (stream, _) = connected.await.expect("a session");
            let mut socket = Self(stream);
            assert_eq!(socket.frame().await["type"], "welcome");
            socket
        }
    }

    /// Connects to a topic; the session and the cursor it begins at.
    #[track_caller]
    pub fn subscribed(port: u16, topic: &str) -> impl Future<Output = (Self, String)> {
        let opened = Self::open(port, &format!("/feed/{topic}"));
        async move {
            let mut socket = opened.await;
            let frame = socket.frame().await;
            assert_eq!(frame["type"], "subscribed", "{frame}");
            let cursor = frame["cursor"].as_str().expect("a cursor").to_owned();
            (socket, cursor)
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    /// The next frame.
    #[track_caller]
    pub fn frame(&mut self) -> impl Future<Output = Value> {
        soon(async {
            match self.message().await {
                Ok(frame) => frame,
                Err(close) => panic!("closed: {close:?}"),
            }
        })
    }

    /// Changes of `commits` frames until there are that many, and the cursor after them.
    #[track_caller]
    pub fn changes(&mut self, count: usize) -> impl Future<Output = (Vec<Value>, String)> {
        soon(async move {
            let mut changes = Vec::new();
            loop {
                let frame = self.message().await.expect("open");
                assert_eq!(frame["type"], "commits", "{frame}");
                for commit in frame["commits"].as_array().expect("commits") {
                    for change in commit["changes"].as_array().expect("changes") {
                        let mut change = change.clone();
                        change["xid"] = commit["xid"].clone();
                        changes.push(change);
                    }
                }
                if let Some(cursor) = frame["cursor"].as_str().filter(|_| changes.len() >= count) {
                    return (changes, cursor.to_owned());
                }
            }
        })
    }

    /// The code the session is closed with; frames before it are passed over. None when it just ends.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = Option<u16>> {
        soon(async {
            loop {
                if let Err(close) = self.message().await {
                    return close.map(|frame| frame.code.into());
                }
            }
        })
    }

    async fn message(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}
