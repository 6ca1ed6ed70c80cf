//! What a client of the feed has applied, compared with the table it follows.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::database::Database;

/// A table that every writer of these tests writes to.
pub const ITEM: &str = "create table item (id integer primary key, n integer not null, note json);
    create table other (id integer primary key); create sequence ids start 100;
    insert into item select g, 0 from generate_series(1, 20) g; select rowbell.watch('item'); select rowbell.watch('other')";

/// Rows as the feed tells them, and which changes did.
#[derive(Default)]
pub struct Books {
    rows: BTreeMap<String, Value>,
    pub seqs: BTreeSet<i64>,
}

impl Books {
    /// Begins with the rows a table has.
    pub async fn of(database: &Database) -> Self {
        let rows = table(database).await.into_iter().map(|row| (row["id"].to_string(), row)).collect();
        Self { rows, seqs: BTreeSet::new() }
    }

    /// Applies commits; whatever comes twice, or out of order, is found here.
    pub fn apply(&mut self, commits: &Value) {
        for commit in commits.as_array().expect("commits") {
            let changes = commit["changes"].as_array().expect("changes");
            assert!(!changes.is_empty(), "an empty commit: {commit}");
            changes.iter().for_each(|change| self.change(change));
        }
    }

    fn change(&mut self, change: &Value) {
        assert!(self.seqs.insert(change["seq"].as_i64().expect("a seq")), "told twice: {change}");
        let id = change["id"].as_str().expect("an id").to_owned();
        let before = match change["op"].as_str() {
            Some("delete") => self.rows.remove(&id),
            _ => self.rows.insert(id, change["row"].clone()),
        };
        assert_eq!(before.is_none(), change["op"] == "insert", "{change}");
        let version = before.as_ref().and_then(|row| row["version"].as_i64());
        match change["op"].as_str() {
            Some("delete") => assert_eq!(version, change["version"].as_i64(), "{change}"),
            _ => assert!(version < change["version"].as_i64(), "{version:?} {change}"),
        }
    }

    /// The table holds what was told, no more and no less.
    pub async fn compare(&self, database: &Database) {
        let told: Vec<Value> = self.rows.values().cloned().collect();
        let mut rows = table(database).await;
        rows.sort_by_key(|row| row["id"].to_string());
        assert_eq!(told, rows);
    }
}

async fn table(database: &Database) -> Vec<Value> {
    let rows = database.link().await.client.query("select row_to_json(i)::text from item i", &[]).await;
    rows.expect("rows").iter().map(|row| serde_json::from_str(row.get(0)).expect("JSON")).collect()
}

/// Short and long transactions, savepoints, rollbacks, on own and shared rows and on another table.
pub async fn write(database: &Database, seed: u64, rounds: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let link = database.link().await;
    for _ in 0..rounds {
        let wait = random.random_range(0..9);
        let own = "insert into item values (nextval('ids'), 0, E'{\"a\":\\n1}')";
        let shared = format!("update item set n = n + 1 where id = {}", random.random_range(1..20));
        let again = format!(
            "delete from item where id = {0}; insert into item values ({0}, 7)",
            random.random_range(1..20)
        );
        let sql = match random.random_range(0..7) {
            0 => own.to_owned(),
            1 => format!("begin; {own}; select pg_sleep(0.0{wait}); {own}; commit"),
            2 => format!("begin; {own}; savepoint s; {own}; rollback to s; {shared}; commit"),
            3 => format!("begin; {own}; rollback"),
            4 => format!("begin; {shared}; select pg_sleep(0.0{wait}); {own}; commit; {own}"),
            5 => format!("begin; {again}; commit"),
            _ => "insert into other values (nextval('ids'))".to_owned(),
        };
        // Deadlocks and rows that are gone are part of the load.
        if link.client.batch_execute(&sql).await.is_err() {
            link.client.batch_execute("rollback").await.expect("rolls back");
        }
    }
}
