//! From a write to a client, through the running program.

use nix::sys::signal::Signal;
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::migrate::migrate_up;
use serde_json::Value;

use crate::support::cluster::fast_options;
use crate::support::database::Database;
use crate::support::program::Running;
use crate::support::scratch::Scratch;
use crate::support::socket::Socket;

const SHOP: &str = "create table orders (id integer primary key, note text);
    create table clients (id integer primary key, name text);
    select rowbell.watch('orders'); select rowbell.watch('clients');";

async fn shop() -> Database {
    let database = Database::new().await;
    database.run(SHOP).await;
    database
}

fn ids(changes: &[Value]) -> Vec<&str> {
    changes.iter().map(|change| change["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn psql_bulk_and_two_channels() {
    let (scratch, shop) = (Scratch::new("flow"), shop().await);
    let (_server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let (mut orders, _) = Socket::subscribed(port, "orders").await;
    let (mut both, _) = Socket::subscribed(port, "clients,orders").await;
    let psql = tokio::process::Command::new("psql")
        .args(["-X", &shop.url, "-c", "set rowbell.actor = 'psql'; insert into orders values (1, 'by psql')"])
        .output()
        .await
        .expect("psql is there");
    assert!(psql.status.success(), "{psql:?}");
    assert_eq!(orders.changes(1).await.0[0]["row"]["note"], "by psql");
    both.changes(1).await;

    shop.run("insert into orders select n, repeat('x', 500) from generate_series(2, 5001) n").await;
    let (changes, _) = orders.changes(5000).await;
    assert_eq!(changes.len(), 5000);
    assert!(changes.iter().all(|change| change["xid"] == changes[0]["xid"]));
    both.changes(5000).await;

    shop.run(
        "begin; insert into clients values (7, 'anna'); update orders set note = 'anna' where id = 1; commit",
    )
    .await;
    let (changes, _) = both.changes(2).await;
    assert_eq!(changes[0]["xid"], changes[1]["xid"]);
    assert_eq!((&changes[0]["channel"], &changes[1]["channel"]), (&"clients".into(), &"orders".into()));
    assert_eq!(ids(&orders.changes(1).await.0), ["1"]);
}

/// Frames that sessions of the server have taken, as `/stats` tells.
async fn frames_taken(port: u16) -> u64 {
    let stats = reqwest::get(format!("http://127.0.0.1:{port}/stats")).await.expect("an answer");
    let stats: Value = stats.json().await.expect("JSON");
    stats["frames"].as_u64().unwrap_or_else(|| panic!("no frames in {stats}"))
}

#[tokio::test]
async fn who_reads_nothing_for_a_while_gets_every_frame_whole_and_in_order() {
    let (scratch, shop) = (Scratch::new("late"), shop().await);
    let (_server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let (mut late, _) = Socket::subscribed(port, "orders").await;
    let (mut quick, _) = Socket::subscribed(port, "orders").await;
    // More than the buffers of a connection hold, and than a topic keeps.
    for id in 0..150 {
        shop.run(&format!("insert into orders values ({id}, repeat('x', 100000))")).await;
        quick.changes(1).await;
    }
    // What the connection has no room for is not taken for it.
    let frames = frames_taken(port).await;
    assert!(frames < 290, "{frames} frames of two subscribers were taken, though one reads nothing");
    let (changes, _) = late.changes(150).await;
    let expected: Vec<String> = (0..150).map(|id| id.to_string()).collect();
    assert_eq!(ids(&changes), expected);
}

#[tokio::test]
async fn one_session_many_topics() {
    let (scratch, shop) = (Scratch::new("topics"), shop().await);
    let (_server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let mut socket = Socket::open(port, "/ws").await;
    socket.say(r#"{"type":"subscribe","topic":"orders","ref":1}"#).await;
    let frame = socket.frame().await;
    assert_eq!(
        (&frame["type"], &frame["ref"], &frame["recovered"]),
        (&"subscribed".into(), &1.into(), &false.into())
    );
    socket.say(r#"{"type":"subscribe","topic":"orders"}"#).await;
    assert_eq!(socket.frame().await["code"], "already_subscribed");
    socket.say(r#"{"type":"subscribe","topic":"nothing","ref":"x"}"#).await;
    let frame = socket.frame().await;
    assert_eq!((&frame["code"], &frame["ref"]), (&"unknown_channel".into(), &"x".into()));
    socket.say(r#"{"type":"subscribe","topic":"clients"}"#).await;
    assert_eq!(socket.frame().await["topic"], "clients");
    shop.run("insert into clients values (1, 'a')").await;
    assert_eq!(socket.frame().await["topic"], "clients");
    socket.say(r#"{"type":"unsubscribe","topic":"clients","ref":2}"#).await;
    assert_eq!(socket.frame().await["type"], "unsubscribed");
    socket.say(r#"{"type":"unsubscribe","topic":"clients"}"#).await;
    assert_eq!(socket.frame().await["code"], "not_subscribed");
    shop.run("insert into clients values (2, 'b'); insert into orders values (9, 'c')").await;
    let (changes, _) = socket.changes(1).await;
    assert_eq!(ids(&changes), ["9"]);
}

#[tokio::test]
async fn a_killed_server_is_continued_by_another() {
    let (scratch, shop) = (Scratch::new("killed"), shop().await);
    let (mut server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let (mut socket, _) = Socket::subscribed(port, "orders").await;
    shop.run("insert into orders values (1, 'a')").await;
    let (_, cursor) = socket.changes(1).await;
    server.child.kill().await.expect("killed");
    assert_eq!(socket.closed().await, None);
    shop.run("insert into orders values (2, 'b')").await;
    let (_server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let mut socket = Socket::open(port, &format!("/feed/orders?since={cursor}")).await;
    assert_eq!(socket.frame().await["recovered"], true);
    shop.run("insert into orders values (3, 'c')").await;
    let (changes, _) = socket.changes(2).await;
    assert_eq!(ids(&changes), ["2", "3"]);
}

#[tokio::test]
async fn postgresql_restarts_underneath_and_the_session_stays() {
    let scratch = Scratch::new("underneath");
    let cluster = Cluster::open(&fast_options(&scratch)).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    let run =
        async |sql: &str| connector.connect("test").await.unwrap().client.batch_execute(sql).await.unwrap();
    run(SHOP).await;
    let (_server, port) = Running::serve(scratch.path(), Some(&cluster.url())).await;
    let (mut socket, _) = Socket::subscribed(port, "orders").await;
    for (round, mode) in [StopMode::Fast, StopMode::Immediate, StopMode::Fast].into_iter().enumerate() {
        cluster.restart(mode).await.expect("restarts");
        run(&format!("insert into orders values ({round}, 'x')")).await;
        assert_eq!(ids(&socket.changes(1).await.0), [round.to_string()]);
    }
    cluster.stop(StopMode::Immediate).await.expect("stops");
}

#[tokio::test]
async fn the_private_postgresql_lives_with_its_server() {
    let scratch = Scratch::new("private");
    let (server, port) = Running::serve(scratch.path(), None).await;
    let url = Cluster::find_running(&scratch.join(".rowbell")).await.unwrap().expect("it runs");
    let connector = Connector::parse(&url).unwrap();
    let notes = "create table notes (id integer primary key, note text); select rowbell.watch('notes')";
    connector.connect("test").await.unwrap().client.batch_execute(notes).await.unwrap();
    let (mut socket, cursor) = Socket::subscribed(port, "notes").await;
    server.signal(Signal::SIGTERM);
    assert_eq!(socket.closed().await, Some(1001));
    assert_eq!(server.end().await, Some(0));
    assert_eq!(Cluster::find_running(&scratch.join(".rowbell")).await.unwrap(), None);

    // The data is found again; and a kill -9, which leaves PostgreSQL running, prevents nothing.
    let (mut server, _) = Running::serve(scratch.path(), None).await;
    server.child.kill().await.expect("killed");
    connector
        .connect("test")
        .await
        .unwrap()
        .client
        .batch_execute("insert into notes values (1, 'between')")
        .await
        .unwrap();
    let (server, port) = Running::serve(scratch.path(), None).await;
    let mut socket = Socket::open(port, &format!("/feed/notes?since={cursor}")).await;
    assert_eq!(socket.frame().await["recovered"], true);
    assert_eq!(ids(&socket.changes(1).await.0), ["1"]);
    server.signal(Signal::SIGINT);
    assert_eq!(socket.closed().await, Some(1001));
    assert_eq!(server.end().await, Some(0));
}
