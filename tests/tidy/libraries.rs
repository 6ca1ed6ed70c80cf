//! PostgreSQL's protocol is spoken by one module.

use crate::project::{report, rust_files};
use crate::rust::{scan, tokens};

const DRIVERS: [&str; 5] =
    ["tokio_postgres", "postgres_types", "deadpool_postgres", "tokio_postgres_rustls", "refinery"];

fn problems(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("src/pg/") {
        return Vec::new();
    }
    let named = tokens(&scan(text).code).into_iter().filter(|token| DRIVERS.contains(&token.text.as_str()));
    named
        .map(|token| {
            format!("{path}:{}: {} belongs to src/pg: give it a name of ours there", token.line, token.text)
        })
        .collect()
}

#[test]
fn only_pg_speaks_to_postgresql() {
    report(rust_files("src").iter().flat_map(|file| problems(&file.path, &file.text)));
}

#[test]
fn a_driver_elsewhere_is_seen() {
    let text = "// tokio_postgres\nfn f(pool: &deadpool_postgres::Pool) {}\n";
    assert_eq!(problems("src/feed/mod.rs", text).len(), 1);
    assert!(problems("src/feed/mod.rs", text)[0].starts_with("src/feed/mod.rs:2: deadpool_postgres"));
    assert!(problems("src/pg/pool.rs", text).is_empty());
}
