//! Connections that are cut, held up and half-open, servers that are killed: nothing is lost, nothing comes twice.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::client::Event;

use super::consumer::{Consumer, client, end, logged, shop};
use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::program::Running;
use crate::support::proxy::Proxy;
use crate::support::scratch::Scratch;
use crate::support::soon;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Writes of every kind by two sessions, until told to stop; how many changes they made.
async fn write(database: &Database, seed: u64, rounds: i32) {
    let mut rng = StdRng::seed_from_u64(seed);
    let link = database.link().await;
    for round in 0..rounds {
        let id = rng.random_range(1..60);
        let sql = match rng.random_range(0..10) {
            0..4 => format!(
                "insert into orders values ({id}, 'x') on conflict (id) do update set n = orders.n + 1"
            ),
            4..7 => format!("update orders set n = n + 1 where id between {id} and {}", id + 5),
            7..9 => format!("delete from orders where id = {id}"),
            _ => format!(
                "begin; insert into orders select n, repeat('y', 900) from generate_series({0}, {0} + 1500) n;
                    delete from orders where id >= {0}; commit",
                10_000 * (round + 1)
            ),
        };
        link.client.batch_execute(&sql).await.expect("written");
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..30))).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_while_everything_breaks() {
    let seed = rand::random();
    println!("seed {seed}");
    let (scratch, shop) = (Scratch::new("client"), shop().await);
    let (mut server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let proxy = Proxy::to(local(port)).await;
    let mut events = client(&proxy.url()).subscribe("orders").in_parts().events();
    let mut consumer = Consumer::default();
    consumer.held(&mut events).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let chaos = async {
        for round in 0..12 {
            tokio::time::sleep(Duration::from_millis(rng.random_range(50..300))).await;
            match round % 6 {
                0 => proxy.cut(),
                1 => proxy.delay(Duration::from_millis(rng.random_range(1..10))),
                2 => {
                    proxy.cut_after(rng.random_range(200..200_000));
                    proxy.cut();
                }
                3 => proxy.delay(Duration::ZERO),
                4 => {
                    proxy.refuse();
                    proxy.cut();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    proxy.accept();
                }
                _ => {
                    server.child.kill().await.expect("killed");
                    let (next, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
                    proxy.lead_to(local(port));
                    server = next;
                }
            }
        }
    };
    let writers = async { tokio::join!(write(&shop, seed, 60), write(&shop, seed ^ 1, 60)) };
    {
        let reading = async { while consumer.next(&mut events).await.is_some() {} };
        tokio::select! {
            _ = async { tokio::join!(chaos, writers) } => {}
            () = reading => panic!("the stream ended"),
        }
    }
    consumer.until(&mut events, logged(&shop).await).await;
    consumer.compare(&shop).await;
    assert!(consumer.losses >= 2, "{} losses", consumer.losses);
}

#[tokio::test]
async fn a_half_open_connection_is_given_up_after_two_heartbeats() {
    let shop = shop().await;
    let api = Api::with(&shop.url, |config| config.feed.heartbeat = Duration::from_secs(1)).await;
    let proxy = Proxy::to(api.address).await;
    let mut events = client(&proxy.url()).subscribe("orders").events();
    let mut consumer = Consumer::default();
    consumer.held(&mut events).await;
    for round in 1..=2 {
        proxy.swallow();
        shop.run(&format!("insert into orders values ({round}, 'unheard')")).await;
        let swallowed = std::time::Instant::now();
        consumer.until(&mut events, round).await;
        assert!(swallowed.elapsed() >= Duration::from_millis(900), "{:?}", swallowed.elapsed());
        assert_eq!(consumer.losses, round);
    }
    consumer.compare(&shop).await;
    // A connection that only is quiet stays, because the server pings.
    let quiet = tokio::time::timeout(Duration::from_secs(4), consumer.next(&mut events)).await;
    assert!(quiet.is_err(), "{:?}", consumer.told);
}

#[tokio::test]
async fn a_connection_that_ends_within_a_frame_counts_none_of_it() {
    const ROWS: usize = 6000;
    let shop = shop().await;
    let api = Api::on(&shop.url).await;
    let proxy = Proxy::to(api.address).await;
    let client = client(&proxy.url());
    let (mut whole, mut parts) = (Consumer::default(), Consumer::default());
    let mut whole_events = client.subscribe("orders").events();
    whole.held(&mut whole_events).await;
    let mut part_events = client.subscribe("orders").in_parts().events();
    parts.held(&mut part_events).await;
    let cursor = whole.cursor.clone();
    proxy.refuse();
    proxy.cut();
    shop.run(&format!("insert into orders select n, repeat('x', 1000) from generate_series(1, {ROWS}) n"))
        .await;
    for (consumer, events) in [(&mut whole, &mut whole_events), (&mut parts, &mut part_events)] {
        // Somewhere in the third part of seven, then near the end.
        for (bytes, losses) in [(2_500_000, 2), (6_000_000, 3)] {
            proxy.cut_after(bytes);
            proxy.accept();
            soon(async {
                while consumer.losses < losses {
                    consumer.next(events).await;
                }
            })
            .await;
            assert!(consumer.seqs.is_empty());
            proxy.refuse();
        }
        proxy.accept();
        consumer.until(events, ROWS).await;
        consumer.compare(&shop).await;
    }
    assert!(parts.told.contains(&"part") && !whole.told.contains(&"part"));
    assert_eq!(whole.told.iter().filter(|name| **name == "commits").count(), 1, "{:?}", whole.told);

    // More than a program will hold ends its stream; the cursor stays good.
    let mut small = client.subscribe("orders").since(&*cursor).whole_up_to(3 << 20).events();
    assert!(end(&mut small).await.expect("an error").is_too_large());
    let mut large = client.subscribe("orders").since(&*cursor).whole_up_to(30 << 20).events();
    let mut again = Consumer::default();
    again.until(&mut large, ROWS).await;
    again.compare(&shop).await;
}

#[tokio::test]
async fn a_consumer_that_does_not_poll_reads_nothing_and_loses_nothing() {
    const ROWS: usize = 40_000;
    let shop = shop().await;
    let api = Api::with(&shop.url, |config| config.feed.stuck = Duration::from_millis(500)).await;
    let proxy = Proxy::to(api.address).await;
    let mut events = client(&proxy.url()).subscribe("orders").in_parts().events();
    let mut consumer = Consumer::default();
    consumer.held(&mut events).await;
    shop.run(&format!("insert into orders select n, repeat('x', 1000) from generate_series(1, {ROWS}) n"))
        .await;
    // The server gives up a client that reads nothing, which it is no more than the kernel's buffers late.
    soon(async {
        while !api.get("/stats").await.text.contains("\"sessions\":0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(proxy.bytes() < 20_000_000, "{} bytes were taken from the socket", proxy.bytes());
    consumer.until(&mut events, ROWS).await;
    assert!(consumer.losses >= 1);
    consumer.compare(&shop).await;
}

#[tokio::test]
async fn a_next_that_is_dropped_loses_nothing() {
    let shop = shop().await;
    let api = Api::on(&shop.url).await;
    let mut events = client(&format!("http://{}", api.address)).subscribe("orders").events();
    let mut seen = Vec::new();
    let writing = write(&shop, 7, 60);
    tokio::pin!(writing);
    let mut written = false;
    let mut expected = usize::MAX;
    // Held before the first write.
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Subscribed { .. }))));
    soon(async {
        while seen.len() < expected {
            tokio::select! {
                event = events.next() => if let Some(Ok(Event::Commits(frame))) = event {
                    seen.extend(frame.commits.iter().flat_map(|commit| &commit.changes).map(|change| change.seq));
                },
                () = tokio::time::sleep(Duration::from_micros(200)) => {}
                () = &mut writing, if !written => {
                    written = true;
                    expected = logged(&shop).await;
                }
            }
        }
    })
    .await;
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), count), (expected, expected));
}
