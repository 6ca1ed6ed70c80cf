//! Pages of other origins, and bodies that are too large to read.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::soon;

const SHOP: &str = "https://shop.example";

async fn items() -> (Database, Api) {
    let database = Database::new().await;
    database
        .run("create table items (id integer primary key, note text); select rowbell.watch('items')")
        .await;
    let api = Api::with(&database.url, |config| config.allow_origin = vec![SHOP.into()]).await;
    (database, api)
}

#[tokio::test]
async fn an_allowed_page_may_ask_write_and_read_the_answer() {
    let (_database, api) = items().await;
    for path in ["/api/items", "/api/items/1", "/api/nothing", "/stats"] {
        let asked = [
            ("Origin", SHOP),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "if-match, content-type, authorization"),
        ];
        let answer = api.send("OPTIONS", path, &asked, None).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), SHOP);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(answer.header("access-control-allow-methods").contains(method));
        }
        for header in [
            "Authorization",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Idempotency-Key",
            "Prefer",
            "Rowbell-Actor",
            "Rowbell-Branch",
        ] {
            assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
        }
    }
    let made = api.send("POST", "/api/items", &[("Origin", SHOP)], Some(r#"{"id":1}"#)).await.expect(201);
    let refused = api.send("PATCH", "/api/items/1", &[("Origin", SHOP)], Some(r#"{"note":"x"}"#)).await;
    assert_eq!(refused.problem(428), "version_required");
    for answer in [&made, &refused] {
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (SHOP, "Origin"));
        for header in [
            "ETag",
            "Location",
            "Preference-Applied",
            "Retry-After",
            "Rowbell-Cursor",
            "Rowbell-Xid",
            "Rowbell-Replayed",
        ] {
            assert!(answer.header("access-control-expose-headers").contains(header), "{header}");
        }
    }
}

#[tokio::test]
async fn another_page_may_not() {
    let (_database, api) = items().await;
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"]
    {
        let asked = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")];
        let answer = api.send("OPTIONS", "/api/items", &asked, None).await;
        assert_eq!(answer.problem(403), "forbidden");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let answer = api.send("POST", "/api/items", &[("Origin", origin)], Some(r#"{"id":1}"#)).await;
        assert_eq!(answer.problem(403), "forbidden");
    }
    assert_eq!(
        api.send("GET", "/api/items", &[("Host", "rebound.example")], None).await.problem(403),
        "forbidden"
    );
    // Who is no page, and a page of the server's own, need no permission and are given none.
    let own = format!("http://{}", api.address);
    let answer = api.send("POST", "/api/items", &[("Origin", &own)], Some(r#"{"id":1}"#)).await.expect(201);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(api.send("OPTIONS", "/api/items", &[], None).await.problem(405), "method_not_allowed");
    // A form of another site needs no preflight, but cannot send JSON.
    let form = api.send("POST", "/api/items", &[("Content-Type", "text/plain")], Some(r#"{"id":2}"#)).await;
    assert_eq!(form.problem(415), "unsupported_media_type");
}

#[tokio::test]
async fn ten_megabytes_are_refused_before_they_are_read() {
    let (_database, api) = items().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Not a byte of the body is sent, and yet there is an answer, and an end.
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"code\":\"too_large\""), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");

    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let head = "POST /api/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let mut sent = 0;
    while sent < 10 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1;
    }
    let mut bytes = Vec::new();
    // The server closes with bytes of ours unread, which a client may see as a reset after the answer.
    let _reset = soon(stream.read_to_end(&mut bytes)).await;
    if !bytes.is_empty() {
        assert!(bytes.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(api.get("/api/items").await.expect(200).text, "[]");
}

#[tokio::test]
async fn a_body_may_be_as_large_as_four_mebibytes() {
    let (_database, api) = items().await;
    let body = json!({"id": 1, "note": "x".repeat((4 << 20) - 40)});
    let made = api.post("/api/items", &body).await.expect(201);
    assert_eq!(made.json()["note"], body["note"]);
    let body = json!({"id": 2, "note": "x".repeat(4 << 20)});
    assert_eq!(api.post("/api/items", &body).await.problem(413), "too_large");
    assert_eq!(api.get("/api/items?id=eq.2").await.text, "[]");
}
