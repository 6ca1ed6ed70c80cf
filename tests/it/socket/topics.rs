//! Subscriptions, from the wish to the end.

use rowbell::feed::Start;
use rowbell::socket::News;
use rowbell::words::Error;
use rowbell::words::frame::ResetReason;
use serde_json::json;

use super::client::Client;
use super::server::{Server, cursor, soon};

const SUBSCRIBE: &str = r#"{"type":"subscribe","topic":"orders","ref":1}"#;
const UNSUBSCRIBE: &str = r#"{"type":"unsubscribe","topic":"orders","ref":2}"#;

#[tokio::test]
async fn a_subscription_is_held_fed_and_ended() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    client.say(r#"{"type":"subscribe","topic":"stock,orders","ref":"a"}"#).await;
    let asked = server.next_asked().await;
    assert_eq!((asked.topic.as_str(), &asked.start), ("orders,stock", &Start::Now));
    asked.tell(News::Held(cursor(7))).await;
    let held = json!({"type": "subscribed", "topic": "orders,stock", "cursor": cursor(7).to_string(),
        "recovered": false, "ref": "a"});
    assert_eq!(client.frame().await, held);
    for number in 0..20 {
        asked.tell(News::Frame(number.to_string().into())).await;
    }
    for number in 0..20 {
        assert_eq!(client.frame().await, number);
    }
    client.say(r#"{"type":"unsubscribe","topic":"orders,stock","ref":"b"}"#).await;
    assert_eq!(client.frame().await, json!({"type": "unsubscribed", "topic": "orders,stock", "ref": "b"}));
    asked.given_up().await;
    server.stop().await;
}

#[tokio::test]
async fn a_cursor_is_recovered_and_a_url_reads_alike() {
    let mut server = Server::start().await;
    let text = cursor(9).to_string();
    for path in
        [format!("/feed/orders%2Cstock?since={text}"), format!("/feed/stock,orders?since={text}&token=x")]
    {
        let mut client = Client::welcomed(&server, &path).await;
        let asked = server.next_asked().await;
        assert_eq!((asked.topic.as_str(), &asked.start), ("orders,stock", &Start::After(cursor(9))));
        asked.tell(News::Held(cursor(9))).await;
        let frame = client.frame().await;
        assert_eq!((&frame["recovered"], &frame["cursor"]), (&json!(true), &json!(text)));
        drop(client);
        asked.given_up().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_being_opened_counts_and_can_be_given_up() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    client.say(SUBSCRIBE).await;
    let first = server.next_asked().await;
    let again = client.ask(SUBSCRIBE).await;
    assert_eq!(
        (&again["code"], &again["topic"], &again["ref"]),
        (&json!("already_subscribed"), &json!("orders"), &json!(1))
    );
    assert_eq!(client.ask(UNSUBSCRIBE).await["type"], "unsubscribed");
    first.given_up().await;
    assert_eq!(client.ask(UNSUBSCRIBE).await["code"], "not_subscribed");
    client.say(SUBSCRIBE).await;
    let second = server.next_asked().await;
    second.tell(News::Held(cursor(1))).await;
    assert_eq!(client.frame().await["type"], "subscribed");
    server.stop().await;
}

#[tokio::test]
async fn no_frame_follows_unsubscribed() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    for _ in 0..50 {
        client.say(SUBSCRIBE).await;
        let asked = server.next_asked().await;
        asked.tell(News::Held(cursor(1))).await;
        let feeding = tokio::spawn(async move {
            while asked.news.send(News::Frame("{\"type\":\"commits\"}".into())).await.is_ok() {}
        });
        assert_eq!(client.frame().await["type"], "subscribed");
        client.say(UNSUBSCRIBE).await;
        while client.frame().await["type"] == "commits" {}
        soon(feeding).await.unwrap();
        assert_eq!(client.ask(r#"{"type":"ping"}"#).await["type"], "pong");
    }
    server.stop().await;
}

#[tokio::test]
async fn one_topic_ends_and_the_others_go_on() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed").await;
    client.say(r#"{"type":"subscribe","topic":"stock"}"#).await;
    let other = server.next_asked().await;
    for (news, expected) in [
        (News::Reset(ResetReason::Expired), json!({"type": "reset", "topic": "orders", "reason": "expired"})),
        (News::Unwatched, json!({"type": "unsubscribed", "topic": "orders", "reason": "unwatched"})),
    ] {
        client.say(SUBSCRIBE).await;
        let asked = server.next_asked().await;
        asked.tell(News::Held(cursor(1))).await;
        assert_eq!(client.frame().await["type"], "subscribed");
        asked.tell(news).await;
        assert_eq!(client.frame().await, expected);
    }
    client.say(SUBSCRIBE).await;
    let asked = server.next_asked().await;
    asked.tell(News::UnknownChannel("orders".into())).await;
    let frame = client.frame().await;
    assert_eq!(
        (&frame["code"], &frame["topic"], &frame["ref"]),
        (&json!("unknown_channel"), &json!("orders"), &json!(1))
    );
    client.say(SUBSCRIBE).await;
    let asked = server.next_asked().await;
    asked.tell(News::Failed(Error::unavailable("a secret of the house"))).await;
    let frame = client.frame().await;
    assert_eq!((&frame["code"], &frame["ref"]), (&json!("database_unavailable"), &json!(1)));
    assert!(!frame.to_string().contains("secret"));
    client.say(SUBSCRIBE).await;
    let asked = server.next_asked().await;
    asked.tell(News::Failed(Error::usage("that time is still to come"))).await;
    let frame = client.frame().await;
    assert_eq!(
        (&frame["code"], &frame["message"]),
        (&json!("bad_value"), &json!("that time is still to come"))
    );
    other.tell(News::Held(cursor(1))).await;
    assert_eq!(client.frame().await["topic"], "stock");
    server.stop().await;
}

#[tokio::test]
async fn a_topic_of_the_url_that_is_none_ends_the_session_and_a_reset_does_not() {
    let mut server = Server::start().await;
    let mut client = Client::welcomed(&server, "/feed/orders").await;
    server.next_asked().await.tell(News::UnknownChannel("orders".into())).await;
    assert_eq!(client.error().await, "unknown_channel");
    assert_eq!(client.close_code().await, 4404);

    let mut client = Client::welcomed(&server, "/feed/orders").await;
    server.next_asked().await.tell(News::Reset(ResetReason::Foreign)).await;
    assert_eq!(client.frame().await["reason"], "foreign");
    client.say(SUBSCRIBE).await;
    server.next_asked().await.tell(News::Held(cursor(1))).await;
    assert_eq!(client.frame().await["type"], "subscribed");
    server.stop().await;
}

#[tokio::test]
async fn a_session_holds_so_many_topics_and_no_more() {
    let mut server = Server::with(|wanted| wanted.config.feed.max_topics = 2).await;
    let mut client = Client::welcomed(&server, "/feed/a").await;
    let held = server.next_asked().await;
    client.say(r#"{"type":"subscribe","topic":"b"}"#).await;
    let frame = client.ask(r#"{"type":"subscribe","topic":"c","ref":3}"#).await;
    assert_eq!(
        (&frame["code"], &frame["topic"], &frame["ref"]),
        (&json!("too_many_topics"), &json!("c"), &json!(3))
    );
    held.tell(News::Reset(ResetReason::Lost)).await;
    assert_eq!(client.frame().await["type"], "reset");
    assert_eq!(server.next_asked().await.topic, "b");
    client.say(r#"{"type":"subscribe","topic":"c"}"#).await;
    assert_eq!(server.next_asked().await.topic, "c");
    server.stop().await;
}
