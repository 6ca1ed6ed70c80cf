//! Frames that the feed writes to a session's connection by itself.
//!
//! Tests have one thread: a session's task does nothing while its test awaits nothing.

use std::io::Read;

use bytes::Bytes;
use rowbell::socket::News;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Client, UPGRADE, head};
use super::server::{Asked, Server, cursor, soon};

/// More than one write takes once the buffers of a connection are nearly full.
const LARGE: usize = 1 << 20;

/// The header of a server's frame of that size.
const HEADER: [u8; 10] = [0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 0];

fn large(number: u8) -> Bytes {
    vec![number; LARGE].into()
}

/// A client that was told that its subscription is held, and has read it.
async fn held(server: &mut Server) -> (Client, Asked) {
    let mut client = Client::welcomed(server, "/feed/orders").await;
    let asked = server.next_asked().await;
    asked.tell(News::Held(cursor(1))).await;
    assert_eq!(client.frame().await["type"], "subscribed");
    (client, asked)
}

/// The same by a bare connection.
async fn held_bare(server: &mut Server) -> (TcpStream, Asked) {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let request = format!("GET /feed/orders HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n");
    stream.write_all(request.as_bytes()).await.expect("room for a request");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 101"));
    let asked = server.next_asked().await;
    asked.tell(News::Held(cursor(1))).await;
    for part in ["welcome", "subscribed"] {
        let (opcode, len) = (soon(stream.read_u8()).await.unwrap(), soon(stream.read_u8()).await.unwrap());
        assert_eq!(opcode, 0x81);
        let len = if len == 126 { soon(stream.read_u16()).await.unwrap() } else { len.into() };
        let mut told = vec![0; len.into()];
        soon(stream.read_exact(&mut told)).await.unwrap();
        assert!(String::from_utf8_lossy(&told).contains(part));
    }
    (stream, asked)
}

/// Hands frames over until one is refused; how many were taken.
fn fill(asked: &Asked) -> u8 {
    let mut taken = 0;
    while asked.hand(&large(taken)) {
        taken += 1;
        assert!(taken < 60, "frames wait in memory for a peer that reads nothing");
    }
    taken
}

#[tokio::test]
async fn while_a_frame_is_partly_out_no_other_is_written() {
    let mut server = Server::start().await;
    let (stream, asked) = held_bare(&mut server).await;
    let taken = fill(&asked);
    // There is room again, and the session has not seen it yet.
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut read = vec![0; LARGE + HEADER.len()];
    stream.read_exact(&mut read).unwrap();
    assert!(!asked.hand(&large(taken)), "a frame is written into the middle of another");
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream).unwrap();
    for number in 0..taken {
        if number > 0 {
            soon(stream.read_exact(&mut read)).await.unwrap();
        }
        assert_eq!(read[..HEADER.len()], HEADER, "frame {number}");
        assert!(read[HEADER.len()..].iter().all(|byte| *byte == number), "frame {number}");
    }
    // Nothing waits any more, so frames take the shorter way again.
    let handed = async {
        while !asked.hand(&large(taken)) {
            tokio::task::yield_now().await;
        }
    };
    soon(handed).await;
    soon(stream.read_exact(&mut read)).await.unwrap();
    assert_eq!((&read[..HEADER.len()], read[LARGE]), (&HEADER[..], taken));
    server.stop().await;
}

#[tokio::test]
async fn connections_reset_under_a_write_end_their_sessions_and_no_others() {
    let mut server = Server::start().await;
    let mut others = Vec::new();
    for _ in 0..100 {
        others.push(held(&mut server).await);
    }
    let (idle, of_idle) = held_bare(&mut server).await;
    let (full, of_full) = held_bare(&mut server).await;
    server.sessions(102).await;
    fill(&of_full);
    for stream in [idle, full] {
        stream.set_zero_linger().unwrap();
        drop(stream);
    }
    // The sessions have not heard of it: it is the write that finds the one peer gone, and the other has one begun.
    let frame = Bytes::from_static(b"1");
    assert!(!of_idle.hand(&frame) && !of_full.hand(&frame));
    for (_, asked) in &others {
        assert!(asked.hand(&frame));
    }
    server.sessions(100).await;
    of_idle.given_up().await;
    of_full.given_up().await;
    for (client, asked) in &mut others {
        assert_eq!(client.text().await, "1");
        assert!(asked.hand(&Bytes::from_static(b"2")));
        assert_eq!(client.text().await, "2");
    }
    server.stop().await;
}
