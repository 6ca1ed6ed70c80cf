//! Many writers on the same rows.

use std::collections::BTreeMap;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::mirror::Mirror;

const WRITERS: u64 = 8;

#[tokio::test]
async fn versions_of_a_row_grow_under_eight_writers() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut item =
        Mirror::of("create table item (id integer primary key, count integer); select rowbell.watch('item')")
            .await;
    item.told("insert into item select n, 0 from generate_series(1, 3) n").await;
    join_all((0..WRITERS).map(|writer| write(&item, StdRng::seed_from_u64(seed ^ writer)))).await;
    let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for change in item.changes().await {
        if change.op.word() != "delete" {
            versions.entry(change.id.unwrap()).or_default().push(change.version.unwrap());
        }
    }
    assert_eq!(versions.len(), 3);
    for (id, versions) in versions {
        assert!(versions.is_sorted_by(|one, next| one < next), "row {id}: {versions:?}");
    }
}

/// Updates, deletes and makes again; a write that waits for another is what this is about.
async fn write(item: &Mirror, mut random: StdRng) {
    let link = item.database.link().await;
    for _ in 0..40 {
        let (id, other) = (random.random_range(1..=3), random.random_range(1..=3));
        let again = format!(
            "insert into item values ({id}, 1) on conflict (id) do update set count = item.count + 1"
        );
        let sql = match random.random_range(0..4) {
            0 => format!("begin; delete from item where id = {id}; {again}; commit"),
            // In the order of ids, or two of us lock each other out.
            1 => format!("update item set count = count + 1 where id in ({id}, {other})"),
            _ => again,
        };
        if let Err(error) = link.client.batch_execute(&sql).await {
            assert_eq!(error.code().map(|code| code.code()), Some("40P01"), "{sql}: {error:?}");
            link.client.batch_execute("rollback").await.unwrap();
        }
    }
}
