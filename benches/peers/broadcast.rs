//! The usual fan-out in Rust: tokio-tungstenite, a task for each socket, a broadcast channel between them.
//!
//! A request to `/publish` makes a connection the publisher, and every byte on it one frame to all others.

use futures::SinkExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const PUBLISH: &[u8] = b"GET /publish";

#[tokio::main]
pub async fn run(bytes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("listening on {}", listener.local_addr().expect("an address"));
    let (tx, _) = broadcast::channel(64);
    let frame = Utf8Bytes::from(super::payload(bytes));
    loop {
        let (tcp, _) = listener.accept().await.expect("a connection");
        tcp.set_nodelay(true).expect("is set");
        let mut begun = [0; PUBLISH.len()];
        while tcp.peek(&mut begun).await.expect("a request") < begun.len() {}
        if begun == PUBLISH {
            tokio::spawn(publish(tcp, tx.clone(), frame.clone()));
        } else {
            tokio::spawn(follow(tcp, tx.subscribe()));
        }
    }
}

async fn follow(tcp: TcpStream, mut frames: Receiver<Utf8Bytes>) {
    let mut socket = accept_async(tcp).await.expect("an upgrade");
    loop {
        match frames.recv().await {
            Ok(frame) => socket.send(Message::Text(frame)).await.expect("is sent"),
            // Whoever is too slow misses some.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn publish(tcp: TcpStream, tx: Sender<Utf8Bytes>, frame: Utf8Bytes) {
    let mut tcp = accept_async(tcp).await.expect("an upgrade").into_inner();
    let mut wishes = [0; 1024];
    while let Ok(count @ 1..) = tcp.read(&mut wishes).await {
        for _ in 0..count {
            tx.send(frame.clone()).expect("somebody listens");
        }
    }
}
