//! From a write to the subscriber that has it: Rowbell's frame against a bare LISTEN, in one run.
//!
//! Both write one row of the same shape and wait until the other side has it. The bare listener's trigger only
//! notifies, and the listener then selects the row: the least any NOTIFY-based feed can do.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on has nothing to say")]

mod node;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt;
use node::Node;
use rowbell::pg::link::{Link, Message};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const TABLES: &str = "
    create table plain (id bigserial primary key, note text, at timestamptz default now());
    create table watched (id bigserial primary key, note text, at timestamptz default now());
    create function ring() returns trigger language plpgsql as $$ begin perform pg_notify('plain', ''); return null; end $$;
    create trigger ring after insert on plain for each row execute function ring();
    select rowbell.watch('watched');
";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A node, one subscriber, one bare listener, one writer.
struct Bench {
    node: Node,
    writer: Link,
    bare: Link,
    socket: Socket,
}

impl Bench {
    async fn new() -> Self {
        let node = Node::with("latency", TABLES).await;
        let (writer, bare) = (node.link().await, node.link().await);
        bare.client.batch_execute("listen plain").await.expect("listens");
        let feed = format!("ws://{}/feed/watched", node.address);
        let (mut socket, _) = connect_async(feed).await.expect("a session");
        while !next_text(&mut socket).await.contains("subscribed") {}
        Self { node, writer, bare, socket }
    }

    async fn rowbell(&mut self) {
        self.writer
            .client
            .batch_execute("insert into watched (note) values ('hello')")
            .await
            .expect("writes");
        next_insert(&mut self.socket).await;
    }

    async fn bare(&mut self) {
        self.writer.client.batch_execute("insert into plain (note) values ('hello')").await.expect("writes");
        while !matches!(self.bare.messages.recv().await.expect("listens"), Message::Bell { .. }) {}
        let newest = "select row_to_json(p) from plain p order by id desc limit 1";
        self.bare.client.simple_query(newest).await.expect("selects");
    }
}

async fn next_insert(socket: &mut Socket) {
    while !next_text(socket).await.contains(r#""op":"insert""#) {}
}

async fn next_text(socket: &mut Socket) -> String {
    loop {
        let message = socket.next().await.expect("open").expect("a frame");
        if let Ok(text) = message.into_text() {
            return text.to_string();
        }
    }
}

fn latency(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut bench = runtime.block_on(Bench::new());
    let mut group = criterion.benchmark_group("write to subscriber");
    group.measurement_time(Duration::from_secs(8));
    group.bench_function("bare LISTEN and SELECT", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            (0..count).for_each(|_| runtime.block_on(bench.bare()));
            begun.elapsed()
        });
    });
    group.bench_function("Rowbell, WebSocket frame", |bencher| {
        bencher.iter_custom(|count| {
            let begun = Instant::now();
            (0..count).for_each(|_| runtime.block_on(bench.rowbell()));
            begun.elapsed()
        });
    });
    group.finish();
    runtime.block_on(bench.node.end());
}

criterion_group!(benches, latency);
criterion_main!(benches);
