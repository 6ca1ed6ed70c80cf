//! Writers of every kind, who neither know nor care what happens to the server.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::pg::connect::Connector;
use rowbell::pg::link::Link;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Tables that are watched and compared.
pub const TABLES: &str = "
    create table one (id integer primary key, n bigint not null, note text);
    create table two (id integer primary key, n bigint not null, one_id integer);
    select rowbell.watch('one'); select rowbell.watch('two');";

/// Rows each table has room for: few, so that writers meet.
const ROWS: i32 = 60;

/// Starts that many writers, each with a seed of its own; they run until they are told to stop.
pub fn start(connector: &Connector, seed: u64, count: u64, stop: &CancellationToken) -> Vec<JoinHandle<u64>> {
    (0..count)
        .map(|writer| {
            let random = StdRng::seed_from_u64(seed ^ (writer + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            tokio::spawn(write(connector.clone(), random, stop.clone()))
        })
        .collect()
}

/// Writes until the end; the number of transactions that were acknowledged.
async fn write(connector: Connector, mut random: StdRng, stop: CancellationToken) -> u64 {
    let mut acknowledged = 0;
    while !stop.is_cancelled() {
        let Ok(link) = connector.connect("writer").await else {
            tokio::time::sleep(Duration::from_millis(30)).await;
            continue;
        };
        while !stop.is_cancelled() && !link.is_closed() {
            // A transaction that fails, by a unique key, a deadlock or a lost connection, is not the writer's to judge:
            // the write-ahead log says what became of it.
            match transaction(&link, &mut random).await {
                Ok(()) => acknowledged += 1,
                Err(_) => drop(link.client.batch_execute("rollback").await),
            }
        }
    }
    acknowledged
}

async fn transaction(link: &Link, random: &mut StdRng) -> Result<(), tokio_postgres::Error> {
    let run = async |sql: &str| link.client.batch_execute(sql).await;
    match random.random_range(0..20) {
        // One statement, the most usual thing.
        0..=8 => return run(&statement(random)).await,
        // All rows of a table at once, and many new ones that go again.
        9 => return run("update one set n = n + 1").await,
        10 => {
            let from = random.random_range(1000..1_000_000) * 1000;
            return run(&format!(
                "insert into two select n, 0 from generate_series({from}, {from} + 300) n; delete from two where id >= 1000"
            ))
            .await;
        }
        _ => {}
    }
    run("begin").await?;
    for _ in 0..random.random_range(1..6) {
        match random.random_range(0..8) {
            // A part that is taken back, and one within it that is not even so.
            0 => {
                run("savepoint a").await?;
                run(&statement(random)).await?;
                run("savepoint b").await?;
                run(&statement(random)).await?;
                run(if random.random_bool(0.5) { "rollback to savepoint a" } else { "release savepoint a" })
                    .await?;
            }
            1 => tokio::time::sleep(Duration::from_millis(random.random_range(1..200))).await,
            _ => run(&statement(random)).await?,
        }
    }
    run(if random.random_bool(0.15) { "rollback" } else { "commit" }).await
}

fn statement(random: &mut StdRng) -> String {
    let (table, id) = (if random.random_bool(0.5) { "one" } else { "two" }, random.random_range(1..=ROWS));
    match random.random_range(0..6) {
        0 => format!(
            "insert into {table} (id, n) values ({id}, 0) on conflict (id) do update set n = {table}.n + 1"
        ),
        1 => format!("delete from {table} where id = {id}"),
        2 => format!("delete from {table} where id = {id}; insert into {table} (id, n) values ({id}, 100)"),
        3 => format!("insert into {table} (id, n) values ({id}, 0) on conflict do nothing"),
        _ => format!("update {table} set n = n + 1 where id = {id}"),
    }
}

/// A transaction in another database of the cluster that stays open, so that no horizon may be waited for.
pub fn start_elsewhere(connector: &Connector, stop: &CancellationToken) -> JoinHandle<()> {
    let (connector, stop) = (connector.with_database("postgres"), stop.clone());
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            if let Ok(link) = connector.connect("elsewhere").await {
                let open = link.client.batch_execute("begin; select pg_current_xact_id()").await;
                if open.is_ok() {
                    tokio::time::sleep(Duration::from_secs(3)).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}
