//! SQL text stands in `.sql` files, where a database person reads it and nobody pastes values into it.

use crate::project::{report, rust_files};
use crate::rust::scan;

/// What a statement says second when it makes, changes or drops something.
const OBJECTS: [&str; 19] = [
    "or",
    "unique",
    "unlogged",
    "temp",
    "temporary",
    "table",
    "function",
    "procedure",
    "index",
    "schema",
    "view",
    "materialized",
    "trigger",
    "sequence",
    "type",
    "role",
    "user",
    "database",
    "publication",
];

/// Calls that take SQL as their first argument.
const CALLS: [&str; 8] =
    ["execute", "batch_execute", "query", "query_one", "query_opt", "query_raw", "simple_query", "prepare"];

fn problems(path: &str, text: &str) -> Vec<String> {
    let literals = scan(text).literals.into_iter();
    let sql = literals.filter(|literal| is_statement(&literal.text) || is_handed_over(&literal.before));
    sql.map(|literal| {
        let start: String = literal.text.trim().chars().take(40).collect();
        let advice = "move it to sql/queries and bind it with include_str! in src/pg; if it is English, word it differently";
        format!("{path}:{}: SQL in a string, \"{start}\": {advice}", literal.line)
    })
    .collect()
}

/// Whether text starts as a statement does, judged by a second word, since these verbs are English too.
fn is_statement(text: &str) -> bool {
    let text = text.to_lowercase();
    let text = text.trim().trim_end_matches(';');
    let words: Vec<_> = text.split_whitespace().collect();
    let [verb, second, rest @ ..] = words.as_slice() else { return false };
    let later = |wanted: &[&str]| rest.iter().any(|word| wanted.contains(word));
    match *verb {
        "select" => {
            *second == "from" || later(&["from", "into"]) || second.contains(['(', '$']) || is_number(second)
        }
        "insert" => *second == "into",
        "update" => later(&["set"]),
        "delete" => *second == "from",
        "create" | "alter" | "drop" => OBJECTS.contains(second),
        "truncate" => *second == "table" || second.contains(['.', '{']),
        "listen" | "unlisten" | "notify" => second.starts_with(['"', '\\']) || second.starts_with("rowbell"),
        "set" => {
            rest.first() == Some(&"=") || matches!(*second, "local" | "session" | "transaction" | "role")
        }
        "begin" | "commit" | "rollback" => {
            matches!(*second, "work" | "transaction" | "isolation" | "read" | "to")
        }
        "with" => rest.first() == Some(&"as"),
        _ => false,
    }
}

fn is_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || c == ',')
}

/// Whether a string is the first argument of a call that runs SQL, by itself or through `format!`.
fn is_handed_over(before: &str) -> bool {
    let before =
        before.trim_end_matches(['"', '#', 'r', '&']).trim_end_matches("format!(").trim_end_matches('&');
    let Some(call) = before.strip_suffix('(') else { return false };
    CALLS.iter().any(|name| call.strip_suffix(name).is_some_and(|receiver| receiver.ends_with('.')))
}

#[test]
fn no_sql_in_strings() {
    report(rust_files("src").iter().flat_map(|file| problems(&file.path, &file.text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_seen() {
        for sql in [
            "select 1",
            "SELECT a, b FROM t",
            "\\n select rowbell.install()",
            "insert into t values (1)",
            "update t set a = 1",
            "delete from t",
            "create or replace function f()",
            "drop table t",
            "truncate rowbell.sync_log",
            "listen rowbell",
            "set timezone = 'UTC'",
            "set local synchronous_commit to off",
            "begin isolation level repeatable read",
            "with x as (select 1)",
        ] {
            let text = format!("const X: &str = \"{}\";", sql.trim_start_matches("\\n"));
            assert_eq!(problems("src/a.rs", &text).len(), 1, "{sql}");
        }
    }

    #[test]
    fn whatever_is_run_is_sql() {
        for code in [
            "client.batch_execute(\"vacuum\")",
            "client\n    .query_one(&format!(\"table {name}\"), &[])",
            "{ client.execute(r#\"reindex\"#) }",
        ] {
            assert_eq!(problems("src/a.rs", code).len(), 1, "{code}");
        }
    }

    #[test]
    fn english_is_not() {
        for text in [
            "set ROWBELL_PG_BIN to the bin directory",
            "create a directory first",
            "could not delete from the log",
            "update the client",
            "commit",
            "listen on another port",
            "notify {}",
            "with a token",
            "select",
            "begin again with a snapshot",
        ] {
            assert!(problems("src/a.rs", &format!("f(\"{text}\")")).is_empty(), "{text}");
        }
    }
}
