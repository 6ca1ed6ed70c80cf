//! Subscriptions: what is told, in which order, and how they end.

use std::time::Duration;

use futures::StreamExt;
use rowbell::client::{Event, ResetReason};
use tokio::time::Instant;

use super::consumer::{Consumer, client, end, shop};
use crate::support::api::Api;
use crate::support::cluster::free_port;
use crate::support::soon;

#[tokio::test]
async fn commits_come_whole_and_typed_and_a_stored_cursor_continues() {
    let shop = shop().await;
    let api = Api::on(&shop.url).await;
    let client = client(&format!("ws://{}", api.address));
    let mut events = client.subscribe("orders").events();
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Subscribed { recovered: false, .. }))));
    shop.run(
        "begin; set local rowbell.actor = 'anna'; set local rowbell.branch = 'north';
            insert into orders values (1, 'a'), (2, 'b'); update orders set n = 5 where id = 1; commit",
    )
    .await;
    let Some(Ok(Event::Commits(frame))) = soon(events.next()).await else { panic!() };
    let [commit] = frame.commits.as_slice() else { panic!("{frame:?}") };
    assert_eq!((commit.actor.as_deref(), commit.branch.as_deref()), (Some("anna"), Some("north")));
    assert!(commit.time().is_some() && commit.xid.parse::<u64>().is_ok());
    let words: Vec<_> =
        commit.changes.iter().map(|change| (change.id.as_deref().unwrap(), change.op)).collect();
    use rowbell::client::Op::{Insert, Update};
    assert_eq!(words, [("1", Insert), ("2", Insert), ("1", Update)]);
    drop(events);
    shop.run("delete from orders where id = 2").await;
    let mut events = client.subscribe("orders").since(frame.cursor).events();
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Subscribed { recovered: true, .. }))));
    let Some(Ok(Event::Commits(frame))) = soon(events.next()).await else { panic!() };
    assert_eq!(frame.commits[0].changes[0].id.as_deref(), Some("2"));
}

#[tokio::test]
async fn resets_and_ends_are_told_once() {
    let shop = shop().await;
    let api = Api::on(&shop.url).await;
    let client = client(&format!("http://{}", api.address));
    let mut consumer = Consumer::default();
    let mut events = client.subscribe("orders").events();
    consumer.held(&mut events).await;
    shop.run("select rowbell.resync('orders')").await;
    soon(async {
        loop {
            match events.next().await {
                Some(Ok(Event::Reset(reason))) => break assert_eq!(reason, ResetReason::Schema),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert!(soon(events.next()).await.is_none());

    let mut events = client.subscribe("orders").events();
    Consumer::default().held(&mut events).await;
    shop.run("select rowbell.unwatch('orders')").await;
    let mut told = Vec::new();
    let mut rest = Consumer::default();
    while let Some(name) = soon(rest.next(&mut events)).await {
        told.push(name);
    }
    assert_eq!(told.last(), Some(&"unwatched"), "{told:?}");

    let error = end(&mut client.subscribe("orders").events()).await.expect("an error");
    assert_eq!((error.code(), error.is_temporary()), (Some("unknown_channel"), false));
    let error = end(&mut client.subscribe("orders").since("nonsense").events()).await.expect("an error");
    assert!(matches!(error.code(), Some("bad_value" | "unknown_channel")), "{error:?}");
}

#[tokio::test]
async fn a_token_opens_the_door_and_a_wrong_one_ends_the_stream() {
    let shop = shop().await;
    let api = Api::with(&shop.url, |config| config.token = Some("s3cret".into())).await;
    let url = format!("http://{}", api.address);
    let with = |token: &str| rowbell::Client::builder(&url).token(token).build().unwrap();
    Consumer::default().held(&mut with("s3cret").subscribe("orders").events()).await;
    assert!(with("s3cret").list("orders", &[]).await.unwrap().rows.is_empty());
    for client in [with("wrong"), client(&url)] {
        let error = end(&mut client.subscribe("orders").events()).await.expect("an error");
        assert!(error.is_unauthorized() && !error.is_temporary(), "{error:?}");
        let error = client.list("orders", &[]).await.unwrap_err();
        assert!(error.is_unauthorized() && error.status() == Some(401), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_tried_at_growing_pauses() {
    let mut events = client(&format!("http://127.0.0.1:{}", free_port())).subscribe("orders").events();
    let mut pauses = Vec::new();
    let mut last = Instant::now();
    for _ in 0..60 {
        let Some(Ok(Event::Disconnected(error))) = events.next().await else { panic!() };
        assert!(error.is_unreachable() && error.report().contains("127.0.0.1"), "{error:?}");
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    // The first try is at once, the second within 250 ms; a millisecond is the clock's own.
    let slack = Duration::from_millis(2);
    let dues = [0, 250, 500, 1000, 2000, 4000].map(|due| Duration::from_millis(due) + slack);
    for (pause, due) in
        pauses.iter().zip(dues.into_iter().chain(std::iter::repeat(Duration::from_secs(5) + slack)))
    {
        assert!(*pause <= due, "{pauses:?}");
    }
    let late = pauses[6..].iter();
    assert!(
        late.clone().any(|pause| pause.as_secs_f32() > 2.5)
            && late.clone().any(|pause| pause.as_secs_f32() < 2.5)
    );
}
