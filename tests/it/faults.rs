//! Everything that can die, dies at random, while random writers write; then PostgreSQL's own logical decoding says
//! what should have been told, and every subscriber's books must say the same.
//!
//! A run prints its seed and its figures. `ROWBELL_SOAK=10` makes it last ten minutes, `ROWBELL_SEED=7` repeats one.

mod books;
mod once;
mod retention;
mod stage;
mod truth;
mod writers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rowbell::client::{Client, Event, ResetReason, Subscribe};
use rowbell::pg::embedded::StopMode;
use tokio_util::sync::CancellationToken;

use crate::support::soon;
use books::Books;
use stage::Stage;
use writers::TABLES;

/// The row that tells a subscriber that it has everything.
const LAST: &str = "-1";

/// What a subscriber subscribes to.
const TOPICS: [(&str, &[&str]); 4] =
    [("one,two", &["one", "two"]), ("one", &["one"]), ("two", &["two"]), ("*", &["one", "two"])];

fn length() -> Duration {
    match std::env::var("ROWBELL_SOAK").ok().and_then(|minutes| minutes.parse::<f64>().ok()) {
        Some(minutes) => Duration::from_secs_f64(minutes * 60.0),
        None => Duration::from_secs(15),
    }
}

fn seed() -> u64 {
    let given = std::env::var("ROWBELL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("seed {seed}: repeat with ROWBELL_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_doubled_or_out_of_order_whatever_dies() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut stage = Stage::set("faults", TABLES).await;
    truth::begin(&stage.link().await).await;
    stage.link().await.client.batch_execute(retention::SHORT_SLOTS).await.expect("a ring that turns fast");
    let stop = CancellationToken::new();
    let subscribers: Vec<_> = (0..)
        .zip(TOPICS)
        .map(|(number, (topic, channels))| {
            let books = Arc::new(Mutex::new(Books::default()));
            let clients = stage.clients();
            let random = StdRng::seed_from_u64(seed.wrapping_add(number));
            let reading = tokio::spawn(subscribe(clients, topic, Arc::clone(&books), random));
            (topic, channels, books, reading)
        })
        .collect();
    // Everybody holds a position before the first write, or the truth would have more than they asked for.
    for (_, _, books, _) in &subscribers {
        begun(books).await;
    }
    let writing = writers::start(&stage.connector, seed, 6, &stop);
    let elsewhere = writers::start_elsewhere(&stage.connector, &stop);
    let pruning = retention::start(&stage.connector, seed, &stop);
    let faults = storm(&mut stage, &mut random, Instant::now() + length()).await;
    stage.calm().await;
    stop.cancel();
    let mut acknowledged = 0;
    for writer in writing {
        acknowledged += soon(writer).await.expect("it ends well");
    }
    soon(elsewhere).await.expect("it ends well");
    let emptied = soon(pruning).await.expect("it ends well");
    assert!(emptied > 0, "nothing was ever dropped");
    let last = format!(
        "begin; insert into one (id, n) values ({LAST}, 0); insert into two (id, n) values ({LAST}, 0); commit"
    );
    stage.link().await.client.batch_execute(&last).await.expect("the last write");
    let mut told = Vec::new();
    for (topic, channels, books, reading) in subscribers {
        // As far behind as the storm was long.
        let patience = Duration::from_secs(90).max(length());
        tokio::time::timeout(patience, reading).await.expect("it catches up").expect("it ends well");
        told.push((topic, channels, books));
    }
    let truth = truth::read(&stage.link().await).await;
    let mut accounted = 0;
    for (topic, channels, books) in told {
        let books = books.lock().expect("a lock");
        let compared = books.compare(&truth, channels);
        println!("{topic:8} {compared:?}, started over {} times", books.gaps.len());
        assert!(compared.is_exact(), "{topic} with seed {seed}: {compared:?}");
        accounted += compared.changes;
    }
    assert!(accounted > 400, "too few changes were told to say anything: {accounted}");
    println!(
        "{acknowledged} transactions acknowledged; parts of the log emptied: {emptied}; faults: {faults:?}"
    );
    stage.strike().await;
}

/// Waits until a subscriber holds a position.
async fn begun(books: &Mutex<Books>) {
    let begun = async {
        while books.lock().expect("a lock").cursor.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(begun).await;
}

/// Faults, one after the other, until the time is up; how often each was done.
async fn storm(stage: &mut Stage, random: &mut StdRng, until: Instant) -> BTreeMap<&'static str, usize> {
    let kinds = [
        "kill a node",
        "kill both nodes",
        "crash PostgreSQL",
        "restart PostgreSQL",
        "terminate all backends",
        "cut a node's PostgreSQL",
        "half-open a node's PostgreSQL",
        "cut the clients",
        "cut in a frame",
        "half-open the clients",
        "alter a table",
    ];
    let mut done = BTreeMap::new();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..700))).await;
        let kind = kinds.choose(random).copied().unwrap_or("kill a node");
        let node = random.random_range(0..2);
        match kind {
            "kill a node" => stage.kill(node).await,
            "kill both nodes" => {
                stage.kill(0).await;
                stage.kill(1).await;
            }
            "crash PostgreSQL" => stage.restart(StopMode::Immediate).await,
            "restart PostgreSQL" => stage.restart(StopMode::Fast).await,
            "terminate all backends" => stage.terminate().await,
            "cut a node's PostgreSQL" => stage.nodes[node].database.cut(),
            "half-open a node's PostgreSQL" => stage.nodes[node].database.swallow(),
            "cut the clients" => stage.nodes[node].front.cut(),
            "cut in a frame" => {
                stage.nodes[node].front.cut_after(random.random_range(100..20_000));
                stage.nodes[node].front.cut();
            }
            "half-open the clients" => {
                stage.nodes[node].front.swallow();
                tokio::time::sleep(Duration::from_millis(random.random_range(100..600))).await;
                stage.nodes[node].front.cut();
            }
            _ => stage.alter(random.random_range(0..1_000_000)).await,
        }
        stage.keep_up();
        *done.entry(kind).or_default() += 1;
    }
    done
}

/// Where a subscriber begins, by its books.
fn begin(subscription: Subscribe, since: String, expired: bool) -> Subscribe {
    match (since.is_empty(), expired) {
        (true, _) => subscription,
        (false, false) => subscription.since(since),
        (false, true) => subscription.snapshot(),
    }
}

/// One subscriber: keeps books, leaves and comes back on either node, until it has the last row.
async fn subscribe(clients: Vec<Client>, topic: &str, books: Arc<Mutex<Books>>, mut random: StdRng) {
    loop {
        let (since, expired) = {
            let books = books.lock().expect("a lock");
            (books.cursor.clone(), books.expired)
        };
        let client = clients.choose(&mut random).expect("a client");
        let (mut rows, mut events) = (Vec::new(), begin(client.subscribe(topic), since, expired).events());
        let leaves = tokio::time::sleep(Duration::from_millis(random.random_range(300..5000)));
        tokio::pin!(leaves);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = &mut leaves => break,
            };
            match event {
                Some(Ok(Event::Commits(commits))) => {
                    let mut books = books.lock().expect("a lock");
                    books.keep(&commits);
                    if books.changes.last().is_some_and(|change| change.id == LAST) {
                        return;
                    }
                }
                Some(Ok(Event::Subscribed { cursor, .. })) => {
                    let mut books = books.lock().expect("a lock");
                    if books.cursor.is_empty() {
                        books.cursor = cursor;
                    }
                }
                Some(Ok(Event::Reset(ResetReason::Expired))) => {
                    books.lock().expect("a lock").expired = true;
                    break;
                }
                Some(Ok(Event::SnapshotBegins)) => rows.clear(),
                Some(Ok(Event::Rows(some))) => {
                    let last = some.cursor.clone();
                    rows.push(some);
                    if let Some(cursor) = last
                        && books.lock().expect("a lock").start_over(&rows, cursor)
                    {
                        return;
                    }
                }
                Some(Ok(Event::Disconnected(_))) => {}
                Some(Ok(other)) => panic!("{topic}: {other:?}"),
                Some(Err(error)) if error.is_temporary() => break,
                Some(Err(error)) => panic!("{topic}: {}", error.report()),
                None => break,
            }
        }
        if random.random_bool(0.3) {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
        }
    }
}
