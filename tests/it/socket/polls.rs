//! Long polls: every request and its answer.

use std::time::Duration;

use bytes::Bytes;
use rowbell::feed::Start;
use rowbell::socket::News;
use rowbell::words::Error;
use rowbell::words::frame::ResetReason;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{exchange, head, request};
use super::server::{Server, cursor, soon};

type Answer = (u16, String, Value);
type Ending = fn() -> News;

/// One request on its way, so that the test can play the feed meanwhile.
fn poll(server: &Server, query: &str) -> impl Future<Output = Answer> + use<> {
    let asked = format!("GET /feed/orders{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let address = server.address;
    let polled = tokio::spawn(async move { exchange(address, asked.as_bytes()).await });
    async {
        let answer = soon(polled).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_else(|_| body.into()))
    }
}

fn since(number: u64) -> String {
    format!("?since={}", cursor(number))
}

fn nothing(number: u64) -> Value {
    json!({"commits": [], "cursor": cursor(number).to_string(), "more": false})
}

/// A frame of one commit with so many changes, and the answer that says the same.
fn frame(number: u64, changes: usize) -> (News, Value) {
    let changes: Vec<Value> = (0..changes).map(|seq| json!({"seq": seq})).collect();
    let commits = if changes.is_empty() { json!([]) } else { json!([{"xid": "1", "changes": changes}]) };
    let cursor = cursor(number).to_string();
    let frame = json!({"type": "commits", "topic": "orders", "commits": commits, "cursor": cursor});
    let answer = json!({"commits": commits, "cursor": cursor, "more": false});
    (News::Frame(frame.to_string().into()), answer)
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_with_a_status() {
    let server = Server::with(|wanted| wanted.config.token = Some("t".into())).await;
    let good = cursor(1).to_string();
    for (path, status, code) in [
        ("/feed/orders".to_owned(), 401, "unauthorized"),
        ("/feed/orders?token=u".to_owned(), 401, "unauthorized"),
        ("/feed/Orders?token=t".to_owned(), 404, "unknown_channel"),
        ("/feed/%FF?token=t".to_owned(), 404, "unknown_channel"),
        ("/feed/orders?token=t&branch_id=3".to_owned(), 400, "bad_filter"),
        ("/feed/orders?token=t&sinse=x".to_owned(), 400, "bad_filter"),
        ("/feed/orders?token=t&since=x".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&since=".to_owned(), 400, "bad_value"),
        (format!("/feed/orders?token=t&since={}", &good[..good.len() - 2]), 400, "bad_value"),
        ("/feed/orders?token=t&since=2026-01-01T99:00:00Z".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&snapshot=true&since=x".to_owned(), 400, "bad_value"),
        (format!("/feed/orders?token=t&since={good}&since={good}"), 400, "bad_value"),
        ("/feed/orders?token=t&wait=61".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&wait=-1".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&wait=1.5".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&wait=%2B1".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&wait=".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&wait=1&wait=1".to_owned(), 400, "bad_value"),
        ("/feed/orders?token=t&limit=0".to_owned(), 400, "bad_limit"),
        ("/feed/orders?token=t&limit=10001".to_owned(), 400, "bad_limit"),
        ("/feed/orders?token=t&limit=x".to_owned(), 400, "bad_limit"),
    ] {
        for accept in ["", "Accept: application/json\r\n", "Accept: */*\r\n"] {
            let (got, head, body) = request(&server, &format!("GET {path}"), accept).await;
            assert_eq!(
                (got, &body["code"], &body["status"]),
                (status, &json!(code), &json!(status)),
                "{path}"
            );
            assert!(head.contains("cache-control: no-store") && head.contains("problem+json"), "{head}");
            assert_eq!(head.contains("www-authenticate: bearer"), status == 401, "{head}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_cursor_the_answer_is_the_cursor_of_now() {
    let mut server = Server::with(|wanted| wanted.config.token = Some("t".into())).await;
    for query in ["?token=t", "?token=t&wait=60&limit=5"] {
        let answer = poll(&server, query);
        let asked = server.next_asked().await;
        assert_eq!((asked.topic.as_str(), &asked.start), ("orders", &Start::Now));
        asked.tell(News::Held(cursor(7))).await;
        let (status, head, body) = answer.await;
        assert_eq!((status, body), (200, nothing(7)));
        assert!(head.contains("content-type: application/json") && head.contains("cache-control: no-store"));
        asked.given_up().await;
    }
    server.sessions(0).await;
    assert_eq!(server.stats.stats().frames.get(), 2);
    server.stop().await;
}

#[tokio::test]
async fn commits_that_are_there_are_the_answer() {
    let mut server = Server::start().await;
    for (query, changes) in [("", 1000), ("&limit=7", 7), ("&limit=10000&wait=0", 10_000)] {
        let answer = poll(&server, &(since(3) + query));
        let looked = server.next_looked().await;
        assert_eq!((looked.topic.as_str(), &looked.since, looked.changes), ("orders", &cursor(3), changes));
        server.sessions(1).await;
        looked.found([Ok(r#"{"commits":[{"a""#.into()), Ok(r#":1}],"more":true}"#.into())]);
        let (status, head, body) = answer.await;
        assert_eq!((status, body), (200, json!({"commits": [{"a": 1}], "more": true})));
        assert!(head.contains("content-length: 33"), "{head}");
        server.sessions(0).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_large_answer_goes_out_while_it_is_read_and_may_break_off() {
    let mut server = Server::start().await;
    let piece = || Ok(Bytes::from(vec![b' '; 1 << 20]));
    let away = || Err(Error::unavailable("a secret of the house"));
    let answer = poll(&server, &since(3));
    let pieces = (0..20).map(|_| piece()).chain([Ok("7".into())]);
    server.next_looked().await.found(pieces);
    let (status, head, body) = answer.await;
    assert_eq!((status, head.contains("transfer-encoding: chunked")), (200, true));
    let text = body.as_str().unwrap();
    assert!(text.len() > 20 << 20 && text.ends_with("\r\n0\r\n\r\n"));

    let answer = poll(&server, &since(3));
    server.next_looked().await.found((0..8).map(|_| piece()).chain([away()]));
    let (_, _, body) = answer.await;
    assert!(!body.as_str().unwrap().ends_with("0\r\n\r\n"), "a broken body looks whole");

    let answer = poll(&server, &since(3));
    server.next_looked().await.found([piece(), away()]);
    let (status, head, body) = answer.await;
    assert_eq!((status, &body["code"]), (503, &json!("database_unavailable")));
    assert!(head.contains("retry-after: 1") && !body.to_string().contains("secret"));
    server.sessions(0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_waiting_poll_is_answered_with_the_next_frame() {
    let mut server = Server::start().await;
    let answer = poll(&server, &since(3));
    let tx = server.next_looked().await.nothing(cursor(4));
    // Only the cursor moves, which is nothing to say.
    tx.send(frame(5, 0).0).await.unwrap();
    let (news, expected) = frame(6, 3);
    tx.send(news).await.unwrap();
    let (status, _, body) = answer.await;
    assert_eq!((status, body), (200, expected));
    soon(tx.closed()).await;
    server.stop().await;
}

#[tokio::test]
async fn a_frame_that_is_too_much_is_looked_up_in_the_log() {
    let mut server = Server::start().await;
    let part = News::Frame(r#"{"type":"commits","topic":"orders","commits":[],"more":true}"#.into());
    for news in [frame(6, 3).0, part] {
        let answer = poll(&server, &(since(3) + "&limit=2"));
        let tx = server.next_looked().await.nothing(cursor(4));
        tx.send(frame(5, 0).0).await.unwrap();
        tx.send(news).await.unwrap();
        let looked = server.next_looked().await;
        assert_eq!((&looked.since, looked.changes), (&cursor(5), 2));
        looked.found([Ok("7".into())]);
        assert_eq!(answer.await.2, 7);
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_how_far_there_was_nothing() {
    let mut server = Server::start().await;
    for (wait, seconds) in [("&wait=10", 10), ("&wait=1", 1), ("&wait=0", 0)] {
        let before = tokio::time::Instant::now();
        let answer = poll(&server, &(since(3) + wait));
        let tx = server.next_looked().await.nothing(cursor(4));
        // Waiting for nothing takes what is there already.
        tx.send(frame(5, 0).0).await.unwrap();
        let (status, _, body) = answer.await;
        assert_eq!(status, 200);
        assert!(body == nothing(5) || (seconds == 0 && body == nothing(4)), "{body}");
        let waited = before.elapsed();
        // Paused, the clock runs ahead to the next timer.
        assert!(
            waited >= Duration::from_secs(seconds) && waited < Duration::from_secs(seconds + 2),
            "{waited:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn ends_have_a_status_each() {
    let mut server = Server::start().await;
    let secret = "a secret of the house";
    let ends: [(Ending, u16, &str, Value); 8] = [
        (|| News::Reset(ResetReason::Expired), 410, "expired", json!("expired")),
        (|| News::Reset(ResetReason::Foreign), 410, "expired", json!("foreign")),
        (|| News::Reset(ResetReason::Lost), 410, "expired", json!("lost")),
        (|| News::Reset(ResetReason::Schema), 410, "expired", json!("schema")),
        (|| News::Unwatched, 404, "unknown_channel", Value::Null),
        (|| News::UnknownChannel("orders".into()), 404, "unknown_channel", Value::Null),
        (
            || News::Failed(Error::unavailable("a secret of the house")),
            503,
            "database_unavailable",
            Value::Null,
        ),
        (|| News::Failed(Error::unexpected("a secret of the house")), 500, "internal", Value::Null),
    ];
    for (news, status, code, reason) in ends {
        let check = |(got, head, body): Answer| {
            assert_eq!((got, &body["code"], &body["reason"]), (status, &json!(code), &reason), "{body}");
            assert!(head.contains("cache-control: no-store") && !body.to_string().contains(secret));
            assert_eq!(head.contains("retry-after: "), status == 503, "{head}");
        };
        let answer = poll(&server, &since(3));
        server.next_looked().await.ended(news());
        check(answer.await);
        let answer = poll(&server, &since(3));
        server.next_looked().await.nothing(cursor(4)).send(news()).await.unwrap();
        check(answer.await);
        let answer = poll(&server, "");
        server.next_asked().await.tell(news()).await;
        check(answer.await);
    }
    server.stop().await;
}

#[tokio::test]
async fn shutdown_answers_whoever_waits() {
    let mut server = Server::start().await;
    let answer = poll(&server, &(since(3) + "&wait=60"));
    let _tx = server.next_looked().await.nothing(cursor(4));
    server.shutdown.cancel();
    let (status, _, body) = answer.await;
    assert_eq!((status, body), (200, nothing(4)));
    server.stop().await;
}

#[tokio::test]
async fn who_hangs_up_waits_no_more() {
    let mut server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let asked = format!("GET /feed/orders{}&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", since(3));
    stream.write_all(asked.as_bytes()).await.unwrap();
    let tx = server.next_looked().await.nothing(cursor(4));
    server.sessions(1).await;
    drop(stream);
    soon(tx.closed()).await;
    server.sessions(0).await;
    server.stop().await;
}

#[tokio::test]
async fn polls_count_as_sessions_while_they_last() {
    let mut server = Server::with(|wanted| wanted.config.feed.max_sessions = 1).await;
    let waiting = poll(&server, &since(3));
    let tx = server.next_looked().await.nothing(cursor(4));
    let (status, head, body) = request(&server, "GET /feed/orders", "").await;
    assert_eq!((status, &body["code"]), (429, &json!("too_many_requests")));
    assert!(head.contains("retry-after: 5"), "{head}");
    let (news, expected) = frame(5, 1);
    tx.send(news).await.unwrap();
    assert_eq!(waiting.await.2, expected);
    let answer = poll(&server, &since(5));
    server.next_looked().await.found([Ok("7".into())]);
    assert_eq!(answer.await.2, 7);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_polls_again_and_again() {
    let mut server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for number in 0..5 {
        let asked = format!("GET /feed/orders{} HTTP/1.1\r\nHost: localhost\r\n\r\n", since(3));
        stream.write_all(asked.as_bytes()).await.unwrap();
        server.next_looked().await.found([Ok(number.to_string().into())]);
        let head = head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("close"), "{head}");
        let body = soon(tokio::io::AsyncReadExt::read_u8(&mut stream)).await.unwrap();
        assert_eq!(body, b'0' + number);
    }
    drop(stream);
    server.stop().await;
}
