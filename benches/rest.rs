//! A versioned write by REST against the bare prepared UPDATE that it comes down to, in one run.
//!
//! Both write one row of a watched table and name its version, one after the other on one connection: what REST adds
//! is HTTP, the settings of the writer, and a transaction around them. A read of one row is measured the same way.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on has nothing to say")]

mod http;
mod node;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use http::Client;
use node::Node;
use rowbell::pg::link::Link;
use tokio::runtime::Runtime;

const TABLES: &str = "
    create table items (id integer primary key, note text, qty integer, doc jsonb);
    select rowbell.watch('items');
    insert into items values (1, 'bare', 0, '{\"a\": 1}'), (2, 'rest', 0, '{\"a\": 1}');
";
const UPDATE: &str = "update items t set qty = $1 where id = 1 and version = $2
    returning version, row_to_json(t.*)::text, id::text, pg_current_xact_id()::text";
const SELECT: &str = "select version, row_to_json(t.*)::text from items t where id = 1";

struct Bench {
    node: Node,
    bare: Link,
    count: i32,
}

impl Bench {
    async fn new() -> Self {
        let node = Node::with("rest", TABLES).await;
        let bare = node.link().await;
        Self { node, bare, count: 0 }
    }

    /// `count` writes of each kind; every one must be at the version the last one left.
    async fn bare_writes(&mut self, count: u64) -> Duration {
        let update = self.bare.client.prepare(UPDATE).await.expect("prepares");
        let mut version: i64 = self.bare.client.query_one(SELECT, &[]).await.expect("reads").get(0);
        let begun = Instant::now();
        for _ in 0..count {
            self.count += 1;
            version =
                self.bare.client.query_one(&update, &[&self.count, &version]).await.expect("writes").get(0);
        }
        begun.elapsed()
    }

    async fn rest_writes(&mut self, count: u64) -> Duration {
        let mut client = self.client().await;
        let begun = Instant::now();
        for _ in 0..count {
            self.count += 1;
            client.write(self.count).await;
        }
        begun.elapsed()
    }

    async fn bare_reads(&mut self, count: u64) -> Duration {
        let select = self.bare.client.prepare(SELECT).await.expect("prepares");
        let begun = Instant::now();
        for _ in 0..count {
            self.bare.client.query_one(&select, &[]).await.expect("reads");
        }
        begun.elapsed()
    }

    /// A connection of its own for each round: the server closes those that ask for nothing.
    async fn client(&self) -> Client {
        Client::new(self.node.address, 2).await
    }

    async fn rest_reads(&self, count: u64) -> Duration {
        let mut client = self.client().await;
        let begun = Instant::now();
        for _ in 0..count {
            client.read().await;
        }
        begun.elapsed()
    }
}

fn rest(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut bench = runtime.block_on(Bench::new());
    let mut group = criterion.benchmark_group("one row");
    group.measurement_time(Duration::from_secs(6));
    group.bench_function("write, bare prepared UPDATE", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(bench.bare_writes(count)));
    });
    group.bench_function("write, REST", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(bench.rest_writes(count)));
    });
    group.bench_function("read, bare prepared SELECT", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(bench.bare_reads(count)));
    });
    group.bench_function("read, REST", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(bench.rest_reads(count)));
    });
    group.finish();
    runtime.block_on(bench.node.end());
}

criterion_group!(benches, rest);
criterion_main!(benches);
