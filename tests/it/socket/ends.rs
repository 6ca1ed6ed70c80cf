//! How sessions end, each with its code.

use std::time::Duration;

use bytes::Bytes;
use rowbell::socket::News;
use rowbell::words::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::client::{Client, UPGRADE, head, masked};
use super::server::{Server, cursor, soon};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn another_language_ends_the_session() {
    let server = Server::start().await;
    let not_utf8 = Message::Frame(Frame::message(&b"\"\xff\""[..], OpCode::Data(Data::Text), true));
    for message in [
        Message::binary(&b"{}"[..]),
        Message::text(""),
        Message::text("hello"),
        Message::text("[1]"),
        Message::text("null"),
        Message::text("{\"type\":"),
        Message::text("[".repeat(60_000)),
        not_utf8,
    ] {
        let mut client = Client::welcomed(&server, "/feed").await;
        client.send(message.clone()).await;
        assert_eq!(client.close_code().await, 4400, "{message:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_session() {
    let server = Server::start().await;
    let limit = 64 * 1024;
    let mut client = Client::welcomed(&server, "/feed").await;
    let largest = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(limit - 24));
    assert_eq!(largest.len(), limit);
    assert_eq!(client.ask(&largest).await["type"], "pong");
    client.say(&" ".repeat(limit + 1)).await;
    assert_eq!(client.close_code().await, 4413);

    // Far more than any buffer between the two takes: the rest must be read for the close frame to arrive.
    let mut client = Client::welcomed(&server, "/feed").await;
    client.send(Message::text("x".repeat(20 << 20))).await;
    assert_eq!(client.close_code().await, 4413);

    let mut client = Client::welcomed(&server, "/feed").await;
    for part in 0..3 {
        let opcode = OpCode::Data(if part == 0 { Data::Text } else { Data::Continue });
        client.send(Message::Frame(Frame::message(vec![b' '; limit / 2], opcode, false))).await;
    }
    assert_eq!(client.close_code().await, 4413);
    server.stop().await;
}

#[tokio::test]
async fn frames_against_the_rules_end_the_session() {
    let server = Server::start().await;
    let fragmented_ping = [&[0x09][..], &masked(9, b"")[1..]].concat();
    for bytes in [b"\x81\x02{}".to_vec(), masked(3, b"{}"), masked(0, b"{}"), fragmented_ping, vec![0xff; 30]]
    {
        let mut stream = upgraded(&server).await;
        stream.write_all(&bytes).await.unwrap();
        let mut told = Vec::new();
        soon(stream.read_to_end(&mut told)).await.unwrap();
        let at = told.windows(4).position(|four| four[0] == 0x88 && four[2..] == [0x03, 0xea]);
        assert!(at.is_some(), "no 1002 after {bytes:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_closes_is_answered_with_its_own_code() {
    let server = Server::start().await;
    for close in [None, Some(CloseFrame { code: 1000.into(), reason: "bye".into() })] {
        let mut client = Client::welcomed(&server, "/feed").await;
        client.send(Message::Close(close.clone())).await;
        let Some(Ok(Message::Close(answer))) = client.next().await else { panic!("no close frame") };
        assert_eq!(answer.map(|frame| frame.code), close.map(|frame| frame.code));
        assert!(client.next().await.is_none());
    }
    server.ended().await;
    assert_eq!(server.stats.stats().sessions.get(), 0);
}

#[tokio::test]
async fn a_connection_that_breaks_gives_up_its_topics() {
    let mut server = Server::start().await;
    let client = Client::welcomed(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    assert_eq!(server.stats.stats().sessions.get(), 1);
    let stream = client.0.into_inner();
    // With no linger the end is a reset.
    stream.set_zero_linger().unwrap();
    drop(stream);
    asked.given_up().await;
    server.ended().await;
    assert_eq!(server.stats.stats().sessions.get(), 0);
}

#[tokio::test]
async fn a_silent_peer_is_closed_and_one_that_answers_is_not() {
    let server = Server::with(|wanted| wanted.config.feed.heartbeat = SHORT).await;
    let mut silent = upgraded(&server).await;
    let mut answering = Client::welcomed(&server, "/feed").await;
    let before = tokio::time::Instant::now();
    let mut told = Vec::new();
    let mut pings = 0;
    tokio::select! {
        read = soon(silent.read_to_end(&mut told)) => { read.unwrap(); }
        () = async { loop {
            // Reading is what makes the library answer pings.
            assert!(matches!(answering.next().await, Some(Ok(Message::Ping(_)))));
            pings += 1;
        } } => {}
    }
    // Two pings, and the close; the farewell is part of what was waited for.
    assert!(before.elapsed() >= SHORT * 2);
    assert!(contains(&told, b"\x89\x00\x89\x00\x88"), "{told:?}");
    assert!(contains(&told, &4408_u16.to_be_bytes()));
    assert!(pings >= 2);
    assert_eq!(answering.ask(r#"{"type":"ping"}"#).await["type"], "pong");
    server.stop().await;
}

#[tokio::test]
async fn shutdown_sends_everyone_away() {
    let mut server = Server::start().await;
    let mut idle = Client::welcomed(&server, "/feed").await;
    let mut busy = Client::welcomed(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    asked.tell(News::Held(cursor(1))).await;
    assert_eq!(busy.frame().await["type"], "subscribed");
    let mute = upgraded(&server).await;
    server.shutdown.cancel();
    let (idle, busy) = tokio::join!(idle.close_code(), busy.close_code());
    assert_eq!((idle, busy), (1001, 1001));
    // One of them never hangs up, and is not waited for long.
    server.ended().await;
    drop(mute);
    assert!(soon(TcpStream::connect(server.address)).await.is_err());
}

#[tokio::test]
async fn who_reads_nothing_is_closed_and_told_once_it_reads() {
    let mut server = Server::with(|wanted| wanted.config.feed.stuck = SHORT).await;
    let mut client = Client::welcomed(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    let frame = Bytes::from(format!("\"{}\"", "x".repeat(1 << 20)));
    for _ in 0..60 {
        asked.tell(News::Frame(frame.clone())).await;
    }
    asked.given_up().await;
    // The edge took frames until the pipe was full, and left the others where they were.
    let taken = server.stats.stats().frames.get();
    assert!(taken < 30, "{taken} of 60 MiB are in memory");
    // Frames that had begun arrive whole, and the close frame behind them says why.
    let mut code = None;
    while let Some(Ok(message)) = client.next().await {
        match message {
            Message::Text(text) => assert_eq!(text.len(), frame.len()),
            Message::Close(close) => code = close.map(|close| u16::from(close.code)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(code, Some(4410));
    server.ended().await;
}

#[tokio::test]
async fn who_reads_slowly_is_neither_stuck_nor_silent() {
    let mut server = Server::with(|wanted| {
        wanted.config.feed.stuck = SHORT * 10;
        wanted.config.feed.heartbeat = SHORT;
    })
    .await;
    let mut stream = upgraded_at(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    let feeding = tokio::spawn(async move {
        let frame = Bytes::from(vec![b' '; 1 << 20]);
        while asked.news.send(News::Frame(frame.clone())).await.is_ok() {}
    });
    // It never answers a ping, but it reads: a little at a time, for many heartbeats.
    let until = tokio::time::Instant::now() + SHORT * 8;
    let mut some = vec![0; 256 * 1024];
    let mut pace = tokio::time::interval(SHORT / 10);
    while tokio::time::Instant::now() < until {
        pace.tick().await;
        assert!(soon(stream.read(&mut some)).await.unwrap() > 0, "closed although it reads");
    }
    drop(stream);
    soon(feeding).await.unwrap();
    server.ended().await;
}

#[tokio::test]
async fn a_flood_without_reading_is_not_read_any_more() {
    let server = Server::with(|wanted| wanted.config.feed.stuck = SHORT * 3).await;
    let mut stream = upgraded(&server).await;
    let ping = masked(1, br#"{"type":"ping","ref":"0123456789012345678901234567890123456789"}"#);
    let flood = ping.repeat(1000);
    let mut sent = 0_usize;
    // It ends by an error, when the server has hung up; never because the server took it all.
    while soon(stream.write_all(&flood)).await.is_ok() {
        sent += flood.len();
        assert!(sent < 200 << 20, "the server takes commands without end");
    }
    server.ended().await;
}

#[tokio::test]
async fn a_fault_of_ours_is_4500_and_says_nothing() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed/orders").await;
    server.next_asked().await.tell(News::Failed(Error::unexpected("a secret of the house"))).await;
    assert_eq!(client.close_code().await, 4500);
    server.stop().await;
}

/// A bare connection on which nothing is answered; its `welcome` is still to be read.
async fn upgraded(server: &Server) -> TcpStream {
    upgraded_at(server, "/feed").await
}

async fn upgraded_at(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n");
    stream.write_all(request.as_bytes()).await.expect("room for a request");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 101"));
    stream
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
