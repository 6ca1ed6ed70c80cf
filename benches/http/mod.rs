//! A client of REST that does as little as possible: one connection, and no more of HTTP than it needs.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A client of REST: one connection, one row.
pub struct Client {
    http: BufReader<TcpStream>,
    id: usize,
    tag: String,
}

impl Client {
    /// Reads its row, for the version to begin with.
    pub async fn new(address: SocketAddr, id: usize) -> Self {
        let tcp = TcpStream::connect(address).await.expect("connects");
        tcp.set_nodelay(true).expect("is set");
        let mut client = Self { http: BufReader::new(tcp), id, tag: String::new() };
        client.read().await;
        client
    }

    /// Reads the row.
    pub async fn read(&mut self) {
        self.request("GET", "", "").await;
    }

    /// Writes at the version that the last request left.
    pub async fn write(&mut self, qty: i32) {
        let header = format!("If-Match: {}\r\n", self.tag);
        self.request("PATCH", &header, &format!(r#"{{"qty":{qty}}}"#)).await;
    }

    /// One request, which must be answered with 200.
    async fn request(&mut self, method: &str, header: &str, body: &str) {
        let request = format!(
            "{method} /api/items/{} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n{body}",
            self.id,
            body.len()
        );
        self.http.get_mut().write_all(request.as_bytes()).await.expect("is sent");
        let (mut line, mut length) = (String::new(), 0);
        self.http.read_line(&mut line).await.expect("an answer");
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        loop {
            line.clear();
            self.http.read_line(&mut line).await.expect("a header");
            match line.trim_end().split_once(": ") {
                Some(("etag", tag)) => tag.clone_into(&mut self.tag),
                Some(("content-length", value)) => length = value.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut row = vec![0; length];
        self.http.read_exact(&mut row).await.expect("a row");
    }
}
