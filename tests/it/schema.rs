//! `sql/schema.sql` is what the migrations make, so that a review sees the schema as it is now.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::support::cluster::shared;
use crate::support::database::Database;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/schema.sql");
const DUMPED_BY: &str = "-- Generated from the migrations; dumped by PostgreSQL ";
const RENEW: &str = "ROWBELL_UPDATE_SCHEMA=1 cargo test --test it schema";

#[tokio::test]
async fn the_committed_schema_is_what_the_migrations_make() {
    let database = Database::new().await;
    let (programs, major) = server(&database).await;
    let schema = format!("{DUMPED_BY}{major}, by {RENEW}\n{}", normalise(&dump(&database, &programs).await));
    if std::env::var_os("ROWBELL_UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        std::fs::write(COMMITTED, schema).expect("sql/schema.sql is written");
        return;
    }
    let committed = std::fs::read_to_string(COMMITTED).expect("sql/schema.sql is there");
    if !committed.starts_with(&format!("{DUMPED_BY}{major},")) {
        println!("sql/schema.sql is not compared: another PostgreSQL than the running {major} dumped it");
        return;
    }
    if let Some(difference) = first_difference(&committed, &schema) {
        panic!("sql/schema.sql is not what the migrations make; renew it with {RENEW}\n{difference}");
    }
}

/// Where the server's programs are, and its major version.
async fn server(database: &Database) -> (PathBuf, String) {
    let ask = "select setting, (current_setting('server_version_num')::integer / 10000)::text \
               from pg_config where name = 'BINDIR'";
    let row = database.link().await.client.query_one(ask, &[]).await.expect("the server knows itself");
    (row.get::<_, String>(0).into(), row.get(1))
}

async fn dump(database: &Database, programs: &Path) -> String {
    let url = shared().await.cluster.url();
    let (server, _) = url.rsplit_once('/').expect("the URL ends with a database");
    let mut command = Command::new(programs.join("pg_dump"));
    command.args(["--schema-only", "--schema=rowbell", "--no-owner", "--dbname"]);
    command.arg(format!("{server}/{}", database.connector.database()));
    let output = command.output().await.expect("pg_dump stands beside the server's programs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the dump is UTF-8")
}

/// Drops what differs from run to run or says nothing: banners, settings, versions, runs of blank lines.
fn normalise(dump: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    // What ends the function body we are in: pg_dump quotes with `$$` or, where a body has that, with `$_$`.
    let mut end: Option<&str> = None;
    for line in dump.lines() {
        // Within a function body everything counts.
        let noise = end.is_none()
            && (line.starts_with("--")
                || line.starts_with("SET ")
                || line.starts_with("SELECT pg_catalog.set_config(")
                || line.starts_with('\\'));
        end = match end {
            Some(quote) => Some(quote).filter(|quote| !line.contains(quote)),
            None => opened_quote(line),
        };
        let repeated = end.is_none() && line.is_empty() && lines.last().is_none_or(|last| last.is_empty());
        if !noise && !repeated {
            lines.push(line.trim_end());
        }
    }
    format!("{}\n", lines.join("\n").trim_end())
}

/// The quote a body begins with in this line, unless it ends there too.
fn opened_quote(line: &str) -> Option<&str> {
    let (_, after) = line.split_once(" AS $")?;
    let (tag, rest) = after.split_once('$')?;
    let start = line.len() - after.len() - 1;
    let quote = &line[start..start + tag.len() + 2];
    (!rest.contains(quote)).then_some(quote)
}

fn first_difference(committed: &str, made: &str) -> Option<String> {
    let (mut committed, mut made) = (committed.lines(), made.lines());
    for number in 1.. {
        match (committed.next(), made.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => {
                let show = |line: Option<&str>| line.unwrap_or("(the file ends)").to_owned();
                return Some(format!(
                    "line {number}:\n  committed: {}\n  made:      {}",
                    show(one),
                    show(other)
                ));
            }
        }
    }
    None
}

#[test]
fn noise_is_dropped_and_bodies_are_kept() {
    let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET jit = off;\n\n\nCREATE FUNCTION f() AS $_$\n\
                -- kept\n\n\n$_$;\n\n\n--\n-- Name\n--\n\nCREATE TABLE t ();\n\n\n";
    assert_eq!(normalise(dump), "CREATE FUNCTION f() AS $_$\n-- kept\n\n\n$_$;\n\nCREATE TABLE t ();\n");
}

#[test]
fn the_first_difference_is_shown() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    let shown = first_difference("a\nb\n", "a\nc\n").expect("they differ");
    assert!(shown.contains("line 2") && shown.contains("made:      c"), "{shown}");
    assert!(first_difference("a\n", "a\nb\n").is_some_and(|shown| shown.contains("the file ends")));
}
