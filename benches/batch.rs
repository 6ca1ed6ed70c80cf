//! A hundred versioned writes of a hundred rows: one by one by REST, in one batch, and as the bare prepared UPDATEs that
//! they come down to, sent without waiting for one another.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on has nothing to say")]

mod node;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::try_join_all;
use node::Node;
use reqwest::{Client, RequestBuilder};
use rowbell::pg::link::Link;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TABLES: &str = "
    create table items (id integer primary key, note text, qty integer, doc jsonb);
    select rowbell.watch('items');
    insert into items select n, 'row', 0, '{\"a\": 1}' from generate_series(0, 99) n;
";
const UPDATE: &str = "update items t set qty = $1 where id = $2 and version = $3
    returning version, row_to_json(t.*)::text, id::text, pg_current_xact_id()::text";
const ROWS: usize = 100;

#[derive(Clone, Copy)]
enum Keys {
    None,
    Each,
}

struct Bench {
    node: Node,
    bare: Link,
    http: Client,
    versions: Vec<i64>,
    count: i32,
}

impl Bench {
    async fn new() -> Self {
        let node = Node::with("batch", TABLES).await;
        let bare = node.link().await;
        let rows = bare.client.query("select version from items order by id", &[]).await.expect("reads");
        let versions = rows.iter().map(|row| row.get(0)).collect();
        Self { node, bare, http: Client::new(), versions, count: 0 }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/{path}", self.node.address)
    }

    /// `UPDATE`s of all rows in flight together, each a transaction of its own.
    async fn bare(&mut self, rounds: u64) -> Duration {
        let update = self.bare.client.prepare(UPDATE).await.expect("prepares");
        let begun = Instant::now();
        for _ in 0..rounds {
            self.count += 1;
            let parameters: Vec<(i32, i32, i64)> =
                (0..).zip(&self.versions).map(|(id, version)| (self.count, id, *version)).collect();
            let writes = parameters.iter().map(async |(qty, id, version)| {
                self.bare.client.query_one(&update, &[qty, id, version]).await
            });
            let rows = try_join_all(writes).await.expect("writes");
            self.versions = rows.iter().map(|row| row.get(0)).collect();
        }
        begun.elapsed()
    }

    async fn one_by_one(&mut self, rounds: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..rounds {
            self.count += 1;
            for id in 0..ROWS {
                let patch = self.http.patch(self.url(&format!("items/{id}")));
                let patch = patch.header("If-Match", format!("\"{}\"", self.versions[id]));
                let row = answer(patch.json(&json!({"qty": self.count}))).await;
                self.versions[id] = row["version"].as_i64().expect("a version");
            }
        }
        begun.elapsed()
    }

    async fn batches(&mut self, rounds: u64, atomic: bool, keys: Keys) -> Duration {
        let begun = Instant::now();
        for _ in 0..rounds {
            self.count += 1;
            let key = |id: usize| matches!(keys, Keys::Each).then(|| format!("{}-{id}", self.count));
            let operations: Vec<_> = (0..ROWS)
                .map(|id| {
                    json!({"method": "PATCH", "channel": "items", "id": id.to_string(), "version": self.versions[id],
                        "row": {"qty": self.count}, "key": key(id)})
                })
                .collect();
            let batch = self.http.post(self.url("batch"));
            let done = answer(batch.json(&json!({"atomic": atomic, "operations": operations}))).await;
            for (id, result) in done["results"].as_array().expect("results").iter().enumerate() {
                self.versions[id] = result["version"].as_i64().expect("a version");
            }
        }
        begun.elapsed()
    }
}

async fn answer(request: RequestBuilder) -> Value {
    let answer = request.send().await.expect("an answer");
    answer.error_for_status().expect("a good one").json().await.expect("JSON")
}

fn batch(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut bench = runtime.block_on(Bench::new());
    let mut group = criterion.benchmark_group("a hundred rows");
    group.measurement_time(Duration::from_secs(8)).sample_size(20);
    group.bench_function("bare UPDATEs, pipelined", |bencher| {
        bencher.iter_custom(|rounds| runtime.block_on(bench.bare(rounds)));
    });
    group.bench_function("REST, one by one", |bencher| {
        bencher.iter_custom(|rounds| runtime.block_on(bench.one_by_one(rounds)));
    });
    for (name, atomic, keys) in [
        ("batch, each for itself", false, Keys::None),
        ("batch, each for itself, with keys", false, Keys::Each),
        ("batch, all or none", true, Keys::None),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(bench.batches(rounds, atomic, keys)));
        });
    }
    group.finish();
    runtime.block_on(bench.node.end());
}

criterion_group!(benches, batch);
criterion_main!(benches);
