//! Who gets in, and what the others are told.

use rowbell::words::ServeConfig;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, UPGRADE, handshake, head, masked, request};
use super::server::{Server, soon};

#[tokio::test]
async fn welcome_is_the_first_frame() {
    let server = Server::start().await;
    for path in ["/feed", "/ws", "/feed/"] {
        let frame = Client::connect(&server, path).await.frame().await;
        assert_eq!(frame["type"], "welcome");
        assert_eq!(frame["heartbeat"], 25);
        assert_eq!(frame["session"].as_str().map(str::len), Some(16));
        assert!(frame["server"].as_str().is_some_and(|server| server.starts_with("rowbell/")));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_is_none_is_told_why() {
    let server = Server::start().await;
    let without = |line: &str| {
        UPGRADE
            .lines()
            .filter(|other| !other.starts_with(line))
            .fold(String::new(), |text, line| text + line + "\r\n")
    };
    let with = |line: &str, other: &str| without(line) + other + "\r\n";
    for (headers, status, code) in [
        (String::new(), 426, "upgrade_required"),
        ("Accept: text/event-stream\r\n".to_owned(), 426, "upgrade_required"),
        (with("Upgrade", "Upgrade: h2c"), 426, "upgrade_required"),
        (with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426, "upgrade_required"),
        (without("Sec-WebSocket-Version"), 426, "upgrade_required"),
        (without("Connection"), 400, "bad_handshake"),
        (without("Sec-WebSocket-Key"), 400, "bad_handshake"),
        (with("Sec-WebSocket-Key", "Sec-WebSocket-Key: short"), 400, "bad_handshake"),
    ] {
        let (got, head, body) = request(&server, "GET /feed", &headers).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{headers}: {head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        assert_eq!(head.contains("sec-websocket-version: 13"), status == 426, "{head}");
    }
    let (status, _, body) = request(&server, "POST /feed", UPGRADE).await;
    assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")));
    server.stop().await;
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_not_lost() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = format!("GET /feed HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n").into_bytes();
    bytes.extend(masked(1, br#"{"type":"ping","ref":"early"}"#));
    stream.write_all(&bytes).await.unwrap();
    let head = head(&mut stream).await;
    // The example of RFC 6455.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let mut told = String::new();
    while told.matches('}').count() < 2 {
        let byte = soon(stream.read_u8()).await.unwrap();
        told.push(byte.into());
    }
    assert!(told.contains("welcome") && told.contains("pong") && told.contains("early"), "{told}");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_before_the_upgrade() {
    let server = Server::with(|wanted| wanted.config.allow_origin = vec!["https://app.example".into()]).await;
    let own = format!("127.0.0.1:{}", server.address.port());
    for (host, origin, status) in [
        (own.as_str(), None, 101),
        (&own, Some(format!("http://{own}")), 101),
        (&own, Some("https://app.example".to_owned()), 101),
        (&own, Some("http://evil.example".to_owned()), 403),
        (&own, Some("https://app.example.evil".to_owned()), 403),
        (&own, Some("null".to_owned()), 403),
        ("localhost", Some(format!("http://{own}")), 403),
        // The page's own name, pointed at this machine.
        ("evil.example", Some("http://evil.example".to_owned()), 403),
        ("evil.example", None, 403),
        ("[::1]:1", None, 101),
    ] {
        let origin_line = origin.as_ref().map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let headers = format!("Host: {host}\r\n{origin_line}{UPGRADE}");
        let (got, head) = handshake(&server, "/feed", &headers).await;
        assert_eq!(got, status, "{host} {origin:?}: {head}");
    }
    assert_eq!(handshake(&server, "/feed", UPGRADE).await.0, 403, "no Host at all");
    for path in ["/healthz", "/stats", "/nowhere"] {
        let (status, _, body) = request(&server, &format!("GET {path}"), "Host: evil.example\r\n").await;
        assert_eq!((status, &body["code"]), (403, &json!("forbidden")), "{path}");
    }
    server.stop().await;
}

fn with_token(config: &mut ServeConfig) {
    config.token = Some("s3cret".to_owned());
}

#[tokio::test]
async fn the_token_opens_and_its_absence_is_told_after_the_upgrade() {
    let server = Server::with(|wanted| with_token(&mut wanted.config)).await;
    for (path, header) in
        [("/feed?token=s3cret", None), ("/feed", Some("Bearer s3cret")), ("/ws?token=s3cret", None)]
    {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let mut client = Client::connect_with(&server, path, &headers).await.unwrap();
        assert_eq!(client.frame().await["type"], "welcome", "{path} {header:?}");
    }
    for (path, header) in [
        ("/feed", None),
        ("/feed/orders", None),
        ("/feed?token=", None),
        ("/feed?token=wrong", None),
        ("/feed", Some("Bearer wrong")),
        ("/feed", Some("Basic s3cret")),
        ("/feed?token=s3cret", Some("Bearer wrong")),
    ] {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let mut client = Client::connect_with(&server, path, &headers).await.unwrap();
        assert_eq!(client.error().await, "unauthorized", "{path} {header:?}");
        assert_eq!(client.close_code().await, 4401, "{path} {header:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_may_be_shown_again_on_a_live_connection() {
    let pong = json!({"type": "pong"});
    let (auth, ping) = (r#"{"type":"auth","token":"s3cret"}"#, r#"{"type":"ping"}"#);
    let open = Server::start().await;
    let mut client = Client::welcomed(&open, "/feed").await;
    client.say(r#"{"type":"auth","token":"anything"}"#).await;
    assert_eq!(client.ask(ping).await, pong);
    open.stop().await;
    let mut server = Server::with(|wanted| wanted.config.token = Some("s3cret".into())).await;
    for wrong in [
        r#"{"type":"auth","token":"s3cre"}"#,
        r#"{"type":"auth","token":""}"#,
        r#"{"type":"auth","token":null}"#,
        r#"{"type":"auth"}"#,
    ] {
        let mut client = Client::welcomed(&server, "/feed/orders?token=s3cret").await;
        let asked = server.next_asked().await;
        client.say(auth).await;
        // Good news is no news.
        assert_eq!(client.ask(ping).await, pong, "{wrong}");
        client.say(wrong).await;
        assert_eq!(client.error().await, "unauthorized", "{wrong}");
        assert_eq!(client.close_code().await, 4401, "{wrong}");
        asked.given_up().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn one_session_too_many_is_told_so_until_there_is_room() {
    let server = Server::with(|wanted| wanted.config.feed.max_sessions = 2).await;
    let first = Client::welcomed(&server, "/feed").await;
    let _second = Client::welcomed(&server, "/feed").await;
    let mut third = Client::connect(&server, "/feed/orders").await;
    assert_eq!(third.error().await, "too_many_requests");
    assert_eq!(third.close_code().await, 4429);
    assert_eq!(server.stats.stats().sessions.get(), 2);
    drop(first);
    loop {
        let mut client = Client::connect(&server, "/feed").await;
        if client.frame().await["type"] == "welcome" {
            break;
        }
        assert_eq!(client.close_code().await, 4429);
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn headers_that_never_end_are_not_waited_for() {
    let server = Server::start().await;
    for begun in ["", "GET /fe", "GET /feed HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let before = tokio::time::Instant::now();
        let mut answer = Vec::new();
        // Paused, the clock runs ahead to the next timer as soon as everybody waits.
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        let waited = before.elapsed().as_secs();
        assert!((9..=12).contains(&waited), "{begun:?} was given {waited} s");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_does_not_hold_up_others_or_the_end() {
    let server = Server::start().await;
    let _silent: Vec<_> =
        futures::future::join_all((0..50).map(|_| TcpStream::connect(server.address))).await;
    let mut client = Client::welcomed(&server, "/feed").await;
    client.send(Message::Ping("x".into())).await;
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("x".into()));
    let before = tokio::time::Instant::now();
    server.stop().await;
    assert!(before.elapsed().as_secs() < 4, "connections without a request were waited for");
}
