//! The seam between the log and the live stream: a thousand subscribers join while others write.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::feed::{Delivery, Feed, Opened, Start, Subscription};
use rowbell::words::{Cursor, FeedConfig, Topic};
use tokio::task::JoinSet;

use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};
use crate::support::soon;

const JOINS: usize = 1000;
const WRITERS: u64 = 6;
const TOPICS: [&str; 4] = ["orders", "clients", "orders,clients", "*"];

/// What one subscriber saw: numbers of changes in order.
struct Seen {
    topic: Topic,
    from: Cursor,
    seqs: Vec<i64>,
}

/// What the log says of a change.
struct Truth {
    xid: u64,
    channel: String,
    row_id: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_joins_under_load_have_no_hole_and_no_repeat() {
    let seed = std::env::var("ROWBELL_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random::<u32>);
    println!("ROWBELL_SEED={seed}");
    let database = Arc::new(Database::new().await);
    database
        .run(
            "create table orders (id integer primary key, n integer not null default 0);
             create table clients (id integer primary key, n integer not null default 0);
             insert into orders select g from generate_series(1, 20) g; insert into clients select g from generate_series(1, 20) g;
             select rowbell.watch('orders'); select rowbell.watch('clients');",
        )
        .await;
    let small = FeedConfig { backlog: 8, ..FeedConfig::default() };
    let nodes = [
        RunningFeed::new(&database.connector, FeedConfig::default()),
        RunningFeed::new(&database.connector, small),
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(
            Arc::clone(&database),
            StdRng::seed_from_u64(u64::from(seed) + writer),
            Arc::clone(&stop),
        ));
    }
    let mut rng = StdRng::seed_from_u64(u64::from(seed) ^ 0xfeed);
    let mut readers = JoinSet::new();
    // Cursors of all ages, from both nodes, so that some joiners are behind and some ahead of the node they join.
    let mut scouts =
        [Reader::open(&nodes[0], "*", Start::Now).await, Reader::open(&nodes[1], "*", Start::Now).await];
    let mut cursors = vec![scouts[0].cursor.clone()];
    for _ in 0..JOINS {
        let scout = &mut scouts[rng.random_range(0..2)];
        if rng.random_bool(0.3) {
            scout.step().await;
            cursors.push(scout.cursor.clone());
        }
        let start = match rng.random_range(0..3) {
            0 => Start::Now,
            1 => Start::After(cursors[cursors.len() - 1].clone()),
            _ => Start::After(cursors[rng.random_range(0..cursors.len())].clone()),
        };
        let topic = Topic::parse(TOPICS[rng.random_range(0..TOPICS.len())]).unwrap();
        readers.spawn(follow((*nodes[rng.random_range(0..2)]).clone(), topic, start));
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    // One last commit in both channels, by which every reader knows it is done.
    database.run("begin; insert into orders values (-1); insert into clients values (-1); commit").await;
    let truth = truth(&database).await;
    println!("{} changes, {} cursors", truth.len(), cursors.len());
    let mut checked = 0;
    while let Some(seen) = soon(readers.join_next()).await {
        check(&seen.unwrap(), &truth);
        checked += 1;
    }
    assert_eq!(checked, JOINS);
}

/// Overlapping transactions over few rows: short, slow, aborted, nested, of both channels.
async fn write(database: Arc<Database>, mut rng: StdRng, stop: Arc<AtomicBool>) {
    let link = database.link().await;
    let run = async |sql: String| {
        // Deadlocks are part of the load.
        let _ = link.client.batch_execute(&sql).await;
    };
    while !stop.load(Ordering::Relaxed) {
        let (id, other) = (rng.random_range(1..=20), rng.random_range(1..=20));
        run("begin".into()).await;
        run(format!("update orders set n = n + 1 where id = {id}")).await;
        match rng.random_range(0..6) {
            0 => {
                run(format!("savepoint s; update clients set n = 0 where id = {other}; rollback to s")).await
            }
            1 => {
                run(format!("delete from clients where id = {other}; insert into clients values ({other})"))
                    .await
            }
            2 => run(format!("select pg_sleep(0.0{})", rng.random_range(1..9))).await,
            _ => run(format!("update clients set n = n + 1 where id = {other}")).await,
        }
        run(if rng.random_bool(0.15) { "rollback".into() } else { "commit".into() }).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..10))).await;
    }
}

async fn follow(feed: Feed, topic: Topic, start: Start) -> Seen {
    let opened = soon(feed.subscribe(topic.clone(), start)).await.unwrap();
    let Opened::Held(mut subscription) = opened else { panic!("not held: {opened:?}") };
    let mut seen = Seen { topic, from: subscription.cursor().clone(), seqs: Vec::new() };
    while !read_frame(&mut subscription, &mut seen.seqs).await {}
    seen
}

/// True after the frame with the last commit.
async fn read_frame(subscription: &mut Subscription, seqs: &mut Vec<i64>) -> bool {
    let delivery = soon(subscription.next()).await;
    let Some(Delivery::Frame(part)) = delivery else { panic!("ended: {delivery:?}") };
    let text = std::str::from_utf8(&part).unwrap();
    // Much quicker than reading the JSON of a million changes.
    for piece in text.split("{\"seq\":").skip(1) {
        seqs.push(piece[..piece.find(',').unwrap()].parse().unwrap());
    }
    text.contains("\"id\":\"-1\"")
}

async fn truth(database: &Database) -> BTreeMap<i64, Truth> {
    let link = database.link().await;
    let rows = link
        .client
        .query("select seq, xid::text, channel, row_id from rowbell.sync_log where op <> 'resync'", &[])
        .await
        .unwrap();
    let read = |row: &tokio_postgres::Row| {
        let xid = row.get::<_, &str>(1).parse().unwrap();
        (row.get(0), Truth { xid, channel: row.get(2), row_id: row.get(3) })
    };
    rows.iter().map(read).collect()
}

fn check(seen: &Seen, truth: &BTreeMap<i64, Truth>) {
    let Seen { topic, from, seqs } = seen;
    let expected: Vec<i64> = truth
        .iter()
        .filter(|(_, change)| topic.holds(&change.channel) && !from.snapshot.covers(change.xid))
        .map(|(seq, _)| *seq)
        .collect();
    let mut sorted = seqs.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{topic} from {:?}", from.snapshot);
    let mut last: HashMap<(&str, &str), i64> = HashMap::new();
    let mut open: Option<u64> = None;
    let mut closed = std::collections::HashSet::new();
    for seq in seqs {
        let change = &truth[seq];
        if open != Some(change.xid) {
            assert!(closed.insert(change.xid), "commit {} came in two pieces", change.xid);
            open = Some(change.xid);
        }
        let row = (change.channel.as_str(), change.row_id.as_deref().unwrap());
        let before = last.insert(row, *seq);
        assert!(before.is_none_or(|before| before < *seq), "{row:?} went back from {before:?} to {seq}");
    }
}

#[tokio::test]
async fn a_cursor_that_claims_a_tick_is_good_on_a_node_that_has_read_only_rows() {
    let database = Database::new().await;
    database.run("create table orders (id integer primary key); select rowbell.watch('orders')").await;
    let old = RunningFeed::new(&database.connector, FeedConfig::default());
    let mut reader = Reader::open(&old, "orders", Start::Now).await;
    for round in 0..3 {
        database.run(&format!("insert into orders values ({round})")).await;
        reader.until(3 * round + 1).await;
        // As the keeper does once a second; nothing is logged after it.
        database.run("insert into rowbell.tick (generation) select nonce from rowbell.generation").await;
        let new = RunningFeed::new(&database.connector, FeedConfig::default());
        let begun = Reader::open(&new, "orders", Start::Now).await.cursor;
        let mut moved = Reader::open(&old, "orders", Start::After(begun)).await;
        database.run(&format!("insert into orders values (10 + {round})")).await;
        moved.until(1).await;
        assert_eq!(moved.told(), [format!("insert {}", 10 + round)]);
        database.run(&format!("delete from orders where id = 10 + {round}")).await;
    }
}
