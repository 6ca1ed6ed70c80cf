//! Server-sent events: what a stream says, how it ends, and what a browser does then.

use std::time::Duration;

use bytes::Bytes;
use rowbell::feed::Start;
use rowbell::socket::News;
use rowbell::words::Error;
use rowbell::words::frame::ResetReason;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{exchange, head, request};
use super::server::{Server, cursor, soon};
use crate::support::events::EventSource;

const SHORT: Duration = Duration::from_millis(100);
const ACCEPT: &str = "Accept: text/event-stream\r\n";

fn source(server: &Server, path: &str) -> EventSource {
    EventSource::new(format!("http://{}{path}", server.address))
}

/// A frame as the feed writes it.
fn frame(number: u64) -> (String, String) {
    let cursor = cursor(number).to_string();
    (format!(r#"{{"type":"commits","topic":"orders","commits":[],"cursor":"{cursor}"}}"#), cursor)
}

#[tokio::test]
async fn a_stream_has_the_frames_of_a_session_and_their_cursors_as_ids() {
    let mut server = Server::start().await;
    let mut events = source(&server, "/feed/stock,orders");
    let (asked, held) = tokio::join!(
        async {
            let asked = server.next_asked().await;
            assert_eq!((asked.topic.as_str(), &asked.start), ("orders,stock", &Start::Now));
            asked.tell(News::Held(cursor(7))).await;
            asked
        },
        events.expect("subscribed")
    );
    let topic = "orders,stock";
    let cursor = cursor(7).to_string();
    let subscribed = json!({"type": "subscribed", "topic": topic, "cursor": cursor, "recovered": false});
    assert_eq!((held.json(), held.last_id), (subscribed, cursor.clone()));
    assert!(events.retry.is_some_and(|retry| (1000..2000).contains(&retry)), "{:?}", events.retry);

    let part = r#"{"type":"commits","topic":"orders,stock","commits":[],"more":true}"#;
    asked.tell(News::Frame(part.into())).await;
    let event = events.expect("commits").await;
    assert_eq!((event.data.as_str(), event.last_id), (part, cursor));
    let (whole, after) = frame(8);
    asked.tell(News::Frame(whole.clone().into())).await;
    let event = events.expect("commits").await;
    assert_eq!((event.data, event.last_id), (whole, after));
    // As a column of type json passes them on.
    let broken = "{\"type\":\"commits\",\"row\":{\"a\":[1,\n\n 2,\r3,\r\n4]},\"more\":true}";
    asked.tell(News::Frame(broken.into())).await;
    let event = events.expect("commits").await;
    assert_eq!(event.json(), serde_json::from_str::<Value>(broken).unwrap());

    assert_eq!(server.stats.stats().frames.get(), 4);
    assert!(server.stats.stats().bytes.get() > 200);
    server.sessions(1).await;
    events.cut();
    asked.given_up().await;
    server.sessions(0).await;
    server.stop().await;
}

#[tokio::test]
async fn the_answer_is_a_stream_that_nobody_keeps() {
    let mut server = Server::start().await;
    let mut stream = opened(&server, "/feed/orders").await;
    let head = head(&mut stream).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for field in [
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "connection: close",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(field), "{field} in {head}");
    }
    server.next_asked().await;
    let (status, _, body) = request(&server, "HEAD /feed/orders", ACCEPT).await;
    assert_eq!((status, body), (200, Value::Null));
    server.stop().await;
}

#[tokio::test]
async fn the_last_id_wins_over_the_url() {
    let mut server = Server::start().await;
    let (last, old) = (cursor(9).to_string(), cursor(3).to_string());
    for (path, last_id, expected) in [
        (format!("/feed/orders?since={old}"), "", cursor(3)),
        (format!("/feed/orders?since={old}"), last.as_str(), cursor(9)),
        ("/feed/orders?snapshot=true".to_owned(), &last, cursor(9)),
    ] {
        let mut events = source(&server, &path);
        events.last_id = last_id.to_owned();
        let reading = async { events.expect("subscribed").await.json()["recovered"].clone() };
        let asked = async {
            let asked = server.next_asked().await;
            assert_eq!(asked.start, Start::After(expected.clone()), "{path}");
            asked.tell(News::Held(expected.clone())).await;
            asked
        };
        let (recovered, _asked) = tokio::join!(reading, asked);
        assert_eq!(recovered, true);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_browser_comes_back_where_the_stream_broke() {
    let mut server = Server::start().await;
    let mut events = source(&server, "/feed/orders");
    let (whole, after) = frame(5);
    let first = async {
        let asked = server.next_asked().await;
        asked.tell(News::Held(cursor(4))).await;
        asked.tell(News::Frame(whole.into())).await;
        asked
    };
    let reading = async {
        events.expect("subscribed").await;
        events.expect("commits").await
    };
    let (first, _) = tokio::join!(first, reading);
    events.cut();
    first.given_up().await;
    let again = async {
        let asked = server.next_asked().await;
        assert_eq!(asked.start, Start::After(cursor(5)));
        asked.tell(News::Held(cursor(5))).await;
        asked
    };
    let (_again, held) = tokio::join!(again, events.expect("subscribed"));
    assert_eq!((held.json()["recovered"].clone(), held.last_id), (json!(true), after));
    server.stop().await;
}

#[tokio::test]
async fn an_end_is_told_and_a_browser_does_not_come_back_for_ever() {
    let mut server = Server::start().await;
    for (news, kind, field, word) in [
        (News::Reset(ResetReason::Lost), "reset", "reason", "lost"),
        (News::Unwatched, "unsubscribed", "reason", "unwatched"),
        (News::UnknownChannel("orders".into()), "error", "code", "unknown_channel"),
    ] {
        let mut events = source(&server, "/feed/orders");
        let (_, event) =
            tokio::join!(async { server.next_asked().await.tell(news).await }, events.expect(kind));
        assert_eq!((&event.json()[field], event.last_id.as_str()), (&json!(word), "end"));
        assert_eq!((events.next().await, events.status, events.answers), (None, 204, 2));
    }
    // Nobody asked the feed for what a browser came back for.
    assert!(server.asked.try_recv().is_err());
    server.sessions(0).await;
    server.stop().await;
}

#[tokio::test]
async fn what_passes_by_itself_leaves_the_browser_its_id() {
    let mut server = Server::start().await;
    for (error, code) in [
        (Error::unavailable("a secret of the house"), "database_unavailable"),
        (Error::unexpected("a secret of the house"), "internal"),
    ] {
        let mut events = source(&server, "/feed/orders");
        events.last_id = cursor(3).to_string();
        let failing = async { server.next_asked().await.tell(News::Failed(error)).await };
        let (_, event) = tokio::join!(failing, events.expect("error"));
        assert_eq!((&event.json()["code"], event.last_id), (&json!(code), cursor(3).to_string()));
        assert!(!event.data.contains("secret"));
        assert!(events.retry.is_some_and(|retry| (5000..10_000).contains(&retry)), "{:?}", events.retry);
        let again = async {
            let asked = server.next_asked().await;
            assert_eq!(asked.start, Start::After(cursor(3)));
            asked.tell(News::Held(cursor(3))).await;
        };
        tokio::join!(again, events.expect("subscribed"));
    }
    server.stop().await;
}

#[tokio::test]
async fn refusals_before_the_stream_are_events_too() {
    let server = Server::with(|wanted| wanted.config.token = Some("t".into())).await;
    let since = cursor(1).to_string();
    for (path, last_id, code) in [
        ("/feed/orders".to_owned(), "", "unauthorized"),
        ("/feed/orders?token=u".to_owned(), "", "unauthorized"),
        ("/feed/Orders?token=t".to_owned(), "", "unknown_channel"),
        ("/feed/%FF?token=t".to_owned(), "", "unknown_channel"),
        ("/feed/orders?token=t&a=1".to_owned(), "", "bad_filter"),
        ("/feed/orders?token=t&since=x".to_owned(), "", "bad_value"),
        ("/feed/orders?token=t".to_owned(), "x", "bad_value"),
        (format!("/feed/orders?token=t&since={since}"), "\u{e9}", "bad_value"),
        (format!("/feed/orders?token=t&since={since}&since={since}"), "", "bad_value"),
        ("/feed/orders?token=t&snapshot=true&since=x".to_owned(), "", "bad_value"),
        ("/feed/orders?token=t&snapshot=1".to_owned(), "", "bad_value"),
        ("/feed/orders?token=t&wait=3".to_owned(), "", "bad_value"),
        ("/feed/orders?token=t&limit=3".to_owned(), "", "bad_value"),
    ] {
        let mut events = source(&server, &path);
        events.last_id = last_id.to_owned();
        let event = events.expect("error").await;
        let told = event.json();
        assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!(code)), "{path}");
        assert!(told["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert_eq!(event.last_id, "end", "{path}");
        assert_eq!((events.next().await, events.status), (None, 204), "{path}");
    }
    let (status, _, body) = request(&server, "GET /feed", ACCEPT).await;
    assert_eq!((status, &body["code"]), (426, &json!("upgrade_required")));
    let foreign = format!("{ACCEPT}Origin: http://evil.example\r\n");
    assert_eq!(request(&server, "GET /feed/orders?token=t", &foreign).await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn streams_count_as_sessions_and_there_is_an_end_to_them() {
    let mut server = Server::with(|wanted| wanted.config.feed.max_sessions = 1).await;
    let first = opened(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    let mut events = source(&server, "/feed/orders");
    let event = events.expect("error").await;
    assert_eq!((&event.json()["code"], event.last_id.as_str()), (&json!("too_many_requests"), ""));
    assert!(events.retry.is_some_and(|retry| retry >= 5000));
    drop(first);
    asked.given_up().await;
    server.sessions(0).await;
    let (asked, _) = tokio::join!(
        async {
            let asked = server.next_asked().await;
            asked.tell(News::Held(cursor(1))).await;
            asked
        },
        // It may be refused once more before there is room.
        async { while events.next().await.is_some_and(|event| event.kind == "error") {} }
    );
    drop(asked);
    server.stop().await;
}

#[tokio::test]
async fn every_heartbeat_is_a_comment() {
    let mut server = Server::with(|wanted| wanted.config.feed.heartbeat = SHORT).await;
    let mut events = source(&server, "/feed/orders");
    let asked = async {
        let asked = server.next_asked().await;
        asked.tell(News::Held(cursor(1))).await;
        asked
    };
    let (_asked, _) = tokio::join!(asked, events.expect("subscribed"));
    while events.comments < 3 {
        soon(events.read()).await;
    }
    assert_eq!(events.answers, 1);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_ends_every_stream_in_good_order() {
    let mut server = Server::start().await;
    let mut stream = opened(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    asked.tell(News::Held(cursor(1))).await;
    let mut answer = Vec::new();
    server.shutdown.cancel();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    // The last chunk of a body that is whole.
    assert!(answer.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    asked.given_up().await;
    let before = tokio::time::Instant::now();
    server.stop().await;
    assert!(before.elapsed().as_secs() < 4);
}

#[tokio::test]
async fn who_reads_nothing_is_cut_off_and_costs_no_memory() {
    let mut server = Server::with(|wanted| wanted.config.feed.stuck = SHORT).await;
    let stream = opened(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    let frame = Bytes::from(format!("{{\"type\":\"commits\",\"a\":\"{}\"}}", "x".repeat(1 << 20)));
    let feeding = async { while asked.news.send(News::Frame(frame.clone())).await.is_ok() {} };
    soon(feeding).await;
    let taken = server.stats.stats().frames.get();
    assert!(taken < 20, "{taken} MiB are in memory");
    server.sessions(0).await;
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn who_reads_slowly_is_not_cut_off() {
    let mut server = Server::with(|wanted| wanted.config.feed.stuck = SHORT * 10).await;
    let mut stream = opened(&server, "/feed/orders").await;
    let asked = server.next_asked().await;
    let feeding = tokio::spawn(async move {
        let frame = Bytes::from(vec![b' '; 1 << 20]);
        while asked.news.send(News::Frame(frame.clone())).await.is_ok() {}
    });
    let until = tokio::time::Instant::now() + SHORT * 20;
    let mut some = vec![0; 256 * 1024];
    let mut pace = tokio::time::interval(SHORT / 10);
    while tokio::time::Instant::now() < until {
        pace.tick().await;
        assert!(soon(stream.read(&mut some)).await.unwrap() > 0, "cut off although it reads");
    }
    drop(stream);
    soon(feeding).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_bare_client_is_answered_too() {
    let server = Server::start().await;
    let asked = "GET /feed/Orders HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    let answer = exchange(server.address, asked.as_bytes()).await;
    assert!(answer.contains("event: error\nid: end\ndata: {"), "{answer}");
    server.stop().await;
}

/// A bare connection that asked for a stream and has read nothing.
async fn opened(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let asked = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{ACCEPT}\r\n");
    stream.write_all(asked.as_bytes()).await.expect("room for a request");
    stream
}
