//! Faults one at a time, each with what it must come to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt;
use rowbell::client::{Error, Event, Events};
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions, StopMode};
use rowbell::pg::link::Link;
use rowbell::pg::migrate::migrate_up;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::api::Api;
use crate::support::cluster::{fast_options, free_port};
use crate::support::proxy::Proxy;
use crate::support::scratch::Scratch;
use crate::support::socket::Socket;
use crate::support::soon;

/// A PostgreSQL of its own that listens to TCP, and the connector past every proxy.
async fn postgresql(
    scratch: &Scratch,
    change: impl FnOnce(&mut ClusterOptions),
) -> (Cluster, Connector, SocketAddr) {
    let mut options = fast_options(scratch);
    let port = free_port();
    options.settings.push(("listen_addresses".into(), "127.0.0.1".into()));
    options.settings.push(("port".into(), port.to_string()));
    change(&mut options);
    let cluster = Cluster::open(&options).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).expect("a URL");
    migrate_up(&connector).await.expect("migrates");
    run(&connector, "create role node superuser login password 'node'; create table items (id integer primary key, n integer, note text); select rowbell.watch('items')").await;
    (cluster, connector, SocketAddr::from(([127, 0, 0, 1], port)))
}

async fn run(connector: &Connector, sql: &str) {
    let link = connector.connect("test").await.expect("connects");
    link.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

fn through(proxy: &Proxy) -> String {
    format!("postgresql://node:node@{}/rowbell?sslmode=disable", proxy.address)
}

#[tokio::test]
async fn a_listening_connection_that_is_open_on_one_side_only_is_made_anew() {
    let scratch = Scratch::new("half-open");
    let (cluster, connector, server) = postgresql(&scratch, |_| {}).await;
    let proxy = Proxy::to(server).await;
    let api = Api::on(&through(&proxy)).await;
    let (mut socket, _) = Socket::subscribed(api.address.port(), "items").await;
    for round in 0..2 {
        run(&connector, &format!("insert into items values ({round}, 0)")).await;
        socket.changes(1).await;
        // Bytes are taken and forgotten, and no end of a connection is seen; well before the listener's patience with
        // a slow read of the log is over, it has found out and told what it missed.
        proxy.swallow();
        run(&connector, &format!("insert into items values ({}, 1)", 100 + round)).await;
        assert_eq!(socket.changes(1).await.0[0]["id"], (100 + round).to_string());
    }
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_request_on_a_connection_that_is_open_on_one_side_only_ends() {
    let scratch = Scratch::new("half-open-rest");
    let (cluster, connector, server) = postgresql(&scratch, |_| {}).await;
    run(&connector, "insert into items values (1, 0)").await;
    let proxy = Proxy::to(server).await;
    let api = Api::with(&through(&proxy), |config| {
        config.rest.pool = 2;
        config.rest.pool_wait = Duration::from_millis(500);
        config.rest.statement = Duration::from_secs(1);
    })
    .await;
    let version = api.get("/api/items/1").await.expect(200).version();
    proxy.swallow();
    let answer = api.get("/api/items/1").await;
    assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("database_unavailable", "1"));
    // The dead connection is not handed out again.
    for n in 1..10 {
        assert_eq!(api.get("/api/items/1").await.expect(200).version(), version, "{n}");
    }
    let patched = api.at(version, "PATCH", "/api/items/1", &json!({"n": 5})).await.expect(200);
    // A write whose answer is lost may have happened, and the client must not be told to send it again.
    proxy.swallow();
    let answer = api.at(patched.version(), "PATCH", "/api/items/1", &json!({"n": 6})).await;
    assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("database_unavailable", ""));
    assert!(answer.text.contains("not known whether this was written"), "{answer:?}");
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn subscribers_are_live_again_soon_after_postgresql_is() {
    let scratch = Scratch::new("return");
    let (cluster, connector, _) = postgresql(&scratch, |_| {}).await;
    let api = Api::on(&cluster.url()).await;
    let (mut socket, _) = Socket::subscribed(api.address.port(), "items").await;
    let mut times = Vec::new();
    for round in 0..9 {
        cluster
            .restart(if round % 2 == 0 { StopMode::Fast } else { StopMode::Immediate })
            .await
            .expect("restarts");
        let back = Instant::now();
        run(&connector, &format!("insert into items values ({round}, 0)")).await;
        socket.changes(1).await;
        times.push(back.elapsed().as_millis());
    }
    times.sort_unstable();
    // A figure, not an assertion: the machine is shared.
    println!("from PostgreSQL's return to the first frame: median {} ms, worst {} ms", times[4], times[8]);
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

/// A file system of some megabytes; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=777", "rowbell-test"])
            .arg(path)
            .output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_the_writers_error_and_nobodys_end() {
    let scratch = Scratch::new("full");
    let Some(disk) = SmallDisk::mount(&scratch.join("small")) else {
        println!("not tried: only root can mount a small disk");
        return;
    };
    let (cluster, connector, _) = postgresql(&scratch, |_| {}).await;
    let space = disk.0.join("space");
    std::fs::create_dir(&space).expect("a directory");
    let owner = std::fs::metadata(scratch.join("pg").join("data")).expect("the data");
    std::os::unix::fs::chown(&space, Some(std::os::unix::fs::MetadataExt::uid(&owner)), None)
        .expect("is given");
    run(&connector, &format!("create tablespace small location '{}'", space.display())).await;
    for leaf in 0..8 {
        run(&connector, &format!("alter table rowbell.sync_log_{leaf} set tablespace small")).await;
    }
    let api = Api::on(&cluster.url()).await;
    let (mut socket, _) = Socket::subscribed(api.address.port(), "items").await;
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).expect("is written");
    let link = connector.connect("writer").await.expect("connects");
    let mut written = 0;
    let refused = loop {
        let sql = format!(
            "insert into items select {written} * 100 + n, 0, md5(n::text) || repeat('x', 2000) from generate_series(1, 100) n"
        );
        match link.client.batch_execute(&sql).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code().map(|code| code.code()), Some("53100"), "{refused:?}");
    let answer = api.post("/api/items", &json!({"id": -1, "note": "x".repeat(100_000)})).await;
    assert_eq!(answer.problem(503), "database_unavailable");
    // What was written is told, what was refused is not, and reads go on.
    assert_eq!(socket.changes(written * 100).await.0.len(), written * 100);
    api.get("/api/items?limit=1").await.expect(200);
    std::fs::remove_file(&ballast).expect("is removed");
    api.post("/api/items", &json!({"id": -2})).await.expect(201);
    let (changes, _) = socket.changes(1).await;
    assert_eq!((changes.len(), &changes[0]["id"]), (1, &json!("-2")));
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn a_killed_nodes_clients_are_live_on_it_again() {
    let mut stage = super::stage::Stage::set("killed-clients", super::writers::TABLES).await;
    let clients: Vec<_> = (0..20).map(|_| stage.clients().swap_remove(0)).collect();
    let mut streams: Vec<_> = clients.iter().map(|client| client.subscribe("one").events()).collect();
    for stream in &mut streams {
        live(stream).await;
    }
    stage.kill(0).await;
    let killed = Instant::now();
    stage.calm().await;
    let listening = killed.elapsed();
    let mut times = Vec::new();
    for stream in &mut streams {
        live(stream).await;
        times.push(killed.elapsed().saturating_sub(listening).as_millis());
    }
    times.sort_unstable();
    println!(
        "20 clients of a killed node, from its listening again: median {} ms, worst {} ms",
        times[10], times[19]
    );
    stage.strike().await;
}

/// Waits until the subscription is held, on whichever connection.
async fn live(stream: &mut Events) {
    soon(async {
        loop {
            match stream.next().await {
                Some(Ok(Event::Subscribed { .. })) => return,
                Some(Ok(_)) => {}
                other => panic!("ended: {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_killed_while_it_pulls_loses_and_repeats_nothing() {
    let mut stage = super::stage::Stage::set("killed-pull", super::writers::TABLES).await;
    let mut events = stage.clients()[0].subscribe("two").events();
    live(&mut events).await;
    let stop = CancellationToken::new();
    let mut writers = Vec::new();
    for writer in 0..4 {
        writers.push(tokio::spawn(hurry(stage.link().await, writer, stop.clone())));
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        let url = format!("{}/stats", stage.nodes[0].front.url());
        until_it_pulls(&url, &mut events, &mut told).await;
        stage.kill(0).await;
        stage.calm().await;
    }
    stop.cancel();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(soon(writer).await.expect("it ends well"));
    }
    written.sort_unstable();
    while told.len() < written.len() {
        told.extend(ids(soon(events.next()).await));
    }
    let place = |id: &i64| id % 4;
    assert!(told.is_sorted_by(|a, b| place(a) != place(b) || a < b), "a writer's rows out of order");
    told.sort_unstable();
    assert_eq!(told, written);
    stage.strike().await;
}

/// Writes one row after the other until it is told to stop; their ids.
async fn hurry(link: Link, first: i64, stop: CancellationToken) -> Vec<i64> {
    let mut written = Vec::new();
    for id in (first..).step_by(4) {
        link.client
            .batch_execute(&format!("insert into two (id, n) values ({id}, 0)"))
            .await
            .expect("writes");
        written.push(id);
        if stop.is_cancelled() {
            break;
        }
    }
    written
}

/// Reads what is told until the node reads the log all the time.
async fn until_it_pulls(stats: &str, events: &mut Events, told: &mut Vec<i64>) {
    let pulls = async {
        loop {
            let answer = reqwest::get(stats).await.expect("an answer");
            if answer.text().await.expect("a body").contains("\"pull\"") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::pin!(pulls);
    soon(async {
        loop {
            tokio::select! {
                () = &mut pulls => return,
                event = events.next() => told.extend(ids(event)),
            }
        }
    })
    .await;
}

/// The ids of the rows that an event tells.
fn ids(event: Option<Result<Event, Error>>) -> Vec<i64> {
    match event {
        Some(Ok(Event::Commits(commits))) => {
            let changes = commits.commits.iter().flat_map(|commit| &commit.changes);
            changes
                .map(|change| change.id.as_deref().and_then(|id| id.parse().ok()).expect("a number"))
                .collect()
        }
        Some(Ok(Event::Subscribed { recovered: true, .. } | Event::Disconnected(_))) => Vec::new(),
        other => panic!("{other:?}"),
    }
}
