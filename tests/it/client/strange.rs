//! Servers that are not what they say: nothing panics, and each ends or is tried again as documented.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use rowbell::client::{Client, Event, Update};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::consumer::{client, end};
use crate::support::soon;

/// What a played server does once it was asked to subscribe.
#[derive(Clone)]
enum Act {
    Say(Message),
    Close(u16),
    Hang,
}

fn say(text: &str) -> Act {
    Act::Say(Message::text(text))
}

/// A server that plays one list of acts per connection, the last one over and over; and what it was asked.
async fn played(scripts: Vec<Vec<Act>>) -> (Client, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tx, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let script = scripts[number.min(scripts.len() - 1)].clone();
            tokio::spawn(play(stream, script, tx.clone()));
        }
    });
    (client(&format!("http://{address}")), asked)
}

async fn play(stream: TcpStream, script: Vec<Act>, asked: mpsc::UnboundedSender<Value>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let Some(Ok(Message::Text(wish))) = socket.next().await else { return };
    let _ = asked.send(serde_json::from_str(&wish).unwrap());
    for act in script {
        match act {
            Act::Say(message) => drop(socket.send(message).await),
            Act::Close(code) => {
                let close = CloseFrame { code: code.into(), reason: "played".into() };
                drop(socket.close(Some(close)).await);
            }
            Act::Hang => tokio::time::sleep(Duration::from_secs(600)).await,
        }
    }
}

const WELCOME: &str = r#"{"type":"welcome","session":"s","heartbeat":25,"server":"played"}"#;
const HELD: &str = r#"{"type":"subscribed","topic":"orders","cursor":"a","recovered":false}"#;

#[tokio::test]
async fn frames_that_are_none_end_the_stream_with_an_error() {
    for text in [
        "",
        "nonsense",
        "[]",
        "{}",
        r#"{"type":"commits"}"#,
        r#"{"type":"commits","commits":[{}],"cursor":"b"}"#,
        r#"{"type":"commits","commits":[]}"#,
        r#"{"type":"rows","channel":"orders","rows":[],"cursor":"b"}"#,
        r#"{"type":"reset"}"#,
    ] {
        let (client, _) = played(vec![vec![say(WELCOME), say(HELD), say(text), Act::Hang]]).await;
        let error = end(&mut client.subscribe("orders").events()).await.expect("an error");
        assert!(error.is_unexpected(), "{text}: {error:?}");
    }
    let binary = Act::Say(Message::binary(vec![0, 1, 2]));
    let (client, _) = played(vec![vec![binary, Act::Hang]]).await;
    assert!(end(&mut client.subscribe("orders").events()).await.expect("an error").is_unexpected());
    let huge = Message::text(format!(r#"{{"type":"x","x":"{}"}}"#, "x".repeat(81 << 20)));
    let (client, _) = played(vec![vec![Act::Say(huge), Act::Hang]]).await;
    assert!(end(&mut client.subscribe("orders").events()).await.expect("an error").is_too_large());
}

#[tokio::test]
async fn close_codes_end_or_are_tried_again() {
    for code in [4400, 4401, 4403, 4404, 4413] {
        let (client, _) = played(vec![vec![Act::Close(code)]]).await;
        let error = end(&mut client.subscribe("orders").events()).await.expect("an error");
        assert_eq!(error.close_code(), Some(code));
    }
    for code in [1000, 1001, 1011, 4408, 4410, 4429, 4500] {
        let (client, mut asked) =
            played(vec![vec![say(HELD), Act::Close(code)], vec![say(HELD), Act::Hang]]).await;
        let mut events = client.subscribe("orders").events();
        for expected in ["subscribed", "disconnected", "subscribed"] {
            let name = match soon(events.next()).await {
                Some(Ok(Event::Subscribed { .. })) => "subscribed",
                Some(Ok(Event::Disconnected(_))) => "disconnected",
                other => panic!("{code}: {other:?}"),
            };
            assert_eq!(name, expected, "{code}");
        }
        assert_eq!(asked.recv().await.unwrap(), json!({"type": "subscribe", "topic": "orders"}));
        assert_eq!(asked.recv().await.unwrap()["since"], "a");
    }
}

/// A server that answers every request with these bytes.
async fn answering(answer: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let builder = Client::builder(&format!("http://{address}"));
    builder.connect_timeout(Duration::from_secs(2)).request_timeout(Duration::from_secs(2)).build().unwrap()
}

#[tokio::test]
async fn answers_that_are_no_upgrade_end_or_are_tried_again() {
    for (answer, ends) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml", false),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        ("SSH-2.0-OpenSSH_9.2\r\n", false),
        ("", false),
    ] {
        let client = answering(answer).await;
        let mut events = client.subscribe("orders").events();
        match soon(events.next()).await {
            Some(Ok(Event::Disconnected(error))) => assert!(!ends, "{answer}: {error:?}"),
            Some(Err(error)) => assert!(ends, "{answer}: {error:?}"),
            other => panic!("{answer}: {other:?}"),
        }
        let error = client.list("orders", &[]).await.unwrap_err();
        assert!(ends || error.is_temporary() || error.is_unexpected(), "{answer}: {error:?}");
        let error = client.create("orders", &json!({})).await.unwrap_err();
        assert!(!error.to_string().is_empty() && !error.is_conflict(), "{answer}: {error:?}");
    }
}

fn rows(ids: &[i32], cursor: Option<&str>) -> Act {
    let rows: Vec<_> = ids.iter().map(|id| json!({"id": id, "version": 10 + id})).collect();
    let mut frame = json!({"type": "rows", "topic": "orders", "channel": "orders", "rows": rows, "more": cursor.is_none()});
    if let Some(cursor) = cursor {
        frame["cursor"] = cursor.into();
    }
    say(&frame.to_string())
}

fn commits(changes: Value, cursor: Option<&str>) -> Act {
    let commit =
        json!({"xid": "7", "at": "2026-01-02T03:04:05Z", "actor": null, "branch": null, "changes": changes});
    let mut frame = json!({"type": "commits", "topic": "orders", "commits": [commit]});
    match cursor {
        Some(cursor) => frame["cursor"] = cursor.into(),
        None => frame["more"] = true.into(),
    }
    say(&frame.to_string())
}

fn change(op: &str, id: &str, version: i64) -> Value {
    let mut change = json!({"seq": version, "channel": "orders", "op": op, "id": id, "version": version});
    if matches!(op, "insert" | "update" | "enter") {
        change["row"] = json!({"id": id.parse::<i64>().unwrap(), "version": version});
    }
    change
}

#[tokio::test]
async fn a_copy_is_the_snapshot_and_what_follows_across_breaks_and_resets() {
    let reset = say(r#"{"type":"reset","topic":"orders","reason":"lost"}"#);
    let (client, mut asked) = played(vec![
        // Breaks off within the snapshot.
        vec![say(WELCOME), say(HELD), rows(&[1, 2], None), Act::Close(1001)],
        vec![
            rows(&[1, 2], None),
            rows(&[3], Some("b")),
            commits(
                json!([change("update", "1", 20), change("delete", "2", 12), change("enter", "4", 21)]),
                Some("c"),
            ),
            // Half of a frame, which is void.
            commits(json!([change("delete", "3", 13)]), None),
            Act::Close(1001),
        ],
        vec![say(HELD), commits(json!([change("leave", "4", 21)]), Some("d")), reset],
        vec![
            rows(&[7], Some("e")),
            commits(
                json!([{"seq": 30, "channel": "orders", "op": "truncate"}, change("insert", "8", 31)]),
                Some("f"),
            ),
            Act::Hang,
        ],
    ])
    .await;
    // Whoever starts is told that the connection broke; the second try is whole.
    assert!(soon(client.follow("orders").open()).await.unwrap_err().is_temporary());
    let mut orders = soon(client.follow("orders").open()).await.unwrap();
    let ids =
        |orders: &rowbell::client::Collection| orders.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!((ids(&orders), orders.cursor()), (vec!["1".into(), "2".into(), "3".into()], "b"));
    assert_eq!(orders.get("3").unwrap().version, Some(13));
    let Some(Update::Changed(changed)) = soon(orders.next()).await.unwrap() else { panic!() };
    assert_eq!((changed, orders.cursor()), (vec!["1".into(), "2".into(), "4".into()], "c"));
    assert_eq!(orders.get("1").unwrap().version, Some(20));
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::Disconnected(_))));
    assert_eq!(ids(&orders), ["1", "3", "4"]);
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::Changed(ids)) if ids == ["4"]));
    let Some(Update::StartedOver(reason)) = soon(orders.next()).await.unwrap() else { panic!() };
    assert_eq!((reason, ids(&orders)), (Some(rowbell::client::ResetReason::Lost), vec!["7".into()]));
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::Changed(ids)) if ids == ["7", "8"]));
    assert_eq!((ids(&orders), orders.cursor()), (vec!["8".into()], "f"));
    let snapshot = json!({"type": "subscribe", "topic": "orders", "snapshot": true});
    let since = json!({"type": "subscribe", "topic": "orders", "since": "c"});
    for expected in [&snapshot, &snapshot, &since, &snapshot] {
        assert_eq!(asked.recv().await.as_ref(), Some(expected));
    }
}

#[tokio::test]
async fn a_copy_under_another_key_is_told_and_a_doubt_is_read_anew() {
    let (client, _) = played(vec![vec![rows(&[1], Some("b")), Act::Hang]]).await;
    let error = soon(client.follow("orders").key(["name"]).open()).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("(name)"), "{error:?}");
    assert!(soon(client.follow("orders,clients").open()).await.unwrap_err().is_usage());

    let nameless = json!([{"seq": 30, "channel": "orders", "op": "update", "version": 30, "row": {"id": 1}}]);
    let mistaken =
        json!([{"seq": 31, "channel": "orders", "op": "update", "id": "x", "version": 31, "row": {"id": 9}}]);
    let large = json!([{"seq": 32, "channel": "orders", "op": "update", "id": "5", "version": 32, "row": null, "too_large": true}]);
    let (client, _) = played(vec![
        vec![rows(&[1], Some("b")), commits(nameless, Some("c")), Act::Hang],
        vec![rows(&[5], Some("d")), commits(large, Some("e")), commits(mistaken, Some("f")), Act::Hang],
    ])
    .await;
    let mut orders = soon(client.follow("orders").open()).await.unwrap();
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::StartedOver(None))));
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::Changed(_))));
    let entry = orders.get("5").unwrap();
    assert!(entry.json.is_none() && entry.version == Some(32));
    assert!(soon(orders.next()).await.unwrap_err().is_usage());
    assert_eq!(orders.cursor(), "e");
}
