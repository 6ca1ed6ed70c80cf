//! Requests that no client of good will sends: whatever comes, it is refused as the client's fault and harms nothing.

use std::net::SocketAddr;

use serde_json::json;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::served;
use crate::support::api::{Answer, Api};
use crate::support::database::Database;
use crate::support::soon;

const TABLE: &str = "create type mood as enum ('sad', 'ok');
    create domain percent as numeric(5, 2) check (value between 0 and 100);
    create table targets (id bigint primary key, small smallint, int integer, exact numeric(12, 4), loose numeric, narrow real,
        wide double precision, flag boolean, word varchar(10), note text, bytes bytea, day date, clock time, stamp timestamp,
        stamptz timestamptz, span interval, mood mood, percent percent, ints integer[], notes text[], doc json, docb jsonb,
        uid uuid, addr inet, rng int4range, shape point, mark xml);
    select rowbell.watch('targets');";

/// Every column that a client may set, besides the key.
const COLUMNS: [&str; 26] = [
    "small", "int", "exact", "loose", "narrow", "wide", "flag", "word", "note", "bytes", "day", "clock",
    "stamp", "stamptz", "span", "mood", "percent", "ints", "notes", "doc", "docb", "uid", "addr", "rng",
    "shape", "mark",
];

/// JSON at the edges of what types hold, and what only looks like JSON.
const VALUES: [&str; 51] = [
    "null",
    "true",
    "0",
    "-0",
    "-0.0",
    "1e400",
    "-1e400",
    "1e-400",
    "1E5",
    "0.1e1",
    "1.0",
    "32768",
    "-32769",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "123456789012345678901234567890.123456789",
    "NaN",
    "Infinity",
    "-Infinity",
    "\"NaN\"",
    "\"Infinity\"",
    "\"-infinity\"",
    "\"infinity\"",
    "\"\"",
    "\" \"",
    "\"0\"",
    "\"9223372036854775808\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{7f}\u{85}\u{feff}\"",
    "\"294277-01-01\"",
    "\"0000-01-01\"",
    "\"4714-11-24 BC\"",
    "\"now\"",
    "\"2026-02-30\"",
    "\"24:00:00\"",
    "\"25:00:00\"",
    "\"\\\\x0\"",
    "\"{1,2\"",
    "[]",
    "[[]]",
    "[null,[1]]",
    "{}",
    "{\"a\":1,\"a\":2,\"\\u0000\":3}",
];

async fn targets() -> (Database, Api) {
    served(TABLE).await
}

/// The node still answers, and nothing was written that it did not say.
async fn still_well(api: &Api) {
    assert_eq!(api.get("/api/targets?note=eq.never").await.expect(200).text, "[]");
    api.get("/readyz").await.expect(200);
}

#[track_caller]
fn is_refused_or_done(answer: &Answer, sent: &str) {
    match answer.status {
        200 | 201 => {
            // Not as numbers of ours: some are beyond them.
            let _row: &RawValue = serde_json::from_str(&answer.text).expect("JSON");
        }
        400 | 409 | 413 | 422 => {
            answer.problem(answer.status);
        }
        _ => panic!("{sent}: {answer:?}"),
    }
}

#[tokio::test]
async fn edges_of_every_type_in_every_way_to_write() {
    let (_database, api) = targets().await;
    let kept = api.post("/api/targets", &json!({"id": 1})).await.expect(201);
    let mut version = kept.version();
    for (number, column) in COLUMNS.into_iter().enumerate() {
        for (place, value) in VALUES.into_iter().enumerate() {
            let id = 1000 * (number + 1) + place;
            let body = format!("{{\"id\":{id},\"{column}\":{value}}}");
            let made = api.send("POST", "/api/targets", &[], Some(&body)).await;
            is_refused_or_done(&made, &body);
            let body = format!("{{\"{column}\":{value}}}");
            let tag = format!("\"{version}\"");
            let patched = api.send("PATCH", "/api/targets/1", &[("If-Match", &tag)], Some(&body)).await;
            is_refused_or_done(&patched, &body);
            // What may stand in a new row may stand in one that is there, and the other way round.
            assert_eq!(made.status == 201, patched.status == 200, "{body}: {made:?} {patched:?}");
            if patched.status == 200 {
                version = patched.version();
            }
        }
    }
    still_well(&api).await;
}

#[tokio::test]
async fn edges_in_ids() {
    let (_database, api) = targets().await;
    api.post("/api/targets", &json!({"id": 1})).await.expect(201);
    for id in [
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-0",
        "+1",
        "1e0",
        "0x1",
        "%20",
        "%00",
        "%FF",
        "%ED%A0%80",
        "NaN",
        "%E2%80%AE1",
        "1%2F2",
        "..",
        "%2e%2e%2f",
        "1;drop",
        "$1",
        "''",
        "[1]",
        "\\",
    ] {
        for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD"] {
            let body = Some("{}").filter(|_| matches!(method, "PUT" | "PATCH"));
            let path = format!("/api/targets/{id}");
            let answer = api.send(method, &path, &[("If-Match", "\"3\"")], body).await;
            assert!(matches!(answer.status, 200 | 400 | 404 | 405 | 409), "{method} {path}: {answer:?}");
        }
    }
    still_well(&api).await;
}

#[tokio::test]
async fn edges_in_versions() {
    let (_database, api) = targets().await;
    api.post("/api/targets", &json!({"id": 1})).await.expect(201);
    for tag in [
        "\"9223372036854775807\"",
        "\"9223372036854775808\"",
        "\"-9223372036854775808\"",
        "\"1e3\"",
        "\"\"",
        "\"",
        "W/",
        "*",
        "W/\"1\"",
        "\"1\",\"2\"",
        "\"0x1\"",
        "\"+1\"",
        "\" 1\"",
    ] {
        for method in ["PUT", "PATCH", "DELETE"] {
            let body = Some("{}").filter(|_| method != "DELETE");
            let answer = api.send(method, "/api/targets/1", &[("If-Match", tag)], body).await;
            assert!(matches!(answer.status, 400 | 409), "{method} {tag}: {answer:?}");
        }
        let read = api.send("GET", "/api/targets/1", &[("If-None-Match", tag)], None).await;
        assert!(matches!(read.status, 200 | 304), "{tag}: {read:?}");
    }
    still_well(&api).await;
}

#[tokio::test]
async fn edges_in_pages() {
    let (_database, api) = targets().await;
    for page in ["limit=", "offset="] {
        for number in [
            "-1",
            "10001",
            "1e1",
            "0x1",
            "1.0",
            "9223372036854775808",
            "99999999999999999999",
            "NaN",
            "%00",
            "",
            "%2B1",
            "%201",
            "1;",
        ] {
            let answer = api.get(&format!("/api/targets?{page}{number}")).await;
            let told = if page == "offset=" && number == "10001" { 200 } else { 400 };
            assert_eq!(answer.status, told, "{page}{number}: {answer:?}");
        }
    }
    api.get("/api/targets?offset=9223372036854775807&limit=0").await.expect(200);
    still_well(&api).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_too_deep_or_of_another_kind() {
    let (_database, api) = targets().await;
    let large = format!(r#"{{"id":1,"note":"{}"}}"#, "x".repeat(10 << 20));
    for path in ["/api/targets", "/api/batch"] {
        assert_eq!(api.send("POST", path, &[], Some(&large)).await.problem(413), "too_large");
    }
    let row = |name: &str, value: &str| format!("{{\"id\":1,\"{name}\":{value}}}");
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    for column in ["doc", "docb", "ints", "notes", "note"] {
        for value in [deep("[", "]"), deep("{\"a\":", "}"), "[".repeat(200_000)] {
            let answer = api.send("POST", "/api/targets", &[], Some(&row(column, &value))).await;
            assert_eq!(answer.status, 400, "{column}: {answer:?}");
            let operations = row(column, &value);
            let batch = format!(
                r#"{{"atomic":true,"operations":[{{"method":"POST","channel":"targets","row":{operations}}}]}}"#
            );
            assert_eq!(api.send("POST", "/api/batch", &[], Some(&batch)).await.status, 400, "{column}");
        }
    }
    let twice = r#"{"id":1,"note":"a","\u006eote":"b"}"#;
    assert_eq!(api.send("POST", "/api/targets", &[], Some(twice)).await.problem(400), "bad_json");
    let many: Vec<_> = (0..5000).map(|number| format!("\"c{number}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(api.send("POST", "/api/targets", &[], Some(&many)).await.problem(400), "bad_json");
    for kind in [
        "",
        "text/json",
        "application/jsonp",
        "application/json;charset=utf-16",
        "application/*",
        "*/*",
        "multipart/form-data",
        "application/json, text/plain",
        "application/problem+json",
        "application/merge-patch+json\u{e9}",
    ] {
        let answer = api.send("POST", "/api/targets", &[("Content-Type", kind)], Some("{\"id\":1}")).await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{kind}");
    }
    still_well(&api).await;
}

/// Sends bytes as they are, and reads what comes until the server closes; the status, none where it only closed.
async fn raw(address: SocketAddr, request: &[u8]) -> Option<u16> {
    soon(async {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        // The server may close before all of it is sent.
        let _cut_short = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer).await;
        let line = String::from_utf8_lossy(&answer);
        line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    })
    .await
}

/// Lines of requests, and what may be answered.
fn lines() -> Vec<(Vec<u8>, &'static [u16])> {
    let long = "a".repeat(20_000);
    let endless = "a".repeat(200_000);
    vec![
        (b"BREW /api/targets HTTP/1.1".to_vec(), &[405]),
        (b"get /api/targets HTTP/1.1".to_vec(), &[405]),
        (b"TRACE /api/targets/1 HTTP/1.1".to_vec(), &[405]),
        (b"CONNECT /api/targets HTTP/1.1".to_vec(), &[400, 404, 405]),
        (b"G\0T /api/targets HTTP/1.1".to_vec(), &[400]),
        (format!("{} /api/targets HTTP/1.1", "M".repeat(5000)).into_bytes(), &[400, 405, 414, 431]),
        (b"GET /api/targets?note=eq.\xff\xfe HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets?note=eq.%FF%FE HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets?note=eq.%ED%A0%80 HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets?note=eq.%00 HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets?%00=eq.1 HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets?note=eq.% HTTP/1.1".to_vec(), &[200]),
        (b"GET /api/targets?note=eq.%zz HTTP/1.1".to_vec(), &[200]),
        (b"GET /api/targets? HTTP/1.1".to_vec(), &[200]),
        (b"GET /api/targets?&&&= HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/targets/\xff HTTP/1.1".to_vec(), &[400]),
        (b"GET /api/tar\0gets HTTP/1.1".to_vec(), &[400]),
        (b"GET //api//targets HTTP/1.1".to_vec(), &[404]),
        (b"GET /api/../api/targets HTTP/1.1".to_vec(), &[404]),
        (b"GET /api/%2e%2e/openapi.json HTTP/1.1".to_vec(), &[404]),
        (b"GET http://elsewhere.example/api/targets HTTP/1.1".to_vec(), &[200, 400, 403]),
        (b"GET * HTTP/1.1".to_vec(), &[400, 404]),
        (b"GET api/targets HTTP/1.1".to_vec(), &[400, 404]),
        (b"GET /api/targets HTTP/9.9".to_vec(), &[400, 505]),
        (format!("GET /api/targets/{long} HTTP/1.1").into_bytes(), &[400]),
        (format!("GET /api/targets?note=eq.{long} HTTP/1.1").into_bytes(), &[200]),
        (format!("GET /api/targets?{long}=eq.1 HTTP/1.1").into_bytes(), &[400]),
        (format!("GET /api/targets?{} HTTP/1.1", "note=eq.a&".repeat(5000)).into_bytes(), &[200]),
        (
            format!("GET /api/targets?or={}{} HTTP/1.1", "(or".repeat(5000), ")".repeat(5000)).into_bytes(),
            &[400],
        ),
        (format!("GET /{long} HTTP/1.1").into_bytes(), &[404]),
        (format!("GET /api/targets?note=eq.{endless} HTTP/1.1").into_bytes(), &[414, 431]),
    ]
}

/// Headers and bodies of a write, and what may be answered.
fn writes() -> Vec<(Vec<u8>, &'static [u8], &'static [u16])> {
    let json = b"Content-Type: application/json\r\n";
    let with = |more: &[u8]| [&json[..], more].concat();
    vec![
        (with(b"Content-Length: 3\r\n"), b"{\xff}", &[400]),
        (with(b"Content-Length: 2\r\nContent-Length: 3\r\n"), b"{}", &[400]),
        (with(b"Content-Length: -1\r\n"), b"{}", &[400]),
        (with(b"Content-Length: 99999999999999999999\r\n"), b"{}", &[400, 413]),
        (with(b"Content-Length: 5000000000\r\n"), b"{}", &[413]),
        (with(b"Transfer-Encoding: chunked\r\n"), b"zz\r\n{}\r\n0\r\n\r\n", &[400]),
        (with(b"Transfer-Encoding: chunked\r\n"), b"2\r\n{}\r\n0\r\n\r\n", &[428]),
        (with(b"Transfer-Encoding: gzip\r\nContent-Length: 2\r\n"), b"{}", &[400, 501]),
        (with(b"Content-Length: 2\r\nIf-Match: \"\xff\"\r\n"), b"{}", &[400]),
        (with(b"Content-Length: 2\r\nRowbell-Actor: \xff\xfe\r\n"), b"{}", &[400]),
        (with(b"Content-Length: 2\r\nIdempotency-Key: \xff\r\n"), b"{}", &[400]),
        (with(b"Content-Length: 2\r\nPrefer: \xff\r\n"), b"{}", &[428]),
        (with(b"Content-Length: 2\r\nContent-Type: text/plain\r\n"), b"{}", &[415]),
        (with(b"Content-Length: 2\r\nX: a\0b\r\n"), b"{}", &[400]),
        (with(b"Content-Length: 2\r\n folded: 1\r\n"), b"{}", &[400]),
    ]
}

#[tokio::test]
async fn requests_that_are_hardly_http() {
    let (_database, api) = targets().await;
    let address = api.address;
    let request = |line: &[u8], headers: &[u8], body: &[u8]| {
        let host = format!("\r\nHost: {address}\r\nConnection: close\r\n");
        [line, host.as_bytes(), headers, b"\r\n", body].concat()
    };
    for (line, statuses) in lines() {
        let told = raw(address, &request(&line, b"", b"")).await;
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert!(told.is_some_and(|status| statuses.contains(&status)), "{shown}: {told:?}");
    }
    let patch = b"PATCH /api/targets/1 HTTP/1.1";
    for (headers, body, statuses) in writes() {
        let told = raw(address, &request(patch, &headers, body)).await;
        let shown = String::from_utf8_lossy(&headers).into_owned();
        assert!(told.is_some_and(|status| statuses.contains(&status)), "{shown}: {told:?}");
    }
    let many: String = (0..500).map(|number| format!("X-{number}: y\r\n")).collect();
    assert_eq!(raw(address, &request(b"GET /api/targets HTTP/1.1", many.as_bytes(), b"")).await, Some(431));
    still_well(&api).await;
}
