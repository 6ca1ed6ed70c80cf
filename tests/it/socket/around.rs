//! What operators ask, and every HTTP refusal.

use rowbell::words::Error;
use serde_json::json;

use super::client::{Client, exchange, request};
use super::server::Server;

#[tokio::test]
async fn health_and_readiness() {
    let away = Error::unavailable("could not connect to host secret");
    let server = Server::with(|wanted| {
        wanted.config.token = Some("t".into());
        wanted.not_ready = Some(away);
    })
    .await;
    let (status, head, body) = request(&server, "GET /healthz", "").await;
    assert_eq!((status, body), (200, json!({"status": "ok"})));
    assert!(head.contains("x-content-type-options: nosniff") && head.contains("application/json"), "{head}");
    let (status, head, body) = request(&server, "GET /readyz", "").await;
    assert_eq!((status, &body["code"]), (503, &json!("database_unavailable")));
    assert!(head.contains("retry-after: ") && !body.to_string().contains("secret"), "{head}");
    let (status, _, body) = request(&server, "GET /readyz", "").await;
    assert_eq!((status, body), (200, json!({"status": "ready"})));
    server.stop().await;
}

#[tokio::test]
async fn stats_need_the_token_and_count() {
    let server = Server::with(|wanted| wanted.config.token = Some("t".into())).await;
    for headers in ["", "Authorization: Bearer u\r\n"] {
        let (status, head, body) = request(&server, "GET /stats?token=t", headers).await;
        assert_eq!((status, &body["code"]), (401, &json!("unauthorized")));
        assert!(head.contains("www-authenticate: bearer"), "{head}");
    }
    let _client = Client::welcomed(&server, "/feed?token=t").await;
    let (status, _, body) = request(&server, "GET /stats", "Authorization: Bearer t\r\n").await;
    assert_eq!(status, 200);
    let bytes = body["bytes"].as_u64().unwrap();
    assert!(bytes > 50);
    assert_eq!(
        body,
        json!({"sessions": 1, "topics": 3, "subscriptions": 0, "mode": "bell", "bells": 0, "drains": 0,
            "empty_drains": 0, "catch_ups": 0, "commits": 0, "changes": 0, "frames": 1, "bytes": bytes, "lag_ms": 0,
            "reconnects": 0, "pool": {"size": 8, "available": 7, "waiting": 0}, "queue_usage": 0.25,
            "log": {"bytes": null, "retention_seconds": 90.5},
            "listened": [{"topic": "orders", "subscriptions": 50}], "server": env!("CARGO_PKG_VERSION")})
    );
    server.stop().await;
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let server = Server::start().await;
    for (line, status, code) in [
        ("GET /nowhere", 404, "not_found"),
        ("GET /feed/a/b", 404, "not_found"),
        ("GET /healthz/x", 404, "not_found"),
        ("POST /healthz", 405, "method_not_allowed"),
        ("DELETE /stats", 405, "method_not_allowed"),
        ("PUT /feed", 405, "method_not_allowed"),
        ("PATCH /ws", 405, "method_not_allowed"),
        ("OPTIONS /feed/orders", 405, "method_not_allowed"),
    ] {
        let (got, head, body) = request(&server, line, "").await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{line}");
        assert_eq!((&body["status"], &body["type"]), (&json!(status), &json!(format!("/errors/{code}"))));
        assert!(body["title"].is_string() && body["detail"].is_string());
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert_eq!(head.contains("allow: get"), status == 405, "{head}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nonsense_is_refused_and_the_server_stays() {
    let server = Server::start().await;
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        [b"GET /feed HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat(),
    ] {
        let answer = exchange(server.address, &bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(request(&server, "GET /healthz", "").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Server::start().await;
    let one = "GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.address, one.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 426") && answer.contains("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}
