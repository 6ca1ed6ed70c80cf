//! SQL files are bound in one place, and every one is used.

use crate::project::{File, files, report, rust_files};
use crate::rust::scan;

/// Macros that bring a file in, as they stand before its name.
const MACROS: [&str; 3] = ["include_str!(", "include_bytes!(", "embed_migrations!("];

/// Names of SQL files and directories a Rust file brings in: line, and path from `sql/` on.
fn brought_in(text: &str) -> Vec<(usize, String)> {
    let literals = scan(text).literals.into_iter();
    let brought = literals.filter(|literal| {
        let before = literal.before.trim_end_matches(['"', '#', 'r']);
        MACROS.iter().any(|name| before.ends_with(name))
    });
    brought.filter_map(|literal| Some((literal.line, sql_path(&literal.text)?))).collect()
}

fn sql_path(text: &str) -> Option<String> {
    let at = text.find("sql/")?;
    (at == 0 || text[..at].ends_with('/')).then(|| text[at..].to_owned())
}

fn misplaced(files: &[File]) -> Vec<String> {
    let elsewhere = files.iter().filter(|file| !file.path.starts_with("src/pg/"));
    let found = elsewhere
        .flat_map(|file| brought_in(&file.text).into_iter().map(move |(line, sql)| (file, line, sql)));
    found
        .map(|(file, line, sql)| {
            format!("{}:{line}: {sql} is bound outside src/pg: bind it there and call a function", file.path)
        })
        .collect()
}

fn unused_or_shared(queries: &[String], files: &[File]) -> Vec<String> {
    let users = |query: &String| -> Vec<&str> {
        let using = files.iter().filter(|file| brought_in(&file.text).iter().any(|(_, sql)| sql == query));
        using.map(|file| file.path.as_str()).collect()
    };
    let judge = |query: &String| match users(query).as_slice() {
        [_] => None,
        [] => Some(format!("{query}: nothing uses it: remove it, or bind it in src/pg")),
        several => Some(format!("{query}: used by {}: share a function instead", several.join(" and "))),
    };
    queries.iter().filter_map(judge).collect()
}

#[test]
fn sql_is_bound_in_pg() {
    report(misplaced(&rust_files("src")));
}

#[test]
fn every_query_has_one_user() {
    for directory in ["sql/queries", "sql/seed"] {
        let queries: Vec<_> = files(directory).into_iter().map(|file| file.path).collect();
        assert!(!queries.is_empty(), "{directory} has moved: tell this test where");
        report(unused_or_shared(&queries, &rust_files("src")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn binding_elsewhere_is_seen() {
        let text = "const A: &str = include_str!(\n    \"../../sql/queries/a.sql\"\n);";
        let problems = misplaced(&[file("src/rest/read.rs", text), file("src/pg/log.rs", text)]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("src/rest/read.rs:2: sql/queries/a.sql"), "{problems:?}");
        assert!(
            misplaced(&[file("src/rest/read.rs", "include_str!(\"../../web/mysql/page.html\")")]).is_empty()
        );
    }

    #[test]
    fn unused_and_shared_queries_are_seen() {
        let files = [
            file("src/pg/a.rs", "include_str!(\"../../sql/queries/both.sql\")"),
            file("src/pg/b.rs", "include_str!(\"../../sql/queries/both.sql\"); // sql/queries/none.sql"),
        ];
        let queries = ["sql/queries/both.sql".to_owned(), "sql/queries/none.sql".to_owned()];
        let problems = unused_or_shared(&queries, &files);
        assert!(problems[0].contains("used by src/pg/a.rs and src/pg/b.rs"), "{problems:?}");
        assert!(problems[1].contains("nothing uses it"), "{problems:?}");
    }
}
