//! What clients say, and the answers that need no subscription.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::client::Client;
use super::server::{Server, cursor};

#[tokio::test]
async fn ping_is_answered_with_its_ref() {
    let server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    assert_eq!(client.ask(r#"{"type":"ping"}"#).await, json!({"type": "pong"}));
    assert_eq!(client.ask(r#"{"type":"ping","ref":7}"#).await, json!({"type": "pong", "ref": 7}));
    server.stop().await;
}

#[tokio::test]
async fn many_pings_are_answered_in_order() {
    let server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    for number in 0..500 {
        client.0.feed_text(&format!(r#"{{"type":"ping","ref":{number}}}"#)).await;
    }
    client.send(Message::Ping("all".into())).await;
    for number in 0..500 {
        assert_eq!(client.frame().await["ref"], number);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_frame_is_told_and_the_session_stays() {
    let server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    let long = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(60_000));
    let expired = cursor(5).to_string();
    let cut = &expired[..expired.len() - 3];
    for (frame, code) in [
        ("{}".to_owned(), "bad_frame"),
        (r#"{"type":"publish"}"#.to_owned(), "bad_frame"),
        (r#"{"type":7}"#.to_owned(), "bad_frame"),
        (r#"{"type":"ping","ref":[1]}"#.to_owned(), "bad_frame"),
        (r#"{"type":"ping","reff":1}"#.to_owned(), "unknown_field"),
        (r#"{"type":"subscribe"}"#.to_owned(), "bad_frame"),
        (r#"{"type":"subscribe","topic":7}"#.to_owned(), "bad_frame"),
        (r#"{"type":"subscribe","topic":""}"#.to_owned(), "unknown_channel"),
        (r#"{"type":"subscribe","topic":"Orders"}"#.to_owned(), "unknown_channel"),
        (r#"{"type":"subscribe","topic":"orders?a=1"}"#.to_owned(), "bad_filter"),
        (r#"{"type":"subscribe","topic":"orders","snapshot":true,"since":"x"}"#.to_owned(), "bad_value"),
        (r#"{"type":"subscribe","topic":"orders","since":"x"}"#.to_owned(), "bad_value"),
        (format!(r#"{{"type":"subscribe","topic":"orders","since":"{cut}"}}"#), "bad_value"),
        (r#"{"type":"subscribe","topic":"orders","since":"2026-01-01T00:00:00"}"#.to_owned(), "bad_value"),
        (r#"{"type":"unsubscribe","topic":"orders"}"#.to_owned(), "not_subscribed"),
        (r#"{"type":"unsubscribe","topic":"O"}"#.to_owned(), "unknown_channel"),
        (r#"{"type":"auth","token":7}"#.to_owned(), "bad_frame"),
        (r#"{"type":"auth","token":"t","ref":"a","jwt":"t"}"#.to_owned(), "unknown_field"),
        (r#"{"type":"auth"}"#.to_owned(), "bad_frame"),
    ] {
        client.say(&frame).await;
        assert_eq!(client.error().await, code, "{frame}");
    }
    assert_eq!(client.ask(&long).await["type"], "pong");
    server.stop().await;
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message() {
    let server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    let piece = |text: &'static str, opcode, last| {
        Message::Frame(Frame::message(text.as_bytes(), OpCode::Data(opcode), last))
    };
    client.send(piece(r#"{"type":"#, Data::Text, false)).await;
    client.send(Message::Ping("between".into())).await;
    client.send(piece(r#""ping"}"#, Data::Continue, true)).await;
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("between".into()));
    assert_eq!(client.frame().await, json!({"type": "pong"}));
    server.stop().await;
}

#[tokio::test]
async fn the_url_may_ask_for_what_is_not_served() {
    let server = Server::start().await;
    for (path, code) in [
        ("/feed/orders?snapshot=true&since=x", "bad_value"),
        ("/feed/orders?snapshot=1", "bad_value"),
        ("/feed/orders?since=nonsense", "bad_value"),
        ("/feed/orders?since=2026-01-01T00%3A00%3A00", "bad_value"),
        ("/feed/orders?wait=3", "bad_value"),
        ("/feed?since=x", "bad_value"),
        ("/ws?branch=eq.3", "bad_value"),
    ] {
        let mut client = Client::welcomed(&server, path).await;
        assert_eq!(client.error().await, code, "{path}");
        assert_eq!(client.ask(r#"{"type":"ping"}"#).await["type"], "pong", "{path}");
    }
    for (path, code) in [
        ("/feed/Orders", "unknown_channel"),
        ("/feed/orders,", "unknown_channel"),
        ("/feed/%20", "unknown_channel"),
        ("/feed/orders?branch_id=3", "bad_filter"),
        ("/feed/orders%3Fbranch_id=3", "bad_filter"),
    ] {
        let mut client = Client::welcomed(&server, path).await;
        assert_eq!(client.error().await, code, "{path}");
        assert_eq!(client.close_code().await, 4404, "{path}");
    }
    let mut client = Client::connect(&server, "/feed/%FF").await;
    assert_eq!((client.error().await.as_str(), client.close_code().await), ("unknown_channel", 4404));
    server.stop().await;
}

/// Sends without flushing, so that many messages come in one read.
trait Feed {
    async fn feed_text(&mut self, text: &str);
}

impl Feed for tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    async fn feed_text(&mut self, text: &str) {
        futures::SinkExt::feed(self, Message::text(text)).await.expect("an open connection");
    }
}

#[tokio::test]
async fn frames_and_bytes_are_counted() {
    let server = Server::start().await;
    let mut client = Client::connect(&server, "/feed").await;
    let welcome = client.text().await;
    let pong: Value = client.ask(r#"{"type":"ping"}"#).await;
    let stats = server.stats.stats();
    assert_eq!(stats.frames.get(), 2);
    assert_eq!(stats.bytes.get(), u64::try_from(welcome.len() + pong.to_string().len()).unwrap());
    server.stop().await;
}
