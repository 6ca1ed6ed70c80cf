//! A file that swallowed the core is the usual blemish of such a project.

use crate::project::{File, files, report};

const LONGEST: usize = 400;

fn is_code(path: &str) -> bool {
    let written = ["rs", "sql", "js", "mjs", "ts", "css", "html"];
    // Generated, to be looked up in and not read through.
    path != "sql/schema.sql"
        && path.rsplit_once('.').is_some_and(|(_, extension)| written.contains(&extension))
}

fn problem(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    (is_code(&file.path) && lines > LONGEST)
        .then(|| format!("{}: {lines} lines: split it by what it does, at {LONGEST} at most", file.path))
}

#[test]
fn files_are_short() {
    report(files("").iter().filter_map(problem));
}

#[test]
fn long_files_are_seen() {
    let file = |path: &str, lines| File { path: path.to_owned(), text: "x\n".repeat(lines) };
    assert!(problem(&file("src/feed/hub.rs", 401)).is_some_and(|text| text.contains("401 lines")));
    assert!(problem(&file("web/client.js", 401)).is_some());
    assert_eq!(problem(&file("src/feed/hub.rs", 400)), None);
    assert_eq!(problem(&file("sql/schema.sql", 4000)), None);
    assert_eq!(problem(&file("Cargo.lock", 4000)), None);
}
